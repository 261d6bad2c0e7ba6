"""Eyelids on eyeballs: they close completely, follow the ball, and never let it through.

Everything happens in coordinates of one eye: a vertex has a distance from the ball's centre, a place along the axis
from the inner to the outer corner of the eye, and an elevation, its angle about that axis. Lids turn about the axis.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from app.arrays import F64
from app.scene.avatar.curves import smoothstep
from app.scene.avatar.eyes import film_radius
from app.scene.avatar.targets import FAR, HeadData, Ints

CLEARANCE = 0.0003
"""Between a lid's inner side and the eyeball, metres: a real tear film is thinner, but meshes are facetted."""
THINNEST = 0.00035
"""The thinnest that a lid gets when it is stretched over the ball, metres."""
INNER_RINGS = 5
"""Rings of faces inside the rim that lie on the ball; the skin's mesh ends there."""
REACH = 10
"""Rings of faces around the eye that lids take along when they turn."""
MEETING = 0.2
"""Closed lids meet at this share of the way from the lower to the upper lid."""
PRESS = 0.004
"""How far closed lids press into each other, radians about the axis."""
MARGIN_RING = 2
"""Rings of faces from where the lid turns inward to its front edge."""


@dataclass(frozen=True, eq=False)
class Ball:
    """An eyeball: centre (3,) and radius in metres, gaze (3,) unit."""

    center: F64
    radius: float
    gaze: F64


@dataclass(frozen=True, eq=False)
class LidTable:
    """Which fine vertices make up the lids of one eye.

    Attributes:
        near: (L,) all that could touch the ball: as many rings around the rim as the data know, inside and out.
        ring: (L,) their rings.
        outside: (L,) whether they are visible skin.
        rim, margin: where the lid turns inward, and its front edge; closed loops.
    """

    near: Ints
    ring: Ints
    outside: Ints
    rim: Ints
    margin: Ints


@cache
def tables(data: HeadData) -> tuple[LidTable, LidTable]:
    """The lids of the left and the right eye."""
    result = []
    for eye in range(2):
        near = np.flatnonzero(data.to_lid[:, eye] < FAR)
        rim = np.split(data.lid_rims, data.lid_split)[eye]
        margin = np.split(data.margins, data.margin_split)[eye]
        result.append(LidTable(near, data.to_lid[near, eye], data.visible[near] == 1, rim, margin))
    return result[0], result[1]


@dataclass(frozen=True, eq=False)
class Frame:
    """The axis of an eye's lids: `along` from inner to outer corner, `up` and `ahead` complete it; corners on it."""

    center: F64
    along: F64
    up: F64
    ahead: F64
    inner: float
    outer: float

    @staticmethod
    def of(points: F64, table: LidTable, center: F64) -> "Frame":
        """Lay the axis through the corners of the margin of relaxed lids, `points` (F,3)."""
        edge = points[table.margin]
        reach = np.abs(edge[:, 0])
        inner, outer = edge[np.argmin(reach)], edge[np.argmax(reach)]
        along = (outer - inner) / np.linalg.norm(outer - inner)
        ahead = np.array([0.0, 0.0, 1.0]) - along[2] * along
        ahead /= np.linalg.norm(ahead)
        up = np.cross(ahead, along)
        up = up if up[1] > 0.0 else -up
        return Frame(center, along, up, ahead, float((inner - center) @ along), float((outer - center) @ along))

    def place(self, points: F64) -> tuple[F64, F64]:
        """Place along the axis (0 inner, 1 outer corner) and elevation in radians."""
        arm = points - self.center
        return (arm @ self.along - self.inner) / (self.outer - self.inner), np.arctan2(arm @ self.up, arm @ self.ahead)

    def turn(self, points: F64, angle: F64) -> F64:
        """Rotate points (N,3) about the axis, upward by angles (N,)."""
        arm = points - self.center
        u, a = arm @ self.up, arm @ self.ahead
        c, s = np.cos(angle) - 1.0, np.sin(angle)
        shift_up, shift_ahead = u * c + a * s, a * c - u * s
        return np.asarray(points + shift_up[:, None] * self.up + shift_ahead[:, None] * self.ahead)


@dataclass(frozen=True, eq=False)
class Edge:
    """Elevation of the upper and the lower lid's edge at places on a grid from the inner to the outer corner."""

    upper: F64
    lower: F64

    GRID = np.linspace(0.0, 1.0, 41)

    @staticmethod
    def of(points: F64, loop: Ints, frame: Frame, relaxed: F64) -> "Edge":
        """Measure the `loop`; which half is the upper one is told by the `relaxed` points."""
        place, _ = frame.place(relaxed[loop])
        first, last = int(np.argmin(place)), int(np.argmax(place))
        halves = [_arc(loop, first, last), _arc(loop, last, first)]
        mean = [float(frame.place(relaxed[half])[1].mean()) for half in halves]
        upper, lower = halves if mean[0] > mean[1] else halves[::-1]
        curves = []
        for half in (upper, lower):
            along, elevation = frame.place(points[half])
            order = np.argsort(along)
            curves.append(np.interp(Edge.GRID, along[order], elevation[order]))
        return Edge(curves[0], curves[1])


