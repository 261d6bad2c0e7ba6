"""The commands of a frame, each recorded once, and the memory that frames have of their own on their way."""

from functools import partial

from app.frame_passes import FramePasses
from app.gpu import Buffer, CommandBuffer, Device
from app.passes.owner import Owner
from app.passes.upload import Upload

FRAMES_IN_FLIGHT = 2  # at most: one that the GPU draws, one that is ready for it


class FrameInFlight(Owner):
    """What each frame that may be under way has of its own; the last of its commands are `composite`.

    Attributes:
        light: brings the records of the frame and of the light cache's state to the GPU.
        neural, reference: those of the frame and of the composite's state.
        composite: the composite pass.
    """

    def __init__(self, device: Device, passes: FramePasses, frame: Buffer, cache_state: Buffer, *, timed: bool) -> None:
        super().__init__()
        with self.building():
            self.light = self.own(Upload(device, frame, cache_state))
            self.neural = self.own(Upload(device, frame, passes.composite.state))
            self.reference = self.own(Upload(device, frame, passes.composite.state))
            with self.own(device.commands(timed=timed)) as self.composite:
                passes.composite.record(self.composite)
                self.composite.barrier()


class FrameCommands(Owner):
    """What a frame submits after the light cache's commands; the reference has its own.

    Args:
        device: an open device.
        passes: those of the frame, bound as they are to be drawn with.
        frame: buffer of the frame's record.
        cache_state: buffer of the light cache's state.
        timed: whether each pass has a timer.

    Attributes:
        neural: triangles, G-buffer, background and tile hash.
        network: the tile network, apart from these, as it is recorded again for other weights.
        reprojection: moves the picture before to this view.
    """

    def __init__(self, device: Device, passes: FramePasses, frame: Buffer, cache_state: Buffer, *, timed: bool) -> None:
        super().__init__()
        self._passes, self._commands = passes, partial(device.commands, overlapping=True, timed=timed)
        with self.building():
            with self.own(self._commands()) as self.neural:
                with self.neural.timer("triangles"):
                    passes.visible.record(self.neural)
                self.neural.barrier()
                passes.gbuffer.record(self.neural)
                passes.background.record(self.neural)
                self.neural.barrier()
                passes.tile_hash.record(self.neural)
                self.neural.barrier()
            with self.own(self._commands()) as self.reprojection:
                passes.reprojection.record(self.reprojection)
                self.reprojection.barrier()
            self.network = self._record_network()
            self._in_flight = [
                self.own(FrameInFlight(device, passes, frame, cache_state, timed=timed))
                for _ in range(FRAMES_IN_FLIGHT)
            ]

    def begin(self, frame: int) -> FrameInFlight:
        """Wait until what frame number `frame` has of its own is free, and return it."""
        own = self._in_flight[frame % FRAMES_IN_FLIGHT]
        own.composite.wait()
        return own

    def use_network(self) -> CommandBuffer:
        """Record the tile network as it is bound now. Returns the commands before, which frames under way may need."""
        before, self.network = self.let_go(self.network), self._record_network()
        return before

    def finish(self) -> None:
        """Wait until no frame is under way."""
        for one in self._in_flight:
            one.composite.wait()

    def _record_network(self) -> CommandBuffer:
        with self.own(self._commands()) as network:
            self._passes.tile_network.record(network)
            network.barrier()
        return network
