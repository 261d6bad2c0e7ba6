"""A raster pass over the face that tells which triangle every pixel shows: a visibility buffer (Burns & Hunt 2013).

The G-buffer computes all else from it, once a pixel, so that overdraw costs next to nothing.
"""

from functools import partial

import numpy as np

from app.gpu import CommandBuffer, Device, Struct
from app.passes.owner import Owner
from app.passes.scene_acceleration import group_mask
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_FACE
from app.passes.scene_pipeline import ScenePipeline

NO_PART = 0xFFFF_FFFF  # where there is no face
PUSH = Struct("FaceTrianglesPush", [("part", "uint")])
FACE_TRIANGLES_INCLUDES = {"face_triangles.glsl": f"#define NO_PART {NO_PART:#x}u\n{PUSH.glsl}\n"}


class FaceTriangles(Owner):
    """Draws the face parts with the frame's jitter into `image`, (part, triangle) as rg32u, NO_PART beside the face,
    and into `depth` (d32, 1 there).

    Args:
        device: an open device.
        scene: the scene on the GPU.
        width, height: pixels.
    """

    def __init__(self, device: Device, scene: SceneBuffers, width: int, height: int) -> None:
        super().__init__()
        shaders = ("face_triangles.vert", "face_triangles.frag")
        make = partial(device.graphics_pipeline, *shaders, color_formats=["rg32u"], depth_format="d32", cull="none")
        with self.building():
            self.image = self.own(device.image(width, height, "rg32u", name="face triangles"))
            self.depth = self.own(device.image(width, height, "d32", name="depth of face triangles"))
            self._pipeline = self.own(ScenePipeline(make, scene, push=PUSH, includes=FACE_TRIANGLES_INCLUDES))

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, with the buffers that it has now. Commands recorded before are stale."""
        self._pipeline.bind(scene)

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; the triangles are visible after the next barrier."""
        scene, clear = self._pipeline.scene, (float(NO_PART), 0.0, 0.0, 0.0)
        with (
            command.timer("face triangles"),
            command.rendering(color=[self.image], depth=self.depth, clear_color=clear, clear_depth=1.0),
        ):
            self._pipeline.use(command)
            for index, part in enumerate(scene.parts):
                if group_mask(part) == MASK_FACE:  # what is clear shows the face behind it
                    push = np.zeros((), PUSH.dtype)
                    push["part"] = index
                    command.push(push)
                    corners = 3 * len(scene.meshes[index].triangles)
                    command.draw(corners, first=int(scene.first_indices[index]))
