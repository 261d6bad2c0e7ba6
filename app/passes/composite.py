"""One picture from all passes: face and background, accumulation, tone mapping, and the views."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import F32, F64
from app.gpu import Buffer, CommandBuffer, Device, Struct
from app.modes import FIXED_VIEWS, NEEDS_REFERENCE, PICTURE_MODES
from app.network.schema import FEATURES, TILE_PIXELS, channels, from_tiles, glsl, tile_grid
from app.passes.owner import Owner
from app.passes.progressive_reference import INTERLEAVE
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources, ScenePipeline
from app.scene.tonemap import DESATURATION, FRESNEL_OFFSET, START_COMPRESSION

DIFFERENCE_GAIN = 5.0  # small errors must be seen

_FIXED = (*PICTURE_MODES, *FIXED_VIEWS)  # modes with a branch of their own in the shader

COMPOSITE_STATE = Struct(
    "CompositeState",
    [
        ("mode", "uint"),
        ("shows_reference", "uint"),
        ("neural_drawn", "uint"),  # this frame drew the neural picture: accumulate it
        ("samples_before", "float"),  # accumulated before this frame; 0: begin anew
        ("keeps_history", "uint"),  # write the picture down for the frame after this
        ("history_samples", "float"),  # as how many the history counts at most
        ("view_projection_before", "mat4"),  # of the frame before, without jitter
        ("split", "float"),  # 0..1 from the left
        ("depth_range", "vec2"),  # metres shown from white to black
        ("first_channel", "uint"),  # of the feature shown
        ("channels", "uint"),
        ("is_direction", "uint"),
        ("scales_with_light", "uint"),
    ],
)
COMPOSITE_INCLUDES = {"composite.glsl": COMPOSITE_STATE.glsl}


@dataclass(frozen=True)
class CompositeInputs:
    """What the passes before made, all of the same size."""

    features: Buffer
    surface: Buffer
    hashes: Buffer  # uint per tile
    reference: Buffer | None  # vec4 per pixel: sums and number of samples; None: modes that show it are not used
    radiance: Buffer  # of `TileRadiance`, in halves


class Composite(Owner):
    """Makes the display image (rgba8, sRGB-encoded) and keeps the accumulated neural radiance.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        inputs: images and buffers of the passes before.
        width, height: pixels.

    Attributes:
        state: buffer of COMPOSITE_STATE, see `composite_state`; the caller copies it there before the pass.
        display: the picture.
        accumulated: buffer vec3, tile-major: sum of the neural radiance; of how many samples, `state` tells.
        resolved: rgba16f: the neural picture's radiance, history included, and of how many samples it is.
        history: the same of frames before, moved to this view (Reprojection); only read where the state says so.
    """

    def __init__(self, device: Device, scene: SceneBuffers, inputs: CompositeInputs, width: int, height: int) -> None:
        super().__init__()
        self.width, self.height, self.inputs = width, height, inputs
        constants: dict[str, str | int] = {
            **{f"MODE_{name.upper()}": f"{i}u" for i, name in enumerate(_FIXED)},
            "INTERLEAVE": f"{INTERLEAVE}u",
            "DIFFERENCE_GAIN": str(DIFFERENCE_GAIN),
            "FRESNEL_OFFSET": str(FRESNEL_OFFSET),
            "START_COMPRESSION": str(START_COMPRESSION),
            "DESATURATION": str(DESATURATION),
        }
        includes = {**COMPOSITE_INCLUDES, "features.glsl": glsl()}
        make = partial(device.compute_pipeline, "composite.comp", full_subgroups=True)
        with self.building():
            self.display = self.own(device.image(width, height, "rgba8", name="display"))
            self.accumulated = self.own(
                device.buffer(math.prod(tile_grid(width, height)) * TILE_PIXELS * 12, name="accumulated")
            )
            self.resolved = self.own(device.image(width, height, "rgba16f", name="resolved picture"))
            self.history = self.own(device.image(width, height, "rgba16f", name="history"))
            self.state = self.own(device.buffer(COMPOSITE_STATE.zeros(1), name="composite state"))
            self._pipeline = self.own(ScenePipeline(make, scene, self._resources, defines=constants, includes=includes))

    def _resources(self) -> Resources:
        inputs = self.inputs
        return {
            "FEATURES": inputs.features,
            "SURFACE": inputs.surface,
            "HASHES": inputs.hashes,
            "REFERENCE": inputs.reference or self.accumulated,
            "STATE": self.state,
            "RADIANCE": inputs.radiance,
            "ACCUMULATED": self.accumulated,
            "DISPLAY": self.display,
            "RESOLVED": self.resolved,
            "HISTORY": self.history,
        }

    def bind(self, scene: SceneBuffers) -> None:
        """See this scene from now on, with the buffers that it has now. Commands recorded before are stale."""
        self._pipeline.bind(scene)

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; the display image is visible after the next barrier."""
        with command.timer("composite"):
            self._pipeline.use(command)
            command.dispatch(*tile_grid(self.width, self.height))

    def read_radiance(self) -> F32:
        """The accumulated neural picture as (H, W, 3) linear radiance; zeros before the first."""
        state = self.state.read(COMPOSITE_STATE.dtype)[0]
        samples = np.float32(state["samples_before"]) + np.float32(state["neural_drawn"])
        if samples == 0.0:
            return np.zeros((self.height, self.width, 3), np.float32)
        tiles = self.accumulated.read(np.float32).reshape(-1, TILE_PIXELS, 3)
        sums: F32 = from_tiles(tiles, self.width, self.height)
        return sums / samples


def composite_state(
    mode: str,
    *,
    neural_drawn: bool,
    samples_before: int,
    split: float,
    depth_range: tuple[float, float],
    keeps_history: bool = False,
    history_samples: float = 0.0,
    view_projection_before: F64 | None = None,
) -> NDArray[Any]:
    """What a submission shows, as a record of COMPOSITE_STATE.

    Args:
        mode: one of MODES.
        neural_drawn: the G-buffer and the radiance are of this frame; add it to what is accumulated.
        samples_before: as many as are accumulated; 0 starts over.
        split: position of the line in split mode, 0..1.
        depth_range: nearest and furthest depth in the depth view, metres.
        keeps_history: leave the picture in `resolved`.
        history_samples: as how many samples `history` counts at most; 0: it does not.
        view_projection_before: (4, 4) column-vector matrix for Reprojection, if that comes before.
    """
    state = np.zeros((), COMPOSITE_STATE.dtype)
    state["mode"] = _FIXED.index(mode) if mode in _FIXED else len(_FIXED)
    state["shows_reference"] = mode in NEEDS_REFERENCE
    state["neural_drawn"], state["samples_before"] = neural_drawn, samples_before
    state["split"], state["depth_range"] = split, depth_range
    state["keeps_history"], state["history_samples"] = keeps_history, history_samples
    if view_projection_before is not None:
        state["view_projection_before"] = view_projection_before.T
    for feature in FEATURES:
        if feature.name == mode:
            place = channels(mode)
            state["first_channel"], state["channels"] = place.start, place.stop - place.start
            state["is_direction"] = feature.low < 0.0 and not feature.light
            state["scales_with_light"] = feature.light
    return state
