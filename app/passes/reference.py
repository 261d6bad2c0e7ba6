"""The reference: a progressive path tracer of the whole scene, unbiased, with light below the skin.

It is what the tile networks are trained on and compared with. Surfaces with subsurface scattering are rough dielectric
boundaries over a medium; those with transmission the same over nothing. Its systematic losses without `clamp` are paths
of more than `max_bounces` surfaces, and walks below the skin of more than WALK_STEPS events, which no skin has but one
that absorbs nothing. Its one approximation: light reaches what lies behind a clear surface unbent, weakened as
refraction would weaken it.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.arrays import F32, F64, I64
from app.gpu import Buffer, CommandBuffer, Device, Struct
from app.network.schema import TILE, tile_grid
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources, ScenePipeline

PUSH = Struct(
    "ReferencePush",
    [
        ("samples", "uint"),
        ("antialias", "uint"),
        ("face_only", "uint"),
        ("stride", "uint"),
        ("offset", "uvec2"),
    ],
)
WALK_STEPS = 1 << 17
WALK_STEPS_WITHOUT_ROULETTE = 4
LIGHT_CANDIDATES = 4  # places on lights looked at for every ray towards one
PROBE_CANDIDATES = 2  # the same for a probe
# Lanes that share the pixels among them. Enough to fill a GPU; on a CPU those beyond its SIMD lanes find nothing to do.
LANES_GPU, LANES_CPU = 65536, 1024

# Which of the two ways to find light is used: shaders/include/next_event.glsl.
SAMPLING = {"all": 0, "lights": 1, "surfaces": 2, "exits": 3}


class Reference(Owner):
    """Adds path-traced samples to every pixel, or to the pixels of some 16x16 tiles.

    A sample is decided by (pixel, number of samples that the pixel had before, seed of `SceneBuffers.set_frame`). Where
    the frame's sample_index is 0, pixels start over. Camera rays that hit nothing show the backdrop; lights
    are invisible to them.

    Args:
        device: an open device with ray tracing.
        scene: the scene on the GPU.
        width, height: pixels; the same as given to `SceneBuffers.set_frame`.
        max_bounces: surfaces that scatter light on its way, >= 1; a walk below the skin counts as one of them.
        clamp: limit of what a sample may bring by two surfaces or more (radiance of the brightest channel). Hides rare
            bright paths at the price of bias: the picture becomes too dark. None: off.
        subsurface: whether light enters the skin; False takes it as plain diffuse.
        energy_compensation: whether rough boundaries and metals scatter all light, that which meets more than one
            microfacet included; False takes single scattering alone, as other renderers do.
        sampling: a key of SAMPLING; only tests need another than "all".

    Attributes:
        radiance: buffer vec4 [height * width], rows from the top: sum of linear radiance, number of samples.
        clear: commands that forget all samples; overlapping.
        squares: buffer vec4 [height * width]: sum of the squares of the samples' radiance, 0.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        width: int,
        height: int,
        *,
        max_bounces: int = 6,
        clamp: float | None = None,
        subsurface: bool = True,
        energy_compensation: bool = True,
        sampling: str = "all",
    ) -> None:
        if max_bounces < 1 or (clamp is not None and not clamp > 0.0):
            raise ValueError("max_bounces must be at least 1, and clamp positive")
        super().__init__()
        self.device = device
        self.width, self.height = width, height
        self.tiles_x, self.tiles_y = tile_grid(width, height)
        defines: dict[str, str | int] = {
            "TILE": f"{TILE}u",
            "MAX_BOUNCES": f"{max_bounces}u",
            "SUBSURFACE": int(subsurface),
            "SAMPLING": SAMPLING[sampling],
            "CANDIDATES": LIGHT_CANDIDATES,
            "ENERGY_COMPENSATION": int(energy_compensation),
            "PROBE_CANDIDATES": PROBE_CANDIDATES,
            "WALK_STEPS": f"{WALK_STEPS}u",
            "WALK_STEPS_WITHOUT_ROULETTE": f"{WALK_STEPS_WITHOUT_ROULETTE}u",
        }
        if clamp is not None:
            defines["CLAMP_INDIRECT"] = repr(float(clamp))
        nothing = np.zeros((width * height, 4), np.float32)
        with self.building():
            self.radiance = self.own(device.buffer(nothing, name="reference radiance"))
            self.squares = self.own(device.buffer(nothing, name="reference squares"))
            tiles = self.tiles_x * self.tiles_y
            self._tiles = self.own(device.buffer(4 * (tiles + 1), name="reference tiles"))
            self.set_tiles(None)
            self._pool = self.own(device.buffer(4, name="reference pool"))
            make = partial(device.raytracing_pipeline, "reference.rgen", ["miss.rmiss"])
            self._pipeline = self.own(
                ScenePipeline(
                    make,
                    scene,
                    self._resources,
                    push=PUSH,
                    defines=defines,
                    includes={"reference_push.glsl": PUSH.glsl},
                    of_scene=lambda shown: {"CLEAR_PARTS": int(_has_clear_parts(shown))},
                    traces=True,
                    whole_map=True,
                )
            )
            with device.commands(overlapping=True) as clear:
                clear.fill(self.radiance)
                clear.fill(self.squares)
                clear.barrier()
            self.clear = self.own(clear)

    def _resources(self) -> Resources:
        return {"RADIANCE": self.radiance, "SQUARES": self.squares, "TILES": self._tiles, "POOL": self._pool}

    def bind(self, scene: SceneBuffers) -> None:
        """Trace this scene from now on, with the buffers that it has now. Commands recorded before are stale."""
        self._pipeline.bind(scene)

    def set_tiles(self, tiles: Sequence[int] | NDArray[np.integer] | None) -> None:
        """Choose the tiles to trace, by index (row * tiles_x + column), each at most once; None: all.

        The GPU must be idle.
        """
        count = self.tiles_x * self.tiles_y
        chosen = np.arange(count) if tiles is None else np.asarray(tiles, np.int64).reshape(-1)
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= count):
            raise ValueError(f"tile indices must be 0..{count - 1}")
        if len(np.unique(chosen)) != len(chosen):
            raise ValueError("a tile is listed twice")
        self._tiles.write(np.concatenate([[len(chosen)], chosen]).astype(np.uint32))

    def record(
        self,
        command: CommandBuffer,
        samples: int = 1,
        *,
        antialias: bool = True,
        face_only: bool = False,
        stride: int = 1,
        offset: tuple[int, int] = (0, 0),
    ) -> None:
        """Record the pass: adds `samples` to pixels of the chosen tiles. What follows needs a barrier.

        Args:
            samples: how many, >= 1.
            antialias: spread the samples evenly over the pixel (a box filter). False: all go through the one point that
                the frame's jitter says, as the G-buffer's rays do.
            face_only: only pixels that show face get samples: nobody will see what hair, say, hides of the face.
                Behind what is blended, those samples count that find the face.
            stride: every how manyth pixel along x and y gets them; a divisor of 16.
            offset: x and y of the first of these, 0..stride - 1.
        """
        if stride < 1 or TILE % stride or not all(0 <= start < stride for start in offset):
            raise ValueError(f"stride must divide {TILE}, and offset lie below it")
        push = np.zeros((), PUSH.dtype)
        push["samples"], push["antialias"] = samples, antialias
        push["face_only"], push["stride"], push["offset"] = face_only, stride, offset
        with command.timer("reference"):
            command.fill(self._pool)
            command.barrier()
            self._pipeline.use(command)
            command.push(push)
            command.trace(LANES_CPU if self.device.info.kind == "cpu" else LANES_GPU, 1)

    def reset(self) -> None:
        """Forget all samples at once. The GPU is idle afterwards."""
        self.device.submit(self.clear)

    def read(self) -> F32:
        """Mean radiance (height, width, 3); 0 where there are no samples."""
        sums = self._read(self.radiance)
        return (sums[..., :3] / np.maximum(sums[..., 3:], 1.0)).astype(np.float32)

    def read_samples(self) -> I64:
        """How many samples each pixel has, (height, width)."""
        return self._read(self.radiance)[..., 3].astype(np.int64)

    def read_variance(self) -> F32:
        """Estimated variance of the mean, (height, width, 3); infinite where there are fewer than 2 samples."""
        sums, squares = self._read(self.radiance), self._read(self.squares)[..., :3]
        count = sums[..., 3:]
        mean = sums[..., :3] / np.maximum(count, 1.0)
        spread = np.maximum(squares / np.maximum(count, 1.0) - mean * mean, 0.0)
        return np.where(count > 1.0, spread / np.maximum(count - 1.0, 1.0), np.inf).astype(np.float32)

    def _read(self, buffer: Buffer) -> F64:
        values: F32 = buffer.read(np.float32, (self.height, self.width, 4))
        return values.astype(np.float64)


def _has_clear_parts(scene: SceneBuffers) -> bool:
    """Whether rays have to look for them: without any, the shader is compiled without that."""
    return any(part.material.transmission > 0.0 for part in scene.parts)
