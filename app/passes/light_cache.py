"""Light in the face's own UV space: looked for once a texel, blurred along the skin, independent of the camera.

What a pixel needs to know of the light around it (the rule of the talk: put it into the pixel) does not depend on the
camera. So it is gathered per texel of the face's UV square, and per vertex of everything else, when lights or meshes
change, and merely looked up in a frame. That is stable under motion, free of noise from frame to frame, and its cost
does not depend on the size of the screen.
"""

import math
from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from app.arrays import U8
from app.gpu import Buffer, CommandBuffer, Device
from app.passes.array_store import Arrays
from app.passes.light_cache_blurs import LightCacheBlurs
from app.passes.light_cache_layout import (
    CACHE_IMAGES,
    CACHE_STATE,
    COARSE_IMAGES,
    DEFAULT_CACHE_SIZE,
    FINE_LIGHT,
    FINE_SCALE,
    GATHERED_LIGHT,
    LIGHT_SHARES,
    PARTS,
    SETTLED_LIGHTS,
    SHADOW_SCALE,
    VERTEX_LIGHT,
    light_cache_declarations,
    words_of_a_light,
)
from app.passes.light_maps import LightMaps
from app.passes.light_points import CACHE_POINT, face_texels, gathering_points, vertex_offsets
from app.passes.light_rays import LightRays
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources

_KNOWN_LIGHTS = 32  # bits of masks of lights
_MOST_MOVES = 1024  # then they are counted anew: so that shaders' floats stay exact
ShadowKind: TypeAlias = Literal["trace", "maps"]
SHADOW_KINDS: tuple[ShadowKind, ...] = get_args(ShadowKind)


