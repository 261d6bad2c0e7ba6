"""When the viewer draws, when it rests, and what it does with windows that change; without GPU and screen."""

import itertools
import os
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app import viewer as viewer_module
from app.controls import Controls
from app.errors import InputError
from app.file_times import Watch
from app.gpu import DeviceLost
from app.light_switch import LightSwitch
from app.passes.progressive_reference import must_interleave
from app.renderer import Renderer
from app.scene.camera import Camera
from app.scene.lights import LightRig
from app.scene.model import Scene
from app.viewer import ENOUGH_SAMPLES, Viewer
from app.weight_switch import WeightSwitch


class FakeWindow:
    """A window whose events are a script: one function a turn of the loop; it closes after the last."""

    def __init__(self, *script: Any) -> None:
        self.handle = None
        self.framebuffer_size = (64, 48)
        self.input: Any = None
        self.drops: list[list[Path]] = []
        self.damaged = False
        self.closing = False
        self.title = ""
        self.waits = self.polls = 0
        self._script = list(script)

    def _turn(self) -> None:
        if not self._script:
            self.closing = True
        elif event := self._script.pop(0):
            event(self)

    def poll(self) -> None:
        self.polls += 1
        self._turn()

    def wait(self, seconds: float) -> None:
        assert 0.0 < seconds < 1.0
        self.waits += 1
        self._turn()


class FakeRenderer:
    """Counts samples as the real one does."""

    def __init__(self) -> None:
        self.mode, self.split, self.size = "neural", 0.5, (64, 48)
        self._scene = Scene((), LightRig(), None, Camera())
        self.samples = self.rendered = self.waits = 0
        self.lights_settled, self.light_progress = True, 1.0
        self.interleaves = False
        self.image = object()

    @property
    def scene(self) -> Scene:
        return self._scene

    @scene.setter
    def scene(self, scene: Scene) -> None:
        self._scene, self.samples = scene, 0

    def render(self, *, wait: bool = True) -> None:
        self.samples += 1
        self.rendered += 1
        self.waits += wait

    def resize(self, width: int, height: int) -> None:
        assert width > 0
        assert height > 0
        if self.size != (width, height):
            self.size, self.samples = (width, height), 0

    def read(self) -> np.ndarray:
        return np.zeros((48, 64, 4), np.uint8)


class FakeSwapchain:
    """Two images; `lost` makes the next acquire fail, as after a change of the window, `hidden` all of them."""

    def __init__(self, *_: object) -> None:
        self.lost = self.hidden = self.outdated = False
        self.presented = self.acquired = 0
        self.sizes: list[tuple[int, int]] = []
        self.closed = False

    def acquire(self) -> object | None:
        if self.lost or self.hidden:
            self.lost, self.outdated = False, self.lost
            return None
        self.acquired += 1
        return SimpleNamespace(index=self.acquired % 2)

    def present(self) -> bool:
        self.presented += 1
        return True

    def resize(self, size: tuple[int, int]) -> bool:
        self.sizes.append(size)
        self.outdated = False
        return True

    def close(self) -> None:
        self.closed = True


class FakeCommands:
    """Counts those that are open."""

    open = 0

    def __enter__(self) -> "FakeCommands":
        FakeCommands.open += 1
        return self

    def __exit__(self, *_: object) -> None: ...

    def blit(self, source: object, target: object) -> None: ...

    def close(self) -> None:
        FakeCommands.open -= 1


def run(
    monkeypatch: pytest.MonkeyPatch,
    window: FakeWindow,
    frames: int | None = None,
    out: Path = Path("out"),
    kind: str = "cpu",
    mesh: Watch | None = None,
) -> tuple[FakeRenderer, FakeSwapchain]:
    """The viewer on fakes, until the script or the frames are over."""
    monkeypatch.setattr(viewer_module, "Swapchain", FakeSwapchain)
    device: Any = SimpleNamespace(
        commands=FakeCommands, submit=lambda *_, **__: None, wait_idle=lambda: None, info=SimpleNamespace(kind=kind)
    )
    renderer = FakeRenderer()
    anything: Any = renderer
    shown: Any = window
    switch = WeightSwitch(anything, [Path("weights/default")], lambda _: pytest.fail("nothing to load"), lambda: None)
    lights = LightSwitch(anything, [Path("studio.toml"), Path("lamp.toml")])
    with closing(switch), Viewer(shown, device, anything, out, switch, lights, mesh=mesh) as viewer:
        swapchain: Any = viewer._swapchain
        window.swapchain, window.renderer, window.viewer = swapchain, renderer, viewer  # type: ignore[attr-defined]
        viewer.run(frames)
    assert FakeCommands.open == 0
    assert swapchain.closed
    assert window.input is None
    return renderer, swapchain


