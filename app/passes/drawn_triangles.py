"""Which triangle every pixel shows, by the device's rasteriser."""

from functools import partial

import numpy as np

from app.arrays import F32, U32
from app.gpu import CommandBuffer, Struct
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import ScenePipeline
from app.passes.visible_pixels import NO_PART, VisiblePixels

PUSH = Struct(
    "DrawnTrianglesPush",
    [("part", "uint")],
)


class DrawnTriangles(VisiblePixels):
    """Leaves two images: (part, triangle) as rg32u, and d32. See VisiblePixels."""

    def _build(self, scene: SceneBuffers) -> None:
        image, name = self._device.image, self._name
        self._image = self.own(image(*self.size, "rg32u", name=name))
        self._depth = self.own(image(*self.size, "d32", name=f"depth of {name}"))
        nearest = self.own(self._device.sampler("nearest", wrap_u="clamp", wrap_v="clamp"))
        self.triangles, self.depths = (self._image, nearest), (self._depth, nearest)
        self._pipelines = {False: self._make_pipeline(scene, cut=False)}
        self._choose_parts(scene)

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on; see VisiblePixels."""
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
        shaders = ("drawn_triangles.vert", "drawn_triangles.frag")
        make = partial(
            self._device.graphics_pipeline, *shaders, color_formats=["rg32u"], depth_format="d32", cull="dynamic"
        )
        includes = {"drawn_triangles.glsl": PUSH.glsl}
        return self.own(ScenePipeline(make, scene, push=PUSH, defines={"CUT": int(cut)}, includes=includes))

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; see VisiblePixels."""
        nothing = (float(NO_PART), 0.0, 0.0, 0.0)
        with command.rendering(color=[self._image], depth=self._depth, clear_color=nothing, clear_depth=1.0):
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

    def read(self) -> tuple[U32, F32]:
        """Return what shows; see VisiblePixels."""
        return self._image.read(), self._depth.read()[..., 0]
