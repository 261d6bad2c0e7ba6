"""`bungyo evaluate`: how well networks draw what no training step has seen."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.commands.doubtful_data import check_gathering, check_layouts
from app.commands.memory import enough_memory
from app.commands.options import Weights, debug_option, device_option, light_texels_option
from app.commands.wide_console import wide_console
from app.errors import BungyoError, InputError
from app.interruption import INTERRUPTED
from app.packages import need

if TYPE_CHECKING:
    from app.network.weights import WeightSet
    from app.scene.uv_layout import UvLayout
    from app.training.at_rest import AtRest
    from app.training.dataset import Dataset
    from app.training.evaluate import Evaluation
    from app.training.manifest import FrameInfo
    from app.training.orbit import Flicker
    from app.training.quality import Quality

EXAMPLES = """\b
Examples:
  bungyo dataset --held-out --tiles 1 --frames 64 --spp 128 --seed 1 --out out/judge384
  bungyo evaluate --data out/judge384
  bungyo evaluate --data out/judge384 --weights weights/mine --report out/report --json scores.json
  bungyo evaluate --data out/data --no-flicker --json -
  bungyo evaluate --data out/judge384 --no-flicker --at-rest 12
  bungyo evaluate --data out/judge384 --orbit-spp 384      # patches of skin, too
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A data set of `bungyo dataset`."
)
@click.option(
    "--weights",
    type=Weights(),
    metavar="DIR|NAME",
    help="Trained networks: a folder, or the name of one in weights/.  [default: default]",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a page with pictures and plots there: DIR/index.html.",
)
@click.option(
    "--json",
    "scores",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write all figures here; - for standard output.",
)
@click.option("--no-flicker", is_flag=True, help="Spare the two orbits that the flicker ratio takes: minutes on a CPU.")
@click.option(
    "--orbit-spp",
    type=click.IntRange(min=2),
    metavar="N",
    help="Samples a pixel of these orbits, an even number; patches of skin want 384.  [default: 96]",
)
@click.option(
    "--at-rest",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also judge N of the frames as a window shows them at rest: made again, 512x512 and antialiased; one to three"
    " minutes each on a CPU.",
)
@light_texels_option("With --at-rest. ")
@device_option
@debug_option
@enough_memory()
def evaluate(
    data: Path,
    weights: Path | None,
    report: Path | None,
    scores: Path | None,
    no_flicker: bool,
    orbit_spp: int | None,
    at_rest: int | None,
    light_texels: int | None,
    device: str | None,
) -> int:
    """Score networks on the held-out frames of a data set.

    dB are PSNR of the tone-mapped picture over face pixels, frame by frame; the share of the targets' own noise is
    taken away, so that they are against the truth. "plain" is shading from the features without a network,
    "generalist" the network that all experts come from, at equal cost. Wider generalists of the same training that lie
    beside the weights (generalist-64.safetensors ...) are judged as well. docs/evaluate.md explains every figure.

    SSIM, FLIP, seams and pictures need a set with all tiles of its frames (bungyo dataset --held-out --tiles 1). Once
    the pixels are judged, Ctrl-C leaves out what is not measured yet.
    """
    if light_texels is not None and at_rest is None:
        raise InputError("--light-texels is of frames at rest: give --at-rest as well.")
    if orbit_spp is not None and no_flicker:
        raise InputError("--orbit-spp is of the orbits that --no-flicker spares.")
    if orbit_spp is not None and orbit_spp % 2:
        raise InputError("--orbit-spp must be even: every frame is traced twice, by half of the samples.")
    need("Judging", "skimage", "matplotlib", "jinja2")
    from app.files import beside, check_file
    from app.layout_check import own_layout
    from app.network.weights import WeightSet
    from app.progress import counter
    from app.training.dataset import Dataset
    from app.training.evaluate import evaluate as judge_pixels
    from app.training.evaluate import wide_generalists
    from app.training.figures import figures
    from app.training.origin import same_training
    from app.training.report import check_report, ranked_frames, write_report
    from app.weight_sets import DEFAULT_WEIGHTS

    to_output = scores is not None and str(scores) == "-"
    if scores and not to_output:
        check_file(scores)
    if report:
        check_report(report)
    folder = weights or DEFAULT_WEIGHTS
    networks, beside_them, frames = WeightSet.load(folder), wide_generalists(folder), Dataset(data)
    wide = {name: one for name, one in beside_them.items() if same_training(one.metadata, networks.metadata)}
    strange = "It comes from another training than the networks beside it."
    missing = {name: strange for name in beside_them if name not in wide}
    layout = own_layout(networks, folder)
    check_gathering(frames)
    check_layouts(frames, networks, folder, "they are judged on faces that they cannot draw well.")
    with counter(len(frames.hashes), "hashes") as show:
        pixels = judge_pixels(networks, frames, progress=show, wide=wide)
    quality, flicker, rest, interrupted = None, None, None, False
    if no_flicker:
        missing["flicker"] = "It was left out (--no-flicker)."
    if at_rest is None:
        missing["at rest"] = "It was not asked for (--at-rest N)."
    try:
        quality = _quality(networks, frames, pixels, wide, ranked_frames(pixels) if report else {}, missing)
        if not no_flicker:
            flicker = _flicker(networks, layout, orbit_spp, device, missing)
        if at_rest is not None:
            rest = _rest(
                networks, frames, [frame.info for frame in pixels.frames], at_rest, light_texels, device, missing
            )
    except KeyboardInterrupt:  # what is measured is worth telling
        interrupted = True
        for what, measured in (("whole pictures", quality), ("flicker", flicker), ("at rest", rest)):
            if measured is None:
                missing.setdefault(what, "It was interrupted.")
    found = figures(networks, frames, pixels, wide=wide, quality=quality, flicker=flicker, rest=rest, missing=missing)
    text, page = json.dumps(found, indent=2) + "\n", None
    try:
        _print(found, f"{folder} on {data}", to_stderr=to_output)
        if to_output:
            click.echo(text, nl=False)
    finally:  # where nobody reads on, too, as in `bungyo evaluate --json scores.json | head`
        if scores is not None and not to_output:
            with beside(scores) as temporary:
                temporary.write_text(text)
        if report:  # last: whatever keeps it from being written costs no figure
            page = write_report(report, folder, data, found, pixels, quality)
    if not to_output and scores is not None:
        click.echo(f"wrote {scores}")
    if page:
        click.echo(f"wrote {page}", err=to_output)
    if interrupted:
        click.echo("Stopped; this is what was measured before.", err=True)
    return INTERRUPTED if interrupted else 0


