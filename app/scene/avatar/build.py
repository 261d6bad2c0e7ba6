"""From a person to the parts of a scene, and to a file that other programs open."""

from app.scene.avatar import eyes, hair, mouth, shape, skin
from app.scene.avatar.head_shape import HeadShape
from app.scene.avatar.morphs import morph_targets
from app.scene.avatar.parameters import BY_NAME
from app.scene.avatar.person import Person
from app.scene.gltf_export import encode_glb
from app.scene.model import Material, Part

INTERIOR = Material("interior", albedo=(0.02, 0.01, 0.01), roughness=0.9)


def build_avatar(person: Person) -> tuple[Part, ...]:
    """Return everything of a person that is drawn; the part named "skin" is the face."""
    return assemble(person, shape.build(person))


def assemble(person: Person, head: HeadShape) -> tuple[Part, ...]:
    """Return the parts of a person whose geometry is known already."""
    left, right = head.eyes
    return (
        Part("skin", head.skin, skin.material(person), face=True),
        *mouth.build(person, head),
        Part("neck_cap", head.neck_cap, INTERIOR),
        *eyes.build(person, left, "left"),
        *eyes.build(person, right, "right"),
        *hair.build(person, head),
    )


def avatar_glb(person: Person) -> bytes:
    """Return a person as .glb: expression baked in, the 52 ARKit shapes as morph targets.

    Its `asset.extras` hold the seed and the values that differ from the defaults, so that it can be made again.
    """
    head = shape.build(person)
    parts = assemble(person, head)
    changed = {name: value for name, value in person.values.items() if value != BY_NAME[name].default}
    return encode_glb(
        parts,
        morph_targets(person, head, parts),
        extras={"bungyo avatar": {"seed": person.seed, "values": changed}},
        copyright_notice="CC0 1.0",
    )
