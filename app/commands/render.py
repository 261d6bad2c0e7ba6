"""`bungyo render`: pictures into files, without a window."""

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.commands.options import Aov, Place, debug_option, scene_options
from app.errors import InputError
from app.open_renderer import needs_rays, open_device, open_renderer, picture_size
from app.scene_options import SceneOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.arrays import U8
    from app.renderer import Renderer

DEFAULT_SAMPLES, DEFAULT_NOISY_SAMPLES = 16, 64
SWING = math.radians(40.0)  # how far the camera goes to either side in a series of pictures
_WITH_RADIANCE = ("neural", "reference")  # modes

EXAMPLES = """\b
Examples:
  bungyo render --out face.png
  bungyo render --mode reference --spp 256 --size 512x512 --out truth.exr
  bungyo render --mode reference --aov normal --aov diffuse --out layers.exr
  bungyo render --yaw 60 --pitch 10 --zoom 1.5 --out closer.png
  bungyo render --look-at 0.03,-0.005,0.09 --zoom 4 --out eye.png
  bungyo render --frames 48 --out out/swing.png
"""


@click.command(epilog=EXAMPLES)
@scene_options()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Where to: .png as seen on the screen, .exr linear radiance before exposure.",
)
@click.option(
    "--spp",
    type=click.IntRange(1, 1 << 20),
    metavar="N",
    help=f"Samples a pixel.  [default: {DEFAULT_SAMPLES}, with reference {DEFAULT_NOISY_SAMPLES}]",
)
@click.option(
    "--frames",
    type=click.IntRange(1, 9999),
    default=1,
    metavar="N",
    help="N numbered pictures while the camera swings once to the right and to the left.  [default: 1]",
)
@click.option("--yaw", type=float, default=0.0, metavar="DEG", help="Turn the camera to its right around the face.")
@click.option("--pitch", type=float, default=0.0, metavar="DEG", help="Turn it upwards; it stops above the head.")
@click.option(
    "--zoom",
    type=float,
    default=1.0,
    metavar="FACTOR",
    help="Make the picture larger: come nearer, and before the camera would touch the face, by a longer lens.",
)
@click.option("--look-at", type=Place(), help="What is in the middle of the picture, metres.  [default: the face]")
@click.option("--look-from", type=Place(), help="Where the camera stands, metres.  [default: so that the face fits]")
@click.option(
    "--split",
    type=click.FloatRange(0.0, 1.0),
    metavar="SHARE",
    help="With --mode split: how much of the width is neural.  [default: 0.5]",
)
@click.option(
    "--fov",
    type=click.FloatRange(1.0, 150.0),
    default=25.0,  # app.scene.camera.DEFAULT_FOV_Y
    show_default=True,
    metavar="DEG",
    help="The lens, as the angle between the picture's lower and upper edge.",
)
@click.option(
    "--aov",
    "aovs",
    type=Aov(),
    multiple=True,
    help="A layer besides the picture (repeatable, .exr), or in its place (once, .png clipped to 0..1), as seen"
    " through the pixels' middles, of the face alone (also where eyes or hair are in front):"
    " face, uv, normal, albedo, depth, hash, or a light feature such as diffuse (a wrong name lists all).",
)
@debug_option
def render(
    scene: SceneOptions,
    out: Path,
    spp: int | None,
    frames: int,
    yaw: float,
    pitch: float,
    zoom: float,
    look_at: tuple[float, float, float] | None,
    look_from: tuple[float, float, float] | None,
    split: float | None,
    fov: float,
    aovs: tuple[str, ...],
) -> None:
    """Draw pictures into files."""
    from app.modes import NEEDS_REFERENCE, SHOWS_NETWORKS
    from app.pictures import check_series
    from app.progress import counted, percentage
    from app.scene.checks import number
    from app.scene.portrait import portrait, zoomed

    for option, value in (("--yaw", yaw), ("--pitch", pitch), ("--split", split or 0.0)):  # nan is in any range
        number(value, option)
    if split is not None and scene.mode != "split":
        raise InputError(f"The mode {scene.mode} has no --split.", "Add --mode split.")
    paths = check_series(out, frames)
    if len(aovs) > 1 and out.suffix.lower() == ".png":
        raise InputError("A .png holds one --aov only.", "Write several into an .exr.")
    radiance = out.suffix.lower() == ".exr"
    if radiance and scene.mode not in _WITH_RADIANCE:
        raise InputError(
            f"An .exr holds radiance, which the mode {scene.mode} does not show.",
            f"Write a .png, or choose from {', '.join(_WITH_RADIANCE)}; --aov adds layers to these.",
        )
    with open_device(scene, raytracing=needs_rays(scene)) as device:
        size = picture_size(scene, device)
        gathers = scene.mode != "reference" or bool(aovs)
        draws_networks = scene.mode in SHOWS_NETWORKS and (not aovs or radiance)
        with open_renderer(
            scene, device, size, scene.mode, draws_networks=draws_networks, keeps_light=gathers
        ) as renderer:
            samples = spp or (DEFAULT_NOISY_SAMPLES if scene.mode in NEEDS_REFERENCE else DEFAULT_SAMPLES)
            if aovs and not radiance:
                samples = 0  # the layer stands for the picture
            camera = portrait(renderer.scene, size[0] / size[1], math.radians(fov)).looking(look_from, look_at)
            camera = camera.orbit(math.radians(yaw), math.radians(pitch))
            camera = zoomed(camera, renderer.scene, zoom, camera.fov_y)
            start = renderer.scene = renderer.scene.with_camera(camera)
            renderer.split = 0.5 if split is None else split
            if gathers:
                with percentage("light") as show:
                    renderer.settle_lights(show)
            for frame, path in enumerate(paths):
                if frames > 1:
                    swing = SWING * math.sin(2.0 * math.pi * frame / frames)
                    renderer.scene = start.with_camera(start.camera.orbit(swing, 0.0))
                for _ in counted(samples, path.name):
                    renderer.add_sample()
                _write(renderer, path, aovs)
                click.echo(f"wrote {path}")


