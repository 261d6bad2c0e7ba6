"""`bungyo doctor` names what is missing, the command that mends it, and ends with the right status."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from app import doctor
from app.doctor import Check, Report
from app.errors import BungyoError
from app.gpu import DeviceInfo, list_devices
from app.gpu.install_commands import apt_command
from app.gpu.selection import NO_RAY_TRACING
from app.main import main
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes.tile_variant import remember
from app.scene.assets import DEFAULT_HEAD, DEFAULT_LIGHTS
from app.scene.lights import load_lights
from app.weight_sets import load_weights


def check_of(report: Report, name: str) -> Check:
    """The check called `name`."""
    return next(check for check in report.checks if check.name == name)


@pytest.fixture(scope="module")
def device() -> DeviceInfo:
    """A real device of this machine."""
    return list_devices()[0]


def with_devices(monkeypatch: pytest.MonkeyPatch, *devices: DeviceInfo) -> Report:
    """What the doctor says of a machine with these devices."""
    monkeypatch.setattr("app.gpu.list_devices", lambda: list(devices))
    return doctor.examine()


def test_this_machine_can_run_the_renderer() -> None:
    report = doctor.examine()
    for name in ("Vulkan loader", "GPU", "Shader compiler", "Validation layers", "Test tools"):
        assert check_of(report, name).ok, check_of(report, name)
    assert report.devices
    rig = load_lights(DEFAULT_LIGHTS)
    assert check_of(report, "Default lights").found == f"{DEFAULT_LIGHTS} ({len(rig.lights)} lights, studio.exr)"
    assert all(check.mend for check in report.checks if not check.ok)


def test_report_on_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "0")  # as some terminals and build machines have it
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    status = main(["doctor"])
    said = capsys.readouterr().out
    assert status == (0 if doctor.examine().ready else 1)
    assert "ray_tracing_pipeline" in said
    assert "without Display" in said
    assert "xvfb-run" in said


def test_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["ready"] == (status == 0)
    assert "VK_KHR_ray_tracing_pipeline" in report["devices"][0]["extensions"]
    assert {"name", "found", "ok", "needed", "mend"} == set(report["checks"][0])


def test_old_mesa(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: DeviceInfo) -> None:
    old = replace(
        device,
        driver="llvmpipe Mesa 22.3.6 (LLVM 15.0.6)",
        missing=["maintenance4", "ray-tracing pipelines"],
        missing_raytracing=["ray-tracing pipelines"],
        raytracing=False,
    )
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"VERSION_CODENAME": "bookworm"})
    report = with_devices(monkeypatch, old)
    assert not report.ready
    gpu, mesa = check_of(report, "GPU"), check_of(report, "Mesa")
    assert not gpu.ok
    assert "lacks maintenance4, ray-tracing pipelines" in gpu.found
    assert not mesa.ok
    assert "22.3.6: 25.0 or newer is needed" in mesa.found
    assert "-t bookworm-backports mesa-vulkan-drivers" in mesa.mend
    assert main(["doctor"]) == 1
    assert "The demo cannot run yet" in capsys.readouterr().out
    # With a GPU that can, an old Mesa beside it does not matter.
    good = replace(device, name="RTX", driver="NVIDIA 580.1", missing=[], raytracing=True)
    mesa = check_of(with_devices(monkeypatch, old, good), "Mesa")
    assert not mesa.ok
    assert not mesa.needed
    new = replace(device, driver="llvmpipe Mesa 25.0.7 (LLVM 19.1.7)")
    mesa = check_of(with_devices(monkeypatch, old, new), "Mesa")
    assert mesa.ok and mesa.found == "22.3.6, 25.0.7"


def test_the_tuner_is_for_gpus(monkeypatch: pytest.MonkeyPatch, device: DeviceInfo, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    gpu = replace(device, kind="discrete", name="Radeon")
    tuning = check_of(with_devices(monkeypatch, gpu, device), "Tuned networks")
    assert not tuning.ok and not tuning.needed
    assert "not timed on Radeon: drawn as direct-1" in tuning.found and tuning.mend.endswith("bungyo bench --tune")
    remember(gpu, load_weights(None).layers, {Variant(direct=2): 1.0, Variant(direct=1): 2.0})
    tuning = check_of(with_devices(monkeypatch, gpu, device), "Tuned networks")
    assert tuning.ok and tuning.found == "direct-2 is the quickest on Radeon"
    assert not [check for check in with_devices(monkeypatch, device).checks if check.name == "Tuned networks"]
    plain = replace(gpu, name="Arc", raytracing=False, missing=["rays"], missing_raytracing=["rays"])
    tuning = check_of(with_devices(monkeypatch, plain, gpu), "Tuned networks")
    assert tuning.found.endswith("on Radeon")  # which is taken: it traces rays


def test_the_networks_are_read_once(monkeypatch: pytest.MonkeyPatch, device: DeviceInfo) -> None:
    load, read = WeightSet.load, []

    def counted(path: Path) -> WeightSet:
        read.append(path)
        return load(path)

    monkeypatch.setattr(WeightSet, "load", counted)
    report = with_devices(monkeypatch, replace(device, kind="discrete"))
    assert check_of(report, "Trained networks").ok and check_of(report, "Tuned networks") and len(read) == 1


def test_without_ray_queries(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: DeviceInfo
) -> None:
    with_devices(monkeypatch, replace(device, features=device.features - {"rayQuery"}))
    assert main(["doctor"]) == 0
    assert "no ray queries: rays are" in capsys.readouterr().out


def test_without_ray_tracing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(NO_RAY_TRACING, "1")
    gpu = check_of(doctor.examine(), "GPU")
    assert gpu.ok
    assert "(no ray tracing: raster only, and no reference)" in gpu.found
    main(["doctor"])
    assert "no ray tracing" in capsys.readouterr().out
    main(["doctor", "--json"])
    device = json.loads(capsys.readouterr().out)["devices"][0]
    assert device["usable"] and not device["raytracing"]


def test_no_driver_and_no_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise BungyoError("There is no Vulkan loader (libvulkan.so.1) on this machine.")

    monkeypatch.setattr("app.gpu.list_devices", none)
    monkeypatch.setattr("app.gpu.instance.loader_version", none)
    monkeypatch.setattr("app.gpu.instance.layer_versions", none)
    report = doctor.examine()
    assert not report.ready
    loader = check_of(report, "Vulkan loader")
    assert not loader.ok
    assert "apt-get install" in loader.mend
    assert "libvulkan1" in loader.mend
    assert not check_of(report, "Validation layers").ok
    assert not [check for check in report.checks if check.name == "Mesa"]


def test_missing_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("app.scene.assets.DEFAULT_HEAD", tmp_path / "head.glb")
    monkeypatch.setattr(doctor, "DEFAULT_WEIGHTS", tmp_path / "weights")
    report = doctor.examine()
    face, weights = check_of(report, "Default face"), check_of(report, "Trained networks")
    assert not face.ok
    assert "head.glb: No such file" in face.found
    assert face.mend.endswith("checkout -- assets")
    assert not weights.ok
    assert weights.mend.endswith("checkout -- weights")
    assert not report.ready
    (tmp_path / "head.glb").write_text("version https://git-lfs")
    assert "is not a GLB file" in check_of(doctor.examine(), "Default face").found


def test_files_that_end_too_early_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a disk that was full leaves them: the demo would refuse them."""
    for whole in (DEFAULT_HEAD, DEFAULT_LIGHTS.parents[1] / "environments" / "studio.exr"):
        (tmp_path / whole.name).write_bytes(whole.read_bytes()[:100_000])
    monkeypatch.setattr("app.scene.assets.DEFAULT_HEAD", tmp_path / "head.glb")
    (tmp_path / "studio.toml").write_text('[environment]\npath = "studio.exr"\n')
    monkeypatch.setattr("app.scene.assets.DEFAULT_LIGHTS", tmp_path / "studio.toml")
    report = doctor.examine()
    assert not report.ready
    assert "not a whole one" in check_of(report, "Default face").found
    assert "studio.exr: is damaged" in check_of(report, "Default lights").found


