"""The geometry of people: one topology, heads that differ as they should, lips and lids that fit."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import trimesh

from app.arrays import F32, F64, I64
from app.errors import InputError
from app.scene.avatar import lids, neck, shape
from app.scene.avatar.eyes import film_radius
from app.scene.avatar.head_shape import Eye, HeadShape
from app.scene.avatar.parameters import PARAMETERS
from app.scene.avatar.parameters.expression import ARKIT
from app.scene.avatar.person import Person
from app.scene.avatar.sample import sample
from app.scene.avatar.targets import load

GLB = Path(__file__).resolve().parents[3] / "assets" / "head" / "head.glb"
DATA = load()
SKIN = len(DATA.skin_uvs)
BLINKS = (0.0, 0.5, 1.0)


def both(name: str, value: float) -> dict[str, float]:
    return {f"expression.{name}{side}": value for side in ("Left", "Right")}


def base_millimetres() -> F64:
    """The base mesh's skin with the eyes at height 0, by which places on the face are named."""
    fine = np.asarray(DATA.subdivision @ DATA.base)[:SKIN] * 100.0
    return np.asarray(fine - [0.0, DATA.base[DATA.eyeballs].mean(axis=(0, 1))[1] * 100.0, 0.0])


BASE = base_millimetres()
NOSE = (np.abs(BASE[:, 0]) < 24) & (BASE[:, 1] < -25) & (BASE[:, 1] > -45) & (BASE[:, 2] > 148)
JAW = (BASE[:, 1] < -65) & (BASE[:, 1] > -80) & (BASE[:, 2] < 100) & (BASE[:, 2] > 50)
EAR = (BASE[:, 0] > 74) & (BASE[:, 2] < 75)
LOWER_LIP = (DATA.to_lower[:SKIN] <= 12) & (np.abs(BASE[:, 0]) < 12)
LIPS = np.minimum(DATA.to_upper, DATA.to_lower)[:SKIN] <= 5


def measure(**values: float) -> dict[str, float]:
    """Sizes in millimetres of a symmetric person at rest."""
    person = Person({"shape.asymmetry": 0.0} | {name.replace("__", "."): v for name, v in values.items()})
    p = shape.build(person).neutral * 1000.0
    return {
        "nose width": float(np.ptp(p[NOSE, 0])),
        "nose projection": float(p[NOSE, 2].max()),
        "jaw width": float(np.ptp(p[JAW, 0])),
        "ear length": float(np.ptp(p[EAR, 1])),
        "lip height": float(np.ptp(p[LIPS, 1])),
        "lip projection": float(p[LOWER_LIP, 2].mean()),
        "mouth width": float(np.ptp(p[LIPS, 0])),
    }


def rises(what: str, *people: dict[str, float]) -> bool:
    sizes = [measure(**values)[what] for values in people]
    return all(a + 0.1 < b for a, b in pairwise(sizes))


def test_topology_and_map_are_those_of_the_default_head() -> None:
    skin = trimesh.load(GLB, process=False).geometry["skin"]
    for values in ({}, {"person.gender": 0.0, "person.age": 70.0, "expression.jawOpen": 1.0}):
        head = shape.build(Person(values))
        assert np.array_equal(head.skin.triangles, skin.faces)
        assert np.abs(head.skin.uvs - skin.visual.uv).max() < 1e-6
        assert head.neutral.shape == head.skin.positions.shape


def test_the_same_person_has_the_same_head() -> None:
    a, b, other = (shape.build(sample(seed, expression=True)) for seed in (3, 3, 4))
    assert a.skin.positions.tobytes() == b.skin.positions.tobytes()
    assert np.abs(a.neutral - other.neutral).max() > 1e-3


def test_a_head_stands_where_it_should() -> None:
    for seed in range(5):
        head = shape.build(sample(seed))
        left, right = head.eyes
        assert np.abs(0.5 * (left.center + right.center) - [0.0, 0.0, 0.07]).max() < 1e-9
        assert 0.05 < left.center[0] - right.center[0] < 0.075
        assert 0.19 < np.ptp(head.skin.positions[:, 1]) < 0.32
        assert 0.12 < np.ptp(head.skin.positions[:, 0]) < 0.22


