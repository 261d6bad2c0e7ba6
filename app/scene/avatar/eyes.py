"""Eyes: white, iris, the clear cornea before it, the wet line along the lids, the caruncle.

Proportions after the schematic eye (Gullstrand; Atchison & Smith 2000, "Optics of the Human Eye", ch. 1-2): corneal
radius 7.8 mm, iris 11.7 mm across, pupil 3 mm behind the cornea's back. Lengths are in radii of the ball, whose size is
MakeHuman's. Its ball is a fifth too large for the lids' opening, so the iris keeps its size rather than its share, and
the cornea is a little flatter than in life: a steeper one would reach through the lids.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from app.arrays import F64, I64
from app.scene.avatar.curves import smoothstep
from app.scene.avatar.eye_texture import CORNEA_END, CORNEA_IOR, LIMBUS, LIMBUS_ANGLE, LIMBUS_V, SCLERA_END, Look, paint
from app.scene.avatar.head_shape import Eye
from app.scene.avatar.person import Person
from app.scene.model import Material, Mesh, Part, Texture, normalized

TEAR_IOR = 1.336
CORNEA_RADIUS = 0.575
BLEND = 0.02
"""How far around the limbus cornea and ball flow into each other."""
SINKING = 0.06
"""Angle from the cornea's visible edge to where it ends below the white, radians."""
IRIS_DEPTH, PUPIL_DEPTH = 0.045, 0.085
"""How far iris' root and pupil lie behind the plane of the limbus; the hollow cone catches light opposite to the lamp,
as the cornea's refraction makes the iris do."""
SIDES = 48

_IRIS_RINGS = np.array([0.0, 0.12, 0.26, 0.40, 0.55, 0.70, 0.82, 0.91, 0.9625])  # radii of the iris
_WALL_RINGS = np.array([0.9825, 1.0, 1.015, 1.03])
_WHITE_RINGS = 15  # that can be seen
_LID_INSIDE, _LID_BEHIND = 0.015, 0.03
"""Rings of the white lie this far before and behind the line where the lids touch it, radians, so that the light
gathered at vertices ends along the lids and not in teeth of triangles."""
_CORNEA_RINGS = np.concatenate([np.linspace(0, 0.30, 8), np.linspace(0.335, CORNEA_END + SINKING, 8)])
_POLE_V = 0.03
"""Texture coordinate in the middle of the pupil: far enough from the edge that filters do not reach around it."""
_LID_POINTS = 72  # along the line where the lids touch the ball
_MM = 1 / 14.7  # a millimetre on MakeHuman's ball


def build(person: Person, eye: Eye, side: str) -> tuple[Part, ...]:
    """Return the parts of one eye: white, iris, caruncle, cornea and wet line.

    Args:
        side: "left" or "right", for names and for patterns of its own.
    """
    texture = Texture(paint(Look.of(person), person.rng(f"eye {side}")), srgb=True, name=f"eye {side}")
    white = Material("eyes", (1.0, 1.0, 1.0), albedo_map=texture, roughness=0.13, ior=CORNEA_IOR)
    # The aqueous humour wets the iris: without a step of the index there is no gloss.
    iris = Material("iris", (1.0, 1.0, 1.0), albedo_map=texture, roughness=0.8, ior=1.0)
    cornea = Material("cornea", (1.0, 1.0, 1.0), roughness=0.03, ior=CORNEA_IOR, transmission=1.0)
    tear = Material("tear", (1.0, 1.0, 1.0), roughness=0.03, ior=TEAR_IOR, transmission=1.0)
    caruncle = Material("caruncle", (0.56, 0.29, 0.25), roughness=0.2, ior=1.4)
    return (
        Part(f"eye_{side}", _placed(eye, white_mesh(lid_angles(eye))), white),
        Part(f"eye_iris_{side}", _placed(eye, iris_mesh()), iris),
        Part(f"caruncle_{side}", caruncle_mesh(eye, person.rng(f"caruncle {side}")), caruncle),
        Part(f"cornea_{side}", _placed(eye, cornea_mesh()), cornea),
        Part(f"tear_{side}", tear_mesh(eye, person["eyes.wetness"]), tear),
    )


