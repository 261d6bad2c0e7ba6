"""The only module that touches the PyPI package `vulkan`: raw functions, constants and C structs.

The package (1.3.275.1) carries Khronos' C declarations for cffi and, on top, a Python module of constants and
wrapper functions. The declarations are right; the Python module is not: dozens of its constants are wrong or `None`
(`VK_STRUCTURE_TYPE_RAY_TRACING_PIPELINE_CREATE_INFO_KHR`, `VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR`, the sign of
several errors ...), the `sType` defaults of its constructors were bound from them, its wrappers free inner structs
too early, and importing it without a Vulkan loader is an OSError. So only the declarations are loaded here, and
every constant is read from them. Macros, which cffi cannot see, are written out below. `tests/gpu/test_constants.py`
compares all of them with the Vulkan registry.

`vk` and `ffi` load on first use, so that importing `app.gpu` works on a machine without Vulkan.
"""

import functools
import importlib.util
import re
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from app.errors import BungyoError
from app.gpu.install_commands import INSTALL_LOADER_AND_DRIVER

# A cffi object: a Vulkan handle, a struct or a pointer to one. cffi carries no static types.
Handle: TypeAlias = Any

# Macros of vulkan_core.h.
MACROS: dict[str, int] = {
    "VK_API_VERSION_1_3": (1 << 22) | (3 << 12),
    "VK_WHOLE_SIZE": 0xFFFF_FFFF_FFFF_FFFF,
    "VK_REMAINING_MIP_LEVELS": 0xFFFF_FFFF,
    "VK_QUEUE_FAMILY_IGNORED": 0xFFFF_FFFF,
    "VK_SHADER_UNUSED_KHR": 0xFFFF_FFFF,
    "VK_LOD_CLAMP_NONE": 1000,
    "VK_TRUE": 1,
    "VK_FALSE": 0,
}

LOADER_NAMES = ("libvulkan.so.1", "vulkan-1.dll", "libvulkan.1.dylib")
INSTALL_HINT = f"Install one with: {INSTALL_LOADER_AND_DRIVER}"


