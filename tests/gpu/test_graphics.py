"""Rasterisation: depth, culling, blending, indices, instances of vertex layouts, multisampling."""

from typing import Any

import numpy as np
import pytest

from app.gpu import CommandBuffer, Device, GraphicsPipeline, Image, Struct, VertexAttribute, VertexBinding
from tests.conftest import Keep

VERTEX = Struct("Vertex", [("position", "vec3"), ("color", "vec3")])
PUSH = Struct("Push", [("shift", "float")])
SIZE = 32

# One triangle over the whole image. Clip space is y down: this order is counter-clockwise on the screen.
CORNERS = [(-1, -1), (-1, 3), (3, -1)]
BLUE = (0.0, 0.0, 1.0, 1.0)


def covering(depth: float, color: tuple[float, float, float]) -> np.ndarray[Any, Any]:
    vertices = VERTEX.zeros(3)
    vertices["position"] = [(x, y, depth) for x, y in CORNERS]
    vertices["color"] = color
    return vertices


def make_pipeline(gpu: Device, alpha: float = 1.0, **state: Any) -> GraphicsPipeline:
    state = {"color_formats": ["rgba8"], "vertex_layout": [VERTEX], **state}
    return gpu.graphics_pipeline(
        "triangle.vert", "triangle.frag", [], push=PUSH, defines={"ALPHA": str(alpha)}, **state
    )


@pytest.mark.parametrize(("test", "expected"), [(True, [255, 0, 0, 255]), (False, [0, 255, 0, 255])])
def test_depth(gpu: Device, keep: Keep, test: bool, expected: list[int]) -> None:
    """The near triangle is drawn first: with the depth test it stays, without it the far one covers it."""
    vertices = keep(gpu.buffer(np.concatenate([covering(0.25, (1, 0, 0)), covering(0.75, (0, 1, 0))])))
    pipeline = keep(make_pipeline(gpu, depth_format="d32", depth_test=test))
    color, depth = keep(gpu.image(SIZE, SIZE, "rgba8")), keep(gpu.image(SIZE, SIZE, "d32"))
    with gpu.commands() as cmd, cmd.rendering([color], depth, BLUE):
        cmd.bind(pipeline)
        cmd.push(PUSH.zeros())
        cmd.vertex_buffer(vertices)
        cmd.draw(6)
    gpu.submit(keep(cmd))
    assert (color.read() == expected).all()
    if test:
        assert np.allclose(depth.read(), 0.25)


def draw_once(gpu: Device, keep: Keep, pipeline: GraphicsPipeline, vertices: np.ndarray[Any, Any]) -> Image:
    color: Image = keep(gpu.image(SIZE, SIZE, "rgba8"))
    buffer = keep(gpu.buffer(vertices))
    with gpu.commands() as cmd, cmd.rendering([color], clear_color=BLUE):
        cmd.bind(keep(pipeline))
        cmd.push(PUSH.zeros())
        cmd.vertex_buffer(buffer)
        cmd.draw(len(vertices))
    gpu.submit(keep(cmd))
    return color


def test_coverage_matches_numpy(gpu: Device, keep: Keep) -> None:
    """A pixel is drawn where its centre is inside the triangle; drivers round corners, to 1/16 of a pixel at most."""
    vertices = covering(0.0, (1, 1, 1))
    corners = np.array([(-0.9, -0.7), (-0.2, 0.93), (0.8, -0.3)])
    vertices["position"][:, :2] = corners
    image = draw_once(gpu, keep, make_pipeline(gpu), vertices).read()
    centres = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(centres, centres)
    depth = np.full((SIZE, SIZE), np.inf)  # below the nearest edge, in pixels
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
        below = (by - ay) * (x - ax) - (bx - ax) * (y - ay)
        depth = np.minimum(depth, below / np.hypot(bx - ax, by - ay) * SIZE / 2)
    drawn = image[:, :, 0] == 255
    assert drawn[depth > 1 / 16].all() and not drawn[depth < -1 / 16].any()
    assert (np.abs(depth) < 1 / 16).mean() < 0.01
    assert (image[~drawn] == [0, 0, 255, 255]).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_culling(gpu: Device, keep: Keep, reverse: bool) -> None:
    vertices = covering(0.0, (1, 0, 0))
    image = draw_once(gpu, keep, make_pipeline(gpu, cull="back"), vertices[::-1] if reverse else vertices)
    assert (image.read() == ([0, 0, 255, 255] if reverse else [255, 0, 0, 255])).all()


