"""What makes images of the light that points have gathered: means, then blurred along the skin, axis by axis."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from app.gpu import Binding, Buffer, CommandBuffer, Device, Image
from app.gpu.bindings import BindingKind
from app.passes.light_cache_layout import COARSE_IMAGES, FINE_SCALE, GATHERED_LIGHT, SHADOW_SCALE, point_groups
from app.passes.owner import Owner

_Resource: TypeAlias = Buffer | Image | list[Image]
_TEXELS = ("PLACES", "SOURCE", "LOOKS")  # buffers that are read four floats at a time


class _Stage(NamedTuple):
    """A dispatch.

    threads: how many, at least.
    resources: what the shader reads and writes; NAME's slot is SLOT_NAME there.
    axis: of the UV square, along which it blurs.
    """

    shader: str
    threads: int
    resources: dict[str, _Resource]
    axis: int = 0

    @property
    def bindings(self) -> list[Binding]:
        return [_binding(slot, name, resource) for slot, (name, resource) in enumerate(self.resources.items())]

    @property
    def defines(self) -> dict[str, str | int]:
        return {"AXIS": self.axis, **{f"SLOT_{name}": slot for slot, name in enumerate(self.resources)}}


class LightCacheBlurs(Owner):
    """Fills the light cache's images, the means at vertices, and the shares of lights that shadow texels see.

    Args:
        device: an open device.
        size: texels along the UV square.
        includes: the light cache's generated declarations.
        images: of the cache, in the order of CACHE_IMAGES.
        gathered: tells the cache's buffers, by the names that shaders have for them, whenever they are bound.
    """

    def __init__(
        self,
        device: Device,
        size: int,
        includes: Mapping[str, str],
        images: Sequence[Image],
        gathered: Callable[[], Mapping[str, Buffer]],
    ) -> None:
        super().__init__()
        self._size, self._images, self._gathered = size, images, gathered
        planes, fine_plane = 16 * len(COARSE_IMAGES) * size**2, 16 * (FINE_SCALE * size) ** 2
        with self.building():
            self._means = self.own(device.buffer(planes, name="means of light"))
            self._half = self.own(device.buffer(planes, name="half-blurred light"))
            self._fine_means = self.own(device.buffer(fine_plane, name="means of fine light"))
            self._half_fine = self.own(device.buffer(fine_plane, name="half-blurred fine light"))
            self._pipelines = [
                self.own(
                    device.compute_pipeline(stage.shader, stage.bindings, defines=stage.defines, includes=includes)
                )
                for stage in self._stages()
            ]
            self._bound = self.own(Owner())
            self.bind()

    def bind(self) -> None:
        """Read and write the buffers that the cache has now. Commands recorded before are stale."""
        self._bound.close()
        self._sets = [
            (self._bound.own(pipeline.bind(dict(enumerate(stage.resources.values())))), stage.threads)
            for pipeline, stage in zip(self._pipelines, self._stages(), strict=True)
        ]

    def record(self, command: CommandBuffer) -> None:
        """Record all stages; the images are visible after that."""
        for pipeline, (resources, threads) in zip(self._pipelines, self._sets, strict=True):
            command.bind(pipeline, resources)
            command.dispatch(*point_groups(threads))
            command.barrier()

    def _stages(self) -> list[_Stage]:
        gathered = self._gathered()

        def some(*names: str) -> dict[str, _Resource]:
            return {name: gathered[name] for name in names}

        at_points = some("POINTS", "GATHERED", "STATE", "VISIBILITY", "VERTEX_LIGHTS")
        at_fine = some("POINTS", "GATHERED", "STATE", "FINE", "AGREED", "SETTLED")
        along_skin = some("POINTS", "PLACES", "STATE")
        at_shadows = {"LOOKS": gathered["VISIBILITY"], **some("STATE", "SHARES")}
        points = gathered["GATHERED"].size // GATHERED_LIGHT.size
        texels, fine_texels = self._size**2, (FINE_SCALE * self._size) ** 2
        shadow_texels = SHADOW_SCALE**2 * fine_texels
        *images, fine_image = self._images
        means, half, fine_means, half_fine = self._means, self._half, self._fine_means, self._half_fine
        blur, blur_fine = "light_cache_blur.comp", "light_cache_blur_fine.comp"
        return [
            _Stage("light_cache_means.comp", points, {**at_points, "MEANS": means}),
            _Stage(blur, texels, {**along_skin, "SOURCE": means, "TARGET": half}, axis=0),
            _Stage(blur, texels, {**along_skin, "SOURCE": half, "TARGET": images}, axis=1),
            _Stage("light_cache_fine.comp", fine_texels, {**at_fine, "MEANS": fine_means}),
            _Stage(blur_fine, fine_texels, {**along_skin, "SOURCE": fine_means, "TARGET": half_fine}, axis=0),
            _Stage(blur_fine, fine_texels, {**along_skin, "SOURCE": half_fine, "TARGET": fine_image}, axis=1),
            _Stage("light_cache_shares.comp", shadow_texels // 4, at_shadows),
        ]


def _binding(slot: int, name: str, resource: _Resource) -> Binding:
    if isinstance(resource, list):
        return Binding(slot, "image", len(resource), name.lower())
    kind: BindingKind = "image" if isinstance(resource, Image) else "texels" if name in _TEXELS else "storage"
    return Binding(slot, kind, name=name.lower())
