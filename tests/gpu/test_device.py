"""Opening and closing: selection, what is missing, leaks, starts that fail half way."""

import dataclasses
import gc
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.doctor import examine
from app.errors import BungyoError, InputError
from app.gpu import (
    Binding,
    Device,
    DeviceInfo,
    DeviceLost,
    Geometry,
    HitGroup,
    Instance,
    ShaderError,
    list_devices,
    live_objects,
    selection,
)
from app.gpu.binding import ffi, vk
from app.gpu.features import Offer
from app.gpu.instance import loader_version
from app.gpu.selection import NO_RAY_TRACING, Candidate, choose
from tests.conftest import SHADERS, Keep

ROOT = Path(__file__).parents[2]


def test_list_devices_describes_without_opening() -> None:
    before = live_objects()
    found = list_devices()
    assert live_objects() == before
    for index, info in enumerate(found):
        assert info.index == index and info.name and info.driver
        assert info.raytracing == (not info.missing)
    best = next(info for info in found if info.raytracing)
    assert best.subgroup_size >= 4 and best.max_shared_memory >= 16384 and best.memory_bytes > 0
    assert best.limits.sbt_handle_size == 32


def described(
    kind: str, name: str, *, raytracing: bool = True, core: bool = True, missing_window: tuple[str, ...] = ()
) -> Candidate:
    rays = [] if raytracing else ["VK_KHR_ray_tracing_pipeline"]
    info = dataclasses.replace(
        list_devices()[0],
        name=name,
        kind=kind,
        raytracing=raytracing and core,
        missing=[*([] if core else ["Vulkan 1.3 (it has 1.1)"]), *rays],
        missing_raytracing=rays,
    )
    return Candidate(None, info, Offer((), (), frozenset(), frozenset()), 0, missing_window)


def test_choice_of_device() -> None:
    cpu, integrated = described("cpu", "llvmpipe"), described("integrated", "Some iGPU")
    discrete, old = described("discrete", "Big GPU"), described("discrete", "Old GPU", core=False)
    plain = described("discrete", "Plain GPU", raytracing=False)
    found = [cpu, integrated, old, plain, discrete]
    assert choose(found, None, raytracing=True) is discrete
    assert choose(found[:-1], None, raytracing=True) is integrated
    assert choose(found[:-1], None, raytracing=False) is plain
    assert choose(found, None, raytracing=None) is discrete  # better than another of its kind
    assert choose(found[:-1], None, raytracing=None) is plain  # but any of a better kind is better
    assert choose([described("virtual", "A share"), integrated], None, raytracing=True) is integrated
    assert choose(found, 0, raytracing=True) is choose(found, "LLVM", raytracing=True) is cpu
    assert choose(found, "1", raytracing=True) is choose(found, " igpu", raytracing=True) is integrated
    assert choose(found, "gpu", raytracing=True) is integrated  # the first that can
    with pytest.raises(InputError, match="no GPU 'radeon'; there are: 0: llvmpipe"):
        choose([cpu], "radeon", raytracing=True)
    numbered = described("discrete", "GPU 4090")
    assert choose([cpu, integrated, numbered], "4090", raytracing=True) is numbered  # no list is so long
    assert choose([cpu, integrated, numbered], "0", raytracing=True) is cpu
    with pytest.raises(InputError, match="no GPU '9'"):
        choose([numbered], "9", raytracing=True)
    for select in ("7", str(len(found)), "-1", "", "1" * 5000):
        with pytest.raises(InputError, match=f"no GPU '{select}'"):
            choose(found, select, raytracing=True)
    with pytest.raises(InputError, match="Plain GPU lacks VK_KHR_ray_tracing_pipeline"):
        choose(found, "plain", raytracing=True)
    with pytest.raises(InputError, match="needs ray tracing, which no GPU here offers: Plain GPU lacks VK_KHR_ray"):
        choose([plain], None, raytracing=True)
    with pytest.raises(InputError, match=r"Old GPU lacks Vulkan 1\.3"):
        choose(found, "old", raytracing=False)
    with pytest.raises(BungyoError, match=r"No GPU here can run the renderer: Old GPU lacks Vulkan 1\.3") as caught:
        choose([old], None, raytracing=True)
    assert "apt-get install" in caught.value.hint


