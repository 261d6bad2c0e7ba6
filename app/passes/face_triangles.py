"""A raster pass over the face that tells which triangle every pixel shows: a visibility buffer (Burns & Hunt 2013).

The G-buffer computes all else from it, once a pixel, so that overdraw costs next to nothing.
"""

from typing import Any

import numpy as np

from app.gpu import CommandBuffer, Device, Struct
from app.passes.scene_acceleration import group_mask
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_FACE, SCENE_INCLUDES

NO_PART = 0xFFFF_FFFF  # where there is no face
PUSH = Struct("FaceTrianglesPush", [("part", "uint")])
FACE_TRIANGLES_INCLUDES = {"face_triangles.glsl": f"#define NO_PART {NO_PART:#x}u\n{PUSH.glsl}\n"}


class FaceTriangles:
    """Draws the face parts with the frame's jitter into `image`, (part, triangle) as rg32u, NO_PART beside the face,
    and into `depth` (d32, 1 there).

    Args:
        device: an open device.
        scene: the scene on the GPU.
        width, height: pixels.
    """

    def __init__(self, device: Device, scene: SceneBuffers, width: int, height: int) -> None:
        self.scene = scene
        self.image = device.image(width, height, "rg32u", name="face triangles")
        self.depth = device.image(width, height, "d32", name="depth of face triangles")
        self._pipeline = device.graphics_pipeline(
            "face_triangles.vert",
            "face_triangles.frag",
            scene.bindings(),
            push=PUSH,
            includes={**SCENE_INCLUDES, **FACE_TRIANGLES_INCLUDES},
            color_formats=["rg32u"],
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
        """Records the pass; the triangles are visible after the next barrier."""
        clear = (float(NO_PART), 0.0, 0.0, 0.0)
        with (
            command.timer("face triangles"),
            command.rendering(color=[self.image], depth=self.depth, clear_color=clear, clear_depth=1.0),
        ):
            command.bind(self._pipeline, self._bound)
            for index, part in enumerate(self.scene.parts):
                if group_mask(part) == MASK_FACE:  # what is clear shows the face behind it
                    push = np.zeros((), PUSH.dtype)
                    push["part"] = index
                    command.push(push)
                    corners = 3 * len(self.scene.meshes[index].triangles)
                    command.draw(corners, first=int(self.scene.first_indices[index]))

    def close(self) -> None:
        """Releases everything on the GPU."""
        for thing in (self._bound, self._pipeline, self.depth, self.image):
            thing.close()