def test_a_gpu_that_is_lost_before_it_opens_costs_no_swapchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which nobody would close before its window."""

    class Lost(FakeRenderer):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "interleaves" and value:
                raise DeviceLost("The GPU was lost.")
            super().__setattr__(name, value)

    made: list[object] = []
    monkeypatch.setattr(FakeSwapchain, "__init__", lambda self, *_: made.append(self))
    monkeypatch.setattr("tests.window.test_viewer.FakeRenderer", Lost)
    with pytest.raises(DeviceLost):
        run(monkeypatch, FakeWindow())
    assert made == []


def test_a_mode_that_the_device_lacks_is_a_line_and_the_window_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise InputError("The reference needs ray tracing, which this GPU has not.")

    monkeypatch.setattr(Controls, "_show", refuse)
    window = FakeWindow(lambda window: window.input.press("R"), *nothing(5))
    renderer, swapchain = run(monkeypatch, window)
    assert "The reference needs ray tracing" in capsys.readouterr().err
    assert renderer.mode == "neural"
    assert swapchain.presented > 4


def nothing(count: int) -> list[None]:
    """Turns in which nothing happens."""
    return [None] * count


def test_it_rests_when_the_picture_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    window = FakeWindow(*nothing(200))
    renderer, swapchain = run(monkeypatch, window)
    assert renderer.rendered == swapchain.presented == ENOUGH_SAMPLES
    assert renderer.waits == 1  # the first frame alone; the others are prepared while the GPU draws
    assert window.polls == ENOUGH_SAMPLES
    assert window.waits == 201 - ENOUGH_SAMPLES
    assert window.title.startswith("bungyo - neural - ")
    assert window.title.endswith(f" ms - {ENOUGH_SAMPLES} samples")


def test_it_goes_on_while_lights_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsettle(window: Any) -> None:
        window.renderer.lights_settled, window.renderer.light_progress = False, 0.999

    window = FakeWindow(unsettle, *nothing(199))
    renderer, _ = run(monkeypatch, window)
    assert renderer.rendered == 201
    assert window.title.endswith(" samples - light 99%")


def test_the_reference_waits_for_no_light_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def reference(window: Any) -> None:
        window.renderer.lights_settled = False
        window.input.press("R")
        window.renderer.samples = viewer_module.ENOUGH_NOISY_SAMPLES

    renderer, _ = run(monkeypatch, FakeWindow(reference, *nothing(20)))
    assert renderer.rendered == 2  # the first frame, and one in the new mode


def test_the_reference_is_drawn_until_its_noise_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    window = FakeWindow(lambda window: window.input.press("R"), *nothing(3 * ENOUGH_SAMPLES))
    renderer, _ = run(monkeypatch, window)
    assert renderer.rendered > 3 * ENOUGH_SAMPLES and window.waits == 0


def test_the_title_tells_the_time_of_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(viewer_module, "time", SimpleNamespace(perf_counter=lambda: next(ticks) / 8.0))
    window = FakeWindow(*nothing(3))
    run(monkeypatch, window)
    assert " - 125.0 ms - " in window.title


@pytest.mark.parametrize("key", ["T", "G", "]"])
def test_a_change_without_new_samples_is_drawn_once(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [*nothing(ENOUGH_SAMPLES + 10), lambda window: window.input.press(key), *nothing(10)]
    renderer, swapchain = run(monkeypatch, FakeWindow(*turns))
    assert renderer.rendered == swapchain.presented == ENOUGH_SAMPLES + 1


def test_a_moved_camera_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [*nothing(100), lambda window: window.input.orbit(0.1, 0.0), *nothing(100)]
    renderer, _ = run(monkeypatch, FakeWindow(*turns))
    assert renderer.rendered == 2 * ENOUGH_SAMPLES
    assert renderer.waits == 2  # each time the first frame after a rest, which is none of the frame's time


def test_an_uncovered_window_is_shown_again_but_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def uncover(window: Any) -> None:
        window.damaged = True

    renderer, swapchain = run(monkeypatch, FakeWindow(*nothing(100), uncover, *nothing(10)))
    assert renderer.rendered == ENOUGH_SAMPLES
    assert swapchain.presented == ENOUGH_SAMPLES + 1


def test_minimised_and_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    def size(width: int, height: int) -> Any:
        return lambda window: setattr(window, "framebuffer_size", (width, height))

    aspects: list[float] = []
    monkeypatch.setattr(Controls, "fit", lambda self, aspect: aspects.append(aspect))
    turns = [None, size(0, 0), *nothing(5), size(100, 50), *nothing(5)]
    window = FakeWindow(*turns)
    renderer, swapchain = run(monkeypatch, window)
    assert window.waits == 6  # asleep while minimised
    assert renderer.size == (100, 50)
    assert swapchain.sizes == [(100, 50)] and aspects == [2.0]


@pytest.mark.parametrize(
    ("kind", "size", "interleaves"),
    [
        ("cpu", (64, 48), True),
        ("integrated", (1280, 720), False),
        ("integrated", (1920, 1080), True),
        ("discrete", (2560, 1440), False),
        ("discrete", (3840, 2160), True),
        ("emulating", (1280, 720), False),
        ("emulating", (1920, 1080), True),
    ],
)
def test_a_large_reference_is_traced_in_parts(
    kind: str, size: tuple[int, int], interleaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that has no hardware for rays has no ray queries."""
    emulating = kind == "emulating"
    kind = "discrete" if emulating else kind
    info: Any = SimpleNamespace(kind=kind, features=set() if emulating else {"rayQuery"})
    window = FakeWindow(lambda window: setattr(window, "framebuffer_size", size), None)
    renderer, _ = run(monkeypatch, window, kind=kind)
    assert renderer.size == size
    assert (renderer.interleaves or must_interleave(info, *size)) is interleaves