def film_radius(theta: ArrayLike) -> F64:
    """Distance of cornea and white, flowing into each other, from the ball's centre at polar angles from the gaze."""
    angle = np.asarray(theta, np.float64)
    center = math.sqrt(1 - LIMBUS**2) - math.sqrt(CORNEA_RADIUS**2 - LIMBUS**2)
    cornea = center * np.cos(angle) + np.sqrt(CORNEA_RADIUS**2 - (center * np.sin(angle)) ** 2)
    outside = cornea - 1.0
    return np.asarray(1.0 + 0.5 * (outside + np.sqrt(outside**2 + BLEND**2)))


def white_mesh(lids: ArrayLike = 1.2) -> Mesh:
    """The white of an eye of radius 1 at the origin that looks along +z, with exact normals.

    Args:
        lids: polar angle where the lids touch it, radians; a number, or (SIDES,) around the gaze from +y on.
    """
    start = math.asin(LIMBUS * _WALL_RINGS[-1])
    lid = np.broadcast_to(np.maximum(np.asarray(lids, np.float64), 0.6), (SIDES,))
    lid = np.append(lid, lid[0])
    share = np.linspace(0, 1, _WHITE_RINGS)[:, None]
    seen = CORNEA_END + 0.01 + share * (lid - _LID_INSIDE - CORNEA_END - 0.01)
    behind = np.maximum(SCLERA_END - lid - _LID_BEHIND, 0.03)
    hidden = lid + _LID_BEHIND + np.array([0.0, 0.15, 0.45, 1.0])[:, None] * behind
    theta = np.concatenate([np.full((1, SIDES + 1), start), seen, hidden])
    # In front of its visible edge it lies below the cornea.
    radius = np.where(theta < CORNEA_END, 1.0, film_radius(theta))
    return _turned(radius * np.sin(theta), radius * np.cos(theta), _sclera_v(theta), _across_surface(theta))


def lid_angles(eye: Eye) -> F64:
    """(SIDES,) polar angle from the gaze where the lids touch the ball, around the gaze from up on."""
    line = contact_line(eye, 144) @ _axes(eye.gaze).T
    turn = np.arctan2(-line[:, 0], line[:, 1])
    order = np.argsort(turn)
    theta = np.arccos(line[:, 2] / np.linalg.norm(line, axis=1))
    wanted = np.arange(SIDES) / SIDES * 2 * math.pi
    return np.asarray(np.interp(wanted, turn[order], theta[order], period=2 * math.pi))


def iris_mesh() -> Mesh:
    """Pupil, iris and the wall from it to the white's edge."""
    plane, edge = math.sqrt(1 - LIMBUS**2), LIMBUS * _WALL_RINGS[-1]
    iris, wall = LIMBUS * _IRIS_RINGS, LIMBUS * _WALL_RINGS
    slope = (IRIS_DEPTH - PUPIL_DEPTH) / iris[-1]
    root = plane - IRIS_DEPTH
    rise = root + (math.sqrt(1 - edge**2) - root) * smoothstep(wall, iris[-1], wall[-1])
    across = np.concatenate([iris, wall])
    along = np.concatenate([plane - PUPIL_DEPTH - slope * iris, rise])
    v = np.where(across < LIMBUS, LIMBUS_V * across / LIMBUS, _sclera_v(np.arcsin(across)))
    # The wall is soft, translucent tissue: its shading passes from the iris to the white without a step.
    cone, white = np.array([slope, 1.0]) / math.hypot(slope, 1.0), np.array([edge, math.sqrt(1 - edge**2)])
    share = smoothstep(across, iris[-1], edge)
    normal = (cone + share[:, None] * (white - cone)).T
    normal[0, 0] = 0.0
    return _turned(across, along, v, normal / np.linalg.norm(normal, axis=0))


