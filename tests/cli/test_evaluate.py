"""`bungyo evaluate` on the command line: figures as JSON, reasons for what is left out, one sentence for bad input."""

import errno
import json
import os
import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import BungyoError
from app.main import main
from app.network.weights import WeightSet
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight
from app.scene.uv_layout import UvLayout, canonical_layout
from app.training.at_rest import judge_at_rest
from app.training.dataset import Dataset
from app.training.frame_source import OpenSource
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import TILE_DTYPE
from app.training.orbit import SPP, record_orbit
from tests.training.judged_sphere import make, weight_set
from tests.training.sphere_source import SpherePeople, SphereSource

PROMISED = {
    "psnr_mean",
    "psnr_worst",
    "flip_mean",
    "gain_over_generalist_db",
    "seam_ratio",
    "flicker_ratio",
    "generalist_tile_share",
    "flop_per_pixel",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("data") / "set", noise=0.1, frames=3)


@pytest.fixture(scope="module")
def weights(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    weight_set(0.9, 0.97, data.hashes[::2]).save(folder)
    WeightSet.untrained((32, 64, 64, 15)).save(folder / "generalist-64.safetensors")
    return folder


def test_figures_in_a_file_and_a_report(
    data: Dataset, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "scores.json", tmp_path / "report"
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(weights), "--no-flicker"]
    assert main([*arguments, "--json", str(out), "--report", str(report)]) == 0
    found = json.loads(out.read_text())
    assert found.keys() >= PROMISED
    assert found["flicker_ratio"] is None and found["not_measured"]["flicker"] == "It was left out (--no-flicker)."
    for name in PROMISED - {"flicker_ratio", "flip_mean"}:
        assert isinstance(found[name], float | int), name
    assert list(found["models"]) == ["plain", "generalist", "experts", "generalist-64"]
    assert (report / "index.html").is_file()
    said = capsys.readouterr().out
    assert "generalist-64" in said and f"wrote {out}" in said
    rows = {line.strip().split("  ")[0]: line for line in said.splitlines()}
    figures = [f"{found[name]:.2f}" for name in ("psnr_mean", "psnr_worst", "psnr_raw_mean")]
    assert [text for text in rows["experts"].split() if text in figures] == figures
    assert f"{found['ssim_mean']:.3f}" in rows["experts"]
    assert f"{found['psnr_noise_ceiling']:.2f}" in rows["targets' noise"].split()
    gain = f"gain over generalist: {found['gain_over_generalist_db']:.2f}"
    assert found["gain_over_generalist_db"] > 0.0 and any(row.startswith(gain) for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "scores.json"]


def test_a_report_that_cannot_be_written_costs_no_figures(
    data: Dataset, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Path:
        raise BungyoError("The report cannot be written to report: No space left on device.")

    monkeypatch.setattr("app.training.report.write_report", full)
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(weights), "--no-flicker"]
    assert main([*arguments, "--json", str(tmp_path / "x.json"), "--report", str(tmp_path / "report")]) == 1
    assert json.loads((tmp_path / "x.json").read_text()).keys() >= PROMISED


def test_files_are_written_where_nobody_reads_on(
    data: Dataset, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `bungyo evaluate --json scores.json | head -5`."""
    out, report = tmp_path / "scores.json", tmp_path / "report"
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(weights), "--no-flicker"]
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as output, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--json", str(out), "--report", str(report)])
        assert end.value.code == 1
    assert json.loads(out.read_text()).keys() >= PROMISED and (report / "index.html").is_file()


def test_a_full_disk_leaves_earlier_figures_as_they_were(
    data: Dataset, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, write = tmp_path / "scores.json", Path.write_text
    out.write_text("earlier ones")

    def full(path: Path, text: str, *more: Any, **named: Any) -> int:
        if path.parent != tmp_path:
            return write(path, text, *more, **named)
        write(path, text[: len(text) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(weights), "--no-flicker", "--json", str(out)]
    assert main(arguments) == 1
    assert f"Cannot write {out}: No space left on device." in capsys.readouterr().err
    assert out.read_text() == "earlier ones" and list(tmp_path.iterdir()) == [out]


def test_figures_and_report_may_go_into_the_folder_one_is_in(
    data: Dataset, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(weights), "--no-flicker"]
    assert main([*arguments, "--json", "scores.json", "--report", "."]) == 0
    assert (tmp_path / "index.html").is_file() and (tmp_path / "scores.json").is_file()


def test_figures_on_standard_output_are_all_of_it(
    data: Dataset, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(weights), "--no-flicker", "--json", "-"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out).keys() >= PROMISED
    assert "seam ratio" in captured.err


def test_generalists_of_another_training_are_left_out_by_name(
    data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is trained beside the networks makes no other training of it; other data, options or a new start do."""
    told: dict[str, Any] = {"run": "1", "options": {"seed": 1, "widths": []}, "data": {"pixels": 5}}
    replace(weight_set(0.9), metadata=told).save(tmp_path)
    same, other = ({"options": options} for options in ({"seed": 1, "widths": [64]}, {"seed": 2, "widths": []}))
    everything: list[dict[str, Any]] = [told | same, told | other, told | {"data": {"pixels": 6}}, told | {"run": "2"}]
    for width, metadata in enumerate([*everything, {}], start=64):
        wide = replace(WeightSet.untrained((32, width, 15)), metadata=metadata)
        wide.save(tmp_path / f"generalist-{width}.safetensors")
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(tmp_path), "--no-flicker", "--json", "-"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert list(found["models"]) == ["plain", "generalist", "experts", "generalist-64"]
    for width in range(65, 69):
        assert "another training" in found["not_measured"][f"generalist-{width}"]
    assert "Not measured, generalist-65: It comes from another training" in captured.err


def test_a_generalist_alone_gains_nothing_over_itself(
    data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weight_set(0.9).save(tmp_path)
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(tmp_path), "--no-flicker"]
    assert main([*arguments, "--report", str(tmp_path / "report")]) == 0
    assert "gain over generalist: 0.00 ± 0.00 dB" in capsys.readouterr().out
    assert "-0.0" not in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize("name", ["a[b]c", "a[/b]", ":cat:"])
def test_folders_of_any_name_are_told_as_they_are_called(
    data: Dataset, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    named = tmp_path / name
    shutil.copytree(weights, named)
    out = tmp_path / "scores.json"
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(named), "--no-flicker", "--json", str(out)]
    assert main(arguments) == 0
    assert name in capsys.readouterr().out.replace("\n", "") and out.exists()


def test_flicker_is_measured_or_why_not(
    data: Dataset, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    light = DirectionalLight((0.0, -0.4, -1.0), irradiance=3.0)
    camera = Camera((0.0, 0.0, 0.6), (0.0, 0.0, 0.0))
    orbit = record_orbit(SphereSource(0.1), camera, [light], None, frames=3, size=(64, 64), spp=64)
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(weights), "--json", "-"]
    monkeypatch.setattr("app.gpu.Device.open", lambda name: nullcontext(name))
    asked: list[int] = []

    def orbits(_: Any, spp: int, progress: Any) -> list[Any]:
        asked.append(spp)
        progress(1)
        return [orbit]

    monkeypatch.setattr("app.training.orbit.default_orbits", orbits)
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["flicker_ratio"] > 0.0 and "flicker" not in found["not_measured"]
    assert main([*arguments, "--orbit-spp", "384"]) == 0
    capsys.readouterr()
    assert asked == [SPP, 384]
    assert main(["evaluate", "--help"]) == 0
    assert f"want 384. [default: {SPP}]" in " ".join(capsys.readouterr().out.split())
    for options, reason in (
        (["--orbit-spp", "7"], "--orbit-spp must be even: every frame is traced twice, by half of the samples."),
        (["--orbit-spp", "8", "--no-flicker"], "--orbit-spp is of the orbits that --no-flicker spares."),
    ):
        assert main([*arguments, *options]) == 2
        assert capsys.readouterr().err == f"bungyo: error: {reason}\n"

    def no_device(_: Any) -> None:
        raise BungyoError("There is no Vulkan device.")

    monkeypatch.setattr("app.gpu.Device.open", no_device)
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["flicker_ratio"] is None and found["not_measured"]["flicker"] == "There is no Vulkan device."


def test_flicker_is_not_measured_on_heads_that_the_networks_do_not_know(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[Any] = []

    def no_device(name: Any) -> None:
        opened.append(name)
        raise BungyoError("There is no Vulkan device.")

    monkeypatch.setattr("app.gpu.Device.open", no_device)
    avatars = canonical_layout()
    mirrored = UvLayout(avatars.positions[::-1, ::-1].copy())
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(tmp_path), "--json", "-"]
    for layout, said in ((mirrored, "show heads with other UVs"), (avatars, "no Vulkan device")):
        replace(weight_set(0.9), metadata={"trained": True, "uv_layout": layout.plain()}).save(tmp_path)
        assert main(arguments) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["flicker_ratio"] is None and said in found["not_measured"]["flicker"]
        assert len(opened) == (layout is avatars)
    replace(weight_set(0.9), metadata={"uv_layout": [1, 2, 3]}).save(tmp_path)
    assert main(arguments) == 2
    assert "have an unreadable uv_layout" in capsys.readouterr().err


def test_frames_at_rest(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people = make(tmp_path / "people", noise=0.1, frames=5, people=SpherePeople())
    arguments = ["evaluate", "--data", str(people.path), "--weights", str(weights), "--no-flicker", "--json", "-"]
    source = SphereSource(0.1, people=SpherePeople())
    monkeypatch.setattr("app.gpu.Device.open", lambda name: nullcontext(name))
    light: list[tuple[int | None, int]] = []

    def on(self: OpenSource, _: object) -> nullcontext[SphereSource]:
        light.append((self.light_texels, self.light_samples))
        return nullcontext(source)

    monkeypatch.setattr(OpenSource, "on", on)
    for name, value in {"places": 1, "samples": 4}.items():  # sixteen times as quick
        monkeypatch.setitem(judge_at_rest.__kwdefaults__ or {}, name, value)
    assert main([*arguments, "--at-rest", "1", "--report", str(tmp_path / "report")]) == 0
    assert "at rest, 512x512, 1 frame: PSNR" in (tmp_path / "report" / "index.html").read_text()
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    rest = found["at_rest"]
    assert "at rest" not in found["not_measured"] and "at rest, 512x512: " in captured.err
    assert rest["size"] == [512, 512] and rest["samples"] == 4 and rest["psnr_mean_doubt"] is None
    (frame,) = rest["per_frame"]
    assert frame["frame"] == rest["psnr_worst_frame"] == found["per_frame"][2]["frame"]  # the middle one
    assert rest["psnr_mean"] == frame["psnr"] > 20.0 and rest["ssim_mean"] > 0.5

    monkeypatch.setattr(SpherePeople, "description", {"spheres": (0.1, 0.2)})
    assert main([*arguments, "--at-rest", "1", "--light-texels", "512"]) == 0
    assert light == [(None, 32), (512, 32)]
    found = json.loads(capsys.readouterr().out)
    assert found["at_rest"] is None and "people as this version makes them" in found["not_measured"]["at rest"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["not_measured"]["at rest"] == "It was not asked for (--at-rest N)."
    assert main([*arguments, "--light-texels", "512"]) == 2
    assert "--light-texels is of frames at rest: give --at-rest as well." in capsys.readouterr().err


def test_partial_tiles_are_judged_by_pixels(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = make(tmp_path / "part", noise=0.5, tiles=0.5, frames=2)
    arguments = ["evaluate", "--data", str(part.path), "--weights", str(weights), "--no-flicker", "--json", "-"]
    assert main([*arguments, "--report", str(tmp_path / "report")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["psnr_mean"] > 20.0 and found["seam_ratio"] is None is found["ssim_mean"]
    assert "--tiles 1" in found["not_measured"]["whole pictures"]
    assert "whole pictures" in (tmp_path / "report" / "index.html").read_text()


def test_bad_input_is_one_sentence(
    data: Dataset, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(Here(SphereSource()), tmp_path / "train", Plan(2, size=(64, 64)), 2)  # no held-out frame among them
    (tmp_path / "broken.safetensors").write_bytes(b"half a file")
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "file").touch()
    good = {"--data": str(data.path), "--weights": str(weights)}
    for changed, complaint in (
        ({"--data": str(tmp_path / "none")}, "There is no data set at"),
        ({"--data": str(tmp_path / "train")}, "has no held-out pixels to judge by"),
        ({"--weights": str(tmp_path)}, "There is no weight file"),
        ({"--weights": str(tmp_path / "broken.safetensors")}, "is cut off or not a safetensors file"),
        ({"--json": str(tmp_path / "no" / "x.json")}, "the folder does not exist"),
        ({"--report": str(tmp_path / "busy")}, "holds other files"),
    ):
        options = [word for pair in (good | changed).items() for word in pair]
        assert main(["evaluate", "--no-flicker", *options]) == 2
        said = capsys.readouterr().err
        assert said.startswith("bungyo: error: ") and complaint in said and "Traceback" not in said


def test_damaged_tiles_are_named(
    data: Dataset, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data.path, tmp_path / "set")
    file = next((tmp_path / "set").rglob("*.tiles"))
    tiles = np.fromfile(file, TILE_DTYPE)
    tiles["target"][0, int(tiles["mask"][0].argmax())] = np.nan
    tiles.tofile(file)
    assert main(["evaluate", "--data", str(tmp_path / "set"), "--weights", str(weights), "--no-flicker"]) == 2
    assert f"{file} is damaged: it holds a target that is impossible" in capsys.readouterr().err


def test_what_was_measured_before_ctrl_c_is_written(
    data: Dataset, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.gpu.Device.open", lambda name: nullcontext(name))
    arguments = ["evaluate", "--data", str(data.path), "--weights", str(weights), "--json", "-"]
    said = "It was interrupted."
    left_out, not_asked = "It was left out (--no-flicker).", "It was not asked for (--at-rest N)."
    for where, options, reasons in (
        ("app.training.orbit.default_orbits", [], {"flicker": said, "at rest": not_asked}),
        ("app.training.orbit.default_orbits", ["--at-rest", "1"], {"flicker": said, "at rest": said}),
        ("app.training.quality.judge_pictures", ["--no-flicker"], {"whole pictures": said, "flicker": left_out}),
        (
            "app.training.frame_source.OpenSource.on",
            ["--no-flicker", "--at-rest", "1"],
            {"flicker": left_out, "at rest": said},
        ),
    ):
        report = tmp_path / f"report {len(list(tmp_path.iterdir()))}"
        with monkeypatch.context() as patched:
            patched.setattr(where, interrupted)
            assert main([*arguments, *options, "--report", str(report)]) == 130
        captured = capsys.readouterr()
        found = json.loads(captured.out)
        assert found["psnr_mean"] > 10.0 and found["not_measured"].items() >= reasons.items()
        assert ("whole pictures" in found["not_measured"]) == ("whole pictures" in reasons)
        assert found["distances"] and found["per_frame"][0]["height"] > 0.0  # known once the pixels are judged
        assert (report / "index.html").is_file() and captured.err.rstrip().endswith("what was measured before.")
