"""Images that a GLFW window shows."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from app.errors import BungyoError
from app.gpu.binding import Handle, array, ffi, make, vk
from app.gpu.enumeration import enumerate_all
from app.gpu.formats import format_features
from app.gpu.lifetime import Resource
from app.gpu.open_device import OpenDevice
from app.gpu.results import DeviceLost, check
from app.gpu.window_system import glfw_words, on_wayland
from app.interruption import uninterrupted

# A hidden window may give no image for long: so long is one waited for before the window is asked what else there is.
_WAIT_SLICE_NS = 200_000_000

# Best first. UNORM: what is blitted is already encoded for display. Desktops of 10 bits may offer the others alone.
_FORMATS = (
    "VK_FORMAT_B8G8R8A8_UNORM",
    "VK_FORMAT_R8G8B8A8_UNORM",
    "VK_FORMAT_A2R10G10B10_UNORM_PACK32",
    "VK_FORMAT_A2B10G10R10_UNORM_PACK32",
)


class SwapchainImage:
    """One image of a swapchain: a target of `CommandBuffer.blit`. `index` tells it from its siblings."""

    def __init__(self, swapchain: "Swapchain", handle: Handle, index: int, size: tuple[int, int]) -> None:
        self.swapchain = swapchain
        self.handle = handle
        self.index = index
        self.width, self.height = size

    def layers(self) -> dict[str, int]:
        """VkImageSubresourceLayers of the image."""
        return {"aspectMask": int(vk.VK_IMAGE_ASPECT_COLOR_BIT), "layerCount": 1}


class _Chain(Resource):
    """A VkSwapchainKHR of one size with images and semaphores; replaced whole when the window changes.

    `fits` is what of the window it was made for; see `_fit`.
    """

    def __init__(self, swapchain: "Swapchain", old: Handle, capabilities: Handle, size: tuple[int, int]) -> None:
        device, self.fits = swapchain.device, _fit(capabilities)
        super().__init__(device.ledger, f"swapchain {size[0]}x{size[1]}", internal=True)
        with self.building():
            wanted = capabilities.minImageCount + 1
            most = capabilities.maxImageCount  # 0 means no limit
            info = make(
                "VkSwapchainCreateInfoKHR",
                surface=swapchain.surface,
                minImageCount=min(wanted, most) if most else wanted,
                imageFormat=swapchain.format,
                imageColorSpace=vk.VK_COLOR_SPACE_SRGB_NONLINEAR_KHR,
                imageExtent={"width": size[0], "height": size[1]},
                imageArrayLayers=1,
                imageUsage=vk.VK_IMAGE_USAGE_TRANSFER_DST_BIT,
                imageSharingMode=vk.VK_SHARING_MODE_EXCLUSIVE,
                preTransform=_transform(capabilities),
                compositeAlpha=_composite_alpha(capabilities.supportedCompositeAlpha),
                presentMode=swapchain.present_mode,
                clipped=1,
                oldSwapchain=old,
            )
            out = array("VkSwapchainKHR", 1)
            check(vk.vkCreateSwapchainKHR(device.handle, info, ffi.NULL, out), "prepare the window for drawing")
            self.array = out
            self.handle = self.own(
                "VkSwapchainKHR", out[0], lambda: vk.vkDestroySwapchainKHR(device.handle, out[0], ffi.NULL)
            )
            get = vk.vkGetSwapchainImagesKHR
            handles = enumerate_all("VkImage", "list window images", get, device.handle, self.handle)
            self.images = [SwapchainImage(swapchain, handle, i, size) for i, handle in enumerate(handles)]
            # One more than images: when a semaphore comes round again, the frame that waited for it is done.
            self.acquired = [self._semaphore(device) for _ in range(len(self.images) + 1)]
            # A present may still hold its semaphore until its image is acquired again: one for each image.
            self.drawn = [self._semaphore(device) for _ in self.images]

    def _semaphore(self, device: OpenDevice) -> Handle:
        out = ffi.new("VkSemaphore *")
        check(
            vk.vkCreateSemaphore(device.handle, make("VkSemaphoreCreateInfo"), ffi.NULL, out),
            "make a semaphore",
        )
        semaphore = out[0]
        return self.own("VkSemaphore", semaphore, lambda: vk.vkDestroySemaphore(device.handle, semaphore, ffi.NULL))


class Swapchain(Resource):
    """The images of a window.

    A frame: `image = acquire()`, submit commands that blit to `image`, `present()`. Where there is no image, try again;
    before that, where it is `outdated`, call `resize` and record anew. Record one command buffer for each of `images`;
    after `resize` they are new objects.

    Args:
        device: opened with window=True.
        window: a GLFW window made without a client API (CLIENT_API = NO_API).
        size: (width, height) of its framebuffer in pixels.
    """

    def __init__(self, device: OpenDevice, window: Any, size: tuple[int, int]) -> None:
        super().__init__(device.ledger, "swapchain")
        self.device = device
        self._chain: _Chain | None = None
        self._current: SwapchainImage | None = None
        self._submitted = False
        self._outdated = False
        self._suboptimal = False  # why it is outdated
        self._no_better: tuple[int, ...] | None = None  # what images that stay suboptimal fit; see _note_suboptimal
        self._turn = 0
        with self.building():
            self.surface = self._make_surface(window)
            self.format = self._choose_format()
            self.present_mode = self._choose_present_mode()
            self.resize(size)

    @property
    def images(self) -> Sequence[SwapchainImage]:
        """The images there are now; empty while the window has no area."""
        return self._chain.images if self._chain else []

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels; (0, 0) while the window has no area."""
        return (self.images[0].width, self.images[0].height) if self.images else (0, 0)

    @property
    def outdated(self) -> bool:
        """Whether `resize` must be called before the next frame."""
        return self._outdated or self._chain is None

    def resize(self, size: tuple[int, int]) -> bool:
        """Make new images for a framebuffer size; False (and no images) while the window has no area."""
        with uninterrupted:
            return self._resize(size)

    def _resize(self, size: tuple[int, int]) -> bool:
        self._give_up_image()
        self.device.wait_idle()
        capabilities = self._capabilities()
        if not capabilities.supportedUsageFlags & vk.VK_IMAGE_USAGE_TRANSFER_DST_BIT:
            raise BungyoError(f"The GPU {self.device.info.name} cannot copy pictures into this window.")
        current = capabilities.currentExtent
        if current.width != 0xFFFF_FFFF:  # the window system dictates the size
            size = (current.width, current.height)
        else:
            low, high = capabilities.minImageExtent, capabilities.maxImageExtent
            size = (
                min(max(size[0], low.width), high.width),
                min(max(size[1], low.height), high.height),
            )
        old, self._chain = self._chain, None
        try:
            if size[0] == 0 or size[1] == 0:
                self._outdated = True
                return False
            self._chain = _Chain(self, old.handle if old else ffi.NULL, capabilities, size)
            self._no_better = self._chain.fits if self._suboptimal else None
            self._outdated = self._suboptimal = False
            return True
        finally:
            if old is not None:
                old.close()

    def _capabilities(self) -> Handle:
        capabilities = ffi.new("VkSurfaceCapabilitiesKHR *")
        check(
            vk.vkGetPhysicalDeviceSurfaceCapabilitiesKHR(self.device.physical, self.surface, capabilities),
            "ask the window for its size",
        )
        return capabilities

    def acquire(self) -> SwapchainImage | None:
        """The image to draw next; None where the window changed and `resize` must be called, or gives none for now."""
        if self._current is not None:  # acquired before and not presented
            return self._current
        if self._chain is None or self._outdated:
            return None
        index = ffi.new("uint32_t *")
        turn = (self._turn + 1) % len(self._chain.acquired)
        semaphore = self._chain.acquired[turn]
        device, chain = self.device.handle, self._chain.handle
        with uninterrupted:
            result = vk.vkAcquireNextImageKHR(device, chain, _WAIT_SLICE_NS, semaphore, ffi.NULL, index)
            if result in (vk.VK_TIMEOUT, vk.VK_NOT_READY):
                return None
            if result == vk.VK_ERROR_OUT_OF_DATE_KHR:
                self._outdated = True
                return None
            if result == vk.VK_SUBOPTIMAL_KHR:  # still usable: show this frame, resize before the next
                self._note_suboptimal()
            else:
                check(result, "get an image from the window")
            self._turn, self._current = turn, self._chain.images[index[0]]
            return self._current

    def _note_suboptimal(self) -> None:
        """Have the images replaced, unless that was done for this state of the window already and was of no use."""
        if self._no_better is None or self._no_better != _fit(self._capabilities()):
            self._outdated = self._suboptimal = True

    def _give_up_image(self) -> None:
        """Wait on the GPU for an image that was acquired and not drawn: its semaphore is in use until then."""
        if self._current is not None and self._chain is not None and not self._submitted:
            semaphore = make(
                "VkSemaphoreSubmitInfo",
                semaphore=self._chain.acquired[self._turn],
                stageMask=vk.VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
            )
            submit = make("VkSubmitInfo2", waitSemaphoreInfoCount=1, pWaitSemaphoreInfos=[semaphore])
            check(vk.vkQueueSubmit2(self.device.queue, 1, submit, ffi.NULL), "give up a window image")
        self._current, self._submitted = None, False

    def semaphores(self, image: SwapchainImage) -> tuple[Handle, Handle]:
        """(what drawing waits for, what it signals): for the submit of commands that blit to `image`."""
        if image is not self._current or self._chain is None:
            raise ValueError("commands may only draw to the swapchain image that acquire() returned last")
        if self._submitted:
            raise ValueError("the swapchain image was already drawn: present() it first")
        self._submitted = True
        return self._chain.acquired[self._turn], self._chain.drawn[image.index]

    def present(self) -> bool:
        """Show the acquired image, drawn by a submit; False where `resize` must come before the next."""
        image, chain = self._current, self._chain
        if image is None or chain is None or not self._submitted:
            raise ValueError("present() needs an acquired image and submitted commands that draw to it")
        info = make(
            "VkPresentInfoKHR",
            waitSemaphoreCount=1,
            pWaitSemaphores=[chain.drawn[image.index]],
            swapchainCount=1,
            pSwapchains=[chain.handle],
            pImageIndices=[image.index],
        )
        with uninterrupted:
            self._current, self._submitted = None, False
            result = vk.vkQueuePresentKHR(self.device.queue, info)
            if result == vk.VK_ERROR_OUT_OF_DATE_KHR:
                self._outdated = True
            elif result == vk.VK_SUBOPTIMAL_KHR:
                self._note_suboptimal()
            else:
                check(result, "show an image in the window")
        return not self._outdated

    def _make_surface(self, window: Any) -> Handle:
        import glfw

        device = self.device
        out = ffi.new("VkSurfaceKHR *")
        try:
            check(glfw.create_window_surface(device.instance, window, None, out), "draw into the window")
        except glfw.GLFWError as error:
            raise BungyoError(f"Could not draw into the window: {glfw_words(error)}.") from error
        surface = out[0]
        self.own("VkSurfaceKHR", surface, lambda: vk.vkDestroySurfaceKHR(device.instance, surface, ffi.NULL))
        supported = ffi.new("VkBool32 *")
        check(
            vk.vkGetPhysicalDeviceSurfaceSupportKHR(device.physical, device.queue_family, surface, supported),
            "ask the GPU about the window",
        )
        if not supported[0]:
            raise BungyoError(
                f"The GPU {device.info.name} cannot show images in this window.", "Choose another one with --device."
            )
        return surface

    def _choose_format(self) -> int:
        get, physical = vk.vkGetPhysicalDeviceSurfaceFormatsKHR, self.device.physical
        found = enumerate_all("VkSurfaceFormatKHR", "ask the window for its formats", get, physical, self.surface)
        offered = [(int(pair.format), int(pair.colorSpace)) for pair in found]
        return choose_format([pair for pair in offered if self._takes_blits(pair[0])])

    def _choose_present_mode(self) -> int:
        get, physical = vk.vkGetPhysicalDeviceSurfacePresentModesKHR, self.device.physical
        found = enumerate_all("VkPresentModeKHR", "ask the window how it shows images", get, physical, self.surface)
        return choose_present_mode([int(mode) for mode in found], on_wayland())

    def _takes_blits(self, format: int) -> bool:
        return bool(format_features(self.device.physical, format) & vk.VK_FORMAT_FEATURE_BLIT_DST_BIT)

    def close(self) -> None:
        """Destroy images and surface, when the GPU has finished with them."""
        with uninterrupted:
            if self._chain is not None:
                with suppress(DeviceLost):
                    self._give_up_image()
                    self.device.wait_idle()
                self._chain.close()
                self._chain = None
            super().close()


