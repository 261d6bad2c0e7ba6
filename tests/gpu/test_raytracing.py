"""Rays against numpy: closest hit, any hit, misses, masks, hit groups, updates."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.gpu import (
    Binding,
    Blas,
    Device,
    Geometry,
    HitGroup,
    Image,
    Instance,
    RayTracingPipeline,
    ShaderError,
    Struct,
    Tlas,
)
from tests.conftest import SHADERS, Keep, Reach, keeping

SIZE = 24
PUSH = Struct("Push", [("mask", "uint"), ("miss", "uint")])
BINDINGS = [Binding(0, "tlas"), Binding(1, "image")]
CORNERS = np.array([(-0.8, -0.7, 0.0), (0.9, -0.5, 0.5), (0.0, 0.85, 0.25)])
Array = np.ndarray[Any, Any]


def blas_of(gpu: Device, keep: Keep, *triangles: Array, opaque: bool = True, updatable: bool = False) -> Blas:
    """One geometry a triangle, all in one pair of buffers with room in front and between the positions."""
    vertices = np.zeros((1 + 3 * len(triangles), 5), np.float32)
    vertices[1:, 1:4] = np.concatenate(triangles)
    indices = np.tile(np.arange(3, dtype=np.uint32), (1 + len(triangles), 1))
    vertex_buffer, index_buffer = keep(gpu.buffer(vertices)), keep(gpu.buffer(indices))
    geometries = [
        Geometry(vertex_buffer, 3, 20, 20 + 60 * i + 4, index_buffer, 12 * (i + 1), 1, opaque)
        for i in range(len(triangles))
    ]
    blas: Blas = keep(gpu.blas(geometries, updatable=updatable))
    return blas


def trace(gpu: Device, keep: Keep, pipeline: RayTracingPipeline, tlas: Tlas, mask: int = 255, miss: int = 0) -> Array:
    target: Image = keep(gpu.image(SIZE, SIZE, "rgba32f"))
    bound = keep(pipeline.bind({0: tlas, 1: target}))
    push = PUSH.zeros()
    push["mask"], push["miss"] = mask, miss
    with gpu.commands() as cmd:
        cmd.bind(pipeline, bound)
        cmd.push(push)
        cmd.trace(SIZE, SIZE)
    gpu.submit(keep(cmd))
    return target.read()


@pytest.fixture
def pipeline(gpu: Device, keep: Keep) -> RayTracingPipeline:
    hits = [HitGroup("seen.rchit"), HitGroup("other.rchit"), HitGroup("seen.rchit", "holes.rahit")]
    made: RayTracingPipeline = keep(
        gpu.raytracing_pipeline("rays.rgen", ["sky.rmiss", "dark.rmiss"], hits, BINDINGS, push=PUSH)
    )
    return made


def expected(corners: Array) -> tuple[Array, Array, Array, Array]:
    """(hit?, barycentric of corner 1, of corner 2, distance) of each pixel's ray, in float64."""
    places = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(places, places)
    a, b, c = corners
    matrix = np.linalg.inv(np.array([(b - a)[:2], (c - a)[:2]]).T)
    u = matrix[0, 0] * (x - a[0]) + matrix[0, 1] * (y - a[1])
    v = matrix[1, 0] * (x - a[0]) + matrix[1, 1] * (y - a[1])
    inside = (u >= 0) & (v >= 0) & (u + v <= 1)
    return inside, u, v, 1 + a[2] + u * (b - a)[2] + v * (c - a)[2]


def test_triangle_matches_numpy(gpu: Device, keep: Keep, pipeline: RayTracingPipeline) -> None:
    tlas = keep(gpu.tlas([Instance(blas_of(gpu, keep, CORNERS), custom_index=5)]))
    image = trace(gpu, keep, pipeline, tlas)
    inside, u, v, distance = expected(CORNERS)
    assert (image[~inside] == -1).all()
    assert np.allclose(image[inside], np.stack([u, v, distance, np.full_like(u, 500)], -1)[inside], atol=1e-5)
    assert (trace(gpu, keep, pipeline, tlas, miss=1)[~inside] == -2).all()


def test_geometries_and_closest_hit(gpu: Device, keep: Keep, pipeline: RayTracingPipeline) -> None:
    nearer = CORNERS * [0.5, 0.5, 1] - [0, 0, 0.3]
    tlas = keep(gpu.tlas([Instance(blas_of(gpu, keep, CORNERS, nearer))]))
    image = trace(gpu, keep, pipeline, tlas)
    front, back = expected(nearer)[0], expected(CORNERS)[0]
    assert (image[front][:, 3] == 10).all()
    assert (image[back & ~front][:, 3] == 0).all()


def test_any_hit_lets_rays_through(gpu: Device, keep: Keep, pipeline: RayTracingPipeline) -> None:
    inside, u, v, _ = expected(CORNERS)
    for opaque, hits in ((False, inside & (u + v >= 0.5)), (True, inside)):
        tlas = keep(gpu.tlas([Instance(blas_of(gpu, keep, CORNERS, opaque=opaque), hit_group=2)]))
        image = trace(gpu, keep, pipeline, tlas)
        assert ((image[:, :, 2] > 0) == hits).all()