def test_a_cpu_is_taken_beside_a_gpu_with_a_warning() -> None:
    cpu, plain = described("cpu", "llvmpipe"), described("discrete", "Plain GPU", raytracing=False)
    slow = described("cpu", "Swift", raytracing=False)
    sentence = r"^The CPU does all the work \(llvmpipe\): Plain GPU lacks VK_KHR_ray_tracing_pipeline\.$"
    with pytest.warns(UserWarning, match=sentence):
        assert choose([slow, plain, cpu], None, raytracing=True) is cpu
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose([slow, cpu], None, raytracing=True) is cpu
        assert choose([plain, cpu], "llvm", raytracing=True) is cpu  # as was asked for
        for raytracing in (None, False):
            assert choose([plain, cpu], None, raytracing=raytracing) is plain


def test_work_is_spread_over_the_best_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, plain = described("cpu", "llvmpipe"), described("discrete", "Plain GPU", raytracing=False)
    one, other, small = (
        described(*kind) for kind in (("discrete", "One"), ("discrete", "Two"), ("integrated", "iGPU"))
    )
    for found, best, warned in (
        ([one, plain, other, small, cpu], [one, other], False),
        ([plain, cpu], [cpu], True),
        ([cpu], [cpu], False),
        ([plain], [], False),
    ):
        monkeypatch.setattr(selection, "candidates", lambda _, found=found: found)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert selection.best_devices() == [candidate.info for candidate in best]
        assert [str(warning.message)[:25] for warning in said] == ["The CPU does all the work"] * warned


def test_hints_are_those_of_the_kind_that_lacks_something() -> None:
    """What brings a newer software driver helps no GPU."""
    cpu, old = described("cpu", "llvmpipe", raytracing=False), described("cpu", "Old", core=False)
    plain, new = described("discrete", "Plain GPU", raytracing=False), described("cpu", "llvmpipe")
    for found, select, newer_driver, newer_mesa, software in (
        ([plain], None, True, False, True),
        ([plain, new], 0, True, False, False),
        ([plain, cpu], None, True, True, False),
        ([cpu], None, False, True, False),
        ([old], None, False, True, False),
        ([plain, old], 1, False, True, False),
    ):
        with pytest.raises(BungyoError) as caught:
            choose(found, select, raytracing=True)
        hint = caught.value.hint
        said = ("driver of the GPU" in hint, "from Mesa 25.0" in hint, "can be installed with" in hint)
        assert said == (newer_driver, newer_mesa, software), hint


def test_choice_of_device_for_a_window() -> None:
    hidden = described("discrete", "Compute GPU", missing_window=("VK_KHR_swapchain", "a way to this display"))
    old, cpu = described("discrete", "Old GPU", core=False), described("cpu", "llvmpipe")
    with pytest.warns(UserWarning, match=r"Compute GPU lacks VK_KHR_swapchain, a way to this display\.$"):
        assert choose([old, hidden, cpu], None, raytracing=True) is cpu
    assert choose([described("discrete", "GPU"), hidden, cpu], "gpu", raytracing=True).info.name == "GPU"
    with pytest.raises(
        InputError, match=r"Compute GPU cannot show pictures in a window: it lacks VK_KHR_swapchain, a way"
    ) as named:
        choose([old, hidden, cpu], "compute", raytracing=None)
    assert "--device" in named.value.hint and "llvmpipe" in named.value.hint
    with pytest.raises(BungyoError, match=r"No GPU here can show pictures in a window: Compute GPU lacks VK_KHR_swap"):
        choose([old, hidden], None, raytracing=True)
    with pytest.raises(BungyoError, match=r"No GPU here can run the renderer: Old GPU lacks"):
        choose([old], None, raytracing=True)


