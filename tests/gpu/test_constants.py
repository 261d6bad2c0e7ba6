"""Every Vulkan name that app/gpu uses, against the Vulkan registry."""

import re
from pathlib import Path

import pytest
from vulkan_object import get_vulkan_object

from app.errors import BungyoError
from app.gpu.binding import MACROS, ffi, make, open_loader, structure_type, vk
from app.gpu.formats import FORMATS
from app.gpu.results import words

SOURCE = "\n".join(path.read_text() for path in sorted((Path(__file__).parents[2] / "app" / "gpu").glob("*.py")))
# Names in prose (and pieces of f-strings) are no constants.
CODE = re.sub(r'""".*?"""|#[^\n]*', "", SOURCE, flags=re.S)
NUMBERED = re.compile(r"\bvk\.(VK_[A-Z0-9_]+)")
STRUCTS = re.compile(r'"(Vk[A-Z]\w+)')
BUILT = {"VK_FORMAT_", "VK_BUFFER_USAGE_"}

# vulkan 1.3.275.1's Python module has these wrong; a regression here would mean it crept back in.
NOTORIOUS = {
    "VK_STRUCTURE_TYPE_RAY_TRACING_PIPELINE_CREATE_INFO_KHR": 1000150015,
    "VK_STRUCTURE_TYPE_RAY_TRACING_SHADER_GROUP_CREATE_INFO_KHR": 1000150016,
    "VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR": 1000165000,
    "VK_INDEX_TYPE_NONE_KHR": 1000165000,
    "VK_GEOMETRY_INSTANCE_TRIANGLE_FRONT_COUNTERCLOCKWISE_BIT_KHR": 2,
    "VK_ERROR_OUT_OF_POOL_MEMORY": -1000069000,
    "VK_STRUCTURE_TYPE_IMAGE_SWAPCHAIN_CREATE_INFO_KHR": 1000060008,
}


@pytest.fixture(scope="module")
def registry() -> dict[str, int]:
    """Name -> value of every constant of the Vulkan registry."""
    vulkan = get_vulkan_object()
    values: dict[str, int] = {}
    for group in vulkan.enums.values():
        values |= {name: item.value for item in group.fields for name in (item.name, *(item.aliases or []))}
    for mask in vulkan.bitmasks.values():
        values |= {name: item.value for item in mask.flags for name in (item.name, *(item.aliases or []))}
    values |= {item.name: int(item.value) for item in vulkan.constants.values()}
    return values


def test_constants_match_the_registry(registry: dict[str, int]) -> None:
    used = {name for name in NUMBERED.findall(CODE) if not name.endswith("_")}
    used |= {entry.constant for entry in FORMATS.values()}
    used |= set(re.findall(r'"(VK_ERROR_\w+)"', CODE))
    usages = re.search(r"_USAGES = \((.*?)\)", CODE, re.S)
    assert usages is not None
    used |= {f"VK_BUFFER_USAGE_{word}_BIT" for word in re.findall(r'"(\w+)"', usages[1])}
    attributes = re.search(r"_ATTRIBUTE_FORMATS = \{(.*?)\}", CODE, re.S)
    assert attributes is not None
    used |= {f"VK_FORMAT_{word}" for word in re.findall(r': "(\w+)"', attributes[1])}
    assert len(used) > 150
    own = set(MACROS) - set(registry)
    assert own <= {"VK_API_VERSION_1_3"}
    wrong = {name for name in used - own if getattr(vk, name) != registry[name]}
    assert not wrong
    assert vk.VK_API_VERSION_1_3 == 4206592


@pytest.mark.parametrize("name", NOTORIOUS)
def test_notorious_constants(name: str, registry: dict[str, int]) -> None:
    assert getattr(vk, name) == NOTORIOUS[name] == registry[name]


def test_structure_types_match_the_registry(registry: dict[str, int]) -> None:
    structs = get_vulkan_object().structs
    used = {name for name in STRUCTS.findall(CODE) if name in structs}
    assert len(used) > 50
    checked = 0
    for name in sorted(used):
        expected = structs[name].sType
        if expected:
            assert structure_type(name) == registry[expected], name
            checked += 1
    assert checked > 40


def test_made_structs_keep_what_they_point_to() -> None:
    """The trap of inline structs: names and lists must survive their Python variables."""
    info = make(
        "VkInstanceCreateInfo",
        pApplicationInfo=make("VkApplicationInfo", pApplicationName="kept alive"),
        enabledLayerCount=2,
        ppEnabledLayerNames=["first layer", "second layer"],
    )
    junk = [bytearray(64) for _ in range(20000)]  # reuses freed memory
    assert ffi.string(info.pApplicationInfo.pApplicationName) == b"kept alive"
    assert ffi.string(info.ppEnabledLayerNames[1]) == b"second layer"
    assert info.sType == 1 and len(junk) == 20000


def test_missing_loader_names_the_remedy() -> None:
    with pytest.raises(BungyoError, match="no Vulkan loader") as caught:
        open_loader(("libno-such-vulkan.so",))
    assert "sudo apt-get install libvulkan1" in caught.value.hint


def test_errors_in_words() -> None:
    assert words(vk.VK_ERROR_OUT_OF_DEVICE_MEMORY) == "the GPU ran out of memory"
    assert "-12345" in words(-12345)