def close(
    points: F64,
    open_points: F64,
    relaxed: F64,
    table: LidTable,
    frame: Frame,
    blink: float,
    follow: tuple[float, float],
) -> F64:
    """Turn the lids so that they are closed by the share `blink` of what they were open, and never cross.

    Args:
        points: (F,3) with the whole expression.
        open_points: (F,3) the same without what closes the eye.
        relaxed: (F,3) without any expression.
        table, frame: of this eye.
        blink: 0 open .. 1 closed.
        follow: how far the middle of the upper and lower lid turn besides, to follow the gaze, radians, up positive.
    """
    along = 4.0 * Edge.GRID * (1.0 - Edge.GRID)
    turns = []
    for loop in (table.rim, table.margin):
        now, before = (Edge.of(p, loop, frame, relaxed) for p in (points, open_points))
        top, bottom = before.upper + follow[0] * along, before.lower + follow[1] * along
        crossed = top <= bottom
        middle = np.where(crossed, 0.5 * (top + bottom), bottom + MEETING * (top - bottom))
        share = np.where(crossed, 1.0, blink)
        press = PRESS * (share > 0.98) * along
        upper = top + share * (middle - top) - press
        lower = bottom + share * (middle - bottom) + press
        turns.append((upper - now.upper, lower - now.lower))
    near = points[table.near]
    place, _ = frame.place(near)
    beside = smoothstep(np.abs(place - 0.5) - 0.5, 0.3, 0.0)

    def at(values: F64) -> F64:
        return np.interp(place, Edge.GRID, values)

    (rim_up, rim_low), (edge_up, edge_low) = turns
    _, relaxed_height = frame.place(relaxed[table.near])
    relaxed_edge = Edge.of(relaxed, table.margin, frame, relaxed)
    above = relaxed_height > np.interp(place, Edge.GRID, 0.5 * (relaxed_edge.upper + relaxed_edge.lower))
    rim_turn, edge_turn = np.where(above, at(rim_up), at(rim_low)), np.where(above, at(edge_up), at(edge_low))
    share = np.clip(table.ring / MARGIN_RING, 0.0, 1.0) * table.outside
    turn = rim_turn + share * (edge_turn - rim_turn)
    turn *= np.where(table.outside, smoothstep(table.ring, REACH, MARGIN_RING), smoothstep(table.ring, 6.0, 1.0))
    result = points.copy()
    result[table.near] = frame.turn(near, turn * beside)
    return result


def blink_strength(closed: F64, relaxed: F64, table: LidTable, frame: Frame) -> float:
    """What a target that closes the eyes it was made for must be scaled by to close these.

    Args:
        closed: (F,3) relaxed lids with the target at 1.
        relaxed, table, frame: as in `close`.
    """
    before, after = (Edge.of(p, table.margin, frame, relaxed) for p in (relaxed, closed))
    middle = slice(len(Edge.GRID) // 4, -(len(Edge.GRID) // 4))
    wanted = (1.0 - MEETING) * (before.upper - before.lower)[middle].mean()
    return float(np.clip(wanted / (before.upper - after.upper)[middle].mean(), 0.3, 1.5))


def seat(points: F64, table: LidTable, ball: Ball) -> F64:
    """Lay the lids on the eyeball: inner sides touch it, outer ones are pushed clear of it.

    Args:
        points: (F,3) metres.
        table: of this eye.
        ball: the eyeball.
    """
    arm = points[table.near] - ball.center
    distance = np.linalg.norm(arm, axis=1)
    angle = np.arccos(np.clip(arm @ ball.gaze / distance, -1.0, 1.0))
    clear = film_radius(angle) * ball.radius + CLEARANCE
    inner = ((table.ring <= INNER_RINGS) & ~table.outside) | (table.ring == 0)
    front = arm[:, 2] > 0.1 * ball.radius
    thickness = THINNEST * np.clip(table.ring / MARGIN_RING, 0.0, 1.0)
    target = np.where(inner, clear, np.where(front & table.outside, np.maximum(distance, clear + thickness), distance))
    result = points.copy()
    result[table.near] = ball.center + arm / distance[:, None] * target[:, None]
    return result


def _arc(loop: Ints, first: int, last: int) -> Ints:
    """Vertices of a closed loop from `first` to `last`, both included."""
    turned = np.roll(loop, -first)
    return turned[: (last - first) % len(loop) + 1]