def test_an_old_loader_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 1.0 cannot even be asked; neither has the functions that are called later."""
    before = live_objects()

    def says_1_1(out: Any) -> int:
        out[0] = (1 << 22) | (1 << 12) | 114
        return 0

    answer = ffi.callback("VkResult(uint32_t *)", says_1_1)
    for pointer, version in ((ffi.NULL, "1.0.0"), (answer, "1.1.114")):
        monkeypatch.setattr(vk, "vkGetInstanceProcAddr", lambda instance, name, pointer=pointer: pointer)
        for action in (list_devices, Device.open, loader_version):
            with pytest.raises(BungyoError, match=f"loader is too old: it knows Vulkan {version}") as caught:
                action()
            assert "apt-get install libvulkan1" in caught.value.hint
        assert f"it knows Vulkan {version}" in next(c for c in examine().checks if c.name == "Vulkan loader").found
    assert live_objects() == before


def test_unknown_device_is_an_input_error() -> None:
    before = live_objects()
    with pytest.raises(InputError, match="no GPU 'no such thing'; there are: 0: "):
        Device.open("no such thing")
    assert live_objects() == before


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_driver_is_explained() -> None:
    code = "from app.gpu import Device, list_devices\nfrom app.errors import BungyoError\n"
    code += "for action in (list_devices, Device.open):\n    try: action()\n"
    code += "    except BungyoError as error: print(error.message, '|', error.hint)\n"
    result = run_python(code, VK_ICD_FILENAMES="/nowhere.json", VK_DRIVER_FILES="/nowhere.json")
    lines = result.stdout.splitlines()
    assert len(lines) == 2, result.stderr
    for line in lines:
        assert line.startswith("There is no working Vulkan driver on this machine. | ")
        assert "apt-get install mesa-vulkan-drivers" in line


def test_drivers_that_find_no_gpu_are_no_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the loader answers where only drivers of other vendors' GPUs are installed."""
    monkeypatch.setattr(vk, "vkEnumeratePhysicalDevices", lambda *_: vk.VK_ERROR_INITIALIZATION_FAILED)
    with pytest.raises(BungyoError, match="no working Vulkan driver on this machine") as caught:
        list_devices()
    assert "/dev/dri" in caught.value.hint and "or install the software driver with: " in caught.value.hint


def test_importing_needs_no_loader() -> None:
    result = run_python("import app.gpu, sys; print('vulkan' in sys.modules)")
    assert result.stdout == "False\n", result.stderr


def test_everything_closed_leaves_nothing(keep: Keep) -> None:
    before = live_objects()
    device = Device.open(validation=True, shader_folders=[SHADERS])
    with device:
        started = device.live_objects
        vertices, indices = device.buffer(np.eye(3, dtype=np.float32)), device.buffer(np.arange(3, dtype=np.uint32))
        blas = device.blas([Geometry(vertices, 3, 12, 0, indices, 0, 1)])
        tlas = device.tlas([Instance(blas)])
        image, sampler = device.image(4, 4, "rgba32f"), device.sampler()
        image.upload(np.zeros((4, 4, 4), np.float32))
        bindings = [Binding(0, "tlas"), Binding(1, "image")]
        pipeline = device.raytracing_pipeline(
            "rays.rgen", ["sky.rmiss"], [HitGroup("seen.rchit")], bindings, includes={"rays.rgen": "void main() {}"}
        )
        bound = pipeline.bind({0: tlas, 1: image})
        with device.commands() as cmd:
            cmd.bind(pipeline, bound)
            with cmd.timer("trace"):
                cmd.trace(4, 4)
        device.submit(cmd)
        for thing in (cmd, bound, pipeline, sampler, image, tlas, blas, indices, vertices):
            thing.close()
            thing.close()
        after = device.live_objects
        # What is left over are the staging buffers.
        assert {kind: count for kind, count in after.items() if count != started.get(kind)} == {
            "VkBuffer": 1,
            "VkDeviceMemory": 1,
        }
    device.close()
    assert device.validation_messages == []
    assert device.live_objects == {} and live_objects() == before


