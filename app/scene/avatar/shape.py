"""The geometry of a person's head: blended morph targets, then fitted lips, lids and neck.

The measured heads are MakeHuman's (see `targets.py`). Its macro targets are products of factors: a person is a mix
of women's and men's, young and old, African, Asian and European heads, and every product of such factors has a
target of its own.
"""

from collections.abc import Mapping

import numpy as np

from app.arrays import F32, F64
from app.scene.avatar import lids, neck
from app.scene.avatar.fit import close_lips, trim_neck
from app.scene.avatar.head_shape import Eye, HeadShape
from app.scene.avatar.lids import Ball, Frame
from app.scene.avatar.parameters.expression import ARKIT
from app.scene.avatar.parameters.shape import ASYMMETRY, DIALS
from app.scene.avatar.person import Person
from app.scene.avatar.targets import Ints, load
from app.scene.model import Mesh

DECIMETRE = 0.1
EYES_AT = 0.07
"""The middle between the eyes lies at (0, 0, EYES_AT), metres."""
LOOK_SIDEWAYS, LOOK_UP, LOOK_DOWN = (np.radians(angle) for angle in (30.0, 22.0, 28.0))
"""How far an eye turns when ARKit's eyeLook shapes are 1."""
STILL = 1e-6
"""A part whose vertices move less than this many metres does not move."""
FOLLOW_UP, FOLLOW_DOWN = (0.20, 0.0), (0.15, 0.05)
"""How far upper and lower lid follow such a look, radians, on top of what ARKit's shapes move them."""
CHILD, ADULT, OLD = 10.0, 25.0, 90.0
"""Ages of MakeHuman's child, young and old heads, years."""
AWAKE = {"eye_opening": 0.6}
"""What is added to dials, because MakeHuman's heads look drowsy with the lids laid on their eyes."""
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
        uncut = np.asarray(data.subdivision @ (cage - origin))
        self.neck = neck.cut(uncut, data)
        self.unseated = close_lips(self.neck.shape(uncut), data)
        self.frames = [
            Frame.of(self.unseated, table, center)
            for table, (center, _) in zip(lids.tables(data), self.balls, strict=True)
        ]

    def posed(self, expression: Mapping[str, float]) -> tuple[F64, list[Ball]]:
        """Fine positions (F,3) with ARKit weights and the person's gaze applied, and the eyeballs as they look then."""
        data, relaxed = self.data, self.unseated
        looking = with_gaze(self.person, expression)
        others = {name: weight for name, weight in looking.items() if weight and not name.startswith("eyeBlink")}
        opened = relaxed
        if others:
            opened = relaxed + self._offsets(others)
            parted = sum(others.get(name, 0.0) for name in OPENERS) - others.get("mouthClose", 0.0)
            # The relaxed lips' own rest is taken off, so that lips start to move without a jump.
            amount = float(np.clip(1.0 - 4.0 * parted, 0.0, 1.0))
            opened = close_lips(opened, data, amount) - (close_lips(relaxed, data, amount) - relaxed)
        points, balls = opened.copy(), []
        for eye, side in enumerate(("Left", "Right")):
            table, frame, blink = lids.tables(data)[eye], self.frames[eye], expression.get(f"eyeBlink{side}", 0.0)
            if blink:
                offsets = self._offsets({f"eyeBlink{side}": 1.0})
                points += blink * lids.blink_strength(relaxed + offsets, relaxed, table, frame) * offsets
            up, down = (looking[f"eyeLook{way}{side}"] for way in ("Up", "Down"))
            follow = (FOLLOW_UP[0] * up - FOLLOW_DOWN[0] * down, FOLLOW_UP[1] * up - FOLLOW_DOWN[1] * down)
            ball = Ball(*self.balls[eye], gaze(self.person, expression, side))
            points = lids.close(points, opened, relaxed, table, frame, blink, follow)
            points = lids.seat(points, table, ball)
            balls.append(ball)
        return points, balls

    def _offsets(self, expression: Mapping[str, float]) -> F64:
        """(F,3) metres that ARKit weights add to the relaxed head."""
        return self.neck.offsets(self.data.subdivision @ (self.data.blend(expression) * DECIMETRE))

    def shape(self) -> HeadShape:
        """The head with the person's own expression."""
        data = self.data
        expression = self.person.group("expression")
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
        value = person[f"shape.{dial.word}"] + AWAKE.get(dial.word, 0.0)
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


def morph_targets(person: Person) -> dict[str, dict[str, F32]]:
    """Return by ARKit's name, then by part's name, (N,3) displacements in metres that the shape at 1 adds to `build`.

    Parts are skin, mouth, teeth_lower and tongue; those that a shape does not move are left out.
    """
    head, data = _Head(person), load()
    expression = person.group("expression")
    start, _ = head.posed(expression)
    parts = {
        "skin": np.arange(len(data.skin_uvs)),
        "mouth": data.mouth_vertices,
        "teeth_lower": data.lower_teeth_vertices,
        "tongue": data.tongue_vertices,
    }
    targets: dict[str, dict[str, F32]] = {}
    for name in ARKIT:
        moved = (head.posed({**expression, name: 1.0})[0] - start).astype(np.float32)
        targets[name] = {part: moved[own] for part, own in parts.items() if np.abs(moved[own]).max() > STILL}
    return targets


def with_gaze(person: Person, expression: Mapping[str, float]) -> dict[str, float]:
    """ARKit weights with the person's own direction of gaze added to their eyeLook shapes."""
    yaw, pitch = (np.radians(person.values.get(f"eyes.{name}", 0.0)) for name in ("yaw", "pitch"))
    left, right = max(yaw, 0.0) / LOOK_SIDEWAYS, max(-yaw, 0.0) / LOOK_SIDEWAYS
    ways = {"OutLeft": left, "InRight": left, "InLeft": right, "OutRight": right}
    ways |= {f"Up{side}": max(pitch, 0.0) / LOOK_UP for side in ("Left", "Right")}
    ways |= {f"Down{side}": max(-pitch, 0.0) / LOOK_DOWN for side in ("Left", "Right")}
    return {**expression, **{f"eyeLook{way}": expression.get(f"eyeLook{way}", 0.0) + x for way, x in ways.items()}}


def gaze(person: Person, expression: Mapping[str, float], side: str) -> F64:
    """Unit vector (3,) along which the eye on the person's `side` ("Left" is +x) looks."""
    outward, inward, up, down = (
        with_gaze(person, expression)[f"eyeLook{way}{side}"] for way in ("Out", "In", "Up", "Down")
    )
    yaw = LOOK_SIDEWAYS * (outward - inward) * (1.0 if side == "Left" else -1.0)
    pitch = LOOK_UP * up - LOOK_DOWN * down
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