def cornea_mesh() -> Mesh:
    """The clear dome; its edge sinks into the white behind the limbus, and reflections run on across it."""
    theta = _CORNEA_RINGS
    sunk = 0.012 * smoothstep(theta, CORNEA_END - 0.5 * SINKING, CORNEA_END + SINKING)
    radius = film_radius(theta) * (1 - sunk)
    v = np.where(theta < LIMBUS_ANGLE, LIMBUS_V * np.sin(theta) / LIMBUS, _sclera_v(theta))
    return _turned(radius * np.sin(theta), radius * np.cos(theta), v, _across_surface(theta))


def _across_surface(theta: F64) -> F64:
    """Normals (2,K), outwards and forwards, of the joined surface of cornea and white at polar angles."""
    step = 1e-5
    radius = film_radius(theta)
    slope = (film_radius(theta + step) - film_radius(theta - step)) / (2 * step)
    sine, cosine = np.sin(theta), np.cos(theta)
    # Perpendicular to the tangent d(radius * (sin, cos)) / d theta.
    normal = np.stack([radius * sine - slope * cosine, radius * cosine + slope * sine])
    normal[0, theta == 0.0] = 0.0
    return np.asarray(normal / np.linalg.norm(normal, axis=0))


def _sclera_v(theta: F64) -> F64:
    """Texture coordinate of polar angles beyond the limbus; behind SCLERA_END it runs back, since 1 borders on 0."""
    v = LIMBUS_V + (1 - LIMBUS_V) * (theta - LIMBUS_ANGLE) / (SCLERA_END - LIMBUS_ANGLE)
    return np.asarray(np.minimum(v, 2.0 - v))


def _turned(across: F64, along: F64, v: F64, normal: F64 | None = None) -> Mesh:
    """Turn a profile, (K,) or (K, SIDES + 1), around +z: u runs around from +y, and a first point at 0 is the pole."""
    turn = np.arange(SIDES) / SIDES * 2 * math.pi
    turn = np.append(turn, 0.0)  # both sides of the seam at exactly one place
    x, y = -np.sin(turn), np.cos(turn)
    shape = (len(across), SIDES + 1)

    def sheet(values: F64) -> F64:
        return np.broadcast_to(values.reshape(len(across), -1), shape)

    def around(radial: F64, axial: F64) -> F64:
        r = sheet(radial)
        return np.stack([r * x, r * y, sheet(axial)], axis=-1).reshape(-1, 3)

    uvs = np.stack([np.broadcast_to(np.linspace(0, 1, SIDES + 1), shape), np.maximum(sheet(v), _POLE_V)], axis=-1)
    triangles = _grid(*shape)
    if (across[0] == 0.0).all():
        triangles = triangles[SIDES:]  # at the pole, half of them are lines
    normals = None if normal is None else around(*normal)
    return Mesh.of(around(across, along), triangles, normals, uvs.reshape(-1, 2))


def _grid(rows: int, columns: int) -> I64:
    """Triangles of a sheet of vertices; the first ones are those with an edge in row 0."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, below = corner + 1, corner + columns
    first = np.stack([corner, below + 1, right], axis=1)
    second = np.stack([corner, below, below + 1], axis=1)
    return np.concatenate([first[: columns - 1], second, first[columns - 1 :]])


def _placed(eye: Eye, mesh: Mesh) -> Mesh:
    """The mesh of a unit eye, as large as this eye, at its place, looking where it looks."""
    matrix = np.eye(4)
    matrix[:3, :3] = _axes(eye.gaze).T * eye.radius
    matrix[:3, 3] = eye.center
    return mesh.with_transform(matrix)


def _axes(gaze: F64) -> F64:
    """(3,3) rows: the eye's right, up and forward."""
    forward = gaze / np.linalg.norm(gaze)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def contact_line(eye: Eye, count: int) -> F64:
    """Where the lids touch the ball, in radii from the ball's centre: (count,3), closed, evenly spaced.

    Seen from the front the lids' edge hides what lies behind it, so that the line is the edge moved back onto the ball.
    """
    edge = (eye.margin - eye.center) / eye.radius
    far = np.hypot(edge[:, 0], edge[:, 1])
    edge = edge[:, :2] * np.minimum(1.0, 0.97 / np.maximum(far, 1e-9))[:, None]
    loop = np.vstack([edge, edge[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(loop, axis=0), axis=1))])
    at = np.arange(count) / count * length[-1]
    flat = np.stack([np.interp(at, length, loop[:, k]) for k in range(2)], axis=1)
    around = np.concatenate([flat, np.sqrt(1 - (flat**2).sum(axis=1))[:, None]], axis=1)
    gaze = eye.gaze / np.linalg.norm(eye.gaze)
    return np.asarray(around * film_radius(np.arccos(np.clip(around @ gaze, -1, 1)))[:, None])


