"""What this machine has of what bungyo needs, and for whatever is missing the command that mends it."""

import importlib.metadata
import platform
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import BungyoError, InputError
from app.gpu.install_commands import (
    INSTALL_DRIVER,
    INSTALL_DRIVER_ON_BOOKWORM,
    INSTALL_LOADER,
    INSTALL_VALIDATION,
    RAY_TRACING_MESA,
    apt_command,
)
from app.gpu.selection import DeviceInfo
from app.packages import install_command
from app.weight_sets import DEFAULT_WEIGHTS

# As setup/system.sh has them: for X11 and for Wayland.
WINDOW_PACKAGES = (
    "libx11-6 libx11-xcb1 libxcursor1 libxext6 libxi6 libxinerama1 libxrandr2 libxrender1 libxxf86vm1"
    " libwayland-client0 libwayland-cursor0 libwayland-egl1 libxkbcommon0"
)


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Args:
        name: what it is.
        found: what was found, for a person; says what is wrong where `ok` is false.
        ok: it is there and works.
        needed: the demo cannot run without it.
        mend: the command that brings it where it is missing.
    """

    name: str
    found: str
    ok: bool = True
    needed: bool = True
    mend: str = ""


@dataclass(frozen=True)
class Report:
    """Everything `examine` found. `devices` are all Vulkan devices, usable or not."""

    checks: tuple[Check, ...]
    devices: tuple[DeviceInfo, ...]

    @property
    def ready(self) -> bool:
        """The demo can run: in a window, or drawing into files where there is no display."""
        return all(check.ok for check in self.checks if check.needed)


def examine() -> Report:
    """Look at this machine. Never raises for something that is missing."""
    devices, gpu = _devices()
    layers, weights = _weights()
    checks = [
        Check("Python", f"{platform.python_version()}"),
        _loader(),
        gpu,
        _mesa(devices),
        _shader_compiler(),
        _cache(),
        _display(),
        *_assets(),
        weights,
        _tuning(devices, layers),
        _validation(),
        _tools(),
        _torch(),
    ]
    return Report(tuple(check for check in checks if check), tuple(devices))


def _loader() -> Check:
    from app.gpu.instance import loader_version

    try:
        return Check("Vulkan loader", loader_version())
    except BungyoError as error:
        return Check("Vulkan loader", error.message, ok=False, mend=INSTALL_LOADER)


def _devices() -> tuple[Sequence[DeviceInfo], Check]:
    from app.gpu import list_devices

    mend = _mesa_command()
    try:
        devices = list_devices()
    except BungyoError as error:
        return [], Check("GPU", error.message, ok=False, mend=mend)
    fit = [device for device in devices if device.usable]
    if not fit:
        lacks = "; ".join(f"{device.name} lacks {', '.join(device.missing)}" for device in devices)
        return devices, Check("GPU", lacks, ok=False, mend=mend)
    names = ", ".join(
        device.name if device.raytracing else f"{device.name} (no ray tracing: raster only, and no reference)"
        for device in fit
    )
    return devices, Check("GPU", f"{len(fit)} of {len(devices)} can run the renderer: {names}")


def _mesa(devices: Sequence[DeviceInfo]) -> Check | None:
    """Mesa's version, where one of its drivers is there; old is bad only if no other driver does."""
    versions = {match[1] for device in devices if (match := re.search(r"Mesa (\d[\d.]*)", device.driver))}
    if not versions:
        return None
    old = all(int(version.split(".")[0]) < RAY_TRACING_MESA for version in versions)
    found = ", ".join(sorted(versions)) + (f": {RAY_TRACING_MESA}.0 or newer is needed to trace rays" if old else "")
    other = any(device.usable for device in devices)
    return Check("Mesa", found, ok=not old, needed=not other, mend=_mesa_command() if old else "")


def _mesa_command() -> str:
    try:
        codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        codename = ""
    if codename == "bookworm":
        return f"make setup   (or, with backports set up: {INSTALL_DRIVER_ON_BOOKWORM})"
    return INSTALL_DRIVER


def _shader_compiler() -> Check:
    from app.gpu.glslang import GlslError, Shader, glslang_version

    name = "Shader compiler"
    try:
        with Shader("comp", "#version 460\nvoid main() {}\n", lambda header, includer: None) as shader:
            shader.preprocess()
            shader.compile()
    except (BungyoError, GlslError) as error:
        return Check(name, str(error), ok=False, mend="make setup")
    return Check(name, f"glslang {glslang_version()}")