@functools.cache
def _declarations() -> ModuleType:
    """Khronos' C declarations as a cffi module, without running the package around them."""
    package = importlib.util.find_spec("vulkan")
    if package is None or package.origin is None:
        raise BungyoError("The Python package 'vulkan' is not installed.", "Run: make setup")
    path = Path(package.origin).parent / "_vulkancache.py"
    spec = importlib.util.spec_from_file_location("bungyo_vulkan_declarations", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def open_loader(names: tuple[str, ...] = LOADER_NAMES) -> Any:
    """Open the first of the Vulkan loader libraries `names`; BungyoError if there is none."""
    for name in names:
        try:
            return _declarations().ffi.dlopen(name)
        except OSError:
            continue
    raise BungyoError("There is no Vulkan loader (libvulkan.so.1) on this machine.", INSTALL_HINT)


class _Ffi:
    """cffi's `ffi` object, loaded on first use."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(_declarations().ffi, name)
        self.__dict__[name] = value
        return value


class _Vulkan:
    """Raw `vkXxx` functions of the loader and `VK_XXX` constants, loaded on first use."""

    def __init__(self) -> None:
        self.__dict__.update(MACROS)
        self._loader: Any = None

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(("vk", "VK_")):
            raise AttributeError(name)
        if self._loader is None:
            self._loader = open_loader()
        value = getattr(self._loader, name)
        self.__dict__[name] = value  # the next look-up is an ordinary attribute
        return value


ffi: Any = _Ffi()
vk: Any = _Vulkan()

# What a struct made by `make` points to, for as long as that struct lives: cffi itself keeps nothing alive.
_kept: dict[weakref.ref[Any], list[Any]] = {}


def _keep(owner: Any, values: list[Any]) -> None:
    # Not a WeakKeyDictionary: it forgets in a Python function, where a signal's exception would be lost.
    _kept[weakref.ref(owner, _kept.pop)] = values


@functools.cache
def structure_type(name: str) -> int:
    """The sType of a struct: structure_type("VkBufferCreateInfo") -> VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO."""
    words = re.sub(r"([a-z0-9])([A-Z])|([a-z])([0-9])", r"\1\3_\2\4", name.removeprefix("Vk")).upper()
    words = re.sub(r"VULKAN_(\d)(\d)", r"VULKAN_\1_\2", words)
    return int(getattr(vk, f"VK_STRUCTURE_TYPE_{words}"))


@functools.cache
def _fields(name: str) -> dict[str, Any]:
    return dict(ffi.typeof(name).fields)


def make(name: str, **fields: Any) -> Handle:
    """A new zeroed C struct with its sType set; everything the fields point to lives as long as the struct.

    Args:
        name: the struct, e.g. "VkBufferCreateInfo".
        fields: numbers, handles, other made structs (copied into struct fields, pointed to from pointer fields),
            lists of any of these for pointers to arrays, `str` for C strings, `bytes` for raw data, None for NULL.

    Returns:
        An owning cffi pointer, `name *`.
    """
    pointer = ffi.new(f"{name} *")
    types = _fields(name)
    if "sType" in types:
        pointer.sType = structure_type(name)
    kept: list[Any] = []
    for key, value in fields.items():
        setattr(pointer, key, _to_c(types[key].type, value, kept))
    if kept:
        _keep(pointer, kept)
    return pointer


def array(item: str, values: list[Any] | int) -> Handle:
    """A new C array of `item`: from numbers, handles or made structs, or zeroed of a length."""
    if isinstance(values, int):
        return ffi.new(f"{item}[]", values)
    kept: list[Any] = []
    cells = _cells(ffi.typeof(item), values, kept)
    if kept:
        _keep(cells, kept)
    return cells


def _cells(item: Any, values: list[Any] | tuple[Any, ...], kept: list[Any]) -> Handle:
    if item.kind in ("struct", "union"):
        kept.extend(values)
        values = [value[0] for value in values]
    elif item.kind == "pointer" and item.item.kind == "primitive" and item.item.cname == "char":
        values = [ffi.new("char[]", value.encode()) for value in values]
        kept.extend(values)
    return ffi.new(ffi.getctype(item, "[]"), list(values))


def _to_c(target: Any, value: Any, kept: list[Any]) -> Any:
    if value is None:
        return ffi.NULL
    if target.kind == "pointer":
        if isinstance(value, str):
            value = ffi.new("char[]", value.encode())
        elif isinstance(value, list | tuple):
            if not value:
                return ffi.NULL
            value = _cells(target.item, value, kept)
        elif isinstance(value, bytes | bytearray | memoryview):
            value = ffi.from_buffer(value)
            kept.append(value)
            return ffi.cast(target, value)
        kept.append(value)
    elif target.kind in ("struct", "union") and isinstance(value, ffi.CData):
        kept.append(value)
        return value[0]
    return value


def device_function(device: Handle, name: str) -> Any:
    """A function of a device extension, which the loader does not export."""
    pointer = vk.vkGetDeviceProcAddr(device, name.encode())
    if pointer == ffi.NULL:
        raise BungyoError(f"The Vulkan driver has no function {name}.")
    return ffi.cast(f"PFN_{name}", pointer)


def instance_function(instance: Handle, name: str) -> Any:
    """A function of an instance extension, which the loader does not export."""
    pointer = vk.vkGetInstanceProcAddr(instance, name.encode())
    if pointer == ffi.NULL:
        raise BungyoError(f"The Vulkan loader has no function {name}.")
    return ffi.cast(f"PFN_{name}", pointer)


def version_text(version: int, parts: int = 3) -> str:
    """A Vulkan version number for a person: "1.3.275", or the first parts of it."""
    return ".".join(map(str, (version >> 22 & 0x7F, version >> 12 & 0x3FF, version & 0xFFF)[:parts]))