def test_triangles_are_neither_flipped_nor_degenerate() -> None:
    triangles = DATA.skin_triangles
    for seed in range(20):
        skin = shape.build(sample(seed)).skin
        a, b, c = (skin.positions[triangles[:, k]].astype(np.float64) for k in range(3))
        normal = np.cross(b - a, c - a)
        assert np.linalg.norm(normal, axis=1).min() > 1e-10  # 0.01 mm x 0.01 mm
        turned = (normal * skin.normals[triangles].sum(axis=1)).sum(axis=1) <= 0.0
        # The tight corners of lids and lips may hold one; nothing else may.
        assert turned.sum() <= 4
        tight = np.minimum(DATA.to_lid.min(axis=1), np.minimum(DATA.to_upper, DATA.to_lower))[triangles].min(axis=1)
        assert (tight[turned] <= 9).all()


def test_the_neck_is_cut_by_a_plane_and_capped() -> None:
    for seed in range(5):
        head = shape.build(sample(seed, expression=True))
        rim = head.skin.positions[DATA.neck_loop].astype(np.float64)
        assert np.linalg.svd(rim - rim.mean(axis=0), compute_uv=False)[2] < 1e-5
        assert np.abs(head.neck_cap.positions[:-1] - rim).max() < 1e-7
        assert head.skin.positions[:, 1].min() >= rim[:, 1].min() - 1e-7
        assert head.neck_cap.normals[-1][1] < -0.8


def test_the_neck_ends_above_the_shoulders() -> None:
    for seed in range(20):
        p = shape.build(sample(seed)).skin.positions.astype(np.float64)
        rim = p[DATA.neck_loop]
        front, back = rim[np.argmax(rim[:, 2])], rim[np.argmin(rim[:, 2])]
        assert 0.015 < back[1] - front[1] < 0.04  # higher at the nape than at the throat
        # Beside the axis, where the neck is widest, and no ear or jaw is beside it.
        beside = (np.abs(p[:, 2] - neck.AXIS) < 0.015) & (p[:, 1] < rim[:, 1].max() + 0.01)
        levels = np.digitize(p[beside, 1], np.arange(p[:, 1].min(), 0.0, 0.005))
        widths = [np.abs(p[beside, 0][levels == level]).max() for level in np.unique(levels)]
        assert np.ptp(rim[:, 0]) / 2.0 < 1.2 * min(widths)
        steps = np.linalg.norm(np.roll(rim, -1, axis=0) - rim, axis=1)
        assert steps.min() > 0.001 and steps.max() < 0.008  # evenly spaced


def test_expressions_do_not_move_the_cut() -> None:
    skins = [parts["skin"] for parts in shape.morph_targets(sample(3)).values() if "skin" in parts]
    assert len(skins) > 40
    assert max(np.abs(moved[DATA.neck_loop]).max() for moved in skins) < 1e-6


@pytest.mark.parametrize("seed", [0, 1, 7, 10])
def test_the_throat_does_not_fold_below_an_open_jaw(seed: int) -> None:
    """The cut stays where it is, and the skin above it makes room for the chin bit by bit."""
    head = shape.build(Person({**sample(seed).values, "expression.jawOpen": 0.6}, seed))
    below = DATA.skin_triangles[(head.neutral[DATA.skin_triangles, 1] < -0.085).all(axis=1)]  # not the lips

    def normals(points: F32) -> F64:
        a, b, c = (points[below[:, k]].astype(np.float64) for k in range(3))
        return np.asarray(np.cross(b - a, c - a))

    assert ((normals(head.neutral) * normals(head.skin.positions)).sum(axis=1) > 0.0).all()
    rim = head.neutral[DATA.neck_loop]
    assert np.abs(head.skin.positions[DATA.neck_loop] - rim).max() < 1e-6


