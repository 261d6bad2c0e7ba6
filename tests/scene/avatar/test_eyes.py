"""Eyes, teeth and their textures: what must hold of the geometry, and what the parameters do."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.arrays import F64
from app.scene.avatar import eye_texture, eyes, mouth
from app.scene.avatar.eye_texture import LIMBUS_V, Look, paint
from app.scene.avatar.head_shape import Eye, HeadShape
from app.scene.avatar.person import Person
from app.scene.avatar.teeth import MM, Arch, carried
from app.scene.model import Mesh, Part
from app.scene.texture_files import srgb_to_linear
from tests.primitives import uv_sphere


def an_eye(side: float = 1.0, gaze: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Eye:
    """An eye between lids 24 mm wide and 10 mm high, the inner corner lower than the outer one."""
    center, turn = np.array([side * 0.029, 0.0, 0.07]), np.linspace(0, 2 * math.pi, 48, endpoint=False)
    x, y = 12e-3 * np.cos(turn), (5e-3 - 1e-3 * np.cos(turn)) * np.sin(turn) - 1.5e-3
    far = np.hypot(x, y)
    margin = np.stack([side * x, y, np.sqrt(0.0162**2 - far**2)], axis=1) + center
    return Eye(center, 0.0147, np.array(gaze) / np.linalg.norm(gaze), margin)


def named(parts: tuple[Part, ...]) -> dict[str, Mesh]:
    return {part.name: part.mesh for part in parts}


def strip(up: float) -> Mesh:
    """A band of teeth without teeth, like MakeHuman's: out of the gum, over the tips, back in."""
    angle = np.linspace(-1.5, 1.5, 33)
    across = [(0.0, 16.0), (0.0, 9.0), (0.0, 2.0), (-1.0, 0.0), (-4.0, 3.0), (-8.0, 8.0)]
    rows = []
    for inward, above in across:
        r = (48.0 - 5.0 * angle**2 + inward) * MM
        rows.append(np.stack([r * np.sin(angle), 0 * r - 0.068 + up * above * MM, 0.04 + r * np.cos(angle)], axis=1))
    columns = len(angle)
    corner = (np.arange(len(rows) - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    one = np.stack([corner, corner + columns, corner + 1], axis=1)
    two = np.stack([corner + 1, corner + columns, corner + columns + 1], axis=1)
    triangles = np.concatenate([one, two])
    return Mesh.of(np.concatenate(rows), triangles if up > 0 else triangles[:, ::-1])


def a_mouth() -> HeadShape:
    some = uv_sphere(0.02, 8, 8)
    return HeadShape(
        skin=some, neutral=some.positions, mouth=some, upper_teeth=strip(1.0), lower_teeth=strip(-1.0), tongue=some,
        neck_cap=some, eyes=(an_eye(1.0), an_eye(-1.0)),
    )  # fmt: skip


def facing(mesh: Mesh) -> F64:
    """Cosine between each triangle's own normal and its first vertex' normal."""
    corners = mesh.positions[mesh.triangles].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    cross /= np.linalg.norm(cross, axis=1, keepdims=True)
    return np.asarray((cross * mesh.normals[mesh.triangles[:, 0]]).sum(axis=1))


def volume(mesh: Mesh) -> float:
    """What a closed mesh encloses, m3; positive when its triangles look outwards."""
    corners = mesh.positions[mesh.triangles].astype(np.float64)
    corners -= corners.mean(axis=(0, 1))
    return float((corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


class TestGeometry:
    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_meshes_are_sound(self, side: float) -> None:
        parts = eyes.build(Person(), an_eye(side), "left" if side > 0 else "right")
        assert sum(len(part.mesh.triangles) for part in parts) < 6000
        for part in parts:
            mesh = part.mesh
            assert mesh.uvs.min() >= 0.0 and mesh.uvs.max() <= 1.0, part.name
            assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-5), part.name
            assert facing(mesh).min() > 0.2, part.name
            assert part.material.transmission == part.name.startswith(("cornea", "tear")), part.name

    def test_a_white_that_is_seen_beyond_its_texture_neither_folds_nor_shows_the_pupil(self) -> None:
        mesh = eyes.white_mesh(2.3)  # radians: large eyes that turn as far out as gaze and shapes can
        assert mesh.uvs[:, 1].min() > LIMBUS_V and mesh.uvs[:, 1].max() <= 1.0
        assert facing(mesh).min() > 0.2

    def test_normals_point_out_of_the_ball(self) -> None:
        for mesh in (eyes.white_mesh(), eyes.cornea_mesh(), eyes.iris_mesh()):
            p = mesh.positions.astype(np.float64)
            assert (p * mesh.normals).sum(axis=1).min() > 0.0

    def test_iris_meets_the_white(self) -> None:
        iris, white = eyes.iris_mesh().positions, eyes.white_mesh().positions
        inner = white[: eyes.SIDES]
        gap = np.linalg.norm(iris[:, None] - inner[None], axis=-1).min(axis=0)
        assert gap.max() < 1e-6

    def test_the_cornea_dives_into_the_white(self) -> None:
        """It starts outside and ends inside of it, so that no ray finds a way between the two."""
        cornea, white = (_profile(mesh) for mesh in (eyes.cornea_mesh(), eyes.white_mesh()))
        angles = np.linspace(white[0, 0], cornea[-1, 0], 200)
        above = np.interp(angles, *cornea.T) - np.interp(angles, *white.T)
        assert above[0] > 0.002 and above[-1] < -0.002
        crossing = angles[above < 0.0][0]
        assert (above[angles < crossing] > 0.0).all() and (above[angles >= crossing] < 0.0).all()
        assert abs(crossing - eye_texture.CORNEA_END) < 0.01

    def test_the_cornea_clears_the_iris(self) -> None:
        cornea, iris = (_profile(mesh) for mesh in (eyes.cornea_mesh(), eyes.iris_mesh()))
        above = np.interp(iris[:, 0], *cornea.T) - iris[:, 1]
        assert above.min() > 0.004
        depth = (above[0]) * 12.0  # mm in a ball of life's size, of 12 mm radius
        assert 2.7 < depth < 3.7

    @pytest.mark.parametrize("gaze", [(0.0, 0.0, 1.0), (0.4, 0.1, 0.9), (-0.3, -0.3, 0.9)])
    def test_the_eye_looks_where_it_is_told(self, gaze: tuple[float, float, float]) -> None:
        eye = an_eye(1.0, gaze)
        meshes = named(eyes.build(Person(), eye, "left"))
        apex = meshes["cornea_left"].positions[0] - eye.center
        assert apex @ eye.gaze / np.linalg.norm(apex) > 0.99999
        lid = named(eyes.build(Person(), an_eye(1.0), "left"))["caruncle_left"]
        assert np.allclose(meshes["caruncle_left"].positions.mean(axis=0), lid.positions.mean(axis=0), atol=1e-3)

    def test_the_wet_line_lies_between_ball_and_lids(self) -> None:
        eye = an_eye()
        meshes = [eyes.tear_mesh(eye, wetness) for wetness in (0.0, 1.0)]
        for mesh in meshes:
            off = np.linalg.norm(mesh.positions - eye.center, axis=1) - eye.radius
            assert off.min() > 0.0 and off.max() < 1.2e-3
            # Seen from the front it hides behind the lids' edge.
            assert np.abs(mesh.positions[:, 1]).max() < np.abs(eye.margin[:, 1]).max() + 0.4e-3
        dry, wet = (volume(mesh) for mesh in meshes)
        assert 0.0 < 5.0 * dry < wet

    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_the_caruncle_lies_in_the_inner_corner(self, side: float) -> None:
        eye = an_eye(side)
        knob = named(eyes.build(Person(), eye, "left"))["caruncle_left"].positions.mean(axis=0)
        assert side * (knob[0] - eye.center[0]) < -8e-3

    def test_the_lids_end_the_white_nearer_on_the_side_it_looks_to(self) -> None:
        angles = eyes.lid_angles(an_eye(1.0, (0.4, 0.0, 0.9)))
        inner, outer = angles[[eyes.SIDES // 4, 3 * eyes.SIDES // 4]]
        assert inner > outer + 0.5


class TestTexture:
    def test_the_same_person_has_the_same_eyes(self) -> None:
        first, again = (eyes.build(Person(seed=4), an_eye(), "left") for _ in range(2))
        for a, b in zip(first, again, strict=True):
            assert a.mesh.positions.tobytes() == b.mesh.positions.tobytes()
        assert _pixels(first).tobytes() == _pixels(again).tobytes()
        other = eyes.build(Person(seed=5), an_eye(), "left")
        assert (_pixels(other) != _pixels(first)).any()

    def test_both_eyes_have_one_color_but_their_own_pattern(self) -> None:
        left, right = (_pixels(eyes.build(Person(), an_eye(s), n)) for s, n in ((1.0, "left"), (-1.0, "right")))
        assert (left != right).mean() > 0.2
        assert np.abs(_iris(left) - _iris(right)).max() < 8.0

    def test_melanin_darkens_and_turns_blue_into_brown(self) -> None:
        colors = np.array([_iris(_painted({"eyes.melanin": m})) for m in (0.0, 0.3, 0.6, 1.0)])
        assert (np.diff(colors.sum(axis=1)) < 0.0).all()
        assert colors[0, 2] > colors[0, 0] + 10.0 and colors[2, 0] > colors[2, 2] + 10.0

    def test_hue_runs_from_cool_to_warm(self) -> None:
        cool, even, warm = (_iris(_painted({"eyes.melanin": 0.3, "eyes.hue": hue})) for hue in (-1.0, 0.0, 1.0))
        assert cool[2] / cool[0] > 1.1 * even[2] / even[0] > 1.2 * warm[2] / warm[0]

    def test_the_cornea_is_allowed_for(self) -> None:
        """It keeps half of the light: what lies below it is painted lighter than the same white beside it."""
        light = srgb_to_linear(_painted({"eyes.redness": 0.0})[::-1] / 255.0).mean(axis=(1, 2))
        share = (eye_texture.CORNEA_END - eye_texture.LIMBUS_ANGLE) / (
            eye_texture.SCLERA_END - eye_texture.LIMBUS_ANGLE
        )
        edge = round(eye_texture.SIZE * (LIMBUS_V + (1.0 - LIMBUS_V) * share))
        assert light[edge - 2] > 1.1 * light[edge + 2]

    def test_veins_come_from_the_corners(self) -> None:
        white = _painted({"eyes.redness": 1.0})[::-1][round(0.5 * eye_texture.SIZE) :].astype(np.float64)
        paleness = np.roll(white[..., 1] / white[..., 0], eye_texture.SIZE // 8, axis=1).mean(axis=0).reshape(4, -1)
        up, one, down, other = paleness.mean(axis=1)  # quarters around these
        assert one + other < 0.99 * (up + down)

    def test_age_rings_the_iris(self) -> None:
        young, old = (_rim(_painted({"person.age": age, "eyes.limbal_ring": 0.0})) for age in (30.0, 90.0))
        assert old > 1.1 * young

    def test_the_pupil_grows(self) -> None:
        shares = []
        for diameter in (2.0, 4.0, 7.0):
            rows = _painted({"eyes.pupil": diameter})[::-1][: round(LIMBUS_V * eye_texture.SIZE)]
            shares.append((rows.max(axis=(1, 2)) < 20).mean() * 2 * eye_texture.IRIS_RADIUS_MM)
        assert np.allclose(shares, (2.0, 4.0, 7.0), atol=0.5)

    def test_the_limbal_ring_darkens_the_rim(self) -> None:
        plain, ringed = (_rim(_painted({"eyes.limbal_ring": r})) for r in (0.0, 1.0))
        assert ringed < 0.8 * plain

    def test_redness_and_yellowness(self) -> None:
        def white(values: dict[str, float]) -> F64:
            rows = _painted(values)[::-1][round(0.5 * eye_texture.SIZE) : round(0.75 * eye_texture.SIZE)]
            return np.asarray(rows.mean(axis=(0, 1)))

        calm = white({"eyes.redness": 0.0, "eyes.yellowness": 0.0})
        red, yellow = white({"eyes.redness": 1.0, "eyes.yellowness": 0.0}), white({"eyes.yellowness": 1.0})
        assert red[1] / red[0] < 0.95 * calm[1] / calm[0]
        assert yellow[2] / yellow[1] < 0.92 * calm[2] / calm[1]

    def test_the_texture_closes_around(self) -> None:
        pixels = _painted({}).astype(np.float64)
        steps = np.abs(np.diff(pixels, axis=1)).mean()
        assert np.abs(pixels[:, 0] - pixels[:, -1]).mean() < 2.0 * steps


class TestMouth:
    def test_teeth_stand_on_the_arch(self) -> None:
        meshes = named(mouth.build(Person(), a_mouth()))
        assert set(meshes) == {"mouth", "tongue", "teeth_upper", "teeth_lower", "gums_upper", "gums_lower"}
        for name, up in (("upper", 1.0), ("lower", -1.0)):
            teeth, gums = meshes[f"teeth_{name}"], meshes[f"gums_{name}"]
            assert facing(teeth).min() > -0.2 and np.median(facing(teeth)) > 0.7
            assert teeth.uvs.min() >= 0.0 and teeth.uvs.max() <= 1.0
            band = strip(up).bounds()
            assert (teeth.bounds()[0, [0, 2]] > band[0, [0, 2]] - 4e-3).all()
            assert (teeth.bounds()[1, [0, 2]] < band[1, [0, 2]] + 4e-3).all()
            # Gums on the side of the jaw, tips on the other one.
            assert up * (gums.positions[:, 1].mean() - teeth.positions[:, 1].mean()) > 3e-3

    def test_teeth_are_brownish_at_the_gum_and_blue_at_the_tip(self) -> None:
        colors = mouth.tooth_colors(Person())
        for name, mesh in named(mouth.build(Person(), a_mouth())).items():
            if name.startswith("teeth"):
                up, v = 1.0 if name == "teeth_upper" else -1.0, mesh.uvs[:, 1]
                gum, tip = v < 0.05, v > 0.95
                assert up * (mesh.positions[gum, 1].mean() - mesh.positions[tip, 1].mean()) > 5e-3
                row = len(colors) - 1 - (v * len(colors)).astype(int)
                column = (mesh.uvs[:, 0] * colors.shape[1]).astype(int)
                at_gum, at_tip = (colors[row[where], column[where]].mean(axis=0) for where in (gum, tip))
                assert at_tip[2] / at_tip[0] > 1.1 * at_gum[2] / at_gum[0]

    def test_wear_makes_teeth_uneven(self) -> None:
        even, worn = (named(mouth.build(Person({"mouth.wear": w}), a_mouth())) for w in (0.0, 1.0))
        for name in ("teeth_upper", "teeth_lower"):
            moved = np.linalg.norm(worn[name].positions - even[name].positions, axis=1)
            assert 0.3e-3 < moved.max() < 3e-3

    def test_gums_and_teeth_look_outwards(self) -> None:
        for name, mesh in named(mouth.build(Person(), a_mouth())).items():
            if name.startswith(("teeth", "gums")):
                assert volume(mesh) > 0.0, name

    def test_the_arch_is_the_strips(self) -> None:
        arch = Arch.of(strip(1.0), 1.0, 0.0)
        front = arch.points(np.zeros(1), np.array([9e-3]), np.zeros(1))[0]
        assert np.allclose(front, (0.0, -0.059, 0.088), atol=1.5e-3)

    def test_whiteness_lightens(self) -> None:
        dull, white = (mouth.tooth_colors(Person({"mouth.whiteness": w})) for w in (0.0, 1.0))
        assert white.mean() > dull.mean() + 15 and white[..., 2].mean() > dull[..., 2].mean() + 30

    def test_teeth_are_carried_by_a_turning_jaw(self) -> None:
        band = strip(-1.0)
        turn = np.array([[1, 0, 0], [0, math.cos(0.3), math.sin(0.3)], [0, -math.sin(0.3), math.cos(0.3)]])
        moved = band.positions @ turn.T - band.positions
        points = np.random.default_rng(0).uniform(-0.05, 0.05, (20, 3))
        assert np.allclose(carried(band, moved, points), points @ turn.T - points, atol=1e-6)


def _profile(mesh: Mesh) -> F64:
    """(K,2) polar angle and radius of a turned mesh's rings, at the middle of its facets, where they are lowest."""
    p = mesh.positions.astype(np.float64).reshape(-1, eyes.SIDES + 1, 3)
    middle = 0.5 * (p[:, 0] + p[:, 1])
    radius = np.linalg.norm(middle, axis=1)
    return np.stack([np.arccos(middle[:, 2] / radius), radius], axis=1)


def _pixels(parts: tuple[Part, ...]) -> NDArray[Any]:
    texture = parts[0].material.albedo_map
    assert texture is not None and texture.size == (512, 512)
    return texture.pixels


def _painted(values: dict[str, float]) -> NDArray[Any]:
    person = Person(values)
    return paint(Look.of(person), person.rng("eye left"))


def _iris(pixels: NDArray[Any]) -> F64:
    """Mean colour between pupil and rim."""
    rows = pixels[::-1]
    low, high = round(0.45 * LIMBUS_V * 512), round(0.75 * LIMBUS_V * 512)
    return np.asarray(rows[low:high].mean(axis=(0, 1)))


def _rim(pixels: NDArray[Any]) -> float:
    return float(pixels[::-1][round(0.85 * LIMBUS_V * 512) : round(0.95 * LIMBUS_V * 512)].mean())
