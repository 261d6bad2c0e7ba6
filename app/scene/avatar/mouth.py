"""The inside of the mouth: teeth, gums, tongue and the cavity behind the lips."""

import numpy as np

from app.arrays import F64
from app.scene.avatar.curves import smoothstep
from app.scene.avatar.head_shape import HeadShape
from app.scene.avatar.person import Person
from app.scene.avatar.teeth import COLUMNS, LENGTHENED, MM, Arch, Row, crowns, gums
from app.scene.model import Material, Mesh, Part, Texture
from app.scene.tonemap import srgb_encode

CAVITY = Material("mouth", albedo=(0.35, 0.10, 0.09), roughness=0.3, ior=1.4)
GUMS = Material("gums", albedo=(0.52, 0.215, 0.19), roughness=0.22, ior=1.4)
TONGUE_SIZE = 128


def build(person: Person, shape: HeadShape) -> tuple[Part, ...]:
    """Return what is behind the lips of a person whose head has this shape."""
    teeth = Material(
        "teeth",
        (1.0, 1.0, 1.0),
        albedo_map=Texture(tooth_colors(person), srgb=True, name="teeth"),
        roughness=0.16,
        ior=1.6,
    )
    parts = [
        Part("mouth", shape.mouth, CAVITY),
        Part("tongue", _seen_from_above(shape.tongue), tongue(person)),
    ]
    for jaw, (name, strip) in enumerate((("upper", shape.upper_teeth), ("lower", shape.lower_teeth))):
        row = Row.of(Arch.of(strip, 1.0 - 2.0 * jaw, LENGTHENED[jaw] * MM), jaw)
        wear = person["mouth.wear"]
        parts.append(Part(f"teeth_{name}", crowns(row, jaw, wear, person.rng(f"teeth {name}")), teeth))
        parts.append(Part(f"gums_{name}", gums(row), GUMS))
    return tuple(parts)


def tooth_colors(person: Person) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Paint the teeth: (32, COLUMNS, 3) sRGB, a column a tooth, row 0 at the tip."""
    dull = 1.0 - person["mouth.whiteness"]
    rng = person.rng("tooth colors")
    v = (np.arange(32) + 0.5)[::-1, None, None] / 32  # 0 gum .. 1 tip
    white, yellow = np.array([0.78, 0.745, 0.67]), np.array([0.60, 0.475, 0.28])
    place = np.abs(np.arange(COLUMNS) % 14 - 6.5)
    canine = np.exp(-(((place - 2.5) / 0.5) ** 2))
    amount = dull * (0.75 + 0.35 * canine + 0.10 * place / 6.5 + 0.08 * rng.normal(0, 1, COLUMNS))
    amount = np.clip(amount[None] + (0.10 + 0.25 * dull) * (1 - v[..., 0]) ** 2, 0, 1)[..., None]
    color = white + amount * (yellow - white)
    # Enamel without dentine behind it: greyer and bluer at the tip, brownish where the gum begins.
    color = color * (1 - smoothstep(v, 0.72, 1.0) * np.array([0.26, 0.20, 0.10]))
    color = color * (1 - smoothstep(v, 0.14, 0.0) * np.array([0.14, 0.30, 0.40]))
    return _srgb(color)


def tongue(person: Person) -> Material:
    """The tongue: papillae, a furrow along the middle, wet."""
    rng = person.rng("tongue")
    fine = rng.standard_normal((TONGUE_SIZE, TONGUE_SIZE))
    bumps = fine + np.roll(fine, 1, 0) + np.roll(fine, 1, 1) + np.roll(fine, (1, 1), (0, 1))
    x = np.linspace(-1, 1, TONGUE_SIZE)
    furrow = np.exp(-((x / 0.05) ** 2))
    color = np.array([0.50, 0.235, 0.205]) * (1 + 0.045 * bumps - 0.15 * furrow)[..., None]
    color += 0.05 * smoothstep(np.abs(x), 0.9, 0.2)[:, None]  # a pale coat
    return Material(
        "tongue",
        (1.0, 1.0, 1.0),
        albedo_map=Texture(_srgb(color), srgb=True, name="tongue"),
        roughness=0.36,
        ior=1.4,
    )


def _seen_from_above(mesh: Mesh) -> Mesh:
    """The mesh with UVs that run across (u) and along (v) it."""
    p = mesh.positions[:, [0, 2]].astype(np.float64)
    low, high = p.min(axis=0), p.max(axis=0)
    return Mesh(mesh.positions, mesh.normals, ((p - low) / (high - low)).astype(np.float32), mesh.triangles)


def _srgb(color: F64) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return (srgb_encode(color) * 255 + 0.5).astype(np.uint8)
