"""What is drawn: textures, materials, meshes, and the scene they make up.

Units are metres; the world is right-handed, +y up, and the face looks along +z. Colours are linear Rec.709.
Texture coordinates: v = 0 is the BOTTOM of a texture's image, that is, image row 0 lies at v = 1.
"""

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.arrays import F32, F64, U8, U32
from app.errors import InputError
from app.scene.camera import Camera
from app.scene.checks import Vec3, color3, number
from app.scene.environment import Environment
from app.scene.lights import LightRig

SKIN_MEAN_FREE_PATH: Vec3 = (3.7, 1.4, 0.7)  # mm; red travels furthest (after Jensen et al. 2001, skin1)
DEFAULT_ALBEDO: Vec3 = (0.5, 0.5, 0.5)
DEFAULT_ROUGHNESS = 0.5
DEFAULT_IOR = 1.5
Wrap = Literal["repeat", "mirror", "clamp"]
_SPARSE_HAIR = re.compile("brow|lash|beard|stubble", re.IGNORECASE)
_HAIR = re.compile("hair|" + _SPARSE_HAIR.pattern, re.IGNORECASE)
_SHARES = (
    "roughness", "second_roughness", "second_weight", "metallic", "subsurface", "transmission", "opacity",
    "alpha_cutoff",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Texture:
    """An image.

    Args:
        pixels: (H,W,C) uint8 (0..255 means 0..1) or float32, C = 1..4, row 0 at the top; channel 4 is opacity.
        srgb: whether channels 0..2 are sRGB-encoded (colours) or linear (data, and all float images).
        name: for messages.
        wrap: along u and v: how it goes on beyond 0..1, by repeating, mirrored at every turn, or as its border is.

    Raises:
        InputError: wrong shape or type, or values that are not finite.
    """

    pixels: U8 | F32
    srgb: bool = False
    name: str = ""
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")

    def __post_init__(self) -> None:
        """Check the pixels."""
        p = self.pixels
        if p.dtype not in (np.uint8, np.float32) or p.ndim != 3 or not 1 <= p.shape[2] <= 4 or 0 in p.shape:
            raise InputError(f"texture {self.name!r} must be (H,W,1..4) uint8 or float32, not {p.shape} {p.dtype}.")
        if p.dtype == np.float32 and not np.isfinite(p).all():
            raise InputError(f"texture {self.name!r} contains values that are not finite.")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, eq=False)