def test_instances_transforms_masks_and_hit_groups(gpu: Device, keep: Keep, pipeline: RayTracingPipeline) -> None:
    blas = blas_of(gpu, keep, CORNERS)
    turned = np.array([(0, -0.5, 0, 0.1), (0.5, 0, 0, -0.2), (0, 0, 1, 2)], np.float32)
    moved = CORNERS @ turned[:, :3].T.astype(float) + turned[:, 3]
    tlas = keep(gpu.tlas([Instance(blas, mask=0b01), Instance(blas, turned, custom_index=3, mask=0b10, hit_group=1)]))
    assert (trace(gpu, keep, pipeline, tlas, mask=0b100) == -1).all()
    assert ((trace(gpu, keep, pipeline, tlas, mask=0b01)[:, :, 3] == 0) == expected(CORNERS)[0]).all()
    image = trace(gpu, keep, pipeline, tlas, mask=0b10)
    inside, _, _, distance = expected(moved)
    assert ((image[:, :, 3] == 7777) == inside).all()
    assert np.allclose(image[inside][:, 2], distance[inside], atol=1e-5)


def test_pipelines_of_the_same_shaders_are_compiled_once(gpu: Device, keep: Keep) -> None:
    """Drivers may take seconds for it. Whichever of them is closed, the others go on."""
    tlas = keep(gpu.tlas([Instance(blas_of(gpu, keep, CORNERS), custom_index=5)]))
    dark = (gpu.shaders.folders[-1] / "dark.rmiss").read_text()

    def made(sky: float, *, misses: int = 1, constant: int | float = 0) -> RayTracingPipeline:
        return gpu.raytracing_pipeline(
            "rays.rgen",
            ["one.rmiss", "dark.rmiss"][:misses],
            [HitGroup("seen.rchit")],
            [Binding(0, "tlas", name="another name"), BINDINGS[1]],
            push=PUSH,
            includes={"one.rmiss": dark.replace("-2", str(sky))},
            constants={7: constant},
        )

    first = made(-3.5)
    compiled, alive = gpu.objects_made["VkPipeline"], gpu.live_objects
    second = made(-3.5)
    assert second.handle == first.handle and gpu.objects_made["VkPipeline"] == compiled
    others = [
        keep(made(-4.5)),
        keep(made(-3.5, misses=2)),
        keep(made(-3.5, constant=1)),
        keep(made(-3.5, constant=1.0)),
    ]
    assert len({str(one.handle) for one in (first, *others)}) == 5
    assert gpu.objects_made["VkPipeline"] == compiled + 4
    first.close()
    outside = ~expected(CORNERS)[0]
    assert (trace(gpu, keep, second, tlas)[outside] == -3.5).all()
    assert (trace(gpu, keep, others[0], tlas)[outside] == -4.5).all()
    second.close()
    again = keep(made(-3.5))
    assert (trace(gpu, keep, again, tlas)[outside] == -3.5).all()
    assert gpu.objects_made["VkPipeline"] == compiled + 4
    assert gpu.live_objects.get("VkPipeline") == alive.get("VkPipeline")  # the device's own count as nobody's


def test_tlas_update_keeps_bindings(gpu: Device, keep: Keep, pipeline: RayTracingPipeline) -> None:
    blas = blas_of(gpu, keep, CORNERS)
    tlas = keep(gpu.tlas([Instance(blas)], capacity=2))
    target = keep(gpu.image(SIZE, SIZE, "rgba32f"))
    bound = keep(pipeline.bind({0: tlas, 1: target}))
    push = PUSH.zeros()
    push["mask"] = 255
    with gpu.commands() as cmd:
        cmd.bind(pipeline, bound)
        cmd.push(push)
        cmd.trace(SIZE, SIZE)
    keep(cmd)
    shift = np.eye(3, 4, dtype=np.float32)
    shift[2, 3] = 4
    for instances, depth in (([Instance(blas)], 0), ([Instance(blas, shift)], 4), ([], None)):
        tlas.update(instances)
        gpu.submit(cmd)
        image = target.read()
        inside, _, _, distance = expected(CORNERS)
        if depth is None:
            assert (image == -1).all()
        else:
            assert np.allclose(image[inside][:, 2], distance[inside] + depth, atol=1e-5)
    with pytest.raises(ValueError, match="room for 2 instances, not 3"):
        tlas.update([Instance(blas)] * 3)