def _cache() -> Check:
    from app.gpu.cache_files import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Check("Shader cache", str(folder), needed=False)
    except OSError as error:
        mend = "export XDG_CACHE_HOME=/some/writable/folder"
        found = f"{folder} cannot be written ({error.strerror}): every start compiles all shaders"
        return Check("Shader cache", found, ok=False, needed=False, mend=mend)


def _display() -> Check:
    from app.window import display_name, why_no_display

    reason = why_no_display()
    if not reason:
        return Check("Display", display_name() or "there", needed=False)
    if "is set" in reason:
        mend = "start it from a desktop, or in a virtual screen:  xvfb-run .venv/bin/bungyo demo"
    else:
        mend = f"{apt_command(WINDOW_PACKAGES)}   (if the display itself is there)"
    return Check("Display", f"{reason}; the demo draws into files", ok=False, needed=False, mend=mend)


def _assets() -> list[Check]:
    from app.scene.assets import DEFAULT_HEAD, DEFAULT_LIGHTS
    from app.scene.default import load_environment
    from app.scene.lights import load_lights

    def head() -> str:
        data = DEFAULT_HEAD.read_bytes()
        if data[:4] != b"glTF" or len(data) != int.from_bytes(data[8:12], "little"):  # its length, as it says
            raise InputError(f"{DEFAULT_HEAD}: is not a GLB file, or not a whole one.")
        return str(DEFAULT_HEAD)

    def lights() -> str:
        rig = load_lights(DEFAULT_LIGHTS)
        load_environment(rig)  # or say what is wrong with it
        environment = f", {rig.environment.path.name}" if rig.environment else ""
        return f"{DEFAULT_LIGHTS} ({len(rig.lights)} lights{environment})"

    return [_project_file("Default face", head, "assets"), _project_file("Default lights", lights, "assets")]


def _weights() -> tuple[tuple[int, ...] | None, Check]:
    """The widths of the networks, None where they cannot be read."""
    from app.network.weights import WeightSet

    layers = None

    def weights() -> str:
        nonlocal layers
        loaded = WeightSet.load(DEFAULT_WEIGHTS)
        layers = loaded.layers
        return f"{DEFAULT_WEIGHTS} ({len(loaded.slots)} networks {'-'.join(map(str, layers))})"

    check = _project_file("Trained networks", weights, "weights")
    return layers, check


def _tuning(devices: Sequence[DeviceInfo], layers: tuple[int, ...] | None) -> Check | None:
    """Whether the tuner has run on the GPU that is taken; on a CPU the default is known to be quick."""
    from app.passes.tile_variant import default, tuned

    gpu = min((device for device in devices if device.usable), key=lambda device: device.rank, default=None)
    if gpu is None or gpu.kind == "cpu" or layers is None:
        return None
    if variant := tuned(gpu, layers):
        return Check("Tuned networks", f"{variant.name} is the quickest on {gpu.name}", needed=False)
    found = f"not timed on {gpu.name}: drawn as {default(gpu).name}, which may not be the quickest there"
    return Check("Tuned networks", found, ok=False, needed=False, mend=".venv/bin/bungyo bench --tune")


def _project_file(name: str, look: Callable[[], str], folder: str) -> Check:
    """A check of files that come with the project: `look` describes them or raises."""
    try:
        return Check(name, look())
    except InputError as error:
        found = error.message
    except OSError as error:
        found = f"{error.filename}: {error.strerror}"
    root = shlex.quote(str(Path(__file__).parents[1]))
    return Check(name, found, ok=False, mend=f"git -C {root} checkout -- {folder}")


def _validation() -> Check:
    from app.gpu.instance import VALIDATION_LAYER, layer_versions

    name = "Validation layers"
    try:
        there = VALIDATION_LAYER in layer_versions()
    except BungyoError:
        there = False
    if there:
        return Check(name, "installed", needed=False)
    return Check(
        name,
        "not installed (the tests use them)",
        ok=False,
        needed=False,
        mend=INSTALL_VALIDATION,
    )


def _tools() -> Check:
    missing = [tool for tool in ("Xvfb", "xdotool") if not shutil.which(tool)]
    if not missing:
        return Check("Test tools", "Xvfb, xdotool", needed=False)
    packages = " ".join(tool.lower() for tool in missing)
    found = f"{' and '.join(missing)} not installed (the tests use them)"
    return Check("Test tools", found, ok=False, needed=False, mend=apt_command(packages))


def _torch() -> Check:
    try:
        return Check("torch", importlib.metadata.version("torch"), needed=False)
    except importlib.metadata.PackageNotFoundError:
        return Check(
            "torch",
            "not installed (training uses it)",
            ok=False,
            needed=False,
            mend=install_command("train"),
        )
