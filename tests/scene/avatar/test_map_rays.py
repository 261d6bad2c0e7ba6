"""Ways along the rays of a UV map."""

import numpy as np

from app.scene.avatar.map_rays import _WAYS, Rays

CORNERS = np.exp(2j * np.pi * np.arange(8) / 8)
RING = np.stack([CORNERS.real, CORNERS.imag], axis=1)
INNER = 1 + np.arange(8)
OUTER = INNER + 8
TRIANGLES = np.concatenate(
    [
        np.stack([np.zeros(8, int), INNER, np.roll(INNER, -1)], axis=1),
        np.stack([INNER, OUTER, np.roll(OUTER, -1)], axis=1),
        np.stack([INNER, np.roll(OUTER, -1), np.roll(INNER, -1)], axis=1),
    ]
)


def disc() -> Rays:
    """A disc of two rings around its middle."""
    return Rays.of(np.concatenate([np.zeros((1, 2)), 0.05 * RING, 0.1 * RING]), TRIANGLES, OUTER)


def test_curves_are_read_as_numpy_reads_each() -> None:
    """Also at their points, beyond their ends, and where a ray is at its end before all ways are."""
    rng = np.random.default_rng(3)
    rows = np.sort(rng.uniform(0.0, 0.7, (500, len(_WAYS))), axis=1)
    rows[::2, 90:] = rows[::2, 90:91]
    shares = rng.uniform(-0.1, 0.8, 500)
    shares[::5] = rows[::5, 40]
    shares[::7] = rows[::7, -1]
    ways = rng.uniform(-0.01, 0.2, 500)
    ways[::5] = _WAYS[30]
    rays = disc()
    each = zip(shares, ways, rows, strict=True)
    expected = [(np.interp(share, row, _WAYS), np.interp(way, _WAYS, row)) for share, way, row in each]
    found = np.stack([rays.ways(shares, rows), rays.share(ways, rows)], axis=1)
    # A compiler may round a multiplication and an addition at once.
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-12, atol=1e-15)


def test_on_a_flat_disc_ways_are_shares_of_its_radius() -> None:
    rays, flat = disc(), np.zeros((17, 3))
    flat[:, :2] = rays.uvs
    rows = rays.between(rays.ends, rays.shares(flat))
    assert np.allclose(rays.ways(np.full(8, 0.25), rows), 0.025)
    assert np.allclose(rays.share(np.full(8, 0.025), rows), 0.25)
