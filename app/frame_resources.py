"""What frames are drawn with, of which up to FRAMES_IN_FLIGHT are under way: what these need is kept until then."""

from app.frame_commands import FRAMES_IN_FLIGHT, FrameCommands
from app.frame_passes import FramePasses
from app.gpu import CommandBuffer, Device
from app.network.weights import WeightSet
from app.passes import tile_variant
from app.passes.gbuffer import GBufferKind
from app.passes.light_cache import LightCache
from app.passes.network_pipeline import NetworkPipeline, network_pipeline
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.warm_up import warm_up
from app.passes.weight_store import ResidentWeights, WeightStore


class FrameResources(Owner):
    """The passes of a frame after the light cache, the networks they draw with, and their commands.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        cache: holds the light gathered.
        weights: the first tile networks.
        size: (width, height) of the picture, pixels.
        gbuffer: see GBuffer.

    Attributes:
        passes: those of the picture's size.
        commands: theirs, as they are bound now.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        cache: LightCache,
        weights: WeightSet,
        size: tuple[int, int],
        gbuffer: GBufferKind,
    ) -> None:
        super().__init__()
        self._device, self._scene, self._cache, self._gbuffer = device, scene, cache, gbuffer
        self._first_frame = 0  # of those with these networks
        self._timed = False
        self._compiled = {weights.layers}
        self._ran: list[CommandBuffer] = []  # by the last frame
        with self.building():
            self._store = self.own(WeightStore(device, weights, self._network_pipeline))
            self._of_size = self.own(Owner())
            self._retired = self.own(Owner())  # what frames under way may need
            self._of_binding = self.own(Owner())
            self.resize(size)

    @property
    def timed(self) -> bool:
        """See Renderer."""
        return self._timed

    @timed.setter
    def timed(self, timed: bool) -> None:
        if timed != self._timed:
            self._timed = timed
            self._forget_commands()
            self._record()

    def _network_pipeline(self, weights: WeightSet) -> NetworkPipeline:
        """For the store: the first set has nothing beside it that compiles; later ones (`prepare`) have the drawing."""
        alone = self._compiled == {weights.layers}
        variant = tile_variant.chosen(self._device.info, weights.layers, alone=alone)
        return network_pipeline(self._device, weights, variant=variant)

    @property
    def weights(self) -> WeightSet:
        """The tile networks."""
        return self._store.current.weights

    def resize(self, size: tuple[int, int], *, interleaves_reference: bool = False) -> None:
        """Make and record all that depends on the picture's size; nothing of another size is left."""
        self._forget_commands()
        self._of_size.close()
        self.passes = self._of_size.own(
            FramePasses(
                self._device, self._scene, self._cache, self._store.current, size, self._gbuffer,
                interleaves_reference=interleaves_reference,
            )
        )  # fmt: skip
        self._record()

    def bind(self) -> None:
        """Draw with the buffers that the scene has now, as the cache is bound to it already. The GPU must be idle."""
        self.passes.bind(self._scene)
        self._forget_commands()
        self._record()

    def make_room(self, frame: int) -> None:
        """Before `prepare`, and by the thread that draws: waits for frames that still draw with the networks before.

        Args:
            frame: number of the frame that comes next, as for `use`.
        """
        if frame < self._first_frame + FRAMES_IN_FLIGHT:
            self.finish()
        self._retired.close()

    def prepare(self, weights: WeightSet) -> ResidentWeights:
        """Bring other tile networks to the GPU and compile what they need, for `use`.

        May run in another thread while this one draws, though not twice at once.

        Raises:
            BungyoError: the device cannot draw with these widths, or not with so many networks.
        """
        ready = self._store.prepare(weights)
        if self._device.info.kind == "cpu" and weights.layers not in self._compiled:
            warm_up(self._device, weights)  # beside the drawing, too
        self._compiled.add(weights.layers)
        return ready

    def use(self, ready: ResidentWeights, frame: int) -> None:
        """Draw with what `prepare` returned last from this frame on. Those under way end as they began."""
        self._store.use(ready)
        tile_hash, scale = self.passes.tile_hash, ready.weights.hash_scale
        if scale != tile_hash.hash_scale:  # recorded with the hash
            tile_hash.set_scale(scale)
            self._forget_commands()
            self._bind_network(ready)
            self._record()
        else:
            self._bind_network(ready)
            self._retired.own(self.commands.use_network())
        self._first_frame = frame

    def submit(self, commands: list[CommandBuffer], *, wait: bool) -> None:
        """Draw a frame by these. With `wait` the GPU is idle afterwards."""
        self._device.submit(*commands, wait=wait)
        self._ran = commands

    def timings(self) -> dict[str, float]:
        """Milliseconds on the GPU of every pass of the last frame, by name."""
        result: dict[str, float] = {}
        for commands in self._ran:
            for name, milliseconds in commands.timings().items():
                result[name] = result.get(name, 0.0) + milliseconds
        return result

    def finish(self) -> None:
        """Wait until no frame is under way."""
        self.commands.finish()

    def _bind_network(self, ready: ResidentWeights) -> None:
        """What the networks before were bound by is kept until frames under way are drawn."""
        before = self.passes.tile_network.use(ready)
        if before is not None:
            self._retired.own(before)

    def _forget_commands(self) -> None:
        """Close all commands, once frames under way are drawn."""
        self._of_binding.close()
        self._retired.close()
        self._ran = []

    def _record(self) -> None:
        self.commands = self._of_binding.own(
            FrameCommands(self._device, self.passes, self._scene.frame, self._cache.state, timed=self._timed)
        )
