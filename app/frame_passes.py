"""The passes of a frame whose resources have the picture's size: made together, and bound to each other."""

from app.gpu import Device
from app.passes.background import Background
from app.passes.composite import Composite, CompositeInputs
from app.passes.gbuffer import GBuffer, GBufferKind
from app.passes.light_cache import LightCache
from app.passes.owner import Owner
from app.passes.progressive_reference import ProgressiveReference
from app.passes.reprojection import Reprojection
from app.passes.scene_buffers import SceneBuffers
from app.passes.tile_hash import TileHash
from app.passes.tile_network import TileNetwork
from app.passes.tile_radiance import TileRadiance
from app.passes.visible_triangles import opaque_triangles, visible_triangles
from app.passes.weight_store import ResidentWeights


class FramePasses(Owner):
    """What draws one frame after the light cache.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        cache: holds the light gathered.
        weights: the tile networks.
        size: (width, height) of the picture, pixels.
        gbuffer_kind: see GBuffer.
        interleaves_reference: see ProgressiveReference.

    Attributes:
        visible: what every pixel shows of all that is not clear.
        gbuffer, tile_hash, tile_network, background, composite, reprojection: the passes.
        reference: the reference's, None without ray tracing.
        radiance: what the background and the tile networks draw.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        cache: LightCache,
        weights: ResidentWeights,
        size: tuple[int, int],
        gbuffer_kind: GBufferKind,
        *,
        interleaves_reference: bool,
    ) -> None:
        super().__init__()
        width, height = size
        own = self.own
        with self.building():
            self.visible = own(visible_triangles(device, scene, width, height, opaque_triangles))
            self.gbuffer = own(GBuffer(device, scene, cache, self.visible, gbuffer_kind))
            features, surface, places = self.gbuffer.features, self.gbuffer.surface, self.gbuffer.places
            self.tile_hash = own(TileHash(device, places, width, height, hash_scale=weights.weights.hash_scale))
            self.radiance = own(TileRadiance(device, width, height))
            self.background = own(Background(device, scene, cache, self.visible, self.radiance))
            self.tile_network = own(
                TileNetwork(device, weights, self.tile_hash, features, surface, self.radiance, width, height)
            )
            self.reference: ProgressiveReference | None = None
            sums = None
            if device.raytracing:
                interleaved = interleaves_reference
                self.reference = own(ProgressiveReference(device, scene, width, height, interleaved=interleaved))
                sums = self.reference.reference.radiance
            inputs = CompositeInputs(features, surface, self.tile_hash.hashes, sums, self.radiance.buffer)
            self.composite = own(Composite(device, scene, inputs, width, height))
            self.reprojection = own(Reprojection(device, scene, self.composite, self.visible.depths))

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, as the cache is bound to it already. The GPU must be idle."""
        for stale in (self.visible, self.gbuffer, self.background, self.reference, self.composite, self.reprojection):
            if stale is not None:
                stale.bind(scene)