class Material:
    """How a surface looks. A map and its factor are multiplied, as in glTF: factor 1 shows the map as it is.

    Args:
        name: a name containing "skin" or "face" marks the face when a file is loaded.
        albedo: diffuse reflectance (for metals: reflectance), linear, 0..1.
        albedo_map: RGB or RGBA; the 4th channel is opacity.
        roughness: perceptual roughness, 0..1; GGX alpha is its square.
        roughness_map: one channel, linear.
        metallic: 0..1.
        second_roughness: perceptual roughness of a second specular lobe, 0..1; multiplied by the same roughness map.
        second_weight: share of the second lobe, 0..1; 0 leaves one lobe. Only surfaces with subsurface scattering or
            transmission have it.
        ior: index of refraction of the surface, 1..3.
        normal_map: tangent space, +x along u, +y along v, 0.5 = 0, as in glTF; linear.
        normal_scale: strength of the normal map's x and y.
        subsurface: weight 0..1 of scattering below the surface; 0 is plain diffuse.
        mean_free_path: millimetres per colour channel over which light below the surface fades to 1/e (the diffuse
            mean free path of Jensen et al. 2001), > 0 where subsurface > 0.
        transmission: 0..1; 1 makes the surface the boundary of a clear dielectric of index `ior` that scatters nothing
            inside (cornea, tear film). Not for the face's own parts.
        emission: emitted radiance, linear.
        opacity: 0..1, multiplied with the albedo map's 4th channel.
        alpha_mode: "opaque" ignores opacity, "mask" cuts at `alpha_cutoff`, "blend" blends.
        alpha_cutoff: 0..1.

    Raises:
        InputError: a value is not finite or out of range.
    """

    name: str = ""
    albedo: Vec3 = DEFAULT_ALBEDO
    albedo_map: Texture | None = None
    roughness: float = DEFAULT_ROUGHNESS
    roughness_map: Texture | None = None
    second_roughness: float = DEFAULT_ROUGHNESS
    second_weight: float = 0.0
    metallic: float = 0.0
    ior: float = DEFAULT_IOR
    normal_map: Texture | None = None
    normal_scale: float = 1.0
    subsurface: float = 0.0
    mean_free_path: Vec3 = SKIN_MEAN_FREE_PATH
    transmission: float = 0.0
    emission: Vec3 = (0.0, 0.0, 0.0)
    opacity: float = 1.0
    alpha_mode: Literal["opaque", "mask", "blend"] = "opaque"
    alpha_cutoff: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        where = f"material {self.name!r}"
        for name in ("albedo", "mean_free_path", "emission"):
            object.__setattr__(self, name, color3(getattr(self, name), f"{where}: {name}"))
        for name in _SHARES:
            object.__setattr__(self, name, number(getattr(self, name), f"{where}: {name}", 0.0, 1.0))
        object.__setattr__(self, "ior", number(self.ior, f"{where}: ior", 1.0, 3.0))
        object.__setattr__(self, "normal_scale", number(self.normal_scale, f"{where}: normal_scale"))
        if max(self.albedo) > 1.0:
            raise InputError(f"{where}: albedo must be <= 1, but is {self.albedo}.")
        if self.subsurface > 0.0 and min(self.mean_free_path) <= 0.0:
            raise InputError(f"{where}: mean_free_path must be > 0, but is {self.mean_free_path}.")
        if self.alpha_mode not in ("opaque", "mask", "blend"):
            raise InputError(f"{where}: alpha_mode must be opaque, mask or blend, not {self.alpha_mode!r}.")


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with one normal and one texture coordinate a vertex, counter-clockwise seen from outside.

    Args:
        positions: (N,3) float32, metres.
        normals: (N,3) float32, length 1. `smooth_normals` makes them where there are none.
        uvs: (N,2) float32; (0,0) is the bottom left of the texture.
        triangles: (M,3) uint32 indices below N, M >= 1.

    `of` makes one from anything like an array. Raises InputError when shapes differ from these, values are
    not finite or
    indices are out of range.
    """

    positions: F32
    normals: F32
    uvs: F32
    triangles: U32

    def __post_init__(self) -> None:
        """Convert to contiguous arrays of the right type and check them."""
        count = len(self.positions)
        for name, columns in (("positions", 3), ("normals", 3), ("uvs", 2)):
            array = np.ascontiguousarray(getattr(self, name), np.float32)
            if array.shape != (count, columns):
                raise InputError(f"mesh {name} must be ({count},{columns}), not {array.shape}.")
            if not np.isfinite(array).all():
                raise InputError(f"mesh {name} contain values that are not finite.")
            object.__setattr__(self, name, array)
        triangles = np.asarray(self.triangles)
        if triangles.ndim != 2 or triangles.shape[1] != 3 or len(triangles) == 0:
            raise InputError(f"mesh triangles must be (M,3) with M >= 1, not {triangles.shape}.")
        if triangles.min() < 0 or triangles.max() >= count:
            low, high = triangles.min(), triangles.max()
            raise InputError(f"mesh triangles have indices {low}..{high}, but there are {count} vertices.")
        object.__setattr__(self, "triangles", np.ascontiguousarray(triangles, np.uint32))

    @classmethod
    def of(
        cls,
        positions: ArrayLike,
        triangles: ArrayLike,
        normals: ArrayLike | None = None,
        uvs: ArrayLike | None = None,
    ) -> "Mesh":
        """Make a mesh from array-likes of any type; missing normals become smooth ones, missing UVs 0."""
        p, t = np.asarray(positions, np.float32), np.asarray(triangles)
        blank = np.zeros((len(p), 3), np.float32)
        mesh = cls(
            p,
            blank if normals is None else np.asarray(normals, np.float32),
            blank[:, :2] if uvs is None else np.asarray(uvs, np.float32),
            t,
        )
        return mesh.with_smooth_normals() if normals is None else mesh

    def with_transform(self, matrix: ArrayLike) -> "Mesh":
        """Return the mesh moved by a (4,4) affine column-vector matrix; mirroring turns the triangles."""
        m = affine(matrix)
        normals = self.normals @ np.linalg.inv(m[:3, :3])  # the inverse transpose, for row vectors
        triangles = self.triangles[:, ::-1] if np.linalg.det(m[:3, :3]) < 0.0 else self.triangles
        return Mesh(
            (self.positions @ m[:3, :3].T + m[:3, 3]).astype(np.float32),
            normalized(normals).astype(np.float32),
            self.uvs,
            triangles,
        )

    def with_smooth_normals(self) -> "Mesh":
        """Return the mesh with its normals replaced by `smooth_normals`."""
        return replace(self, normals=smooth_normals(self.positions, self.triangles))

    def bounds(self) -> F64:
        """Return (2,3), read-only: the lowest and the highest corner of the vertices that triangles use."""
        return self._bounds

    @cached_property
    def _bounds(self) -> F64:
        return _box(self.positions[np.unique(self.triangles)].astype(np.float64))


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh with its material, placed in the scene.

    Args:
        name: unique enough for a person to name it with --face.
        face: drawn by the tile networks (or the reference); everything else is background.
        transform: (4,4) float64 mesh -> world, column-vector convention, affine and invertible.
    """

    name: str
    mesh: Mesh
    material: Material
    face: bool = False
    transform: F64 = field(default_factory=lambda: np.eye(4))

    def __post_init__(self) -> None:
        """Check the transform."""
        object.__setattr__(self, "transform", affine(self.transform))

    @property
    def cut_out(self) -> bool:
        """Whether some of it is left out, as its material's opacity says. Faces are drawn whole."""
        return not self.face and self.material.alpha_mode != "opaque"

    @property
    def sparse_hair(self) -> bool:
        """Whether these are brows, lashes or a beard, as names say: hair too sparse to shade the skin noticeably."""
        return not self.face and _SPARSE_HAIR.search(f"{self.name} {self.material.name}") is not None

    @property
    def hair(self) -> bool:
        """Whether these are hairs of any kind, as names say."""
        return not self.face and _HAIR.search(f"{self.name} {self.material.name}") is not None

    def bounds(self) -> F64:
        """Return (2,3), read-only: the lowest and the highest corner in world space."""
        return self._bounds

    @cached_property
    def _bounds(self) -> F64:
        # Asked for in every frame, so computed only once: neither a part nor a mesh changes.
        m, used = self.transform, self.mesh.positions[np.unique(self.mesh.triangles)]
        return _box(used @ m[:3, :3].T + m[:3, 3])


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything a frame shows. Change it with `dataclasses.replace` (or `with_camera`)."""

    parts: tuple[Part, ...]
    rig: LightRig = field(default_factory=LightRig)
    environment: Environment | None = None
    camera: Camera = field(default_factory=Camera)

    def __post_init__(self) -> None:
        """Turn a list of parts into a tuple."""
        object.__setattr__(self, "parts", tuple(self.parts))

    @property
    def face_parts(self) -> tuple[Part, ...]:
        """The parts that are face, in order."""
        return tuple(part for part in self.parts if part.face)

    def bounds(self, face_only: bool = False) -> F64:
        """Return (2,3) world-space corners of all parts, or of the face's; InputError if there is none."""
        boxes = [part.bounds() for part in (self.face_parts if face_only else self.parts)]
        if not boxes:
            raise InputError("the scene has no parts to measure.")
        return np.stack([np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)])

    def face_bounds(self) -> F64:
        """Return (2,3) world-space corners of the face, of all parts where none is face; InputError without parts."""
        return self.bounds(face_only=bool(self.face_parts))

    def head_rotation(self) -> F64:
        """Return (3,3) world -> head: the first face part's transform without scale and shear (polar decomposition).

        Of a transform that mirrors, what is left after mirroring left and right, which a head survives best.
        """
        if not self.face_parts:
            return np.eye(3)
        u, _, vh = np.linalg.svd(self.face_parts[0].transform[:3, :3])
        turn: F64 = u @ vh
        mirrored = np.linalg.det(turn) < 0.0
        return (turn @ np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0])).T

    def with_camera(self, camera: Camera) -> "Scene":
        """Return the scene seen by another camera."""
        return replace(self, camera=camera)


