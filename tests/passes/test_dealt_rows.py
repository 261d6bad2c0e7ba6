"""Rows of tiles as they are dealt out to workgroups."""

from itertools import pairwise

import numpy as np
import pytest

from app.arrays import I64
from app.gpu import Binding, Device, Struct
from app.passes.dealt_rows import row_deal

FAKE_FRAME = Struct("FakeFrame", [("row_stride", "uint"), ("row_modulus", "uint")])
SHADER = f"""
{FAKE_FRAME.glsl}
layout(local_size_x = 1) in;
layout(set = 0, binding = 0, scalar) readonly buffer Frame {{ FakeFrame frame; }};
layout(set = 0, binding = 1, scalar) writeonly buffer Tiles {{ uvec2 tiles[]; }};
#include "dealt_rows.glsl"
void main() {{ tiles[gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x] = DEALT_TILE; }}
"""


def dealt(rows: int, cores: int) -> I64:
    """The row of tiles of each of the workgroups' rows."""
    stride, modulus = row_deal(rows, cores)
    over = modulus - rows
    return (np.arange(rows) + over) * stride % modulus - over


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 12, 16, 64])
def test_every_row_comes_once(cores: int) -> None:
    for rows in range(1, 300):
        assert np.array_equal(np.sort(dealt(rows, cores)), np.arange(rows)), rows


def test_where_nothing_is_shared_out_before_rows_come_as_they_are() -> None:
    for rows in range(1, 300):
        assert np.array_equal(dealt(rows, 1), np.arange(rows))


@pytest.mark.parametrize("cores", [2, 3, 4, 6, 8, 16])
@pytest.mark.parametrize("rows", [24, 30, 32, 45, 68, 135])
def test_all_cores_get_as_much_of_a_face(cores: int, rows: int) -> None:
    """It fills a third of the rows, wherever these are. As rows come, one core would have three times its share."""
    share = rows / cores
    for top in range(0, rows - rows // 3):
        face = np.zeros(rows)
        face[top : top + rows // 3] = 1.0
        work = np.append(0.0, face[dealt(rows, cores)].cumsum())
        bounds = np.interp(np.arange(cores + 1) * share, np.arange(rows + 1), work)
        most = max(b - a for a, b in pairwise(bounds))
        assert most <= 1.45 * face.sum() / cores + 1.0, top


@pytest.mark.parametrize(("rows", "cores"), [(1, 2), (2, 2), (31, 2), (32, 2), (45, 6), (135, 16), (4000, 64)])
def test_the_shader_is_the_twin(gpu: Device, rows: int, cores: int) -> None:
    frame = np.zeros((), FAKE_FRAME.dtype)
    frame["row_stride"], frame["row_modulus"] = row_deal(rows, cores)
    with (
        gpu.compute_pipeline(
            "deal.comp", [Binding(slot, "storage") for slot in range(2)], includes={"deal.comp": SHADER}
        ) as pipeline,
        gpu.buffer(frame) as told,
        gpu.buffer(3 * rows * 8) as given,
        pipeline.bind({0: told, 1: given}) as bound,
    ):
        with gpu.commands() as command:
            command.bind(pipeline, bound)
            command.dispatch(3, rows)
            command.barrier()
        gpu.submit(command)
        command.close()
        tiles = given.read(np.uint32, (rows, 3, 2))
    assert np.array_equal(tiles[..., 0], np.tile(np.arange(3), (rows, 1)))
    assert np.array_equal(tiles[..., 1], np.tile(dealt(rows, cores)[:, None], (1, 3)))
