"""What to draw and on what, as commands, bench and `open_renderer` hand it on. Knows neither click nor GPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.passes.gbuffer import GBufferKind

MAX_SIZE = 8192  # pixels along an edge of a picture
FURTHEST_VIEW = 1e4  # metres from the origin that a camera may stand
LEAST_TEXELS, MOST_TEXELS = 64, 1024  # along the light cache's square
MOST_STOPS = 12.0  # brighter or darker than a light set-up says


@dataclass(frozen=True)
class SceneOptions:
    """What to draw and on what; None means the default that comes with bungyo.

    Args:
        mesh: GLB, OBJ or PLY file.
        lights: light set-up, a TOML file.
        other_lights: further light set-ups, for who can change them.
        environment: environment map, .exr or .hdr.
        exposure: EV, on top of the light set-up's.
        face: names of the materials or parts that are face.
        weights: folder with the trained networks.
        other_weights: further folders with trained networks, for who can change them.
        mode: what the picture shows: one of app.modes.MODES.
        size: (width, height) in pixels, 1..MAX_SIZE each; None means one that suits the device.
        device: a device's number or a part of its name.
        light_texels: along the square in which the light on the face is gathered, LEAST_TEXELS..MOST_TEXELS; None: as
            many as the shipped networks learnt from.
        light_samples: how often light is gathered for each point of the face, before it is blurred there.
        gbuffer: how pixels find what they show: one of app.passes.gbuffer.GBUFFER_KINDS; None: by rays where the
            device traces them.
    """

    mesh: Path | None = None
    lights: Path | None = None
    other_lights: tuple[Path, ...] = ()
    environment: Path | None = None
    exposure: float = 0.0
    face: tuple[str, ...] = ()
    weights: Path | None = None
    other_weights: tuple[Path, ...] = ()
    mode: str = "neural"
    size: tuple[int, int] | None = None
    device: str | None = None
    light_texels: int | None = None
    light_samples: int = 32
    gbuffer: "GBufferKind | None" = None