def _box(points: F64) -> F64:
    """Return (2,3), read-only: the lowest and the highest corner of (N,3) points."""
    box = np.stack([points.min(axis=0), points.max(axis=0)])
    box.setflags(write=False)
    return box


def affine(matrix: ArrayLike) -> F64:
    """Return `matrix` as (4,4) float64, checked to be finite, affine and invertible (InputError)."""
    m = np.array(matrix, np.float64)
    if m.shape != (4, 4) or not np.isfinite(m).all() or not np.allclose(m[3], (0, 0, 0, 1)):
        raise InputError("a transform must be a finite, affine 4x4 matrix (column vectors).")
    if is_flat(m[:3, :3]):
        raise InputError("a transform must be invertible.")
    return m


def is_flat(matrix: F64) -> bool:
    """Return whether a (3,3) matrix leaves no volume of anything, but for rounding."""
    scale = np.linalg.norm(matrix, axis=0).prod()
    return bool(abs(np.linalg.det(matrix)) <= 1e-12 * scale)


def smooth_normals(positions: NDArray[Any], triangles: NDArray[Any]) -> F32:
    """Return (N,3) unit vertex normals, weighted by angle (Thuermer & Wuethrich 1998).

    Vertices at exactly the same place share their normal, so that UV seams do not show. Vertices of no
    triangle, and those whose normals cancel, get +y.
    """
    p = np.asarray(positions, np.float64)
    t = np.asarray(triangles, np.int64)
    corners = p[t]  # (M,3,3)
    # Degenerate triangles get weight 0 and do not disturb their neighbours.
    face = normalized(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), fallback=(0, 0, 0))
    order = np.lexsort((p + 0.0).T)  # + 0.0 makes -0.0 equal to 0.0; quicker than np.unique of rows
    place = np.empty(len(p), np.int64)
    place[order] = np.cumsum(np.any(np.diff(p[order], axis=0, prepend=p[order[:1]]) != 0.0, axis=1))
    total = np.zeros((int(place.max()) + 1, 3))
    for corner in range(3):
        a = normalized(corners[:, (corner + 1) % 3] - corners[:, corner], fallback=(0, 0, 0))
        b = normalized(corners[:, (corner + 2) % 3] - corners[:, corner], fallback=(0, 0, 0))
        angle = np.arccos(np.clip(np.einsum("ij,ij->i", a, b), -1.0, 1.0))
        for axis in range(3):
            total[:, axis] += np.bincount(place[t[:, corner]], angle * face[:, axis], len(total))
    return normalized(total)[place].astype(np.float32)


def normalized(vectors: NDArray[Any], fallback: Vec3 = (0.0, 1.0, 0.0)) -> F64:
    """Return (N,3) vectors scaled to length 1; those too short for a direction become `fallback`."""
    v = np.asarray(vectors, np.float64)
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.where(length > 1e-30, v / np.maximum(length, 1e-30), np.array(fallback, np.float64))