def _write(renderer: "Renderer", path: Path, aovs: tuple[str, ...]) -> None:
    from app.pictures import write_exr, write_png

    if path.suffix.lower() == ".exr":
        layers: dict[str, Any] = {"": renderer.read_radiance()}
        write_exr(path, layers | _read_aovs(renderer, aovs))
    elif aovs:
        write_png(path, _as_bytes(_read_aovs(renderer, aovs)[aovs[0]], aovs[0]))
    else:
        write_png(path, renderer.read())


def _read_aovs(renderer: "Renderer", names: tuple[str, ...]) -> dict[str, Any]:
    """Layers of a neural frame of its own: the first one goes through the pixels' middles. The picture is lost."""
    if not names:
        return {}
    mode = renderer.mode
    renderer.restart()
    renderer.mode = "neural"
    renderer.render()
    renderer.mode = mode
    renderer.restart()
    return {name: renderer.read_aov(name) for name in names}


def _as_bytes(values: "NDArray[Any]", name: str) -> "U8":
    """Return (H,W) or (H,W,1..4) values as (H,W) or (H,W,3), 0..1 as 0..255; two channels get a third."""
    import numpy as np

    plane = values[..., None] if values.ndim == 2 else values
    outside = ~((plane >= 0.0) & (plane <= 1.0)).all(axis=-1)
    if outside.any():
        share = outside.mean() * 100.0
        warnings.warn(
            f"{share:.1f}% of the pixels of {name} lie outside 0..1 and are clipped; an .exr keeps them.",
            stacklevel=2,
        )
    plane = np.clip(np.nan_to_num(plane.astype(np.float32), nan=0.0), 0.0, 1.0)
    if plane.shape[2] == 2:
        plane = np.concatenate([plane, np.zeros_like(plane[..., :1])], axis=-1)
    eight_bits = np.round(plane * 255.0).astype(np.uint8)
    return eight_bits[..., 0] if eight_bits.shape[2] == 1 else eight_bits[..., :3]