def choose_format(offered: Sequence[tuple[int, int]]) -> int:
    """The best VkFormat among those that a window offers, each with a VkColorSpaceKHR; BungyoError if there is none."""
    for name in _FORMATS:
        wanted = int(getattr(vk, name))
        if (wanted, vk.VK_COLOR_SPACE_SRGB_NONLINEAR_KHR) in offered:
            return wanted
    raise BungyoError("The window offers no format of 8 or 10 bits a colour for sRGB pictures.")


def choose_present_mode(offered: Sequence[int], wayland: bool) -> int:
    """The VkPresentModeKHR of a window that offers some: FIFO, which all do, at the pace of the display's refresh.

    On Wayland MAILBOX, as a hidden window may have no refresh: FIFO's present then waits without end inside the driver,
    where neither Ctrl-C nor the window's buttons are heard. It shows the newest image at each refresh and holds nobody
    up, so that frames are drawn as fast as the GPU can, faster than they are seen. The viewer draws only what changes
    the picture and sleeps otherwise, so this ends with the last sample.
    """
    mailbox = vk.VK_PRESENT_MODE_MAILBOX_KHR
    return int(mailbox if wayland and mailbox in offered else vk.VK_PRESENT_MODE_FIFO_KHR)


def _fit(capabilities: Handle) -> tuple[int, ...]:
    """What of a window's state the images have to fit."""
    extent = capabilities.currentExtent
    return int(extent.width), int(extent.height), int(capabilities.currentTransform)


def _transform(capabilities: Handle) -> int:
    """How images lie already: as they are drawn here, upright. A display that is turned turns them, if it can."""
    upright = vk.VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR
    return int(upright if capabilities.supportedTransforms & upright else capabilities.currentTransform)


def _composite_alpha(supported: int) -> int:
    """Opaque if the window system can, else the lowest bit it can."""
    opaque = vk.VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR
    return int(opaque if supported & opaque else supported & -supported)
