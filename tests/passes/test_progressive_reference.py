"""The reference over many frames: a pixel of every block at a time, right of a line, and how many samples it says."""

from collections.abc import Iterator

import numpy as np
import pytest

from app.arrays import F32
from app.gpu import Device
from app.passes.progressive_reference import INTERLEAVE, ProgressiveReference
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers
from tests.passes.reference_scenes import still_life

SIZE = (40, 24)  # neither side is a multiple of a tile
BLOCK = INTERLEAVE * INTERLEAVE


class Frames:
    """Draws frames of a scene."""

    def __init__(self, gpu: Device, *, interleaved: bool) -> None:
        self._gpu, self._scene = gpu, still_life()
        self.buffers = SceneBuffers(gpu, self._scene)
        self.progress = ProgressiveReference(gpu, self.buffers, *SIZE, interleaved=interleaved)
        with gpu.commands() as self._end:
            self._end.barrier()

    def draw(self, count: int = 1) -> F32:
        """Sums of radiance and numbers of samples after some frames more, (H, W, 4)."""
        for _ in range(count):
            index, commands = self.progress.next()
            self.buffers.set_frame(self._scene.camera, *SIZE, jitter=(0.0, 0.0), sample_index=index)
            self._gpu.submit(*commands, self._end)
        radiance: F32 = self.progress.reference.radiance.read(np.float32, (SIZE[1], SIZE[0], 4))
        return radiance

    def close(self) -> None:
        self._end.close()
        self.progress.close()
        self.buffers.close()


@pytest.fixture
def frames(gpu: Device) -> Iterator[Frames]:
    made = Frames(gpu, interleaved=True)
    yield made
    made.close()


def test_frames_of_some_pixels_add_up_to_samples_of_all(gpu: Device, frames: Frames) -> None:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    seen: F32 = np.zeros((SIZE[1], SIZE[0]), np.float32)
    for frame in range(BLOCK):
        before, seen = seen, frames.draw()[..., 3]
        added = seen - before
        assert added.sum() == SIZE[0] * SIZE[1] // BLOCK and added.max() == 1.0
        block = 2 if frame >= 3 else 4  # after one frame all blocks of four have a pixel, after four those of two
        assert seen[y // block * block, x // block * block].all()
        assert frames.progress.samples == (frame == BLOCK - 1)
    interleaved = frames.draw(2 * BLOCK)
    assert frames.progress.samples == 3
    whole = Frames(gpu, interleaved=False)
    assert np.array_equal(whole.draw(3), interleaved), "the same samples, in another order"
    assert whole.progress.samples == 3
    whole.close()


def test_only_tiles_right_of_a_line_are_traced(frames: Frames) -> None:
    frames.draw(BLOCK)
    assert frames.progress.starts_at(15) and not frames.progress.starts_at(16)
    frames.progress.start_at(31)
    count = frames.draw(BLOCK)[..., 3]
    assert (count[:, :16] == 1.0).all() and (count[:, 16:] == 2.0).all()
    assert frames.progress.samples == 2, "fewer tiles: what is traced has all samples"
    frames.progress.start_at(0)
    assert frames.progress.samples == 0, "more tiles: these have fewer"
    count = frames.draw(BLOCK)[..., 3]
    assert (count[:, :16] == 2.0).all() and (count[:, 16:] == 3.0).all()
    assert frames.progress.samples == 1
    frames.progress.start_at(SIZE[0] + 16)
    assert np.array_equal(frames.draw(3)[..., 3], count), "nothing is to the right"


def test_tiles_that_are_added_begin_with_a_pixel_of_every_block(frames: Frames) -> None:
    frames.progress.start_at(16)
    first = frames.draw(5)
    frames.progress.start_at(0)
    second = frames.draw()
    corners = second[::INTERLEAVE, ::INTERLEAVE]
    assert (corners[:, :4, 3] == 1.0).all() and (corners[:, 4:, 3] == 2.0).all()
    assert (second[:, :16, 3].sum(), second[..., 3].max()) == (24 * 16 // BLOCK, 2.0)
    old, again = first[::INTERLEAVE, 16::INTERLEAVE, :3], corners[:, 4:, :3] - first[::INTERLEAVE, 16::INTERLEAVE, :3]
    assert (np.abs(old - again).max(axis=-1) > 0.0).mean() > 0.2, "another sample, not the same again"
    frames.draw(BLOCK - 1)
    assert frames.progress.samples == 1


def test_restarting_forgets_all(frames: Frames) -> None:
    first = frames.draw(3)
    frames.draw(BLOCK)
    frames.progress.restart()
    assert frames.progress.samples == 0
    assert np.array_equal(frames.draw(3), first)
    frames.progress.start_at(SIZE[0] // 2)
    frames.draw(BLOCK)
    frames.progress.start_at(0)  # these tiles begin later than others
    frames.progress.restart()
    assert np.array_equal(frames.draw(3), first)
    frames.progress.interleaved = False
    assert frames.progress.samples == 0
    assert (frames.draw()[..., 3] == 1.0).all() and frames.progress.samples == 1


def test_a_stride_that_tiles_do_not_fit_is_refused(gpu: Device) -> None:
    scene = still_life()
    buffers = SceneBuffers(gpu, scene)
    reference = Reference(gpu, buffers, *SIZE)
    with gpu.commands() as commands:
        for stride, offset in ((0, (0, 0)), (3, (0, 0)), (4, (4, 0)), (4, (0, -1))):
            with pytest.raises(ValueError, match="stride"):
                reference.record(commands, stride=stride, offset=offset)
    for thing in (commands, reference, buffers):
        thing.close()
