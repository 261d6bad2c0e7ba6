"""How rows of tiles are dealt out to workgroups: see shaders/include/dealt_rows.glsl."""

import math


def row_deal(rows: int, cores: int) -> tuple[int, int]:
    """Stride and modulus that tell which row of tiles a row of workgroups takes: each core's lie all over the picture.

    Their row n is ((n + over) * stride) % modulus - over, where over = modulus - rows. Cores get rows that follow each
    other by n, `rows / cores` of them, which are then `stride` apart: nearly as in dealing cards to so many piles.

    Args:
        rows: of tiles, at least 1.
        cores: that share out workgroups evenly before they begin; 1 where they share out as they go.
    """
    stride = max(1, min(cores, rows // 2))
    while True:
        for modulus in (rows, rows + 1):  # no row comes twice if they have no common divisor; 0 is none of rows + 1
            if math.gcd(stride, modulus) == 1:
                return stride, modulus
        stride += 1
