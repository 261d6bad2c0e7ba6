"""The geometry of a person's head: blended morph targets, then fitted lips, lids and neck.

The measured heads are MakeHuman's (see `targets.py`). Its macro targets are products of factors: a person is a mix
of women's and men's, young and old, African, Asian and European heads, and every product of such factors has a
target of its own.
"""

from collections.abc import Mapping

import numpy as np

from app.scene.avatar import lids
from app.scene.avatar.fit import close_lips, trim_neck
from app.scene.avatar.head_shape import Eye, HeadShape
from app.scene.avatar.lids import Ball, Frame
from app.scene.avatar.parameters.shape import ASYMMETRY, DIALS
from app.scene.avatar.person import Person
from app.scene.avatar.targets import Ints, load
from app.scene.checks import F32, F64
from app.scene.model import Mesh

DECIMETRE = 0.1
EYES_AT = 0.07
"""The middle between the eyes lies at (0, 0, EYES_AT), metres."""
LOOK_SIDEWAYS, LOOK_UP, LOOK_DOWN = (np.radians(angle) for angle in (30.0, 22.0, 28.0))
"""How far an eye turns when ARKit's eyeLook shapes are 1."""
CHILD, ADULT, OLD = 10.0, 25.0, 90.0
"""Ages of MakeHuman's child, young and old heads, years."""
ASYMMETRY_SCALE = 0.25
"""Standard deviation of the weights of the targets of asymmetry at full asymmetry."""
OPENERS = (
    "jawOpen", "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"
)  # fmt: skip
"""ARKit shapes that part the lips."""


def build(person: Person) -> HeadShape:
    """Return the head of a person, expression applied."""
    return _Head(person).shape()


class _Head:
    """A person's head without expression, ready to take one."""

    def __init__(self, person: Person) -> None:
        self.data = data = load()
        self.person = person
        cage = trim_neck((data.base + data.blend(identity(person))) * DECIMETRE, data)
        balls = [_sphere(cage[ball]) for ball in data.eyeballs]
        middle = 0.5 * (balls[0][0] + balls[1][0])
        origin = np.array([middle[0], middle[1], middle[2] - EYES_AT])
        self.balls = [(center - origin, radius) for center, radius in balls]
        self.unseated = close_lips(data.subdivision @ (cage - origin), data)
        self.frames = [
            Frame.of(self.unseated, table, center)
            for table, (center, _) in zip(lids.tables(data), self.balls, strict=True)
        ]

    def posed(self, expression: Mapping[str, float]) -> tuple[F64, list[Ball]]:
        """Fine positions (F,3) with ARKit weights applied, and the eyeballs as they look then."""
        data, relaxed = self.data, self.unseated
        blink = {name: weight for name, weight in expression.items() if name.startswith("eyeBlink")}
        others = {name: weight for name, weight in expression.items() if weight and name not in blink}
        opened = relaxed
        if others:
            opened = relaxed + data.subdivision @ (data.blend(others) * DECIMETRE)
            parted = sum(others.get(name, 0.0) for name in OPENERS) - others.get("mouthClose", 0.0)
            opened = close_lips(opened, data, float(np.clip(1.0 - 4.0 * parted, 0.0, 1.0)))
        points = opened
        if any(blink.values()):
            points = opened + data.subdivision @ (data.blend(blink) * DECIMETRE)
        balls = []
        for side, table, frame, (center, radius) in zip(
            ("Left", "Right"), lids.tables(data), self.frames, self.balls, strict=True
        ):
            ball = Ball(center, radius, gaze(self.person, expression, side))
            points = lids.close(points, opened, relaxed, table, frame, expression.get(f"eyeBlink{side}", 0.0))
            points = lids.seat(points, table, ball)
            balls.append(ball)
        return points, balls

    def shape(self) -> HeadShape:
        """The head with the person's own expression."""
        data = self.data
        expression = with_gaze(self.person)
        points, balls = self.posed(expression)
        neutral = self.posed({})[0] if any(expression.values()) else points
        skin_count = len(data.skin_uvs)
        normals = _normals(points, np.concatenate([data.skin_triangles, data.mouth_vertices[data.mouth_triangles]]))
        skin = Mesh.of(points[:skin_count], data.skin_triangles, normals[:skin_count], data.skin_uvs)
        eyes = [
            Eye(ball.center, ball.radius, ball.gaze, points[table.margin])
            for ball, table in zip(balls, lids.tables(data), strict=True)
        ]
        return HeadShape(
            skin=skin,
            neutral=neutral[:skin_count].astype(np.float32),
            mouth=Mesh.of(
                points[data.mouth_vertices],
                data.mouth_triangles,
                normals[data.mouth_vertices],
                _flat_uvs(neutral[data.mouth_vertices]),
            ),
            upper_teeth=_mesh(points, data.upper_teeth_vertices, data.upper_teeth_triangles),
            lower_teeth=_mesh(points, data.lower_teeth_vertices, data.lower_teeth_triangles),
            tongue=_mesh(points, data.tongue_vertices, data.tongue_triangles),
            neck_cap=_cap(points[data.neck_loop]),
            eyes=(eyes[0], eyes[1]),
        )