def tear_mesh(eye: Eye, wetness: float) -> Mesh:
    """The wet line: a closed body of tears between lids and ball, hollow in front, higher on the lower lid."""
    line = contact_line(eye, _LID_POINTS)
    out = line / np.linalg.norm(line, axis=1, keepdims=True)
    along = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    inward = normalized(np.cross(out, along))
    clockwise = ((line.mean(axis=0) - line) * inward).sum() < 0.0
    if clockwise:
        inward = -inward
    height = (0.12 + 0.42 * wetness) * _MM * (0.5 + 0.5 * smoothstep(inward[:, 1], -0.6, 0.5))[:, None]
    # In front a quarter of a circle from the lid (angle 0) to the ball; behind it the sides along ball and lid.
    normals = [math.cos(a) * inward + math.sin(a) * out for a in np.linspace(0.0, 0.5 * math.pi, 5)]
    arc = [line + height * (inward + out - normal) for normal in normals]
    strips = [(arc, normals), ([arc[-1], line], [-out, -out]), ([line, arc[0]], [-inward, -inward])]
    points = np.stack([row for rows, _ in strips for row in rows]) + 0.06 * _MM * out
    triangles, first = [], 0
    for rows, _ in strips:
        triangles.append(_grid(len(rows), _LID_POINTS + 1) + first)
        first += len(rows) * (_LID_POINTS + 1)
    joined = np.concatenate(triangles)
    u, v = np.meshgrid(np.linspace(0, 1, _LID_POINTS + 1), np.linspace(0, 1, len(points)))
    return Mesh.of(
        _looped(points) * eye.radius + eye.center,
        joined if clockwise else joined[:, ::-1],
        _looped(np.stack([normal for _, across in strips for normal in across])),
        np.stack([u, v], axis=-1).reshape(-1, 2),
    )


def _looped(rows: F64) -> F64:
    """Rows (R,K,3) with their first column repeated at the end: (R * (K + 1), 3)."""
    return np.concatenate([rows, rows[:, :1]], axis=1).reshape(-1, 3)


def caruncle_mesh(eye: Eye, rng: np.random.Generator) -> Mesh:
    """The pink knob in the inner corner of the eye, which fills the hollow between ball and lids."""
    line = contact_line(eye, _LID_POINTS) * eye.radius + eye.center
    corner = line[np.argmin(np.abs(line[:, 0]))]
    scale = eye.radius * _MM
    lateral = float(np.sign(eye.center[0]))
    center = corner + np.array([0.2 * lateral, -0.2, -0.7]) * scale
    tilt, turn = np.meshgrid(
        np.linspace(0, 0.95 * math.pi, 9), np.append(np.arange(16) / 16 * 2 * math.pi, 0.0), indexing="ij"
    )
    unit = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], axis=-1).reshape(-1, 3)
    waves = rng.normal(0, 3.0, (6, 3))
    lumps = 1 + 0.05 * np.sin(unit @ waves.T + rng.uniform(0, 6, 6)).sum(axis=1, keepdims=True)
    u, v = np.meshgrid(np.linspace(0, 1, 17), np.linspace(0, 1, 9))
    uvs = np.stack([u, v], axis=-1).reshape(-1, 2)
    points = center + unit * lumps * np.array([3.3, 2.6, 1.9]) * scale
    return Mesh.of(points, _grid(9, 17)[16:], None, uvs)
