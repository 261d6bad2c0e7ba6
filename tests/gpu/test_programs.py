"""What is compiled once serves every pipeline that is the same."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from app.gpu import Binding, ComputePipeline, Device, GraphicsPipeline, Struct, programs
from app.gpu.binding import ffi
from tests.conftest import Keep

SHADER = """
layout(local_size_x = 8) in;
layout(set = 0, binding = 0, scalar) writeonly buffer Out { uint answers[]; };
layout(constant_id = 3) const uint CONSTANT = 0;
layout(push_constant, scalar) uniform Push { uint pushed; } push;
void main() { answers[gl_GlobalInvocationID.x] = ANSWER + CONSTANT; }
"""
PUSH = Struct("Push", [("pushed", "uint")])


def answering(device: Device, answer: int, **options: Any) -> ComputePipeline:
    bindings = [Binding(0, "storage", name=f"answers of {options.pop('name', answer)}")]
    options = {"defines": {"ANSWER": f"{answer}u"}, "push": PUSH, **options}
    return device.compute_pipeline("answer.comp", bindings, includes={"answer.comp": SHADER}, **options)


def asked(device: Device, pipeline: ComputePipeline) -> int:
    """The answer, which all threads give."""
    with (
        device.buffer(np.zeros(8, np.uint32)) as buffer,
        closing(pipeline.bind({0: buffer})) as bound,
        closing(device.commands(reusable=False)) as command,
    ):
        with command:
            command.bind(pipeline, bound)
            command.push(np.zeros((), PUSH.dtype))
            command.dispatch(1)
        device.submit(command)
        (answer,) = set(buffer.read(np.uint32).tolist())
    return int(answer)


def compiled(device: Device) -> int:
    return device.objects_made.get("VkPipeline", 0)


def test_the_same_is_compiled_once(gpu: Device, keep: Keep) -> None:
    """Whichever of them is closed, the other goes on; also once it was closed by all."""
    before, alive = compiled(gpu), gpu.live_objects
    first, second = answering(gpu, 71), answering(gpu, 71, name="another name")
    assert first.handle == second.handle and compiled(gpu) == before + 1
    first.close()
    first.close()
    assert asked(gpu, second) == 71
    second.close()
    assert gpu.live_objects == alive
    third = keep(answering(gpu, 71))
    assert third.handle == first.handle and compiled(gpu) == before + 1
    assert asked(gpu, third) == 71


def test_what_differs_is_compiled_apart(gpu: Device, keep: Keep) -> None:
    first = keep(answering(gpu, 72))
    others = {
        "text": answering(gpu, 73),
        "constant": answering(gpu, 72, constants={3: 1}),
        "flags": answering(gpu, 72, full_subgroups=True),
        "push": answering(gpu, 72, push=Struct("Push", [("pushed", "uint"), ("more", "uint")])),
    }
    for one in others.values():
        keep(one)
    assert len({int(ffi.cast("uintptr_t", one.handle)) for one in (first, *others.values())}) == 5
    assert [asked(gpu, one) for one in (first, others["text"], others["constant"])] == [72, 73, 73]


def test_graphics_are_kept_by_their_state(gpu: Device, keep: Keep) -> None:
    layout = Struct("Corner", [("place", "vec2")])

    def made(**options: Any) -> GraphicsPipeline:
        shaders = {
            "corner.vert": "layout(location = 0) in vec2 p; void main() { gl_Position = vec4(p, 0.0, 1.0); }",
            "white.frag": "layout(location = 0) out vec4 c; void main() { c = vec4(1.0); }",
        }
        options = {"color_formats": ["rgba8"], "vertex_layout": [layout], **options}
        pipeline: GraphicsPipeline = keep(
            gpu.graphics_pipeline("corner.vert", "white.frag", [], includes=shaders, **options)
        )
        return pipeline

    first, before = made(), compiled(gpu)
    assert made(vertex_layout=[Struct("Other", [("corner", "vec2")])]).handle == first.handle
    assert compiled(gpu) == before
    for options in ({"cull": "back"}, {"blend": True}, {"color_formats": ["rgba16f"]}, {"depth_format": "d32"}):
        assert made(**options).handle != first.handle
    assert compiled(gpu) == before + 4


def test_the_longest_idle_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before there are more than so many."""
    monkeypatch.setattr(programs, "MOST_IDLE", 2)
    with Device.open(raytracing=None, validation=True) as device:
        used = answering(device, 1)
        for answer in (2, 3, 4, 3):  # 2 goes when 4 is idle, too
            answering(device, answer).close()
        assert device.programs.ledger.counts["VkPipeline"] == 3 and compiled(device) == 4
        answering(device, 3).close()
        answering(device, 4).close()
        assert compiled(device) == 4
        answering(device, 2).close()  # and 3 goes
        answering(device, 4).close()
        assert compiled(device) == 5
        answering(device, 3).close()
        assert compiled(device) == 6
        assert asked(device, used) == 1
        used.close()
    assert not device.validation_messages and not device.programs.ledger.counts["VkPipeline"]


def test_two_threads_may_make_the_same(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both compile it, and one of the two is kept."""
    both, take = threading.Barrier(2), gpu.programs.take

    def take_together(key: Hashable, compile: Callable[[], Any]) -> Any:
        def compile_together() -> Any:
            both.wait(60.0)
            return compile()

        return take(key, compile_together)

    monkeypatch.setattr(gpu.programs, "take", take_together)
    before, made = gpu.programs.ledger.counts["VkPipeline"], compiled(gpu)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(answering, [gpu, gpu], [74, 74])
    assert first.handle == second.handle and compiled(gpu) == made + 2
    assert gpu.programs.ledger.counts["VkPipeline"] == before + 1
    first.close()
    assert asked(gpu, second) == 74
    second.close()