def test_what_is_left_open_is_closed_and_reported() -> None:
    before = live_objects()
    with Device.open(validation=True) as device:
        device.buffer(100, name="forgotten")
        cmd = device.commands().__enter__()  # never finished
        assert cmd is not None
    assert [message for message in device.validation_messages if "'forgotten'" in message]
    assert len(device.validation_messages) == 2
    assert live_objects() == before


@pytest.mark.parametrize("fault", ["extension", "queue", "messenger"])
def test_failed_start_leaves_nothing(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = live_objects()
    extensions = ["VK_EXT_no_such_extension"] if fault == "extension" else []
    if fault == "queue":  # the driver refuses after the device was made
        monkeypatch.setattr("app.gpu.open_device.Transfer", None)
    if fault == "messenger":
        monkeypatch.setattr("app.gpu.instance.instance_function", None)
    with pytest.raises((BungyoError, TypeError)) as caught:
        Device.open(validation=True, extensions=extensions)
    if fault == "extension":
        assert "lacks VK_EXT_no_such_extension" in str(caught.value)
    gc.collect()
    assert live_objects() == before


def test_a_lost_gpu_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be waited for any more, and all is destroyed."""
    before = live_objects()
    wait, wait_idle = vk.vkWaitForFences, vk.vkDeviceWaitIdle

    def lost(wait: Callable[..., int]) -> Callable[..., int]:
        return lambda *arguments: int(wait(*arguments) or vk.VK_ERROR_DEVICE_LOST)

    with pytest.raises(DeviceLost, match=r"^The GPU was lost while it worked"), Device.open(raytracing=None) as device:
        buffer = device.buffer(64)
        for _ in range(2):
            with device.commands() as cmd:
                cmd.fill(buffer)
            device.submit(cmd, wait=False)
        monkeypatch.setattr(vk, "vkWaitForFences", lost(wait))
        monkeypatch.setattr(vk, "vkDeviceWaitIdle", lost(wait_idle))
        cmd.wait()
    assert live_objects() == before


def test_failed_pipelines_leave_nothing(gpu: Device, keep: Keep) -> None:
    before = gpu.live_objects
    broken = {"x.comp": "void main() { nonsense }", "x.rchit": "nonsense", "x.frag": "nonsense"}
    bindings = [Binding(0, "storage")]
    with pytest.raises(ShaderError):
        gpu.compute_pipeline("x.comp", bindings, includes=broken)
    with pytest.raises(ShaderError):
        gpu.raytracing_pipeline("rays.rgen", ["sky.rmiss"], [HitGroup("x.rchit")], bindings, includes=broken)
    with pytest.raises(ShaderError):
        gpu.graphics_pipeline("triangle.vert", "x.frag", bindings, includes=broken, color_formats=["rgba8"])
    buffer = keep(gpu.buffer(64))
    with pytest.raises(RuntimeError, match="while recording"), gpu.commands() as cmd:
        cmd.fill(buffer)
        raise RuntimeError("while recording")
    buffer.close()
    assert gpu.live_objects == before


@pytest.mark.parametrize("refused", ["vkAllocateCommandBuffers", "vkBeginCommandBuffer", "vkCreateFence"])
def test_commands_that_cannot_be_made_leave_nothing(gpu: Device, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    before = gpu.live_objects
    monkeypatch.setattr(vk, refused, lambda *_: vk.VK_ERROR_OUT_OF_HOST_MEMORY)
    with pytest.raises(BungyoError, match=r"^Could not .*: the computer ran out of memory\."):
        gpu.commands()
    assert gpu.live_objects == before


def test_too_large_a_buffer_is_explained(gpu: Device) -> None:
    before, messages = gpu.live_objects, len(gpu.validation_messages)
    with pytest.raises(BungyoError, match=r"Could not (allocate|make) .*monster: the .* ran out of memory"):
        gpu.buffer(2**45, name="monster")
    assert gpu.live_objects == before
    del gpu.validation_messages[messages:]  # the layer says that the heap is smaller


def test_without_raytracing() -> None:
    with Device.open(raytracing=False, validation=True) as device:
        assert not device.raytracing
        with device.buffer(np.arange(4, dtype=np.uint32)) as buffer:
            assert buffer.read(np.uint32).tolist() == [0, 1, 2, 3]
            with pytest.raises(BungyoError, match="without ray tracing"):
                device.blas([Geometry(buffer, 1, 12, 0, buffer, 0, 1)])
            with pytest.raises(BungyoError, match="without ray tracing"):
                device.tlas([])
    assert device.validation_messages == []


def test_a_device_taken_for_one_without_ray_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment: it is opened without, where that will do, and refused where it will not."""
    assert list_devices()[0].raytracing
    monkeypatch.setenv(NO_RAY_TRACING, "1")
    info = list_devices()[0]
    assert info.usable and not info.raytracing and info.limits.sbt_handle_size == 0
    with Device.open(raytracing=None, validation=True) as device:
        assert not device.raytracing
        with pytest.raises(BungyoError, match="without ray tracing"):
            device.tlas([])
    assert device.validation_messages == []
    for select in (None, 0):
        with pytest.raises(
            InputError, match=rf"This needs ray tracing.* lacks ray tracing \({NO_RAY_TRACING} is set\)"
        ) as caught:
            Device.open(select)
        assert caught.value.hint == f"Unset {NO_RAY_TRACING} to have it."
    monkeypatch.setenv(NO_RAY_TRACING, "0")
    with Device.open(raytracing=None) as device:
        assert device.raytracing


def test_validation_finds_hazards() -> None:
    """Synchronisation validation is on: two writes without a barrier are reported."""
    with Device.open(validation=True) as device:
        with device.buffer(64) as buffer:
            with device.commands() as cmd:
                cmd.fill(buffer, 1)
                cmd.fill(buffer, 2)
            cmd.close()
        # Layers of 1.3 say WRITE-AFTER-WRITE, later ones WRITE_AFTER_WRITE.
        assert any(re.search(r"WRITE.AFTER.WRITE", message) for message in device.validation_messages)


def test_environment_switches_validation_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, on in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("BUNGYO_VALIDATION", value)
        with Device.open() as device:
            assert device.validation is on


def test_numbers_do_not_depend_on_the_loaders_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mesa's device-select layer orders devices otherwise for an instance with a window."""
    made = [
        *(("cpu", "llvmpipe", "a"), ("discrete", "Radeon", "c"), ("discrete", "Radeon", "b"), ("discrete", "Arc", "d")),
        ("integrated", "Iris", "e"),
    ]

    def listed(order: list[int]) -> list[DeviceInfo]:
        def made_up(_: Any, which: int, *__: Any) -> Candidate:
            kind, name, uuid = made[which]
            return dataclasses.replace(known, info=dataclasses.replace(known.info, kind=kind, name=name, uuid=uuid))

        with monkeypatch.context() as patch:
            patch.setattr(selection, "_candidate", made_up)
            patch.setattr("app.gpu.instance.Instance.physical_devices", lambda _: order)
            return list_devices()

    known = described("cpu", "llvmpipe")
    first, second = listed([0, 1, 2, 3, 4]), listed([4, 2, 0, 3, 1])
    assert first == second and [info.index for info in first] == [0, 1, 2, 3, 4]
    assert [info.uuid for info in first] == ["d", "b", "c", "e", "a"]


def test_a_device_is_found_again(gpu: Device) -> None:
    """By what it is, whatever its number."""
    one, other = described("discrete", "Radeon"), described("discrete", "Radeon")
    known = dataclasses.replace(other.info, uuid="another", index=7)
    twin = dataclasses.replace(other, info=dataclasses.replace(other.info, uuid="another"))
    assert choose([one, twin], known, raytracing=True) is twin
    with pytest.raises(InputError, match=r"There is no GPU 'Radeon'; there are: 0: Radeon"):
        choose([one], known, raytracing=True)
    assert len(gpu.info.uuid) == 64 and int(gpu.info.uuid, 16) > 0
    with Device.open(dataclasses.replace(gpu.info, index=7), validation=True) as device:
        assert device.info == gpu.info


def test_device_number_of_the_best(gpu: Device) -> None:
    with Device.open(gpu.info.index) as device:
        assert device.info.name == gpu.info.name
