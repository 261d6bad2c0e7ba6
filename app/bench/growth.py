"""How the time of every pass grows: with the picture's size, the share of it that is face, lights, triangles, networks.

One thing changes at a time, the rest is the default view at EDGE x EDGE pixels. Points are gone through in sweeps, so
that a machine that is busy for a while slows all of them alike.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.bench.figures import Samples
from app.bench.networks import NETWORKS, RESIDENT
from app.bench.worker import Worker
from app.controls import Controls
from app.modes import MODES
from app.open_renderer import open_device
from app.passes.owner import Owner
from app.renderer import Renderer
from app.scene.default import default_scene
from app.scene.lights import AreaLight, Light
from app.scene.model import Mesh, Scene, normalized
from app.scene_options import SceneOptions
from app.weight_sets import load_weights

EDGE = 512  # pixels
POINTS: dict[str, tuple[float, ...]] = {
    "pixels": (256, 512, 1024),  # along an edge of the picture
    "coverage": (0.5, 1.0, 1.8),  # how much nearer than by default the camera is
    "lights": (1, 2, 4, 8),
    "triangles": (0, 1, 2),  # times that each of the face's is divided into four
}
MEANINGS = {
    "pixels": "pixels of the picture",
    "coverage": "share of the picture that is face",
    "lights": "lights",
    "triangles": "triangles of the face",
    "networks": "networks (the picture is all face)",
}
"""What a point's number counts, by what grows."""
FRAMES = ("", "RIGHT", "")  # keys pressed before a point's frames in a sweep; this one moves the key light
_SWEEPS = 2
_LIGHT_CACHE, _WHOLE = "light cache", "whole frame"
_PASSES = {  # by the GPU's timers that they are made of
    "G-buffer": ("triangles", "gbuffer"),
    "background": ("background",),
    "tile hash": ("tile_hash",),
    "tile network": ("tile_network",),
    "composite": ("composite",),
}


@dataclass(frozen=True)
class Point:
    """A point's number, and milliseconds of its frames: by pass, and the whole of those without light to gather."""

    at: float
    frames: list[dict[str, float]]


class Growth(Owner):
    """Renderers of the default view and of the same with more triangles, made when they are first asked for.

    Args:
        options: device and weights.
        edge: pixels along an edge, where it is not the size that changes.
    """

    def __init__(self, options: SceneOptions, edge: int = EDGE) -> None:
        super().__init__()
        self._edge = edge
        self._renderers: dict[int, Renderer] = {}
        with self.building():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # random networks take as long; the report says what rays are missing
                self._device = self.enter(open_device(options, raytracing=None))
                self._weights = load_weights(options.weights)
            self._scene = default_scene()

    def measure(self, kind: str, value: float) -> Point:
        """Draw FRAMES at one of the POINTS, after one that is not counted."""
        renderer = self._renderer(int(value) if kind == "triangles" else 0)
        scene, size = renderer.scene, renderer.size
        try:
            if kind == "pixels":
                renderer.resize(int(value), int(value))
            elif kind == "coverage":
                renderer.scene = scene.with_camera(scene.camera.zoom(value))
            elif kind == "lights":
                renderer.scene = replace(scene, rig=replace(scene.rig, lights=_lights(scene, int(value))))
            renderer.render()
            controls = Controls(renderer, MODES)
            frames = [_frame(renderer, controls, key) for key in FRAMES]
            if kind == "pixels":
                return Point(float(np.prod(renderer.size)), frames)
            if kind == "coverage":
                return Point(float(renderer.read_aov("face").mean()), frames)
            triangles = sum(len(part.mesh.triangles) for part in scene.face_parts)
            return Point(float(triangles if kind == "triangles" else value), frames)
        finally:
            renderer.resize(*size)
            renderer.scene = scene

    def _renderer(self, divisions: int) -> Renderer:
        if divisions not in self._renderers:
            scene = divided(self._scene, divisions)
            size = (self._edge, self._edge)
            renderer = Renderer(self._device, scene, self._weights, size, cache_samples=1)
            self._renderers[divisions] = self.own(renderer)
            renderer.timed = True
        return self._renderers[divisions]


def measure_growth(
    options: SceneOptions, counted: Callable[[int, str], Iterator[int]], *, quick: bool = False
) -> dict[str, Any]:
    """Measure all POINTS.

    Returns:
        By what grows: "at", the points' numbers (see MEANINGS), and "ms", by pass and for the whole frame a list with
        the spread of each point.
    """
    points = [(kind, value) for kind, values in POINTS.items() for value in values]
    sweeps = 1 if quick else _SWEEPS
    numbers: dict[tuple[str, float], float] = {}
    samples = {point: Samples() for point in points}
    with Worker(Growth, options) as worker:
        for step in counted(sweeps * len(points), "growing"):
            point = points[step % len(points)]
            found = worker.ask(Growth.measure, *point)
            numbers[point] = found.at
            for frame in found.frames:
                samples[point].add_all(frame)
    spreads = {point: some.spreads() for point, some in samples.items()}
    return {
        kind: {
            "at": [numbers[kind, value] for value in values],
            "ms": {name: [spreads[kind, value][name] for value in values] for name in (_LIGHT_CACHE, *_PASSES, _WHOLE)},
        }
        for kind, values in POINTS.items()
    }


def with_networks(results: Mapping[str, Any]) -> dict[str, Any]:
    """What `app.bench.measure.measure_all` found of the tile network with more and more networks, in the same form."""
    few, many = RESIDENT
    names = {few: "tile_network_ms_1", NETWORKS: "tile_network_ms_full", many: "tile_network_ms_2000"}
    return {"networks": {"at": list(names), "ms": {"tile network": [results[name] for name in names.values()]}}}


def divided(scene: Scene, times: int) -> Scene:
    """The scene with every triangle of its face divided into four, so many times; its shape stays."""
    from trimesh.remesh import subdivide

    parts = []
    for part in scene.parts:
        mesh = part.mesh
        for _ in range(times if part.face else 0):
            attributes = {"normals": mesh.normals, "uvs": mesh.uvs}
            positions, triangles, more = subdivide(mesh.positions, mesh.triangles, vertex_attributes=attributes)
            mesh = Mesh.of(positions, triangles, normalized(more["normals"]), more["uvs"])
        parts.append(replace(part, mesh=mesh))
    return replace(scene, parts=tuple(parts))


def _lights(scene: Scene, count: int) -> tuple[Light, ...]:
    """So many soft lights around the face, in front of it first, as bright together whatever their number."""
    target = scene.bounds(face_only=True).mean(axis=0)
    lights = []
    for index in range(count):
        yaw = math.radians(45.0 * ((index + 1) // 2) * (-1.0) ** index)
        offset = 1.5 * np.array([math.sin(yaw), 0.4, math.cos(yaw)])
        x, y, z = (target + offset).tolist()
        lights.append(AreaLight.facing((x, y, z), tuple(target.tolist()), 0.5, 0.5, radiance=30.0 / count))
    return tuple(lights)


def _frame(renderer: Renderer, controls: Controls, key: str) -> dict[str, float]:
    start = time.perf_counter()
    if key:
        controls.press(key)
    renderer.render()
    whole = (time.perf_counter() - start) * 1e3
    timings = renderer.timings()
    if key:
        return {_LIGHT_CACHE: timings["light cache"]}
    return {**{name: sum(timings.get(one, 0.0) for one in timers) for name, timers in _PASSES.items()}, _WHOLE: whole}