def _quality(
    networks: "WeightSet",
    data: "Dataset",
    pixels: "Evaluation",
    wide: "dict[str, WeightSet]",
    keep: dict[int, str],
    missing: dict[str, str],
) -> "Quality | None":
    """Whole pictures, judged, with those that are to be kept; None, and the reason in `missing`, if that cannot be."""
    from app.progress import counter
    from app.training.quality import judge_pictures

    try:
        with counter(len(pixels.shown), "whole frames") as show:
            return judge_pictures(networks, data, pixels, wide=wide, keep=keep, progress=show)
    except InputError as error:  # all files have been read before, so it can only be that tiles are missing
        missing["whole pictures"] = str(error)
        return None


def _flicker(
    networks: "WeightSet", layout: "UvLayout | None", spp: int | None, device: str | None, missing: dict[str, str]
) -> "Flicker | None":
    """The flicker ratio; None, and the reason in `missing`, where it cannot be had.

    `layout` is that of the one mesh that the networks were trained on, if it was one; `spp` of None as many as usual.
    """
    from app.scene.uv_layout import canonical_layout

    if layout is not None and not layout.matches(canonical_layout()):
        missing["flicker"] = "Its orbits show heads with other UVs than that of the mesh these networks are for."
        return None
    from app.gpu import Device
    from app.progress import counter
    from app.training.orbit import FRAMES, ORBITS, SPP, default_orbits, flicker_ratio

    click.echo("Rendering two orbits for the flicker ratio (--no-flicker spares them) ...", err=True)
    try:
        with Device.open(device) as opened, counter(ORBITS * FRAMES, "frames of orbits") as show:
            orbits = default_orbits(opened, spp or SPP, show)
    except BungyoError as error:
        missing["flicker"] = error.one_line()
        return None
    return flicker_ratio(networks, orbits)