def test_blas_rebuild_follows_the_vertices(gpu: Device, keep: Keep, pipeline: RayTracingPipeline) -> None:
    blas = blas_of(gpu, keep, CORNERS, updatable=True)
    vertices = blas.geometries[0].vertices
    tlas = keep(gpu.tlas([Instance(blas)]))
    moved = CORNERS + np.array([0.1, -0.1, 1])
    data = vertices.read(np.float32, (4, 5))
    data[1:, 1:4] = moved
    vertices.write(data)
    blas.rebuild()
    tlas.update([Instance(blas)])
    image = trace(gpu, keep, pipeline, tlas)
    inside, _, _, distance = expected(moved)
    assert ((image[:, :, 2] > 0) == inside).all()
    assert np.allclose(image[inside][:, 2], distance[inside], atol=1e-5)
    with pytest.raises(ValueError, match="not made updatable"):
        blas_of(gpu, keep, CORNERS).rebuild()


def test_coarser_alignments(gpu: Device, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of GPUs are: of a shader binding table's regions and records, and of memory that is built in."""
    coarse = 2**18
    limits = replace(gpu.info.limits, sbt_handle_alignment=128, sbt_base_alignment=coarse, scratch_alignment=coarse)
    monkeypatch.setattr(gpu, "info", replace(gpu.info, limits=limits))
    blas = blas_of(gpu, keep, CORNERS, updatable=True)
    scratch, address = blas._scratch, blas._info.scratchData.deviceAddress
    assert scratch is not None and scratch.address <= address < scratch.address + scratch.size
    assert address % coarse == 0
    hits = [HitGroup("seen.rchit"), HitGroup("other.rchit")]
    pipeline = keep(gpu.raytracing_pipeline("rays.rgen", ["sky.rmiss", "dark.rmiss"], hits, BINDINGS, push=PUSH))
    generation, *others, callable = pipeline.regions
    assert callable.size == 0 and generation.size == generation.stride == 128
    assert all(region.stride == 128 and region.size == 256 for region in others)
    assert all(region.deviceAddress % coarse == 0 for region in (generation, *others))
    image = trace(gpu, keep, pipeline, keep(gpu.tlas([Instance(blas, hit_group=1)])), miss=1)
    inside = expected(CORNERS)[0]
    assert (image[~inside] == -2).all() and (image[inside][:, 3] == 7777).all()


def test_device_whose_memory_cannot_be_mapped(reach_memory: Callable[[Reach], None]) -> None:
    """As on a discrete GPU: vertices, shader binding table and results go through staging buffers."""
    reach_memory("discrete")
    with Device.open(validation=True, shader_folders=[SHADERS]) as device, keeping() as keep:
        tlas = keep(device.tlas([Instance(blas_of(device, keep, CORNERS), custom_index=5)]))
        made = keep(
            device.raytracing_pipeline("rays.rgen", ["sky.rmiss"], [HitGroup("seen.rchit")], BINDINGS, push=PUSH)
        )
        image = trace(device, keep, made, tlas)
    inside, _, _, distance = expected(CORNERS)
    assert (image[~inside] == -1).all()
    assert np.allclose(image[inside][:, 2:], np.stack([distance[inside], np.full(inside.sum(), 500)], -1))
    assert device.validation_messages == []


def test_misuse_is_named(gpu: Device, keep: Keep) -> None:
    buffer = keep(gpu.buffer(36))
    with pytest.raises(ValueError, match="2 triangles do not fit"):
        gpu.blas([Geometry(buffer, 3, 12, 0, buffer, 24, 2)])
    with pytest.raises(ValueError, match="4 vertices do not fit"):
        gpu.blas([Geometry(buffer, 4, 12, 0, buffer, 0, 1)])
    with pytest.raises(ValueError, match="a geometry of 0 triangles"):
        gpu.blas([Geometry(buffer, 3, 12, 0, buffer, 0, 0)])
    with pytest.raises(ValueError, match="no geometries"):
        gpu.blas([])
    with pytest.raises(ShaderError, match=r"bad\.rchit does not compile: bad\.rchit:1:"):
        gpu.raytracing_pipeline(
            "rays.rgen", [], [HitGroup("bad.rchit")], BINDINGS, push=PUSH, includes={"bad.rchit": "void main() { x; }"}
        )
    vertices = keep(gpu.buffer(np.eye(3, dtype=np.float32)))
    indices = keep(gpu.buffer(np.arange(3, dtype=np.uint32)))
    blas = gpu.blas([Geometry(vertices, 3, 12, 0, indices, 0, 1)])
    tlas = keep(gpu.tlas([Instance(blas, custom_index=2**24 - 1, hit_group=2**24 - 1)]))
    for index, group in ((2**24, 0), (0, 2**24), (-1, 0)):
        with pytest.raises(ValueError, match="have 24 bits"):
            tlas.update([Instance(blas, custom_index=index, hit_group=group)])
    with pytest.raises(ValueError, match="room for 1 instances, not 2"):
        tlas.update([Instance(blas)] * 2)
    blas.close()
    with pytest.raises(ValueError, match="closed"):
        tlas.update([Instance(blas)])
    with pytest.raises(ValueError, match="recursion 999"):
        gpu.raytracing_pipeline("rays.rgen", [], [], BINDINGS, push=PUSH, recursion=999)
