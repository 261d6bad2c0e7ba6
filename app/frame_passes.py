"""The passes of a frame whose resources have the picture's size: made together, and bound to each other."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol, TypeVar

from app.gpu import Device, Image
from app.passes.background import Background
from app.passes.composite import Composite, CompositeInputs
from app.passes.gbuffer import GBuffer, GBufferKind
from app.passes.light_cache import LightCache
from app.passes.progressive_reference import ProgressiveReference
from app.passes.reprojection import Reprojection
from app.passes.scene_buffers import SceneBuffers
from app.passes.tile_hash import TileHash
from app.passes.tile_network import TileNetwork
from app.passes.weight_store import ResidentWeights

FACE_RADIANCE = "rgba16f"


class _Closes(Protocol):
    def close(self) -> None: ...


_Closable = TypeVar("_Closable", bound=_Closes)


@dataclass
class FramePasses:
    """What draws one frame after the light cache; without ray tracing there is no reference."""

    gbuffer: GBuffer
    tile_hash: TileHash
    tile_network: TileNetwork
    background: Background
    reference: ProgressiveReference | None
    face_radiance: Image
    composite: Composite
    reprojection: Reprojection

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, as the cache is bound to it already. The GPU must be idle."""
        for stale in (self.gbuffer, self.background, self.reference, self.composite, self.reprojection):
            if stale is not None:
                stale.bind(scene)

    def close(self) -> None:
        """Release everything."""
        for thing in (
            self.reprojection, self.composite, self.reference, self.background, self.tile_network, self.tile_hash,
            self.gbuffer, self.face_radiance,
        ):  # fmt: skip
            if thing is not None:
                thing.close()


def make_frame_passes(
    device: Device,
    scene: SceneBuffers,
    cache: LightCache,
    weights: ResidentWeights,
    size: tuple[int, int],
    gbuffer_kind: GBufferKind,
    *,
    interleaves_reference: bool,
) -> FramePasses:
    """Make all passes for a picture of `size` (width, height); what is made is let go of, should a later one fail."""
    width, height = size
    with ExitStack() as undo:

        def keep(thing: _Closable) -> _Closable:
            undo.callback(thing.close)
            return thing

        gbuffer = keep(GBuffer(device, scene, cache, width, height, gbuffer_kind))
        hashing = keep(TileHash(device, gbuffer.places, width, height, hash_scale=weights.weights.hash_scale))
        face_radiance = keep(device.image(width, height, FACE_RADIANCE, name="face radiance"))
        network = keep(
            TileNetwork(device, weights, hashing, gbuffer.features, gbuffer.surface, face_radiance, width, height)
        )
        background = keep(Background(device, scene, cache, width, height, gbuffer.face_depth))
        reference = None
        if device.raytracing:
            reference = keep(ProgressiveReference(device, scene, width, height, interleaved=interleaves_reference))
        inputs = CompositeInputs(
            gbuffer.features,
            gbuffer.surface,
            hashing.hashes,
            reference.reference.radiance if reference is not None else None,
            face_radiance,
            background.radiance,
        )
        composite = keep(Composite(device, scene, inputs, width, height))
        reprojection = keep(Reprojection(device, scene, composite, background.depth))
        undo.pop_all()
    return FramePasses(gbuffer, hashing, network, background, reference, face_radiance, composite, reprojection)
