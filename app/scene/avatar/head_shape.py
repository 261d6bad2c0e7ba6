"""What the other parts of an avatar need to know of its geometry."""

from dataclasses import dataclass

from app.arrays import F32, F64
from app.scene.model import Mesh


@dataclass(frozen=True, eq=False)
class Eye:
    """Where an eyeball sits.

    Attributes:
        center: (3,) metres.
        radius: of the ball, metres.
        gaze: (3,) unit vector, from the centre through the pupil.
        margin: (L,3) closed curve along the lids' front edge, metres, expression applied.
    """

    center: F64
    radius: float
    gaze: F64
    margin: F64


@dataclass(frozen=True, eq=False)
class HeadShape:
    """A head of one person with one expression, in metres, +y up, looking along +z.

    Attributes:
        skin: face, ears, scalp and neck; fixed triangles, canonical UVs (those of assets/head/head.glb).
        neutral: (N,3) positions of the skin's vertices without the expression.
        mouth: the cavity behind the lips.
        upper_teeth, lower_teeth, tongue: as named.
        neck_cap: closes the cut below the neck.
        eyes: the person's left (+x) and right.
    """

    skin: Mesh
    neutral: F32
    mouth: Mesh
    upper_teeth: Mesh
    lower_teeth: Mesh
    tongue: Mesh
    neck_cap: Mesh
    eyes: tuple[Eye, Eye]