def test_a_lost_swapchain_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(window: Any) -> None:
        window.swapchain.lost = True

    renderer, swapchain = run(monkeypatch, FakeWindow(*nothing(70), lose, lambda w: w.input.press("]"), *nothing(5)))
    assert swapchain.sizes == [(64, 48)]
    assert swapchain.presented == ENOUGH_SAMPLES + 1
    assert renderer.rendered == ENOUGH_SAMPLES + 1


def test_a_window_that_is_minimised_while_its_picture_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def minimise(window: Any) -> None:
        def nothing_any_more() -> None:
            window.framebuffer_size, window.swapchain.outdated = (0, 0), True

        window.swapchain.acquire = nothing_any_more

    def come_back(window: Any) -> None:
        del window.swapchain.acquire
        window.framebuffer_size, window.swapchain.lost = (64, 48), True

    window = FakeWindow(None, minimise, *nothing(5), come_back, *nothing(5))
    renderer, swapchain = run(monkeypatch, window)
    assert renderer.size == (64, 48) and swapchain.sizes == [(64, 48)]
    assert window.waits == 5 and swapchain.presented == 2 + 5


def test_a_hidden_window_answers_and_is_shown_when_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def hide(window: Any) -> None:
        window.swapchain.hidden = True

    def come_back(window: Any) -> None:
        window.swapchain.hidden = False

    window = FakeWindow(*nothing(9), hide, *nothing(100), come_back, *nothing(5))
    renderer, swapchain = run(monkeypatch, window)
    assert swapchain.sizes == []
    assert renderer.rendered == ENOUGH_SAMPLES == window.polls
    assert swapchain.presented == 11  # the last of them when it came back
    _, swapchain = run(monkeypatch, FakeWindow(hide, *nothing(5)), frames=3)  # closed while hidden
    assert swapchain.presented == 1


def test_a_lost_gpu_takes_no_surface_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise DeviceLost("The GPU was lost.")

    monkeypatch.setattr(viewer_module, "Swapchain", FakeSwapchain)
    device: Any = SimpleNamespace(wait_idle=lost, info=SimpleNamespace(kind="discrete"))
    parts: Any = (
        FakeWindow(),
        device,
        FakeRenderer(),
        Path("out"),
        SimpleNamespace(names=[]),
        SimpleNamespace(names=[]),
    )
    viewer = Viewer(*parts)
    with pytest.raises(DeviceLost):
        viewer.close()
    swapchain: Any = viewer._swapchain
    assert swapchain.closed


def test_the_help_names_files_whose_names_are_no_utf8(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lights = tmp_path / os.fsdecode(b"l\xfc.toml")
    lights.write_text("")
    run(monkeypatch, FakeWindow(lambda window: window.drops.append([lights]), lambda window: window.input.press("F1")))
    assert "next light set-up: studio, lamp, l?\n" in capsys.readouterr().out


def test_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    _, swapchain = run(monkeypatch, FakeWindow(*nothing(100)), frames=3)
    assert swapchain.presented == 3


def test_help_and_screenshot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    keys = [lambda window: window.input.press("F1"), lambda window: window.input.press("F12")]
    run(monkeypatch, FakeWindow(*keys), out=tmp_path / "new")
    said = capsys.readouterr().out
    rows = (
        "left drag",
        "wheel",
        "right, middle, shift + left drag",
        "left right up down",
        "f12",
        "esc",
        "weight set: default",
        "light set-up: studio, lamp",
        "reference (path traced)",
    )
    for word in rows:
        assert word in said
    assert f"saved {tmp_path / 'new' / 'screenshot_0001.png'}" in said
    assert (tmp_path / "new" / "screenshot_0001.png").exists()


def test_the_fake_has_what_the_real_renderer_has() -> None:
    for name in (
        "mode",
        "scene",
        "size",
        "samples",
        "lights_settled",
        "light_progress",
        "image",
        "render",
        "resize",
        "read",
    ):
        assert hasattr(Renderer, name)