@pytest.mark.parametrize("width", [-1.0, 1.0])
@pytest.mark.parametrize("throat", [-1.0, 1.0])
def test_extreme_necks_do_not_fold(width: float, throat: float) -> None:
    dials = {"neck_width": width, "neck_depth": -width, "double_chin": throat, "fullness": throat}
    for gender in (0.0, 1.0):
        person = Person({"person.gender": gender} | {f"shape.{name}": value for name, value in dials.items()})
        p = shape.build(person).skin.positions.astype(np.float64)
        triangles = DATA.skin_triangles[(p[DATA.skin_triangles, 1] < -0.08).any(axis=1)]
        a, b, c = (p[triangles[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        vertex = np.zeros_like(p)
        np.add.at(vertex, triangles.ravel(), np.repeat(normal, 3, axis=0))
        assert ((normal * vertex[triangles].sum(axis=1)).sum(axis=1) > 0.0).all()


def test_a_neck_that_slides_up_to_the_mouth_leaves_the_lips_in_place() -> None:
    """The map has a hole there, into which vertices of the lips would slide."""
    dials = {"head_width": -1.0, "head_height": 1.0, "head_depth": 1.0, "chin_height": 1.0}
    who = {"person.gender": 0.0, "person.age": 90.0, "person.asian": 1.0, "person.european": 0.0}
    head = shape.build(Person(who | {f"shape.{name}": value for name, value in dials.items()}))
    assert np.isfinite(head.skin.positions).all()
    assert lip_gap(head) < 0.0003
    a, b, c = (head.skin.positions[head.skin.triangles[:, k]].astype(np.float64) for k in range(3))
    facing = (np.cross(b - a, c - a) * head.skin.normals[head.skin.triangles].sum(axis=1)).sum(axis=1)
    assert (facing <= 0.0).sum() <= 4


def test_gender_age_and_ancestry_show() -> None:
    women_to_men: tuple[dict[str, float], ...] = tuple({"person__gender": g} for g in (0.0, 0.5, 1.0))
    assert rises("jaw width", *women_to_men) and rises("mouth width", *women_to_men)
    ages: tuple[dict[str, float], ...] = tuple({"person__age": a} for a in (16.0, 20.0, 50.0, 80.0))
    assert rises("ear length", *ages) and rises("mouth width", *ages)
    mixes: tuple[dict[str, float], ...] = tuple(
        {"person__african": a, "person__european": 1.0 - a} for a in (0.0, 0.5, 1.0)
    )
    assert rises("nose width", *mixes) and rises("lip height", *mixes)
    asian: tuple[dict[str, float], ...] = tuple(
        {"person__asian": a, "person__european": 1.0 - a} for a in (1.0, 0.5, 0.0)
    )
    assert rises("nose projection", *asian)


@pytest.mark.parametrize(
    ("dial", "what"),
    [
        ("nose_width", "nose width"),
        ("nose_projection", "nose projection"),
        ("jaw_width", "jaw width"),
        ("ear_length", "ear length"),
        ("ear_size", "ear length"),
        ("mouth_width", "mouth width"),
        ("lower_lip_volume", "lip projection"),
    ],
)
def test_dials_move_what_they_name(dial: str, what: str) -> None:
    if dial == "jaw_width":  # its targets move the angle of the jaw downward and out
        corner = JAW & (BASE[:, 2] < 85)
        low, high = (shape.build(Person({"shape.jaw_width": x})).neutral[corner] for x in (-1.0, 1.0))
        assert np.linalg.norm(high - low, axis=1).max() > 0.003
        return
    assert rises(what, {f"shape__{dial}": -1.0}, {f"shape__{dial}": 0.0}, {f"shape__{dial}": 1.0})


def test_asymmetry_is_the_seeds() -> None:
    mirror = {0.0: 1e-5, 1.0: 0.05}  # metres by which a mirrored head may, or must, miss itself
    sizes = []
    for amount in mirror:
        head = shape.build(Person({"shape.asymmetry": amount}, seed=1))
        p = head.neutral.astype(np.float64)
        sizes.append(abs(p[:, 0].max() + p[:, 0].min()) + abs(p[NOSE, 0].max() + p[NOSE, 0].min()))
    assert sizes[0] < 1e-4 < 5e-4 < sizes[1]
    a, b = (shape.build(Person({"shape.asymmetry": 1.0}, seed=seed)).neutral for seed in (1, 2))
    assert np.abs(a - b).max() > 5e-4


def clearance(head: HeadShape, eye: Eye) -> float:
    """Metres between the eye's surface and what is nearest of the skin: a vertex, or a visible triangle's middle."""
    triangles = DATA.skin_triangles[(DATA.visible[DATA.skin_triangles] == 1).all(axis=1)]
    p = head.skin.positions.astype(np.float64)
    arm = np.concatenate([p, p[triangles].mean(axis=1)]) - eye.center
    distance = np.linalg.norm(arm, axis=1)
    front = (arm[:, 2] > 0.25 * distance) & (distance < 1.6 * eye.radius)
    angle = np.arccos(np.clip(arm[front] @ eye.gaze / distance[front], -1.0, 1.0))
    return float((distance[front] - film_radius(angle) * eye.radius).min())


@pytest.mark.parametrize("blink", BLINKS)
def test_no_skin_lies_inside_the_eye(blink: float) -> None:
    for seed in range(6):
        person = sample(seed)
        for looking in ({}, both("eyeLookUp", 0.8), both("eyeLookDown", 0.8), {"expression.eyeLookOutLeft": 1.0}):
            head = shape.build(Person({**person.values, **both("eyeBlink", blink), **looking}, seed))
            assert min(clearance(head, eye) for eye in head.eyes) > 0.0001, (seed, looking)


def test_dials_at_their_ends_do_no_harm() -> None:
    rng = np.random.default_rng(1)
    groups = ("person", "shape", "expression", "eyes")
    for seed in range(12):
        ends = {p.name: float(rng.choice([p.low, p.high])) for p in PARAMETERS if p.group in groups}
        head = shape.build(Person({**ends, "person.asian": 0.5}, seed))
        assert np.isfinite(head.skin.positions).all() and np.isfinite(head.skin.normals).all()
        assert min(clearance(head, eye) for eye in head.eyes) > 0.0, seed


def lid_heights(person: Person) -> tuple[float, float]:
    """Heights of the middle of the left eye's lower and upper lid, metres."""
    edge = shape.build(person).eyes[0].margin
    middle = np.abs(edge[:, 0] - edge[:, 0].mean()) < 0.003
    return float(edge[middle, 1].min()), float(edge[middle, 1].max())


def opening(person: Person) -> float:
    """Height of the opening of the left eye, metres."""
    low, high = lid_heights(person)
    return high - low


def test_a_person_at_rest_looks_awake() -> None:
    assert 0.0085 < opening(Person()) < 0.011  # of adults


def test_blinking_closes_eyes_of_every_shape() -> None:
    for seed in (0, 5, 9):
        values = sample(seed).values
        heights = [opening(Person({**values, **both("eyeBlink", blink)}, seed)) for blink in BLINKS]
        assert heights[0] > 0.004
        assert 0.35 < heights[1] / heights[0] < 0.65
        assert heights[2] < 0.0012
        (low, high), (shut, _) = (lid_heights(Person({**values, **both("eyeBlink", b)}, seed)) for b in (0.0, 1.0))
        assert 0.05 < (shut - low) / (high - low) < 0.4  # the upper lid does most of it
    squint = {**both("eyeSquint", 1.0), **both("cheekSquint", 1.0), **both("eyeBlink", 0.9)}
    head = shape.build(Person(squint))
    table = lids.tables(DATA)[0]
    relaxed = np.asarray(shape.build(Person()).neutral, np.float64)
    frame = lids.Frame.of(relaxed, table, head.eyes[0].center)
    edge = lids.Edge.of(head.skin.positions.astype(np.float64), table.margin, frame, relaxed)
    assert (edge.upper - edge.lower)[5:-5].min() > -0.03  # lids do not pass each other


def lip_gap(head: HeadShape) -> float:
    """The widest vertical gap between the lips, metres, over the middle of the mouth."""
    p = head.skin.positions.astype(np.float64)
    upper, lower = ((near[:SKIN] <= 4) & (near[:SKIN] < far[:SKIN]) for near, far in _lips())
    reach = 0.35 * np.ptp(p[LIPS, 0])
    center = p[LIPS, 0].mean()
    gaps = []
    for x in np.linspace(center - reach, center + reach, 15):
        top, bottom = (p[half & (np.abs(p[:, 0] - x) < 0.0015), 1] for half in (upper, lower))
        gaps.append(top.min() - bottom.max())
    return float(max(gaps))


def _lips() -> tuple[tuple[I64, I64], ...]:
    return (DATA.to_upper, DATA.to_lower), (DATA.to_lower, DATA.to_upper)


def test_lips_are_closed_unless_the_expression_opens_them() -> None:
    for seed in (0, 5, 9):
        values = sample(seed).values
        assert lip_gap(shape.build(Person(values, seed))) < 0.0003
        smile = {**values, **both("mouthSmile", 0.7)}
        assert lip_gap(shape.build(Person(smile, seed))) < 0.0006
        opened = {**values, "expression.jawOpen": 1.0}
        assert lip_gap(shape.build(Person(opened, seed))) > 0.015
        assert lip_gap(shape.build(Person({**opened, "expression.mouthClose": 1.0}, seed))) < 0.0006


def test_expressions_move_their_own_region() -> None:
    targets = shape.morph_targets(Person({"shape.asymmetry": 0.0}))
    assert tuple(targets) == ARKIT
    still = shape.build(Person({"shape.asymmetry": 0.0}))
    for name, side, region in (
        ("browInnerUp", 0, BASE[:, 1] > -25),
        ("eyeBlinkLeft", 1, np.abs(BASE[:, 1]) < 45),
        ("eyeBlinkRight", -1, np.abs(BASE[:, 1]) < 45),
        ("jawOpen", 0, BASE[:, 1] < 20),
        ("mouthSmileLeft", 1, BASE[:, 1] < 25),
        ("noseSneerRight", -1, BASE[:, 1] > -75),
    ):
        moved = np.linalg.norm(targets[name]["skin"], axis=1)
        assert moved.max() > 0.002, name
        far = moved > 0.15 * moved.max()
        assert region[far].all(), name
        if side:
            assert (side * BASE[far, 0]).mean() > 10, name
    opened = targets["jawOpen"]
    assert opened["teeth_lower"][:, 1].mean() < -0.01 and opened["tongue"][:, 1].mean() < -0.005
    assert targets["tongueOut"]["tongue"][:, 2].max() > 0.015 and "skin" not in targets["tongueOut"]
    full = shape.build(Person({"shape.asymmetry": 0.0, "expression.jawOpen": 1.0}))
    assert np.abs(still.skin.positions + opened["skin"] - full.skin.positions).max() < 1e-6
    assert np.array_equal(still.upper_teeth.positions, full.upper_teeth.positions)


def test_gaze_comes_from_shapes_and_parameters() -> None:
    for yaw, pitch in ((10.0, 5.0), (-12.0, -8.0)):
        sideways, upward = np.radians((yaw, pitch))
        for eye in shape.build(Person({"eyes.yaw": yaw, "eyes.pitch": pitch})).eyes:
            assert np.allclose(eye.gaze, [np.sin(sideways) * np.cos(upward), np.sin(upward), eye.gaze[2]])
            assert eye.gaze[2] > 0.9
    cross = shape.build(Person({"expression.eyeLookInLeft": 1.0, "expression.eyeLookInRight": 1.0}))
    assert cross.eyes[0].gaze[0] < -0.4 and cross.eyes[1].gaze[0] > 0.4
    down, ahead = (shape.build(Person(v)).eyes[0].margin[:, 1].max() for v in (both("eyeLookDown", 1.0), {}))
    assert down < ahead - 0.002  # the lids go along


def test_missing_or_damaged_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        load(tmp_path / "head.npz")
    (tmp_path / "head.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="is not the avatar generator's data"):
        load(tmp_path / "head.npz")