def identity(person: Person) -> dict[str, float]:
    """Weights of the targets that make the person's head, without expression."""
    return _macro(person) | _dials(person) | _asymmetry(person)


def _macro(person: Person) -> dict[str, float]:
    age, male = person["person.age"], person["person.gender"]
    child = max(0.0, (ADULT - age) / (ADULT - CHILD)) ** 1.6
    old = max(0.0, (age - ADULT) / (OLD - ADULT))
    stages = {"child": child, "young": 1.0 - child - old, "old": old}
    ancestry = zip(("african", "asian", "caucasian"), person.ancestry, strict=True)
    return {
        f"{origin}-{gender}-{stage}": fraction * part * share
        for origin, fraction in ancestry
        for gender, part in (("female", 1.0 - male), ("male", male))
        for stage, share in stages.items()
    }


def _dials(person: Person) -> dict[str, float]:
    weights: dict[str, float] = {}
    for dial in DIALS:
        value = person[f"shape.{dial.word}"]
        for target, weight in (dial.low if value < 0.0 else dial.high).items():
            for name in (target.replace("*", "l"), target.replace("*", "r")) if "*" in target else (target,):
                weights[name] = weights.get(name, 0.0) + abs(value) * weight
    return weights


def _asymmetry(person: Person) -> dict[str, float]:
    """Every target of the kind leans to one side by a half-normal amount."""
    amount = ASYMMETRY_SCALE * person[ASYMMETRY]
    kinds = sorted(
        str(name)[:-2] for name in load().names if str(name).startswith("asym-") and str(name).endswith("-l")
    )
    lean = np.clip(person.rng("asymmetry").normal(size=len(kinds)), -2.0, 2.0) * amount
    return {f"{kind}-{'l' if x > 0.0 else 'r'}": abs(x) for kind, x in zip(kinds, lean.tolist(), strict=True)}


def with_gaze(person: Person) -> dict[str, float]:
    """ARKit weights of a person's expression, with those by which the lids follow the gaze added."""
    return person.group("expression")


def gaze(person: Person, expression: Mapping[str, float], side: str) -> F64:
    """Unit vector (3,) along which the eye on the person's `side` ("Left" is +x) looks."""
    outward = expression.get(f"eyeLookOut{side}", 0.0) - expression.get(f"eyeLookIn{side}", 0.0)
    yaw = LOOK_SIDEWAYS * outward * (1.0 if side == "Left" else -1.0)
    pitch = LOOK_UP * expression.get(f"eyeLookUp{side}", 0.0) - LOOK_DOWN * expression.get(f"eyeLookDown{side}", 0.0)
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])


def _sphere(points: F64) -> tuple[F64, float]:
    """Centre and radius of a helper eyeball (E,3): as wide as the mesh, touching its back (its front has a cornea)."""
    low, high = points.min(axis=0), points.max(axis=0)
    radius = float(high[0] - low[0]) / 2.0
    return np.array([(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0, low[2] + radius]), radius


def _normals(points: F64, triangles: Ints) -> F32:
    """(N,3) unit vertex normals, weighted by angle (Thuermer & Wuethrich 1998); +y where there is no triangle."""
    total = np.zeros_like(points)
    corners = points[triangles]
    for k in range(3):
        a = corners[:, (k + 1) % 3] - corners[:, k]
        b = corners[:, (k + 2) % 3] - corners[:, k]
        normal = np.cross(a, b)
        sine = np.linalg.norm(normal, axis=1)
        angle = np.arctan2(sine, np.einsum("ij,ij->i", a, b))
        normal *= (angle / np.maximum(sine, 1e-20))[:, None]
        for axis in range(3):
            total[:, axis] += np.bincount(triangles[:, k], normal[:, axis], len(points))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(np.where(length > 1e-12, total / np.maximum(length, 1e-12), [0.0, 1.0, 0.0]), np.float32)


def _flat_uvs(points: F64) -> F32:
    """A projection from the front: of no use to a texture, but complete."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return np.asarray((points[:, :2] - low) / (high - low), np.float32)


def _mesh(points: F64, vertices: Ints, triangles: Ints) -> Mesh:
    own = points[vertices]
    return Mesh.of(own, triangles, _normals(own, triangles), _flat_uvs(own))


def _cap(ring: F64) -> Mesh:
    """Close the neck with a flat fan that looks down."""
    count = len(ring)
    points = np.concatenate([ring, ring.mean(axis=0, keepdims=True)])
    fan = np.stack([(np.arange(count) + 1) % count, np.arange(count), np.full(count, count)], axis=1)
    return Mesh.of(points, fan, _normals(points, fan), _flat_uvs(points[:, [0, 2, 1]]))