@pytest.mark.parametrize("back", [False, True])
def test_culling_said_before_a_draw(gpu: Device, keep: Keep, back: bool) -> None:
    """Left half: seen from the front; right half: from behind."""
    vertices = keep(gpu.buffer(np.concatenate([covering(0.0, (1, 0, 0)), covering(0.0, (1, 0, 0))[::-1]])))
    pipeline, color = keep(make_pipeline(gpu, cull="dynamic")), keep(gpu.image(SIZE, SIZE, "rgba8"))
    with gpu.commands() as cmd, cmd.rendering([color], clear_color=BLUE):
        cmd.bind(pipeline)
        cmd.push(PUSH.zeros())
        cmd.vertex_buffer(vertices)
        cmd.cull(back=back)
        for half in (0, 1):
            cmd.scissor(half * SIZE // 2, 0, SIZE // 2, SIZE)
            cmd.draw(3, first=3 * half)
    gpu.submit(keep(cmd))
    image = color.read()
    assert (image[:, : SIZE // 2] == [255, 0, 0, 255]).all()
    assert (image[:, SIZE // 2 :] == ([0, 0, 255, 255] if back else [255, 0, 0, 255])).all()


def test_blending(gpu: Device, keep: Keep) -> None:
    image = draw_once(gpu, keep, make_pipeline(gpu, alpha=0.5, blend=True), covering(0.0, (1, 0, 0)))
    assert (np.abs(image.read().astype(int) - [128, 0, 128, 255]) <= 1).all()


def test_indices_instances_and_explicit_layout(gpu: Device, keep: Keep) -> None:
    """Two indexed triangles with an index offset and a vertex offset, colours from an instanced second buffer."""
    layout = [
        VertexBinding(12, [VertexAttribute(0, "vec3")]),
        VertexBinding(4, [VertexAttribute(1, "unorm8x4")], instanced=True),
    ]
    quad = np.array([(9, 9, 9), (-1, -1, 0), (-1, 1, 0), (1, 1, 0), (1, -1, 0)], np.float32)
    indices = np.array([7, 7, 0, 1, 2, 0, 2, 3], np.uint16)
    pipeline = keep(make_pipeline(gpu, vertex_layout=layout))
    color = keep(gpu.image(SIZE, SIZE, "rgba8"))
    buffers = [keep(gpu.buffer(array)) for array in (quad, np.array([[0, 128, 255, 255]], np.uint8), indices)]
    with gpu.commands() as cmd, cmd.rendering([color]):
        cmd.bind(pipeline)
        cmd.push(PUSH.zeros())
        cmd.vertex_buffer(buffers[0])
        cmd.vertex_buffer(buffers[1], slot=1)
        cmd.index_buffer(buffers[2], bits=16)
        cmd.scissor(0, 0, SIZE // 2, SIZE)
        cmd.draw_indexed(6, first=2, vertex_offset=1)
    gpu.submit(keep(cmd))
    image = color.read()
    assert (image[:, : SIZE // 2] == [0, 128, 255, 255]).all()
    assert (image[:, SIZE // 2 :] == 0).all()


def test_multisampling_resolves_to_averages(gpu: Device, keep: Keep) -> None:
    vertices = covering(0.0, (1, 1, 1))
    vertices["position"][:, :2] = [(-1, -1), (-1, 1), (1, -1)]  # the diagonal cuts pixels in half
    pipeline = keep(make_pipeline(gpu, samples=4))
    many = keep(gpu.image(SIZE, SIZE, "rgba8", samples=4))
    color = keep(gpu.image(SIZE, SIZE, "rgba8"))
    buffer = keep(gpu.buffer(vertices))
    with gpu.commands() as cmd, cmd.rendering([many], clear_color=(0, 0, 0, 0), resolve=[color]):
        cmd.bind(pipeline)
        cmd.push(PUSH.zeros())
        cmd.vertex_buffer(buffer)
        cmd.draw(3)
    gpu.submit(keep(cmd))
    red = color.read()[:, :, 0].astype(int)
    diagonal = np.fliplr(np.eye(SIZE, dtype=bool))
    assert set(np.unique(red[~diagonal])) == {0, 255}
    assert ((red[diagonal] > 30) & (red[diagonal] < 225)).all()


def test_wrong_use_is_named(gpu: Device, keep: Keep) -> None:
    small, large = keep(gpu.image(8, 8, "rgba8")), keep(gpu.image(16, 8, "rgba8"))

    def record(cmd: CommandBuffer) -> None:
        with cmd.rendering([small, large]):
            pass

    with pytest.raises(ValueError, match="same size"), gpu.commands() as cmd:
        record(cmd)
    many = keep(gpu.image(8, 8, "rgba8", samples=4))
    with pytest.raises(ValueError, match="same size"), gpu.commands() as cmd, cmd.rendering([many], resolve=[large]):
        pass
    with pytest.raises(ValueError, match="attribute type 'vec9'"):
        make_pipeline(gpu, vertex_layout=[VertexBinding(4, [VertexAttribute(0, "vec9")])])
