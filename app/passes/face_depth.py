"""A depth-only raster pass over the face: tells the traced G-buffer which pixels need a ray, and where to look.

On a CPU driver a ray through the head costs about ten times as much as the pixel of a raster pass, and a ray that knows
its interval a third of one that does not (docs/results.md).
"""

from functools import partial

from app.gpu import CommandBuffer, Device
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import ScenePipeline
from app.passes.visible_triangles import face_triangles


class FaceDepth(Owner):
    """Draws the face parts into `depth` (d32, 1 where there is no face) with the frame's jitter.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        width, height: pixels.
    """

    def __init__(self, device: Device, scene: SceneBuffers, width: int, height: int) -> None:
        super().__init__()
        shaders = ("face_depth.vert", "face_depth.frag")
        make = partial(device.graphics_pipeline, *shaders, color_formats=[], depth_format="d32", cull="none")
        with self.building():
            self.depth = self.own(device.image(width, height, "d32", name="face depth"))
            self._pipeline = self.own(ScenePipeline(make, scene))

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, with the buffers that it has now. Commands recorded before are stale."""
        self._pipeline.bind(scene)

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; the depth is visible after the next barrier."""
        scene = self._pipeline.scene
        with command.rendering(color=[], depth=self.depth, clear_depth=1.0):
            self._pipeline.use(command)
            command.index_buffer(scene.indices)
            for index in face_triangles(scene):
                scene.draw_part(command, index)
