"""Temporal antialiasing: the last picture, moved to where the camera sees it now."""

from functools import partial

from app.arrays import F64
from app.gpu import CommandBuffer, Device
from app.network.schema import glsl, tile_grid
from app.passes.composite import COMPOSITE_INCLUDES, Composite
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import R2
from app.passes.scene_pipeline import Resource, Resources, ScenePipeline
from app.passes.visible_pixels import visible_includes
from app.scene.camera import Camera

HISTORY_SAMPLES = 4  # as how many samples at most all frames before count together
# How far, in standard deviations of the colours around a pixel, what was drawn before may lie from their mean: at rest,
# and where the picture moves by FAST pixels a frame or more. Figures: docs/motion.md.
CLIP_AT_REST, CLIP_FAST, FAST = 1.0, 0.5, 1.0
EDGE_PIXELS = 8.0  # a step in depth between neighbours that is deeper than so many pixels are wide is an edge


class Reprojection(Owner):
    """Fills a composite's `history` from its `resolved`, for the first frame of another view or in other light.

    Nothing of the scene moves but the camera, so depth says where in the last picture a point was (Karis 2014, "High
    Quality Temporal Supersampling"). What was hidden then, or has changed its colour, is held to the colours that this
    frame has around the pixel (Salvi 2016, "An Excursion in Temporal Supersampling").

    Args:
        device: an open device.
        scene: the scene on the GPU.
        composite: made for the same passes; its state has the view before.
        depths: of all that is drawn; see VisiblePixels.
    """

    def __init__(self, device: Device, scene: SceneBuffers, composite: Composite, depths: Resource) -> None:
        super().__init__()
        self._composite, self._depths = composite, depths
        constants = {"CLIP_AT_REST": CLIP_AT_REST, "CLIP_FAST": CLIP_FAST, "FAST": FAST, "EDGE_PIXELS": EDGE_PIXELS}
        with self.building():
            self._linear = self.own(device.sampler("linear", wrap_u="clamp", wrap_v="clamp"))
            self._pipeline = self.own(
                ScenePipeline(
                    partial(device.compute_pipeline, "reprojection.comp"),
                    scene,
                    self._resources,
                    defines={name: str(value) for name, value in constants.items()},
                    includes={**COMPOSITE_INCLUDES, **visible_includes(depths), "features.glsl": glsl()},
                )
            )

    def _resources(self) -> Resources:
        composite = self._composite
        return {
            "RADIANCE": composite.inputs.radiance,
            "STATE": composite.state,
            "DEPTHS": self._depths,
            "RESOLVED": (composite.resolved, self._linear),
            "HISTORY": composite.history,
        }

    def bind(self, scene: SceneBuffers) -> None:
        """See this scene from now on, with the buffers that it has now. Commands recorded before are stale."""
        self._pipeline.bind(scene)

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; the composite's history is visible after the next barrier."""
        with command.timer("reprojection"):
            self._pipeline.use(command)
            command.dispatch(*tile_grid(self._composite.width, self._composite.height))


class History:
    """What becomes of pictures when the accumulation starts over: whose view was kept, and how much it still counts.

    Attributes:
        reprojects: whether this frame needs Reprojection.
        samples: as how many samples the composite's history counts in it.
        position: of this frame in sequences of jitter and random numbers, 0 for a picture without a past.
        jitter: where in the pixel this frame's sample goes, (x, y) in pixels from its centre: R2, whose first place
            is the centre.
        camera, view: of the picture in `resolved`, its view a (4, 4) matrix world -> clip space; None: there is none.
    """

    def __init__(self) -> None:
        self.reprojects, self.samples, self.position = False, 0, 0
        self.camera: Camera | None = None
        self.view: F64 | None = None
        self._counts = False  # since the accumulation started over

    @property
    def jitter(self) -> tuple[float, float]:
        """See above."""
        x, y = (self.position * step + 0.5 for step in R2)
        return x % 1.0 - 0.5, y % 1.0 - 0.5

    def begin(self, sample: int, keeps: bool) -> None:
        """A neural frame begins: the accumulation has `sample` samples, its picture will be kept or not."""
        if sample == 0:
            self._counts = keeps and self.camera is not None
        self.reprojects = sample == 0 and self._counts
        self.samples = max(0, HISTORY_SAMPLES - sample) if keeps and self._counts else 0
        self.position = self.position + 1 if sample > 0 or self._counts else 0

    def end(self, keeps: bool, camera: Camera, view: F64) -> None:
        """The frame is drawn with this view."""
        self.camera, self.view = (camera, view) if keeps else (None, None)

    def forget(self) -> None:
        """What was kept is no more."""
        self.camera = self.view = None
