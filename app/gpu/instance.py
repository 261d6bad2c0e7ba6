"""The Vulkan instance, and the messenger that collects what the validation layer says."""

from collections.abc import Sequence

from app.errors import BungyoError
from app.gpu.binding import INSTALL_HINT, Handle, ffi, instance_function, make, version_text, vk
from app.gpu.enumeration import enumerate_all
from app.gpu.install_commands import INSTALL_DRIVER, INSTALL_LOADER, INSTALL_VALIDATION
from app.gpu.lifetime import Ledger, Resource
from app.gpu.results import check
from app.interruption import uninterrupted

_VERSION_1_0 = 1 << 22
_PORTABILITY = "VK_KHR_portability_enumeration"
VALIDATION_LAYER = "VK_LAYER_KHRONOS_validation"
# What it complains about where it is older than the extension, and from which version on it does not.
_KNOWN_SINCE = {"VK_KHR_cooperative_matrix": _VERSION_1_0 | 3 << 12 | 255}


def loader_version() -> str:
    """The Vulkan version the loader speaks ("1.3.239"); BungyoError where there is none, or one too old to be used."""
    pointer = vk.vkGetInstanceProcAddr(ffi.NULL, b"vkEnumerateInstanceVersion")
    out = ffi.new("uint32_t *", _VERSION_1_0)  # loaders of 1.0 lack the function
    if pointer != ffi.NULL:
        check(ffi.cast("PFN_vkEnumerateInstanceVersion", pointer)(out), "ask for the loader's version")
    version = version_text(out[0])
    if out[0] < vk.VK_API_VERSION_1_3:  # it lacks functions as well
        raise BungyoError(
            f"The Vulkan loader is too old: it knows Vulkan {version}, and 1.3 is needed.",
            f"Install a newer one with: {INSTALL_LOADER}",
        )
    return version


def layer_versions() -> dict[str, int]:
    """The Vulkan layers installed here: names, and the Vulkan version that each knows."""
    found = enumerate_all("VkLayerProperties", "list the Vulkan layers", vk.vkEnumerateInstanceLayerProperties)
    return {ffi.string(layer.layerName).decode(): layer.specVersion for layer in found}


def _extension_names() -> set[str]:
    """Names of the instance extensions that the loader and its drivers offer."""
    action, function = "list the extensions of Vulkan", vk.vkEnumerateInstanceExtensionProperties
    found = enumerate_all("VkExtensionProperties", action, function, ffi.NULL)
    return {ffi.string(extension.extensionName).decode() for extension in found}


class Instance(Resource):
    """A VkInstance, with validation if asked for, and with drivers that translate to something other than Vulkan.

    Args:
        ledger: counts its objects.
        validation: load the validation layer with synchronisation validation.
        extensions: instance extensions (those of a window).
        messages: the list that warnings and errors of the layer are appended to.

    Attributes:
        unknown: device extensions that the layer does not know: to switch them on makes it complain.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        validation: bool = False,
        extensions: Sequence[str] = (),
        messages: list[str] | None = None,
    ) -> None:
        super().__init__(ledger, "instance")
        self.messages = messages if messages is not None else []
        self.unknown: frozenset[str] = frozenset()
        with self.building():
            self.handle = self._make_instance(validation, list(extensions))
            if validation:
                self._make_messenger()

    def _make_instance(self, validation: bool, extensions: list[str]) -> Handle:
        loader_version()  # or an error
        layers: list[str] = []
        following: Handle = None
        if validation:
            known = layer_versions().get(VALIDATION_LAYER)
            if known is None:
                raise BungyoError(
                    "Validation was asked for, but the Vulkan validation layer is not installed.",
                    f"Install it with: {INSTALL_VALIDATION}",
                )
            self.unknown = frozenset(name for name, since in _KNOWN_SINCE.items() if known < since)
            layers = [VALIDATION_LAYER]
            extensions = [*extensions, "VK_EXT_debug_utils", "VK_EXT_validation_features"]
            following = make(
                "VkValidationFeaturesEXT",
                enabledValidationFeatureCount=1,
                pEnabledValidationFeatures=[vk.VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT],
            )
        flags = 0
        if _PORTABILITY in _extension_names():  # or else the loader hides such drivers (MoltenVK)
            extensions = [*extensions, _PORTABILITY]
            flags = vk.VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR
        application = make(
            "VkApplicationInfo",
            pApplicationName="bungyo",
            pEngineName="bungyo",
            apiVersion=vk.VK_API_VERSION_1_3,
        )
        info = make(
            "VkInstanceCreateInfo",
            pNext=following,
            flags=flags,
            pApplicationInfo=application,
            enabledLayerCount=len(layers),
            ppEnabledLayerNames=layers,
            enabledExtensionCount=len(extensions),
            ppEnabledExtensionNames=extensions,
        )
        out = ffi.new("VkInstance *")
        result = vk.vkCreateInstance(info, ffi.NULL, out)
        if result == vk.VK_ERROR_INCOMPATIBLE_DRIVER:
            raise no_driver()
        if result == vk.VK_ERROR_EXTENSION_NOT_PRESENT:
            raise BungyoError(f"The Vulkan loader lacks one of the extensions {', '.join(extensions)}.", INSTALL_HINT)
        check(result, "start Vulkan")
        handle = out[0]
        return self.own("VkInstance", handle, lambda: vk.vkDestroyInstance(handle, ffi.NULL))

    def _make_messenger(self) -> None:
        messages = self.messages

        def collect(severity: int, kinds: int, data: Handle, _user: Handle) -> int:
            with uninterrupted:  # called by C, where an exception would be lost
                messages.append(ffi.string(data.pMessage).decode(errors="replace"))
            return 0

        # Vulkan calls this for as long as the messenger lives.
        self._callback = ffi.callback(
            "VkBool32(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,"
            " const VkDebugUtilsMessengerCallbackDataEXT *, void *)",
            collect,
        )
        info = make(
            "VkDebugUtilsMessengerCreateInfoEXT",
            messageSeverity=vk.VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT
            | vk.VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
            # Not its performance advice: it dislikes the GENERAL layout that images have here on purpose.
            messageType=vk.VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
            pfnUserCallback=self._callback,
        )
        create = instance_function(self.handle, "vkCreateDebugUtilsMessengerEXT")
        destroy = instance_function(self.handle, "vkDestroyDebugUtilsMessengerEXT")
        out = ffi.new("VkDebugUtilsMessengerEXT *")
        check(create(self.handle, info, ffi.NULL, out), "listen to the validation layer")
        messenger = out[0]
        self.own("VkDebugUtilsMessengerEXT", messenger, lambda: destroy(self.handle, messenger, ffi.NULL))

    def physical_devices(self) -> list[Handle]:
        """The VkPhysicalDevices; BungyoError if there are none."""

        def listed(*arguments: Handle) -> int:
            result = int(vk.vkEnumeratePhysicalDevices(*arguments) or 0)
            if result == vk.VK_ERROR_INITIALIZATION_FAILED:  # there are drivers, none of which finds a GPU
                raise no_driver("See that you may write to /dev/dri/renderD*, where its GPU is; or install")
            return result

        found = list(enumerate_all("VkPhysicalDevice", "list the GPUs", listed, self.handle))
        if not found:
            raise no_driver()
        return found


def no_driver(otherwise: str = "Install the GPU vendor's driver, or") -> BungyoError:
    """The error of a machine with a Vulkan loader and no working driver, and what helps but for the software driver."""
    hint = f"{otherwise} the software driver with: {INSTALL_DRIVER}"
    return BungyoError("There is no working Vulkan driver on this machine.", hint)
