"""A part that is cut out, before a scene's face."""

from dataclasses import replace
from typing import Any

from app.scene.model import Material, Part, Scene
from tests.primitives import quad, together


def with_veil(scene: Scene, layers: int = 1, **material: Any) -> Scene:
    """The scene with a black quad half a metre before the middle of its face; by default half of it is there.

    With `layers` several of them, a centimetre apart.
    """
    x, y, z = scene.bounds(face_only=True).mean(axis=0).tolist()
    options: dict[str, Any] = {"albedo": (0.0, 0.0, 0.0), "ior": 1.0, "opacity": 0.5, "alpha_mode": "blend"} | material
    veil = together([quad((x, y, z + 0.5 - 0.01 * i), (0.1, 0.0, 0.0), (0.0, 0.1, 0.0)) for i in range(layers)])
    return replace(scene, parts=(*scene.parts, Part("veil", veil, Material("veil", **options))))
