"""A depth-only raster pass over the face: tells the traced G-buffer which pixels need a ray, and where to look.

On a CPU driver a ray through the head costs about ten times as much as the pixel of a raster pass, and a ray that knows
its interval a third of one that does not (docs/results.md).
"""

from typing import Any

from app.gpu import CommandBuffer, Device
from app.passes.scene_acceleration import group_mask
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_FACE, SCENE_INCLUDES


class FaceDepth:
    """Draws the face parts into `depth` (d32, 1 where there is no face) with the frame's jitter.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        width, height: pixels.
    """

    def __init__(self, device: Device, scene: SceneBuffers, width: int, height: int) -> None:
        self.scene = scene
        self.depth = device.image(width, height, "d32", name="face depth")
        self._pipeline = device.graphics_pipeline(
            "face_depth.vert",
            "face_depth.frag",
            scene.bindings(),
            includes=SCENE_INCLUDES,
            color_formats=[],
            depth_format="d32",
            cull="none",
        )
        self._bound: Any = None
        self.lights_changed()

    def lights_changed(self) -> None:
        """Binds the scene anew. Commands recorded before are stale."""
        if self._bound is not None:
            self._bound.close()
        self._bound = self._pipeline.bind(self.scene.resources())

    def record(self, command: CommandBuffer) -> None:
        """Records the pass; the depth is visible after the next barrier."""
        with command.timer("face depth"), command.rendering(color=[], depth=self.depth, clear_depth=1.0):
            command.bind(self._pipeline, self._bound)
            command.index_buffer(self.scene.indices)
            for index, part in enumerate(self.scene.parts):
                if group_mask(part) == MASK_FACE:  # what is clear shows the face behind it
                    self.scene.draw_part(command, index)

    def close(self) -> None:
        """Releases everything on the GPU."""
        for thing in (self._bound, self._pipeline, self.depth):
            thing.close()
