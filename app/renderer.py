"""A frame: submits the commands that it needs, and keeps what is accumulated.

A frame is one submit. What changes from frame to frame is copied by its first commands from memory that the frame has
of its own, so that Python prepares a frame while the GPU draws the one before.

    light cache -> G-buffer -> tile hash -> tile network \\
                                    background ----------- (reprojection) -> composite -> display image
                                     reference ----------/
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from app.arrays import F32, U8
from app.errors import InputError
from app.frame_resources import FrameResources
from app.gpu import CommandBuffer, Device, Image
from app.modes import AOVS, MODES, NEEDS_REFERENCE
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes.aovs import read_aov
from app.passes.array_store import ArrayStore
from app.passes.composite import composite_state
from app.passes.gbuffer import GBufferKind
from app.passes.light_cache_layout import PARTS
from app.passes.owner import Owner
from app.passes.progressive_reference import ProgressiveReference
from app.passes.reprojection import History
from app.passes.tile_features import TileFeatures, read_tile_features
from app.passes.weight_store import ResidentWeights
from app.scene.model import Scene
from app.scene_light import SceneLight

_CENTER = (0.0, 0.0)
# Parts of the light cache's next samples that a frame gathers, at most, while something moves and when nothing has for
# some frames: input is waited for no longer, and pictures of light that settles are not worth drawing as often.
_PARTS_MOVING, _PARTS_AT_REST, _FRAMES_TO_REST = 1, PARTS // 4, 8
_ENOUGH_BESIDE = 64  # samples of a neural picture beside the reference: all time after that is the reference's


class Renderer(Owner):
    """Draws a scene, neural or path traced.

    Each `render` adds one sample, shifted inside the pixel, to what is accumulated for this view: this is the
    antialiasing of all modes. The first sample of a neural picture goes through the pixels' centres.

    With `antialias_motion` a neural picture of another view, or in other light, does not start from nothing: what was
    drawn before is moved to where it belongs now, counts as HISTORY_SAMPLES at most, and as one less with every sample
    that comes. So a picture that rests for so many frames is that of its own samples alone.

    Args:
        device: an open device; stays the caller's. Without ray tracing the G-buffer is rasterised, light is gathered
            by depth maps, and there are no modes with a reference.
        scene: what is drawn; at least one part is face.
        weights: the tile networks.
        size: width and height in pixels.
        mode: one of MODES.
        cache_size: texels along the light cache's UV square; None: as many as the shipped networks learnt from.
        cache_samples: samples a point of the light cache gets before it rests.
        gbuffer: how pixels find what they show: see GBuffer. None: by rays where the device traces them.
        keeps_light: whether settled light comes from, and goes to, a file where it takes long to gather
            (app/passes/baked_light.py). Not that of lights which move: what they leave as it was is not gathered anew.
        store: where what follows from meshes, textures and maps is kept, if anywhere.

    Attributes:
        antialias_motion: see above. False at first: pictures know nothing of those before.
        submit_seconds: how long the last `render` handed its commands to the GPU and, if it did, waited for them.
        split: where the line of the split mode is, 0..1 from the left; the reference is traced on its right alone.

    Raises:
        InputError: no face in the scene, an unknown mode, or a mode or kind of G-buffer that needs ray tracing, which
            the device lacks.
    """

    def __init__(
        self,
        device: Device,
        scene: Scene,
        weights: WeightSet,
        size: tuple[int, int],
        mode: str = "neural",
        *,
        cache_size: int | None = None,
        cache_samples: int = 32,
        gbuffer: GBufferKind | None = None,
        keeps_light: bool = False,
        store: ArrayStore | None = None,
    ) -> None:
        if not scene.face_parts:
            raise InputError("The scene has no face: name the part that is one with --face.")
        super().__init__()
        self.device = device
        self._mode, self._neural_samples = MODES[0], 0
        self.mode = mode
        gbuffer = gbuffer or ("trace" if device.raytracing else "raster")
        if gbuffer == "trace":
            self._need_raytracing("A traced G-buffer")
        self.split, self.submit_seconds = 0.5, 0.0
        self.antialias_motion = self._interleaves = self._has_aovs = False
        self._scene, self._size = scene, size
        self._frames = self._frames_before_change = 0  # drawn, and those before the scene has changed
        self._face_center = scene.bounds(face_only=True).mean(axis=0)
        self._shown: tuple[Any, ...] = ()
        with self.building():
            self._light = self.own(SceneLight(device, scene, cache_size, cache_samples, keeps=keeps_light, store=store))
            self._buffers, self._cache = self._light.buffers, self._light.cache
            self._resources = self.own(FrameResources(device, self._buffers, self._cache, weights, size, gbuffer))
        self._history = History()

    # What is shown

    @property
    def mode(self) -> str:
        """One of MODES."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in MODES:
            raise InputError(f"Unknown mode {mode!r}; choose from {', '.join(MODES)}.")
        if mode in NEEDS_REFERENCE:
            self._need_raytracing("The reference")
        looked_at_aov = self._shows_aov
        self._mode = mode
        if self._shows_aov != looked_at_aov:  # their frames all go through the pixels' centres
            self._neural_samples = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._size

    @property
    def scene(self) -> Scene:
        """What is drawn. Assign a changed scene (dataclasses.replace) to move camera or lights; meshes must stay."""
        return self._scene

    @scene.setter
    def scene(self, scene: Scene) -> None:
        old = self._scene
        if scene.parts is not old.parts:
            raise InputError("A renderer keeps its meshes; make a new one for others.")
        if scene.rig != old.rig or scene.environment is not old.environment:
            self._resources.finish()
            self._light.change(scene, self._bind_light)
            exposed = replace(old.rig, exposure=scene.rig.exposure)  # samples are kept without exposure
            if scene.camera != old.camera or scene.environment is not old.environment or scene.rig != exposed:
                self.restart()
        elif scene.camera != old.camera:
            self.restart()
        self._scene, self._frames_before_change = scene, self._frames

    @property
    def weights(self) -> WeightSet:
        """The tile networks that it draws with."""
        return self._resources.weights

    @property
    def tile_variant(self) -> Variant:
        """How the shader that draws with these networks is written."""
        return self._resources.passes.tile_network.variant

    def make_room(self) -> None:
        """Before `prepare`, and by the thread that draws: waits for frames that still draw with the networks before."""
        self._resources.make_room(self._frames)

    def prepare(self, weights: WeightSet) -> ResidentWeights:
        """Bring other tile networks to the GPU and compile what they need, for `use`.

        May run in another thread while this one draws, though not twice at once.

        Raises:
            BungyoError: the device cannot draw with these widths, or not with so many networks.
        """
        return self._resources.prepare(weights)

    def use(self, ready: ResidentWeights) -> None:
        """Draw with what `prepare` returned last from the next frame on. Frames under way end as they began."""
        self._resources.use(ready, self._frames)
        self._neural_samples = 0

    @property
    def samples(self) -> int:
        """Samples accumulated in the picture that `mode` shows (for two pictures, the fewer)."""
        reference = self._reference_shown
        if reference is None:
            return self._neural_samples
        alone = self._mode == "reference" or self._neural_samples >= _ENOUGH_BESIDE
        return reference.samples if alone else min(self._neural_samples, reference.samples)

    @property
    def interleaves(self) -> bool:
        """Whether a `render` shall do no more than a part of what takes long, so that pictures come often.

        Then it traces but a pixel of every block of the reference, which takes several for a sample; and it gathers
        some parts of the light cache's next samples, fewer while something moves. For windows on devices where either
        takes long. False at first, when only a reference that `must_interleave` does so; to assign another value
        starts the reference over.
        """
        return self._interleaves

    @interleaves.setter
    def interleaves(self, interleaves: bool) -> None:
        self._interleaves = interleaves
        if self._resources.passes.reference is not None:
            self._resources.finish()
            self._resources.passes.reference.interleaved = interleaves

    @property
    def lights_settled(self) -> bool:
        """Whether the light cache has all its samples; whenever it has more, the accumulation starts over."""
        return self._cache.converged

    @property
    def light_progress(self) -> float:
        """The share of its samples that the light cache has, 0..1."""
        return self._cache.progress

    @property
    def image(self) -> Image:
        """The display image: rgba8, tone-mapped and sRGB-encoded."""
        return self._resources.passes.composite.display

    # Drawing

    def render(self, *, wait: bool = True) -> None:
        """Add one sample to the picture that `mode` shows and update `image`.

        With `wait` the GPU is idle afterwards. Without, it still draws this frame, and this call has waited for the one
        before the last: what else runs on the queue (`image.read`, a blit) comes after the frame by itself.
        """
        self._keep_light()
        reference = self._reference_shown
        enough = reference is not None and self._neural_samples >= _ENOUGH_BESIDE and self._cache.converged
        neural = self._mode != "reference" and not enough
        commands = self._resources.commands
        own = commands.begin(self._frames)
        run: list[CommandBuffer] = []
        if neural and not self._cache.converged:
            state = self._cache.advance(self._light_parts)
            own.light.write(self._frame_record(0, _CENTER), state)
            run += (own.light.commands, *self._cache.commands)
            if self._cache.between_updates:
                self._neural_samples = 0
        history, keeps = self._history, neural and self.antialias_motion and not self._shows_aov
        if neural:
            history.begin(self._neural_samples, keeps)
        shown = self._composite_record(neural, keeps)
        if neural:
            jitter = _CENTER if self._shows_aov else history.jitter
            own.neural.write(self._frame_record(history.position, jitter), shown)
            run += (own.neural.commands, commands.neural, commands.network)
            if history.reprojects:
                run.append(commands.reprojection)
            self._neural_samples += 1
            self._has_aovs = True
            history.end(keeps, self._scene.camera, self._buffers.clip_from_world)
        if reference is not None:
            first = int(self.split * self._size[0]) if self._mode == "split" else 0
            if not reference.starts_at(first):
                self._resources.finish()
                reference.start_at(first)
            sample, tracing = reference.next()
            own.reference.write(self._frame_record(sample, _CENTER), shown)
            run += (own.reference.commands, *tracing)
        run.append(own.composite)
        start = time.perf_counter()
        self._resources.submit(run, wait=wait)
        self.submit_seconds = time.perf_counter() - start
        self._frames += 1

    def add_sample(self) -> None:
        """Add one sample to all pixels of the picture that `mode` shows: by as many frames as that takes."""
        wanted = self.samples + 1
        while self.samples < wanted:
            self.render()

    def settle_lights(self, show: Callable[[float], None] | None = None) -> None:
        """Gather all of the light cache's samples now; `show` is told the `light_progress` again and again."""
        self._resources.finish()
        if not self._cache.converged:
            self._neural_samples = 0  # they were drawn in other light
        self._light.settle(self._scene.camera, self._size, show)
        self._keep_light()

    def _bind_light(self) -> None:
        """Draw with the buffers that scene and light cache have now."""
        self._resources.bind()
        self.restart()

    def _keep_light(self) -> None:
        if self._light.to_be_kept:
            self._resources.finish()
            self._light.keep()

    def restart(self) -> None:
        """Forget all samples of the picture, though not those of the light cache."""
        self._neural_samples = 0
        if self._resources.passes.reference is not None:
            self._resources.passes.reference.restart()

    def gather_lights_anew(self) -> None:
        """Forget all samples of the light cache, as if all lights had changed."""
        self._resources.finish()
        self._light.gather_anew()

    def resize(self, width: int, height: int) -> None:
        """Change the picture's size."""
        if (width, height) == self._size:
            return
        self._size, self._has_aovs = (width, height), False
        self._history.forget()
        self._resources.resize(self._size, interleaves_reference=self._interleaves)
        self.restart()

    @property
    def timed(self) -> bool:
        """Whether `timings` knows all passes. False at first: on a CPU timers take 2% of a frame."""
        return self._resources.timed

    @timed.setter
    def timed(self, timed: bool) -> None:
        self._resources.timed = timed

    def timings(self) -> dict[str, float]:
        """Milliseconds on the GPU of the passes of the last `render`, by name: without `timed` of those that take long,
        the light cache and the reference."""
        return self._resources.timings()

    # Reading back

    def read(self) -> U8:
        """The display image, (H, W, 4)."""
        pixels: U8 = self.image.read()
        return pixels

    def read_radiance(self) -> F32:
        """Linear radiance of the picture, (H, W, 3): the reference's in reference mode, else the neural one."""
        self._resources.finish()
        if self._mode == "reference" and self._resources.passes.reference is not None:
            return self._resources.passes.reference.reference.read()
        return self._resources.passes.composite.read_radiance()

    def read_aov(self, name: str) -> F32:
        """One of AOVS of the last neural frame, (H, W) or (H, W, channels); 0 where there is no face.

        Light features come in their own units (not divided by the pixel's light scale), depth in metres.
        """
        if name not in AOVS:
            raise InputError(f"Unknown AOV {name!r}; choose from {', '.join(AOVS)}.")
        if not self._has_aovs:
            raise InputError("AOVs are of the last neural frame, and none has been drawn yet.")
        self._resources.finish()
        return read_aov(name, self._resources.passes.gbuffer, self._resources.passes.tile_hash, *self._size)

    def read_tile_features(self) -> TileFeatures:
        """What the networks were given of the last neural frame."""
        self._resources.finish()
        return read_tile_features(self._resources.passes.gbuffer, self._resources.passes.tile_hash)

    # What a frame needs

    def _need_raytracing(self, what: str) -> None:
        if not self.device.raytracing:
            raise InputError(f"{what} needs ray tracing, which {self.device.info.name} has not.")

    def _frame_record(self, sample: int, jitter: tuple[float, float]) -> NDArray[Any]:
        return self._buffers.frame_record(self._scene.camera, *self._size, jitter=jitter, sample_index=sample)

    @property
    def _reference_shown(self) -> ProgressiveReference | None:
        """The reference, in modes that show it."""
        return self._resources.passes.reference if self._mode in NEEDS_REFERENCE else None

    @property
    def _shows_aov(self) -> bool:
        """Whether the mode shows the G-buffer, which is not a picture that samples could be added to."""
        return self._mode in AOVS

    def _composite_record(self, neural: bool, keeps_history: bool) -> NDArray[Any]:
        """What the composite pass is told; made anew where something has changed."""
        camera, before = self._scene.camera, self._history
        samples = before.samples if neural else 0
        shown = (self._mode, neural, self.split, camera, keeps_history, samples, before.camera)
        if shown != self._shown:
            depth = math.dist(camera.position, self._face_center)
            self._composite_state = composite_state(
                self._mode,
                neural_drawn=neural,
                samples_before=self._neural_samples,
                split=self.split,
                depth_range=(max(0.0, depth - 0.15), depth + 0.15),
                keeps_history=keeps_history,
                history_samples=samples,
                view_projection_before=before.view,
            )
            self._shown = shown
        self._composite_state["samples_before"] = self._neural_samples
        return self._composite_state

    @property
    def _light_parts(self) -> int:
        """How many parts of the light cache's next samples a frame gathers, at most."""
        if not self._interleaves:
            return PARTS
        return _PARTS_MOVING if self._frames < self._frames_before_change + _FRAMES_TO_REST else _PARTS_AT_REST
