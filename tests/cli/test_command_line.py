"""What the command answers to wrong input: one clear sentence, the right exit status, no traceback."""

import errno
import importlib
import io
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import click
import pytest
from rich.console import Console

from app import main as command_line
from app.commands.options import Weights
from app.errors import BungyoError, InputError
from app.network.weights import WeightSet
from app.weight_sets import WEIGHTS

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, without a display."""
    env = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-c", "import sys; from app.main import main; sys.exit(main())", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=env | environment,
    )


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and stderr of the command in this process."""
    status = command_line.main(arguments)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.err


def test_installed_command_answers_quickly() -> None:
    """Help needs neither GPU nor torch nor numpy."""
    script = "import sys, app.main; assert app.main.main(['--help']) == 0; print(*sys.modules)"
    start = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert time.perf_counter() - start < 2.0  # 0.15 s on a quiet machine
    modules = result.stdout.rsplit("\n", 2)[-2].split()
    assert "app.main" in modules
    assert not {"numpy", "torch", "rich", "app.gpu", "app.scene.model", "app.renderer"} & set(modules)


@pytest.mark.parametrize("command", sorted(command_line.cli.commands))
def test_every_command_has_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert f"bungyo {command}" in text.split("Examples:")[1]


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        ("0x0", "'0x0' is out of range: width and height must be 1..8192"),
        ("0x720", "out of range"),
        ("1280x8193", "out of range"),
        ("abc", "'abc' is not a size: give width and height in pixels, like 1280x720"),
        ("1280", "is not a size"),
        ("-1x5", "is not a size"),
        ("1e3x5", "is not a size"),
        ("٣x٣", "is not a size"),
        ("nanxnan", "is not a size"),
        ("", "is not a size"),
        ("99999999999999999999x1", "is not a size"),
    ],
)
def test_bad_size(size: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["demo"], ["render", "--out", "x.png"], ["bench"]):
        status, said = fails(capsys, *arguments, f"--size={size}")
        assert status == 2
        assert said.startswith("bungyo: error: Invalid value for '--size'")
        assert complaint in said
        assert said.count("\n") == 2  # the sentence, and where to find help


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fly"], "No such command 'fly'"),
        (["demo", "--colour"], "No such option '--colour'"),
        (["demo", "--frames", "0"], "Invalid value for '--frames'"),
        (["demo", "extra"], "unexpected extra argument"),
        (["render"], "Missing option '--out'"),
        (["render", "--out", "x.png", "--spp", "0"], "Invalid value for '--spp'"),
        (["render", "--out", "x.png", "--spp", "many"], "Invalid value for '--spp'"),
    ],
)
def test_bad_usage(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = fails(capsys, *arguments)
    assert status == 2
    assert complaint in said
    assert "--help" in said


def test_unknown_mode_and_aov_list_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = fails(capsys, "demo", "--mode", "neutral")
    assert status == 2
    for mode in ("neural", "reference", "split", "difference", "tiles", "hash", "normal"):
        assert mode in said
    status, said = fails(capsys, "render", "--out", "x.exr", "--aov", "colour")
    assert status == 2
    for name in ("face", "uv", "diffuse_wide", "thickness"):
        assert name in said


def test_weights_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name means the set in weights/, unless there is a file or folder of that name."""
    monkeypatch.chdir(tmp_path)

    def found(value: str) -> Path:
        return Weights().convert(value, None, None)

    assert found("head") == WEIGHTS / "head"
    for other in ("./head", "weights/head", str(tmp_path / "head"), "", "/" + "x" * 300):
        assert found(other) == Path(other)
    with pytest.raises(InputError, match="There is no weight file /x"):
        WeightSet.load(found("/" + "x" * 300))
    for unknown in ("none", "hea d", "x" * 300, "head.safetensors"):
        with pytest.raises(InputError) as error:
            found(unknown)
        assert error.value.message == f"There are no networks of the name {unknown}."
        assert error.value.hint == "There are any-uv, default, head."
    Path("head").mkdir()
    assert found("head") == Path("head")


def test_weights_are_looked_for_before_the_mesh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "no.glb")
    status, said = fails(
        capsys, "render", "--weights", str(tmp_path), "--mesh", missing, "--out", str(tmp_path / "x.png")
    )
    assert status == 2
    assert "There is no weight file" in said


def test_output_is_checked_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise AssertionError("a device was opened")

    monkeypatch.setattr("app.gpu.Device.open", unreachable)
    status, said = fails(capsys, "render", "--out", str(tmp_path / "no" / "x.png"))
    assert status == 2
    assert "the folder does not exist" in said
    assert "mkdir -p" in said
    status, said = fails(capsys, "render", "--out", str(tmp_path / "x.jpg"))
    assert status == 2
    assert "'.jpg' is not a known picture format" in said
    assert ".png, .exr" in said
    status, said = fails(capsys, "render", "--out", str(tmp_path / "x"))
    assert status == 2
    assert "needs a suffix" in said
    (tmp_path / "folder.png").mkdir()
    status, said = fails(capsys, "render", "--out", str(tmp_path / "folder.png"))
    assert status == 2
    assert "it is a folder" in said
    status, said = fails(capsys, "render", "--out", str(tmp_path / "x.png"), "--aov", "uv", "--aov", "normal")
    assert status == 2
    assert "one --aov only" in said
    status, said = fails(capsys, "bench", "--json", str(tmp_path / "no" / "x.json"))
    assert status == 2
    assert "the folder does not exist" in said
    name = tmp_path / ("x" * 255)  # that of the unfinished file beside it would be too long
    for command in (["bench", "--json"], ["bench", "--html"], ["evaluate", "--data", str(tmp_path), "--json"]):
        status, said = fails(capsys, *command, str(name))
        assert (status, said) == (2, f"bungyo: error: Cannot write {name}: File name too long.\n")


@pytest.mark.parametrize(
    ("command", "trouble"),
    [
        (["evaluate", "--data"], "There is no data set at"),
        (["seams", "--data"], "There is no data set at"),
        (["dataset", "--out"], "No data set can be begun at"),
    ],
)
def test_a_name_that_is_too_long(
    command: list[str], trouble: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = str(tmp_path / ("x" * 300))
    assert fails(capsys, *command, name) == (2, f"bungyo: error: {trouble} {name}: File name too long.\n")


def test_a_demo_that_fails_leaves_no_folder_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(display, raising=False)
    (tmp_path / "there").mkdir()
    for name in ("new", "there"):
        status, said = fails(capsys, "demo", "--weights", str(tmp_path), "--out", str(tmp_path / name))
        assert status == 2
        assert "There is no weight file" in said
        assert (tmp_path / name).exists() == (name == "there")


@click.command()
@click.argument("what")
def failing(what: str) -> int:
    """A command that ends in every possible way."""
    match what:
        case "input":
            raise InputError("face.glb has no texture coordinates.", "Unwrap it first.")
        case "failure":
            raise BungyoError("The GPU was lost.")
        case "interrupt":
            raise KeyboardInterrupt
        case "full disk":
            raise OSError(errno.ENOSPC, "No space left on device", "out/a.json")
        case "end of file":  # click would end as after Ctrl-D, without a word
            raise EOFError("No data left in file")
        case "bug":
            raise ZeroDivisionError("division by zero")
        case "memory":
            raise MemoryError
        case "package":
            importlib.import_module("not_installed")
        case "warning":
            warnings.warn("the mesh has 3 loose vertices", stacklevel=1)
            warnings.warn("something for programmers", DeprecationWarning, stacklevel=1)
    return 0


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("input", 2, "bungyo: error: face.glb has no texture coordinates.\n  Unwrap it first.\n"),
        ("failure", 1, "bungyo: error: The GPU was lost.\n"),
        ("interrupt", 130, "\n"),
        ("full disk", 1, "bungyo: error: The disk is full: no room for out/a.json.\n"),
        (
            "end of file",
            1,
            "\nbungyo: error: Something unforeseen went wrong (EOFError: No data left in file).\n"
            "  Run it again with --debug to see where.\n",
        ),
        (
            "bug",
            1,
            "bungyo: error: Something unforeseen went wrong (ZeroDivisionError: division by zero).\n"
            "  Run it again with --debug to see where.\n",
        ),
        (
            "memory",
            1,
            "bungyo: error: The computer's memory is not enough for this.\n  Try a smaller --size.\n",
        ),
        (
            "package",
            1,
            "bungyo: error: The Python package not_installed is not installed.\n"
            "  Install what bungyo needs:  .venv/bin/pip install -c constraints.txt -e .\n",
        ),
    ],
)
def test_how_a_command_can_end(
    what: str, status: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(command_line.cli.commands, "failing", failing)
    assert fails(capsys, "failing", what) == (status, said)


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(command_line.cli.commands, "failing", failing)
    assert command_line.main(["--debug", "failing", "bug"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "in failing" in said
    assert "bungyo: error: Something unforeseen" in said


def test_warnings_are_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "OURS", str(ROOT))
    monkeypatch.setitem(command_line.cli.commands, "failing", failing)
    assert command_line.main(["failing", "warning"]) == 0
    assert capsys.readouterr().err == "bungyo: warning: the mesh has 3 loose vertices\n"


def test_output_for_which_there_is_no_room() -> None:
    with Path("/dev/full").open("w") as full:  # every write to it fails as on a full disk
        command = [sys.executable, "-c", "import sys; from app.main import main; sys.exit(main())", "--help"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, cwd=ROOT)
    said = "bungyo: error: The disk is full: no room for what is printed.\n"
    assert (result.returncode, result.stderr) == (1, said)


def test_nothing_is_said_where_nobody_reads_on() -> None:
    """As `bungyo avatar --list | head -1` ends."""
    read, write = os.pipe()
    os.close(read)
    script = "import sys; from app.main import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "avatar", "--list"]
    try:
        result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=120)
    finally:
        os.close(write)
    assert (result.returncode, result.stderr) == (1, "")


def test_names_that_are_no_utf_8_are_printed_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most locales have Python refuse them on stdout."""

    @click.command()
    def naming() -> None:
        click.echo("wrote " + os.fsdecode(b"caf\xe9"))
        Console().print(os.fsdecode(b"\xe9"))

    written = io.BytesIO()
    with io.TextIOWrapper(written, encoding="utf-8", errors="strict") as output:
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setitem(command_line.cli.commands, "naming", naming)
        assert command_line.main(["naming"]) == 0
        output.flush()
        assert written.getvalue() == b"wrote caf\xe9\n\xe9\n"
        monkeypatch.undo()


def test_real_process_says_the_same() -> None:
    result = run("demo", "--size", "0x0")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("bungyo: error: Invalid value for '--size'")
    assert "Traceback" not in result.stderr
