"""The demo's view without its window: frames at rest, frames while the key light moves, and memory."""

import re
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from app.bench.activity import zero_shares
from app.controls import Controls
from app.modes import MODES
from app.network.weights import WeightSet
from app.open_renderer import needs_rays, open_device, open_renderer
from app.passes.light_cache_layout import SETTLING_SAMPLES
from app.passes.owner import Owner
from app.scene_options import SceneOptions

_TURNS = (-0.15, 0.0, 0.15)  # of half a turn: cameras from which channels are counted
AT_REST = SETTLING_SAMPLES + 1
"""As few samples of the light cache as leave a frame at rest as quick as all of them do: then it is known of most
places which lights they see, and a pixel need not look it up."""
_WARM_UP = 3  # frames; drivers compile at the first dispatch, and the first frame builds what later ones reuse


@dataclass(frozen=True)
class FrameCost:
    """What a frame took, in milliseconds.

    Attributes:
        whole: the frame, as the demo waits for it (without showing it).
        python: `whole` less the time in which commands were submitted and waited for.
        passes: by name, by the GPU's clock; see `Renderer.timed`.
    """

    whole: float
    python: float
    passes: dict[str, float]

    @property
    def gbuffer(self) -> float:
        """The G-buffer and the raster pass before it."""
        return self.passes["triangles"] + self.passes["gbuffer"]


@dataclass(frozen=True)
class Description:
    """What a view is drawn by; see `DeviceInfo`."""

    device: str
    driver: str
    kind: str


class View(Owner):
    """A renderer of the scene that `options` name, warmed up. A context manager.

    Args:
        options: what to draw; their size and number of light samples are not looked at.
        size: (width, height) in pixels.
        light_samples: that the light cache has when it rests. One will do for what moves lights or gathers them anew:
            then a frame gathers one anyway.
    """

    def __init__(self, options: SceneOptions, size: tuple[int, int], light_samples: int = AT_REST) -> None:
        super().__init__()
        with self.building():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what there is to say about scene and device, the asking process says
                self._device = self.enter(open_device(options, raytracing=needs_rays(options)))
                self._renderer = self.enter(
                    open_renderer(replace(options, light_samples=light_samples), self._device, size, options.mode)
                )
            self._controls = Controls(self._renderer, MODES)
            self._renderer.mode = "neural"
            for _ in range(_WARM_UP):
                self._renderer.render()
            while not self._renderer.lights_settled:
                self._renderer.render()

    def describe(self) -> Description:
        """Say what it is drawn by."""
        info = self._device.info
        return Description(info.name, info.driver, info.kind)

    def variant(self) -> str:
        """Return the name of the tile network's variant that draws."""
        return self._renderer.tile_variant.name

    def still(self, mode: str, timed: bool = False) -> FrameCost:
        """Draw a frame at rest, in this mode; it is at rest once all samples are there. Timers make it slower."""
        self._renderer.mode, self._renderer.timed = mode, timed
        return self._frame("")

    def moving(self) -> FrameCost:
        """Draw a neural frame for which the key light has moved, as in the demo while an arrow key is held."""
        self._renderer.mode = "neural"
        return self._frame("RIGHT")

    def gathering(self) -> FrameCost:
        """Draw a neural frame for which all light is gathered anew, as when the surroundings have turned."""
        self._renderer.mode = "neural"
        self._renderer.gather_lights_anew()
        return self._frame("")

    def activity(self, weights: WeightSet) -> list[dict[str, float]]:
        """Count the zero channels of these networks from a few cameras: see app.bench.activity.zero_shares."""
        self._renderer.mode = "neural"
        scene, found = self._renderer.scene, []
        for turn in _TURNS:
            self._controls.orbit(turn, 0.0)
            self._renderer.render()
            found.append(zero_shares(weights, *self._renderer.read_tile_features()))
            self._renderer.scene = scene
        return found

    def _frame(self, key: str) -> FrameCost:
        start = time.perf_counter()
        if key:
            self._controls.press(key)
        self._renderer.render()
        whole = time.perf_counter() - start
        python = whole - self._renderer.submit_seconds
        return FrameCost(whole * 1e3, python * 1e3, self._renderer.timings())


def memory(view: View) -> dict[str, float] | None:
    """Return this process's memory in MB (10^6 bytes), {"resident", "peak"}; None where the system does not tell.

    As in the demo, the modules for a window are loaded; its images (three of the picture's size) are not there.
    """
    import app.viewer  # noqa: F401

    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return None
    figures = {name: re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE) for name in ("VmRSS", "VmHWM")}
    resident, peak = figures["VmRSS"], figures["VmHWM"]
    if resident is None or peak is None:
        return None
    return {"resident": int(resident[1]) * 1.024e-3, "peak": int(peak[1]) * 1.024e-3}