def _rest(
    networks: "WeightSet",
    data: "Dataset",
    judged: "Sequence[FrameInfo]",
    count: int,
    light_texels: int | None,
    device: str | None,
    missing: dict[str, str],
) -> "AtRest | None":
    """So many frames at rest, from all over the set; None, and the reason in `missing`, if that cannot be."""
    from app.gpu import Device
    from app.progress import counter
    from app.scene.assets import environment_maps
    from app.scene_options import SceneOptions
    from app.training.at_rest import judge_at_rest
    from app.training.frame_source import OpenSource
    from app.training.frames import has_map, maps_of

    maps = maps_of(data.spec, environment_maps())
    judged = [frame for frame in judged if has_map(frame, maps)]
    if not judged:
        missing["at rest"] = "The environment maps of its frames are not those of assets/, so none can be made again."
        return None
    count = min(count, len(judged))
    chosen = [judged[(2 * i + 1) * len(judged) // (2 * count)] for i in range(count)]
    opens = OpenSource(light_texels=light_texels, light_samples=SceneOptions.light_samples)
    try:
        with Device.open(device) as opened, opens.on(opened) as source, counter(count, "frames at rest") as show:
            found = judge_at_rest(networks, data, source, chosen, environments=maps, progress=show)
    except BungyoError as error:
        missing["at rest"] = error.one_line()
        return None
    if not found.frames:
        missing["at rest"] = "No pixel of the frames at rest can be judged."
    return found


def _print(found: dict[str, Any], title: str, to_stderr: bool) -> None:
    """The main figures as a table and some lines."""
    from rich.box import SIMPLE
    from rich.table import Table

    console = wide_console(to_stderr=to_stderr)
    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False)
    table.add_column("", no_wrap=True)
    for heading in ("flop/pixel", "mean dB", "worst", "noisy", "SSIM", "FLIP"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, model in found["models"].items():
        mean = _figure(model["psnr_mean"], model["psnr_mean_doubt"])
        rest = [_figure(model["psnr_worst"]), _figure(model["psnr_raw_mean"])]
        rest += [_figure(model[f"{measure}_mean"], digits=3) for measure in ("ssim", "flip")]
        table.add_row(name, f"{model['flop_per_pixel']:,}", mean, *rest)
    noise = [_figure(found[f"{measure}_of_noise"], digits=3) for measure in ("ssim", "flip")]
    table.add_row("targets' noise", "", "", "", _figure(found["psnr_noise_ceiling"]), *noise)
    console.print(table)
    lines = {
        f"gain over {name}": _figure(-model["gain_over_experts_db"], model["gain_over_experts_doubt"]) + " dB"
        for name, model in found["models"].items()
        if name.startswith("generalist")
    }
    lines |= {
        "seam ratio": _figure(found["seam_ratio"], found["seam_ratio_doubt"]),
        "flicker ratio": _figure(found["flicker_ratio"], found["flicker_ratio_doubt"]),
        "tiles on the generalist": f"{found['generalist_tile_share']:.1%}; on an expert of a hash like theirs:"
        f" {found['lent_tile_share']:.1%}",
    }
    if rest := found["at_rest"]:
        mean = _figure(rest["psnr_mean"], rest["psnr_mean_doubt"])
        lines["at rest, {}x{}".format(*rest["size"])] = (
            f"{mean} dB, worst {_figure(rest['psnr_worst'])}, SSIM {_figure(rest['ssim_mean'], digits=3)},"
            f" FLIP {_figure(rest['flip_mean'], digits=3)} ({len(rest['per_frame'])} frames)"
        )
    for name, line in lines.items():
        console.print(f"{name}: {line}", highlight=False, soft_wrap=True)
    for what, why in found["not_measured"].items():
        console.print(f"Not measured, {what}: {why}", highlight=False, soft_wrap=True)


def _figure(value: float | None, standard_error: float | None = None, digits: int = 2) -> str:
    if value is None:
        return "-"
    return f"{value:z.{digits}f}" + (f" ± {standard_error:.{digits}f}" if standard_error is not None else "")
