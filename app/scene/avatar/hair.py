"""All hair of a person: of the head, brows, lashes and beard, as parts of a scene."""

from dataclasses import replace

import numpy as np

from app.scene.avatar import beard, brows, hair_color, hairline, lashes, scalp
from app.scene.avatar.hair_distance import SkinDistance
from app.scene.avatar.hair_roots import roots
from app.scene.avatar.hair_sample import sample
from app.scene.avatar.head_shape import HeadShape
from app.scene.avatar.person import Person
from app.scene.avatar.scalp_cap import cap
from app.scene.avatar.strands import ribbons, tubes
from app.scene.model import Material, Mesh, Part

__all__ = ["build", "sample"]

_CAP_FROM = 0.008  # metres: shorter hair shows the skin between it


def build(person: Person, shape: HeadShape) -> tuple[Part, ...]:
    """Parts "hair", "hair_lining", "brows", "lashes" and "beard", those of them that there are; all opaque.

    The person's values and seed decide everything; roots stay at their places of the skin under any expression.
    """
    distance = SkinDistance(shape.skin)
    melanin, redness = person["hair.melanin"], person["hair.redness"]
    rng = person.rng("hair.colour")
    long, rough = hairline.reach(person), 0.40 + 0.15 * person["hair.curl"]
    material = hair_color.material("hair", melanin, redness, rng, roughness=rough, length=long)
    parts = []
    table = roots("scalp", shape.skin)
    if grown := scalp.strands(person, table, distance):
        parts.append(Part("hair", _joined([ribbons(alike) for alike in grown]), material))
        if long > _CAP_FROM and person["hair.density"] > 0.5:
            kept, strong = hairline.growing(person, table)
            bearing = np.where(kept, np.minimum(2.0 * strong, 1.0), 0.0)
            if (below := cap(shape.skin, table, bearing, hairline.parting(person, table))) is not None:
                parts.append(Part("hair_lining", below, hair_color.lining(material, person["hair.greying"])))
    darker = replace(material, name="hair_brows", albedo=(0.75, 0.72, 0.70))
    if (found := brows.strands(person, shape.skin)) is not None:
        parts.append(Part("brows", ribbons(found), darker))
    if (single := lashes.strands(person, shape.eyes)) is not None:
        tint = hair_color.albedo(*hair_color.pigment(0.5 + 0.5 * melanin, redness))
        red, green, blue = (tint * (1.0 - 0.8 * person["lash.mascara"])).tolist()
        dark = Material("hair_lashes", albedo=(red, green, blue), roughness=0.4, ior=1.55)
        parts.append(Part("lashes", tubes(single), dark))
    if (found := beard.strands(person, roots("beard", shape.skin), distance)) is not None:
        redder, long = min(1.0, redness + 0.1), beard.reach(person)
        reddish = hair_color.material("hair_beard", melanin, redder, rng, roughness=0.45, length=long)
        parts.append(Part("beard", ribbons(found), reddish))
    return tuple(parts)


def _joined(meshes: list[Mesh]) -> Mesh:
    first = np.cumsum([0] + [len(mesh.positions) for mesh in meshes])
    return Mesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
        np.concatenate([mesh.triangles + np.uint32(start) for mesh, start in zip(meshes, first, strict=False)]),
    )
