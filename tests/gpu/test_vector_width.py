"""Single pipelines of Mesa's CPU driver with vectors of 512 bits."""

import os
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from app.gpu import Binding, ComputePipeline, Device, DeviceInfo, list_devices, vector_width
from app.gpu.vector_width import WidthRefused, compile_wide, offers_wide
from tests.conftest import Keep

VARIABLE = "LP_NATIVE_VECTOR_WIDTH"


@pytest.fixture
def llvmpipe(gpu: Device) -> Device:
    """The device, where it is one that has wide vectors besides its usual ones."""
    if not offers_wide(gpu.info):
        pytest.skip("the device has no wide vectors besides its usual ones")
    return gpu


def plain(gpu: Device) -> ComputePipeline:
    return gpu.compute_pipeline("subgroup.comp", [Binding(0, "storage")])


def threads(gpu: Device, pipeline: ComputePipeline) -> int:
    """Of a subgroup, as the pipeline sees it."""
    with (
        gpu.buffer(64 * 4) as sizes,
        closing(pipeline.bind({0: sizes})) as bound,
        closing(gpu.commands(reusable=False)) as commands,
    ):
        with commands:
            commands.bind(pipeline, bound)
            commands.dispatch(1)
            commands.barrier()
        gpu.submit(commands)
        found = np.unique(sizes.read(np.uint32))
    assert len(found) == 1
    return int(found[0])


def test_one_pipeline_is_wide_and_others_are_not(llvmpipe: Device, keep: Keep) -> None:
    usual = llvmpipe.info.subgroup_size
    before, wide = keep(plain(llvmpipe)), keep(compile_wide(llvmpipe, lambda: plain(llvmpipe)))
    after = keep(plain(llvmpipe))
    for _ in range(2):
        assert [threads(llvmpipe, one) for one in (before, wide, after)] == [usual, 16, usual]
    assert all(one.subgroup_size == usual for one in list_devices() if one.uuid == llvmpipe.info.uuid)


@pytest.mark.parametrize("own", [None, "256"])
def test_the_environment_is_left_as_it_was(
    llvmpipe: Device, keep: Keep, monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    if own is not None:
        monkeypatch.setenv(VARIABLE, own)
    seen: list[str | None] = []

    def fails() -> ComputePipeline:
        seen.append(os.environ.get(VARIABLE))
        raise RuntimeError("no pipeline")

    with pytest.raises(RuntimeError, match="no pipeline"):
        compile_wide(llvmpipe, fails)
    assert seen == ["512"] and os.environ.get(VARIABLE) == own
    assert threads(llvmpipe, keep(plain(llvmpipe))) == llvmpipe.info.subgroup_size


@pytest.mark.parametrize("lists", [0, 1, 2])
def test_nothing_is_left_of_what_fails(llvmpipe: Device, monkeypatch: pytest.MonkeyPatch, lists: int) -> None:
    """Whether devices can be listed no more at first, after the pipeline is made, or its dispatch fails."""
    before, set_before = llvmpipe.live_objects, os.environ.get(VARIABLE)
    left = lists

    def fails_later() -> list[DeviceInfo]:
        nonlocal left
        left -= 1
        if left < 0:
            raise RuntimeError("no list")
        return list_devices()

    def fails(device: Device, pipeline: ComputePipeline) -> None:
        raise RuntimeError("no dispatch")

    monkeypatch.setattr(vector_width, "list_devices", fails_later)
    if lists == 2:
        monkeypatch.setattr(vector_width, "_dispatch_nothing", fails)
    try:
        with pytest.raises(RuntimeError, match="no list" if lists < 2 else "no dispatch"):
            compile_wide(llvmpipe, lambda: plain(llvmpipe))
        assert llvmpipe.live_objects == before and os.environ.get(VARIABLE) == set_before
    finally:
        list_devices()  # for the tests that come


def test_a_driver_that_does_not_listen_is_found_out(llvmpipe: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_width, "_VARIABLE", "BUNGYO_NO_DRIVER_READS_THIS")
    with pytest.raises(WidthRefused, match=r"^is compiled for 256 bits instead of 512$"):
        compile_wide(llvmpipe, lambda: plain(llvmpipe))


def test_wide_vectors_are_for_llvmpipe_with_avx512(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_width, "has_avx512", lambda: True)
    mesa = replace(gpu.info, kind="cpu", driver="llvmpipe Mesa 25.0.7 (LLVM 15.0.6)", subgroup_size=8)
    assert offers_wide(mesa) and offers_wide(replace(mesa, subgroup_size=4))
    assert not offers_wide(replace(mesa, subgroup_size=16))  # all pipelines are wide already
    assert not offers_wide(replace(mesa, driver="SwiftShader driver"))
    assert offers_wide(replace(mesa, driver="llvmpipe Mesa 26.1.6-1~bpo13+1 (LLVM 19.1.7)"))
    assert not offers_wide(replace(mesa, driver="llvmpipe Mesa 25.1.0 (LLVM 20.1.8)"))  # nobody has tried
    assert not offers_wide(replace(mesa, kind="discrete"))
    monkeypatch.setattr(vector_width, "has_avx512", lambda: False)
    assert not offers_wide(mesa)