def test_commands_name_folders_with_spaces_as_a_shell_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("app.scene.assets.DEFAULT_HEAD", tmp_path / "head.glb")
    monkeypatch.setattr(doctor, "__file__", "/home/me/my projects/bungyo/app/doctor.py")
    mend = check_of(doctor.examine(), "Default face").mend
    assert shlex.split(mend) == ["git", "-C", "/home/me/my projects/bungyo", "checkout", "--", "assets"]


def test_unwritable_cache_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    cache = check_of(doctor.examine(), "Shader cache")
    assert not cache.ok
    assert not cache.needed
    assert "XDG_CACHE_HOME" in cache.mend


def test_display_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":987")
    display = check_of(doctor.examine(), "Display")
    assert not display.ok
    assert not display.needed
    assert ":987 cannot be opened" in display.found


def test_a_window_needs_what_the_setup_installs_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On X11 or on Wayland."""
    script = (Path(doctor.__file__).parents[1] / "setup" / "system.sh").read_text()
    installed = re.findall(r'^run_packages="([^"]*)"', script, re.MULTILINE)[0].split()
    window = set(installed) - {"libvulkan1", "mesa-vulkan-drivers"}
    assert window
    monkeypatch.setattr("app.window.why_no_display", lambda: "GLFW cannot be loaded")
    mend = check_of(doctor.examine(), "Display").mend
    assert {word for word in mend.split() if word.startswith("lib")} == window


def test_commands_of_apt_where_there_is_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert apt_command("libvulkan1") == "your package manager (libvulkan1 on Debian)"
    assert check_of(doctor.examine(), "Test tools").mend == "your package manager (xvfb xdotool on Debian)"
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/apt-get")
    assert apt_command("libvulkan1") == "sudo apt-get install libvulkan1"
