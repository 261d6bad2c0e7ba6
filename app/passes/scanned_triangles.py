"""Which triangle every pixel shows, by a dispatch: for devices whose rasteriser takes triangles one after the other.

Laine & Karras 2011 ("High-Performance Software Rasterization on GPUs") and Karis 2021 ("Nanite: A Deep Dive") have the
idea: small triangles by a thread each, which leaves the nearest by an atomic minimum; the others by the rasteriser.
"""

import math
from functools import partial

import numpy as np

from app.arrays import F32, U32
from app.gpu import CommandBuffer, Device, Struct
from app.network.schema import TILE_PIXELS, from_tiles, glsl, tile_grid
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources, ScenePipeline
from app.passes.visible_pixels import NO_PART, NOTHING, VisiblePixels, visible_includes

BLOCK = Struct(
    "TriangleBlock",
    [
        ("part", "uint"),
        ("first", "uint"),  # of the part's triangles
        ("count", "uint"),  # at most BLOCK_TRIANGLES
        ("one_sided", "uint"),  # whether triangles seen from behind are left out
    ],
)
PUSH = Struct(
    "ScannedTrianglesPush",
    [("first", "uint")],  # block of the dispatch
)
BLOCK_TRIANGLES = 64  # a workgroup
_GROUPS_ALONG = 32768  # workgroups along one axis: fewer than any device takes
# Pixels that a small triangle is wide and high at most: edge functions, at 256 steps a pixel, have 31 bits.
LARGEST = 64
LARGE = Struct(  # what the rasteriser is given, a VkDrawIndirectCommand; numbers of triangles follow
    "DrawIndirect",
    [("vertices", "uint"), ("instances", "uint"), ("first_vertex", "uint"), ("first_instance", "uint")],
)

FEATURES = frozenset({"shaderBufferInt64Atomics", "shaderInt64", "fragmentStoresAndAtomics"})


def scans_triangles(device: Device) -> bool:
    """Whether the device's rasteriser is a CPU's, and the device can do without."""
    return device.info.kind == "cpu" and device.info.features.issuperset(FEATURES)


class ScannedTriangles(VisiblePixels):
    """Leaves a buffer of two words a pixel (shaders/include/visible.glsl). See VisiblePixels.

    A triangle is small if it is no more than LARGEST pixels wide and high and lies beyond the near plane. Both kinds
    cover the pixels that Vulkan says, with corners rounded as the device's rasteriser rounds them.

    The face comes first: hair behind it is then left out before its map is looked at.
    """

    def _build(self, scene: SceneBuffers) -> None:
        device, (width, height) = self._device, self.size
        self._pixels = self.own(device.buffer(8 * TILE_PIXELS * math.prod(tile_grid(width, height)), name=self._name))
        self.triangles = self.depths = self._pixels
        self._of_scene = self.own(Owner())
        self._choose_parts(scene)
        bits = min(device.info.limits.sub_pixel_bits, 8)
        defines = {"LARGEST": LARGEST, "STEP_BITS": bits, "STEPS": 1 << bits}
        includes = {
            **visible_includes(self._pixels),
            "features.glsl": glsl(),
            "scanned_triangles.glsl": "\n".join(
                [f"#define BLOCK_TRIANGLES {BLOCK_TRIANGLES}", BLOCK.glsl, PUSH.glsl, LARGE.glsl, ""]
            ),
        }
        scan = partial(device.compute_pipeline, "scanned_triangles.comp", full_subgroups=True)
        self._scan = self.own(
            ScenePipeline(scan, scene, self._resources, push=PUSH, defines=defines, includes=includes)
        )
        shaders = ("large_triangles.vert", "large_triangles.frag")
        draw = partial(device.graphics_pipeline, *shaders, color_formats=[], depth_format=None, cull="none")
        self._draw = self.own(ScenePipeline(draw, scene, self._resources, includes=includes))

    def _resources(self) -> Resources:
        return {"PIXELS": self._pixels, "BLOCKS": self._blocks, "LARGE": self._large}

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on; see VisiblePixels."""
        if scene is not self._scan.scene:
            self._choose_parts(scene)
        self._scan.bind(scene)
        self._draw.bind(scene)

    def _choose_parts(self, scene: SceneBuffers) -> None:
        records: list[tuple[int, int, int, int]] = []
        self._dispatches: list[tuple[int, tuple[int, int]]] = []  # the first block, and workgroups along x and y
        for face in (True, False):
            blocks = [
                (index, first, min(BLOCK_TRIANGLES, count - first), one_sided)
                for index, one_sided in self._choose(scene).items()
                if scene.parts[index].face == face
                for count in [len(scene.meshes[index].triangles)]
                for first in range(0, count, BLOCK_TRIANGLES)
            ]
            if blocks:
                groups = min(len(blocks), _GROUPS_ALONG), -(-len(blocks) // _GROUPS_ALONG)
                self._dispatches.append((len(records), groups))
                records += blocks + [(0, 0, 0, 0)] * (math.prod(groups) - len(blocks))
        records = records or [(0, 0, 0, 0)]  # a buffer holds something
        large = np.zeros(LARGE.size // 4 + BLOCK_TRIANGLES * len(records), np.uint32)
        large[1] = 1  # instance
        self._of_scene.close()
        self._blocks = self._of_scene.own(self._device.buffer(np.array(records, BLOCK.dtype), name="triangle blocks"))
        self._large = self._of_scene.own(self._device.buffer(large, name="large triangles"))

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; see VisiblePixels."""
        command.fill(self._pixels, NOTHING)
        command.fill(self._large, 0, size=4)
        command.barrier()
        self._scan.use(command)
        for first, groups in self._dispatches:
            command.push(np.array((first,), PUSH.dtype))
            command.dispatch(*groups)
            command.barrier()
        with command.rendering(color=[], size=self.size):
            self._draw.use(command)
            command.draw_indirect(self._large)

    def read(self) -> tuple[U32, F32]:
        """Return what shows; see VisiblePixels."""
        width, height = self.size
        pixels = from_tiles(self._pixels.read(np.uint32).reshape(-1, TILE_PIXELS, 2), width, height)
        scene, shows = self._scan.scene, pixels[..., 0] != NOTHING
        triangle = np.where(shows, ~pixels[..., 0], 0).astype(np.int64)
        first = scene.first_indices[:-1] // 3
        part = np.searchsorted(first, triangle, side="right") - 1
        found = np.stack([part, triangle - first[part]], axis=-1)
        return np.where(shows[..., None], found, (NO_PART, 0)).astype(np.uint32), pixels[..., 1].view(np.float32)
