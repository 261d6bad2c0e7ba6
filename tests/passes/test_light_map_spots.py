"""Where a place is looked for in a depth map, and what is read there: the shader's text against a numpy twin."""

import numpy as np
import pytest

from app.arrays import F64, Records
from app.gpu import Binding, Device, Struct
from app.passes.light_maps import (
    LIGHT_VIEW,
    MAP_BIAS,
    MAP_BIAS_GRAZING,
    MAP_SIZE,
    MAP_SLOPE,
    light_view_declarations,
)

COUNT = 4096
PLACE = Struct("Place", [("position", "vec3"), ("normal", "vec3"), ("depth", "float")])
FOUND = Struct(
    "Found",
    [
        ("inside", "uint"),
        ("texel", "ivec2"),
        ("depth", "float"),
        ("bias", "float"),
        ("clip", "vec4"),
        ("held", "float"),  # what a map tells that has `Place.depth` in its texel
    ],
)
SHADER = f"""
{PLACE.glsl}{FOUND.glsl}
layout(local_size_x = 64) in;
#define SLOT_VIEWS 0
layout(set = 0, binding = 1, scalar) readonly buffer Places {{ Place places[]; }};
layout(set = 0, binding = 2, scalar) writeonly buffer Answers {{ Found found[]; }};
#include "light_maps.glsl"
void main()
{{
    uint i = gl_GlobalInvocationID.x;
    LightView view = views[i];
    Spot spot = spot_of(view, places[i].position, places[i].normal);
    found[i] = Found(uint(spot.inside), spot.texel, spot.depth, spot.bias, map_position(view, places[i].position),
                     map_depth(view, places[i].depth));
}}
"""


def some_views(rng: np.random.Generator, *, perspective: bool) -> Records:
    """Views of a head at the origin, from lamps half a metre to two away, or from directions."""
    views = np.zeros(COUNT, LIGHT_VIEW.dtype)
    towards = rng.normal(size=(COUNT, 3))
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    right = np.cross(towards, rng.normal(size=(COUNT, 3)))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    distance = rng.uniform(0.5, 2.0, (COUNT, 1))
    extent = 0.3 / distance if perspective else np.full((COUNT, 1), 0.3)
    views["origin"], views["forward"] = distance * towards, -towards
    views["right"], views["up"] = extent * right, extent * np.cross(right, -towards)
    views["near"], views["far"] = (distance[:, 0] - 0.4) if perspective else 0.0, distance[:, 0] + 0.4
    views["perspective"] = perspective
    return views


def twin(views: Records, places: Records) -> dict[str, F64]:
    """The same in double precision, by the ray through the texel's middle and the place's plane."""
    part = {name: views[name].astype(np.float64) for name in ("origin", "forward", "right", "up", "near", "far")}
    position, normal = (places[name].astype(np.float64) for name in ("position", "normal"))
    perspective = views["perspective"] > 0
    depth = _dot(position - part["origin"], part["forward"])
    scale = np.where(perspective, depth, 1.0)
    square = _dot(part["right"], part["right"])
    at = np.stack([_dot(position - part["origin"], part[axis]) for axis in ("right", "up")], axis=-1)
    at /= (square * scale)[:, None]
    texel = np.floor((at + 1.0) * MAP_SIZE / 2.0)
    middle = (texel + 0.5) * 2.0 / MAP_SIZE - 1.0
    across = middle[:, :1] * part["right"] + middle[:, 1:] * part["up"]
    # Every point of the ray is start + t * direction, t metres along `forward`.
    start = np.where(perspective[:, None], part["origin"], part["origin"] + across)
    direction = part["forward"] + np.where(perspective[:, None], across, 0.0)
    slope = _dot(normal, direction)
    met = _dot(normal, position - start) / slope
    width = 2.0 * np.sqrt(square) * scale / MAP_SIZE
    grazing = (slope >= 0.0) | (np.abs(met - depth) > MAP_SLOPE * width)
    held = places["depth"].astype(np.float64)
    between = part["near"] + held * (part["far"] - part["near"])
    with np.errstate(invalid="ignore"):  # without perspective near is 0
        linear = part["near"] * part["far"] / (part["far"] - held * (part["far"] - part["near"]))
    return {
        "at": at,
        "inside": (depth > part["near"]) & (np.abs(at) < 1.0).all(axis=-1),
        "texel": texel,
        "depth": np.where(grazing, depth, met),
        "bias": np.where(grazing, MAP_BIAS_GRAZING, MAP_BIAS) * width,
        "held": np.where(held >= 1.0, -1.0, np.where(perspective, linear, between)),
        "own": depth,
        "margin": np.abs(np.abs(met - depth) / (MAP_SLOPE * width) - 1.0),
    }


@pytest.mark.parametrize("perspective", [False, True])
def test_spots_are_the_twins(gpu: Device, perspective: bool) -> None:
    rng = np.random.default_rng(5 + perspective)
    views, places = some_views(rng, perspective=perspective), np.zeros(COUNT, PLACE.dtype)
    places["position"] = rng.uniform(-0.25, 0.25, (COUNT, 3))
    places["normal"] = rng.normal(size=(COUNT, 3))
    places["normal"] /= np.linalg.norm(places["normal"], axis=-1, keepdims=True)
    places["depth"] = np.minimum(rng.uniform(0.0, 1.1, COUNT), 1.0)  # a tenth of them: nothing is there
    with (
        gpu.compute_pipeline(
            "spots.comp",
            [Binding(slot, "storage") for slot in range(3)],
            includes={"spots.comp": SHADER, "light_views.glsl": light_view_declarations()},
        ) as pipeline,
        gpu.buffer(views) as of_views,
        gpu.buffer(places) as asked,
        gpu.buffer(COUNT * FOUND.size) as given,
        pipeline.bind({0: of_views, 1: asked, 2: given}) as bound,
    ):
        with gpu.commands() as command:
            command.bind(pipeline, bound)
            command.dispatch(COUNT // 64)
            command.barrier()
        gpu.submit(command)
        command.close()
        found = given.read(FOUND.dtype, (COUNT,))
    expected = twin(views, places)
    # Floats decide differently where a place lies on the edge of a texel, of the map, or of being grazing.
    fraction = (expected["at"] + 1.0) * MAP_SIZE / 2.0 % 1.0
    clear = (np.abs(fraction - 0.5) < 0.499).all(axis=-1) & (expected["margin"] > 1e-3)
    assert clear.mean() > 0.98
    for name in ("inside", "texel"):
        assert np.array_equal(found[name][clear], expected[name][clear].astype(found[name].dtype)), name
    assert 0.3 < expected["inside"].mean() < 1.0
    for name, off in (("depth", 5e-5), ("bias", 1e-6)):
        assert np.abs(found[name] - expected[name])[clear].max() < off, name
    assert np.abs(found["held"] - expected["held"]).max() < 1e-5
    # The rasteriser puts a place where it is looked for, and what it writes there is the place's own depth.
    clip = found["clip"].astype(np.float64)
    assert np.abs(clip[:, :2] / clip[:, 3:] - expected["at"]).max() < 1e-5
    between = np.clip(clip[:, 2] / clip[:, 3], 0.0, 1.0)
    shown = (between > 0.0) & (between < 1.0)
    again = twin(views, _with_depth(places, between))["held"]
    assert np.abs(again - expected["own"])[shown].max() < 1e-5 and shown.mean() > 0.5


def _dot(a: F64, b: F64) -> F64:
    product: F64 = (a * b).sum(axis=-1)
    return product


def _with_depth(places: Records, depth: F64) -> Records:
    changed = places.copy()
    changed["depth"] = depth
    return changed
