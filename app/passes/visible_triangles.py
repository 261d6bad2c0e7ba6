"""A raster pass that tells which triangle every pixel shows: a visibility buffer (Burns & Hunt 2013).

All else is computed from it, once a pixel, so that overdraw and triangles of a pixel or two cost little more than
themselves: rasterisers shade whole blocks of pixels for every triangle that they touch.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from app.gpu import CommandBuffer, Device, Image, Struct
from app.passes.owner import Owner
from app.passes.scene_acceleration import group_mask
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_FACE
from app.passes.scene_pipeline import ScenePipeline

NO_PART = 0xFFFF_FFFF  # where there is none
PUSH = Struct(
    "VisibleTrianglesPush",
    [("part", "uint")],
)
VISIBLE_TRIANGLES_INCLUDES = {"visible_triangles.glsl": f"#define NO_PART {NO_PART:#x}u\n{PUSH.glsl}\n"}


class VisibleTriangles(Owner):
    """Draws parts with the frame's jitter into `image`, (part, triangle) as rg32u, NO_PART where they do not show.

    Blended parts leave out pixels, others in every frame (the idea of Wyman & McGuire 2017, "Hashed Alpha Testing", but
    with thresholds that are spread evenly): the frames' mean is right, in any order of drawing, and what is behind
    keeps its depth.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        width, height: pixels.
        choose: tells which parts of a scene, and of each whether triangles seen from behind are left out.
        name: of the images.
        depth: d32 image of that size with the same jitter, in which something is drawn already; it hides parts and gets
            theirs. Stays the caller's. None: they have one of their own.

    Attributes:
        image: see above.
        depth: d32, 1 where nothing is.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        width: int,
        height: int,
        choose: Callable[[SceneBuffers], Mapping[int, bool]],
        *,
        name: str,
        depth: Image | None = None,
    ) -> None:
        super().__init__()
        self._device, self._choose, self._clears_depth = device, choose, depth is None
        with self.building():
            self.image = self.own(device.image(width, height, "rg32u", name=name))
            self.depth = depth or self.own(device.image(width, height, "d32", name=f"depth of {name}"))
            self._pipelines = {False: self._make_pipeline(scene, cut=False)}
            self._choose_parts(scene)

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, with the buffers that it has now. Commands recorded before are stale."""
        another = scene is not self._pipelines[False].scene
        for pipeline in self._pipelines.values():
            pipeline.bind(scene)
        if another:
            self._choose_parts(scene)

    def _choose_parts(self, scene: SceneBuffers) -> None:
        self._parts = self._choose(scene)
        if True not in self._pipelines and any(scene.parts[index].cut_out for index in self._parts):
            self._pipelines[True] = self._make_pipeline(scene, cut=True)

    def _make_pipeline(self, scene: SceneBuffers, *, cut: bool) -> ScenePipeline:
        shaders = ("visible_triangles.vert", "visible_triangles.frag")
        make = partial(
            self._device.graphics_pipeline, *shaders, color_formats=["rg32u"], depth_format="d32", cull="dynamic"
        )
        includes, defines = VISIBLE_TRIANGLES_INCLUDES, {"CUT": int(cut)}
        return self.own(ScenePipeline(make, scene, push=PUSH, defines=defines, includes=includes))

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; the triangles are visible after the next barrier."""
        depth = 1.0 if self._clears_depth else None
        nothing = (float(NO_PART), 0.0, 0.0, 0.0)
        with command.rendering(color=[self.image], depth=self.depth, clear_color=nothing, clear_depth=depth):
            for cut, pipeline in self._pipelines.items():
                pipeline.use(command)
                for index, one_sided in self._parts.items():
                    if pipeline.scene.parts[index].cut_out == cut:
                        self._draw(command, pipeline.scene, index, one_sided)

    def _draw(self, command: CommandBuffer, scene: SceneBuffers, index: int, one_sided: bool) -> None:
        push = np.zeros((), PUSH.dtype)
        push["part"] = index
        command.push(push)
        command.cull(back=one_sided)
        command.draw(3 * len(scene.meshes[index].triangles), first=int(scene.first_indices[index]))


def face_triangles(scene: SceneBuffers) -> dict[int, bool]:
    """What VisibleTriangles is to choose to show the face: from both sides. What is clear shows the face behind it."""
    return {index: False for index, part in enumerate(scene.parts) if group_mask(part) == MASK_FACE}
