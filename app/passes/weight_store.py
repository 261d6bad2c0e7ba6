"""Weight sets on the GPU: the one that is drawn with, and the next one, which is brought there beside the drawing."""

from collections.abc import Callable
from contextlib import closing

from app.gpu import Buffer, Device
from app.network.parameters import parameter_vectors
from app.network.weights import WeightSet
from app.passes.network_pipeline import NetworkPipeline
from app.passes.owner import Owner

MakePipeline = Callable[[WeightSet], NetworkPipeline]


class ResidentWeights(Owner):
    """A weight set in device memory, with the pipeline for its widths. Made by `WeightStore`.

    Attributes:
        weights: the set.
        table: buffer of uint32, tile hash -> slot.
        parameters: buffer of float, all networks one after the other, each as app.network.shader.arrange says.
        pipeline: draws with them; stays the store's.
    """

    def __init__(self, device: Device, weights: WeightSet, pipeline: NetworkPipeline) -> None:
        super().__init__()
        size = len(weights.slots) * parameter_vectors(weights.layers) * 16
        self.weights, self.pipeline, self._room = weights, pipeline, len(weights.slots)
        # Where the GPU's memory cannot be written to directly: what a copy will bring there.
        self._staging: list[tuple[Buffer, Buffer]] = []
        with self.building():
            self.table = self.own(device.buffer(weights.table.nbytes, name="hash to slot"))
            self.parameters = self.own(device.buffer(size, name="network parameters"))
            for target in (self.table, self.parameters):
                if not target.mapped:
                    source = self.own(device.buffer(target.size, memory="upload", name="weights on their way"))
                    self._staging.append((source, target))
            self.replace(weights)

    def fits(self, weights: WeightSet) -> bool:
        """Whether another set has its widths, and no more networks than there is room for."""
        return weights.layers == self.weights.layers and len(weights.slots) <= self._room

    def replace(self, weights: WeightSet) -> None:
        """Take over another set, which fits. Nothing is drawn with this one meanwhile."""
        self.weights = weights
        staging = {target: source for source, target in self._staging}
        for target, data in ((self.table, weights.table), (self.parameters, weights.gpu_parameters())):
            staging.get(target, target).write(data)

    def bring(self, device: Device) -> None:
        """Copy to the GPU what could not be written there directly. Only by the thread that draws."""
        if self._staging:
            with device.commands(reusable=False) as commands:
                for source, target in self._staging:
                    commands.copy(source, target)
                commands.barrier()
            with closing(commands):
                device.submit(commands)


class WeightStore(Owner):
    """Room for two weight sets: the `current` one, and the next.

    Args:
        device: an open device.
        weights: the first set.
        make_pipeline: makes the pipeline for a set's widths; called once for each.

    Raises:
        BungyoError: the device cannot draw with these widths, or has no memory for so many networks.
    """

    def __init__(self, device: Device, weights: WeightSet, make_pipeline: MakePipeline) -> None:
        super().__init__()
        self._device, self._make_pipeline = device, make_pipeline
        self._pipelines: dict[tuple[int, ...], NetworkPipeline] = {}
        self._next: ResidentWeights | None = None
        with self.building():
            self.current = self._make(weights)
            self.current.bring(device)

    def prepare(self, weights: WeightSet) -> ResidentWeights:
        """Bring a set to where `use` makes it the current one.

        May run in another thread than the one that draws, though not twice at once: it touches neither the queue nor
        what is drawn with, but takes the place of the set before the current one.
        """
        room, self._next = self._next, None
        if room is not None and room.fits(weights):
            try:
                room.replace(weights)
            except BaseException:  # memory was not enough: half of a set is of no use
                self.let_go(room).close()
                raise
            self._next = room
        else:
            if room is not None:
                self.let_go(room).close()
            self._next = self._make(weights)
        return self._next

    def use(self, ready: ResidentWeights) -> None:
        """Make current what `prepare` returned last. By the thread that draws.

        The set before may be drawn with until `prepare` is called again.
        """
        if ready is not self._next:
            raise ValueError("only the weight set that was prepared last can be used")
        ready.bring(self._device)
        self.current, self._next = ready, self.current

    def _make(self, weights: WeightSet) -> ResidentWeights:
        if weights.layers not in self._pipelines:
            self._pipelines[weights.layers] = self.own(self._make_pipeline(weights))
        return self.own(ResidentWeights(self._device, weights, self._pipelines[weights.layers]))