class LightCache(Owner):
    """The light gathered so far, as images over the face's UV square and sums per background vertex.

    Args:
        device: an open device; for "trace" with ray tracing.
        scene: the scene on the GPU.
        size: texels along the UV square; None: DEFAULT_CACHE_SIZE.
        samples: how many a point gets in all (vertices of hair HAIR_SAMPLES at most after the first update, where rays
            ask); `samples_per_update` of them each time `commands` run.
        background: whether light is gathered for everything else as well, without which `Background` draws nothing.
        kind: what tells whether light is hidden: rays, or depth maps; None: rays where the device traces them.

    Attributes:
        images: CACHE_IMAGES as (image, sampler); sampled at uv, v = 0 in row 0.
        gathered: buffer of GATHERED_LIGHT: size * size texels, then the background's vertices in order of the parts.
        vertex_lights: buffer of VERTEX_LIGHT: means at the background's vertices, in that order.
        commands: what the last update ran, or the next one runs after `advance`; overlapping.
        visibility: buffer of uint [light][shadow texels, SHADOW_SCALE * FINE_SCALE * size along the square; then the
            vertices]: how often the light was looked for (upper half) and seen (lower half). Vertices do not count
            what is below their horizon.
        settled: buffer of SETTLED_LIGHTS, of every fine texel.
        shares: buffer of uint [light / LIGHT_SHARES][shadow texels][2]: which shares of these lights are seen, in
            bytes. Made with the images.
        state: buffer of CACHE_STATE.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        *,
        size: int | None = None,
        samples: int = 32,
        samples_per_update: int = 1,
        seed: int = 0,
        background: bool = True,
        kind: ShadowKind | None = None,
    ) -> None:
        super().__init__()
        self._background = background
        size = size or DEFAULT_CACHE_SIZE
        self.device, self.scene, self.size = device, scene, size
        self._fine_size, self._shadow_size = FINE_SCALE * size, SHADOW_SCALE * FINE_SCALE * size
        self.samples, self.samples_per_update, self._seed = samples, samples_per_update, seed
        # What `restart` has kept: see CACHE_STATE.
        self._kept, self._known, self._moves = False, 0, 0
        self._gathered_samples = 0
        self._gathered_parts = 0  # of the update under way
        self._unit = 0.0  # of light in the images
        self.includes = {"light_cache.glsl": light_cache_declarations(size)}
        with self.building():
            self._make_images()
            self._of_scene, self._of_lights = self.own(Owner()), self.own(Owner())
            self._make_points()
            self._make_visibility()
            self._gatherer: LightRays | LightMaps
            if (kind or ("trace" if device.raytracing else "maps")) == "trace":
                self._gatherer = LightRays(device, scene, self.includes, self._resources)
            else:
                self._gatherer = LightMaps(device, scene, self.includes, self._resources, samples_per_update)
            self.own(self._gatherer)
            images = [image for image, _ in self.images]
            self._blurs = self.own(LightCacheBlurs(device, size, self.includes, images, self._blurred))
            self._recorded = self.own(Owner())
            self._record()
        self.restart()

    def _make_images(self) -> None:
        device, size, fine = self.device, self.size, self._fine_size
        self._fine = self.own(device.buffer(FINE_LIGHT.size * fine * fine, name="fine light"))
        self.state = self.own(device.buffer(CACHE_STATE.size, name="cache state"))
        self.sampler = self.own(device.sampler("linear", wrap_u="clamp", wrap_v="clamp"))
        self.images = [
            (self.own(device.image(across, across, "rgba16f", name=f"cache {name.lower()}")), self.sampler)
            for name, across in ((name, size if name in COARSE_IMAGES else fine) for name in CACHE_IMAGES)
        ]

    @property
    def _first_update(self) -> int:
        """How many samples fine texels leave to the texels around them."""
        return 0 if self._gatherer.fine_from_the_start else min(self.samples_per_update, self.samples)

    @property
    def converged(self) -> bool:
        """Whether every point has all its samples."""
        return self._gathered_samples >= self.samples

    @property
    def progress(self) -> float:
        """The share of all samples that has been gathered, 0..1; parts of the next ones count."""
        gathered = self._gathered_samples + self.samples_per_update * self._gathered_parts / PARTS
        return min(gathered / max(self.samples, 1), 1.0)

    def restart(self, moved: Collection[int] | None = None) -> None:
        """Start gathering over: lights have changed.

        Args:
            moved: the lights that are elsewhere, by number, where nothing but lights has changed and these alone can
                have other shadows. What the sums tell of the environment and of shapes is then kept, and lights that
                stay and have all their samples are looked for no more. None: anything may be different.
        """
        begun = self._gathered_samples > 0
        if moved is None or not self._gatherer.keeps or not (begun or self._kept):
            self._kept, self._known, self._moves = False, 0, 0
        else:
            gone = sum(1 << light for light in moved)
            if self.converged:
                self._known = (1 << min(self.scene.light_count, _KNOWN_LIGHTS)) - 1
            self._kept, self._known = True, self._known & ~gone
            self._moves = (self._moves + 1) % _MOST_MOVES
        self._gathered_samples = self._gathered_parts = 0

    @property
    def description(self) -> tuple[object, ...]:
        """What decides, besides scene, device and code, what is gathered."""
        of_all = self.size, self.samples, self.samples_per_update, self._seed, self._background
        return *of_all, type(self._gatherer).__name__

    @property
    def _sums(self) -> dict[str, Buffer]:
        """What samples are added to, and how many: images and means can be made of these."""
        return {
            "gathered": self.gathered,
            "fine": self._fine,
            "visibility": self.visibility,
            "agreed": self._agreed,
            "state": self.state,
        }

    def read_gathered(self) -> dict[str, U8]:
        """What all samples have come to, for `restore`. The cache must have converged, and the GPU be idle."""
        if not self.converged:
            raise ValueError("not all of the light has been gathered")
        return {name: buffer.read() for name, buffer in self._sums.items()}

    def restore(self, gathered: Mapping[str, U8]) -> None:
        """Converge by what a cache of the same `description`, scene, device and code has read. The GPU must be idle.

        Raises:
            KeyError, ValueError: this is not of such a cache; nothing has changed.
        """
        sums = self._sums
        if any(gathered[name].nbytes != buffer.size for name, buffer in sums.items()):
            raise ValueError("this is the light of another scene")
        for name, buffer in sums.items():
            buffer.write(gathered[name])
        self.device.submit(self._blur)
        self._kept, self._known = False, 0
        self._gathered_samples, self._gathered_parts = self.samples, 0
        self._unit = float(gathered["state"].view(CACHE_STATE.dtype)["unit"][0])

    def bind(self, scene: SceneBuffers) -> None:
        """Gather this scene's light from now on, with the buffers it has now; start over. The GPU must be idle."""
        another, self.scene = scene is not self.scene, scene
        self._recorded.close()
        if another:
            self._make_points()
        self._make_visibility()
        self._blurs.bind()
        self._gatherer.bind(scene)
        self._record()
        self.restart()

    def _make_points(self) -> None:
        """Where light is gathered; nothing of the scene before is left."""
        points = self._find_points()
        self.point_count = len(points) - self._fine_size**2
        self.vertex_offsets = vertex_offsets(self.scene) if self._background else {}
        self._of_scene.close()
        own, device = self._of_scene.own, self.device
        self._points = own(device.buffer(points, name="cache points"))
        # Blurs see of a point where it is and the area that it stands for, -1 where there is none.
        seen = np.column_stack([points["position"], np.where(points["traced"] > 0, points["area"], -1.0)])
        self._places = own(device.buffer(seen.astype(np.float32), name="places of cache points"))
        nothing = np.zeros(self._fine_size**2, SETTLED_LIGHTS.dtype)  # beside the face nothing is written
        self._agreed = own(device.buffer(nothing, name="lights that rays agree about"))
        self.settled = own(device.buffer(nothing, name="settled lights"))
        with device.commands(reusable=False) as command:  # look-ups reach into texels beside the face, which stay so
            for image, _ in self.images:
                command.clear(image)
            command.barrier()
        with closing(command):
            device.submit(command)
        self.gathered = own(device.buffer(GATHERED_LIGHT.size * self.point_count, name="gathered light"))
        vertices = max(self.point_count - self.size**2, 1)
        self.vertex_lights = own(device.buffer(VERTEX_LIGHT.size * vertices, name="light at vertices"))

    def _find_points(self) -> NDArray[Any]:
        """Those where light is gathered, then the fine texels."""

        def make() -> Arrays:
            gathering = gathering_points(self.scene, self.size, background=self._background)
            fine = face_texels(self.scene, self._fine_size)
            # Every fine texel has a texel around it that gathers: the first update needs it.
            around = gathering["traced"][: self.size**2].reshape(self.size, self.size)
            fine["traced"] &= around.repeat(FINE_SCALE, axis=0).repeat(FINE_SCALE, axis=1).ravel()
            return {"points": np.concatenate([gathering, fine]).view(np.uint8)}

        points = self.scene.derived(("cache points", self.size, self._background), make)["points"]
        return points.view(CACHE_POINT.dtype)

    def _make_visibility(self) -> None:
        lights, shadows = max(1, self.scene.light_count), self._shadow_size**2
        self._of_lights.close()
        own, device = self._of_lights.own, self.device
        # Look-ups reach places beside the face, which nothing is written for.
        nothing = np.zeros(lights * words_of_a_light(self.size, self.point_count), np.uint32)
        self.visibility = own(device.buffer(nothing, name="light visibility"))
        self.shares = own(device.buffer(8 * -(-lights // LIGHT_SHARES) * shadows, name="shares of lights"))

    def _buffers(self) -> dict[str, Buffer]:
        return {
            "POINTS": self._points,
            "GATHERED": self.gathered,
            "VISIBILITY": self.visibility,
            "FINE": self._fine,
            "AGREED": self._agreed,
            "SETTLED": self.settled,
            "STATE": self.state,
        }

    def _resources(self) -> Resources:
        """What shaders/include/light_gathering.glsl reads and writes."""
        return {**self._buffers(), "CACHE": self.images}

    def _blurred(self) -> dict[str, Buffer]:
        """What images are made of, and what is made with them."""
        made = {"VERTEX_LIGHTS": self.vertex_lights, "SHARES": self.shares}
        return {**self._buffers(), "PLACES": self._places, **made}

    def _record(self) -> None:
        """The commands of the first update, of parts of later ones, and what makes images of what they gather."""
        gatherer, points = self._gatherer, self.point_count + self._fine_size**2
        self._gatherings = {parts: self._record_gathering(points, parts) for parts in gatherer.parts_at_once}
        self._start = self._gatherings[PARTS]
        if not gatherer.fine_from_the_start:
            self._start = self._record_gathering(self.point_count, PARTS)
        with self.device.commands(overlapping=True) as command, command.timer("light cache"):
            self._blurs.record(command)
        self._blur = self._recorded.own(command)
        self.commands: tuple[CommandBuffer, ...] = (self._start, self._blur)

    def _record_gathering(self, points: int, parts: int) -> CommandBuffer:
        with self.device.commands(overlapping=True) as command, command.timer("light cache"):
            self._gatherer.record(command, points, parts)
        return self._recorded.own(command)

    def update(self) -> None:
        """Gather the next few samples; does nothing once converged. The GPU is idle afterwards."""
        if not self.converged:
            self.state.write(self.advance())
            for command in self.commands:
                self.device.submit(command)

    def advance(self, parts: int = PARTS) -> Any:
        """Choose the next few samples, which must be left: `commands` gather them once the result is in `state`.

        Args:
            parts: how many of the update's PARTS are gathered now, at most. The first update, and all by depth maps,
                are gathered at once. Until the last part is there, images stay as they are.
        """
        state = np.zeros((), CACHE_STATE.dtype)
        samples = min(self.samples_per_update, self.samples - self._gathered_samples)
        level = self.scene.light_level
        unit = 2.0 ** math.floor(math.log2(level)) if level > 0.0 else 1.0
        state["point_count"], state["first_sample"] = self.point_count, self._gathered_samples
        state["light_count"] = self.scene.light_count
        state["samples"], state["seed"] = samples, self._seed
        state["first_fine"] = max(self._gathered_samples - self._first_update, 0)
        state["kept"] = self._kept
        state["known_lights"], state["moves"] = self._known, self._moves
        state["settling_lights"] = min(self.scene.light_count, _KNOWN_LIGHTS) if self._gatherer.settles else 0
        state["unit"] = unit
        if self._gathered_samples == 0:
            at_once, gathering = PARTS, self._start
            state["still"] = self._kept and unit == self._unit
        else:
            wanted = min(parts, PARTS - self._gathered_parts)
            at_once = next((n for n in self._gatherings if n <= wanted), PARTS)
            gathering = self._gatherings[at_once]
        state["first_part"], state["parts"] = self._gathered_parts, at_once
        self._gathered_parts = (self._gathered_parts + at_once) % PARTS
        if self._gathered_parts > 0:
            self.commands = (gathering,)
        else:
            self.commands = (gathering, self._blur)
            self._gathered_samples += samples
            self._unit = unit
        return state

    @property
    def between_updates(self) -> bool:
        """Whether the images have all that was gathered so far, not more of it to come by other parts."""
        return self._gathered_parts == 0
