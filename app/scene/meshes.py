"""The parts of a mesh file, checked, and which of them are the face."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import F32, F64
from app.errors import InputError
from app.scene.mesh_files import LoadedPart, read_parts
from app.scene.model import SKIN_MEAN_FREE_PATH, Material, Mesh, Part, is_flat, normalized, smooth_normals
from app.scene.uv_checks import (
    COVER_LIMIT,
    LAYERS_LIMIT,
    OVERLAP_LIMIT,
    layers,
    outside_unit_square,
    overlap_share,
    whole_tile,
)
from app.scene.winding import facing_outwards

_FACE_NAME = re.compile(r"skin|(?<!sur)(?<!inter)face(?!t)", re.IGNORECASE)  # but not "surface"
_NAMED = 4  # face parts that a warning names, at most
_ALIKE = 0.5  # cosine
_LISTED = 20  # parts to choose from that an error names


def load_mesh(path: str | Path, face: Sequence[str] | None = None) -> list[Part]:
    """Read the parts of a mesh file.

    With `face`, the face is the parts whose own or material's name equals (or else contains) one of its
    words. Without, it is those whose material's name, or else own name, contains "skin" or "face", or else
    the only part there is. It gets subsurface scattering, unless the file sets it itself
    (`gltf_materials.own_numbers`). Parts without normals get smooth ones; parts without UVs get zeros, unless they are
    face.

    Lengths are those of the file, whatever its unit.

    Args:
        path: .glb, .gltf, .obj, .ply, or whatever else trimesh reads.
        face: names given by the user, upper or lower case.

    Warns (`warnings.warn`) about things that can be drawn but will not look right.

    Raises:
        InputError: the file is missing, damaged, empty, too big, or has no usable face.
    """
    path = Path(path)
    named = re.compile("|".join(map(re.escape, face)), re.IGNORECASE) if face else _FACE_NAME
    loaded = read_parts(path, named)
    chosen = _choose_face(loaded, face or (), path)
    kept = [(part, mesh, i in chosen) for i, part in enumerate(loaded) if (mesh := _mesh(part, i in chosen, path))]
    if not kept:
        raise InputError(f"{path}: all of its triangles have no area.")
    if not any(is_face for _, _, is_face in kept):
        raise InputError(f"{path}: all triangles of its face have no area.")
    parts = []
    for part, mesh, is_face in _smooth_together(kept):
        material = part.material
        if is_face:
            if material.alpha_mode != "opaque" or material.transmission > 0.0 or max(material.emission) > 0.0:
                warnings.warn(
                    f"{path}: part {part.name!r} is face: it is drawn opaque and does not glow.", stacklevel=2
                )
            material = _as_skin(material, part.of_face)
        try:
            parts.append(Part(part.name, mesh, material, is_face, part.transform))
        except InputError as error:
            raise InputError(f"{path}: part {part.name!r}: {error.message}") from None
    _check_layout([part for part in parts if part.face], path)
    return facing_outwards(parts, path)


def _choose_face(loaded: list[LoadedPart], wanted: Sequence[str], path: Path) -> set[int]:
    """Return the indices of the parts that are face; InputError lists the parts where there is none."""
    names = [(part.name, part.material.name) for part in loaded]
    more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
    listed = [f"{part} (material {material})" if material else part for part, material in names[:_LISTED]]
    listing = ", ".join(listed + more)
    if wanted:
        chosen: set[int] = set()
        for word in wanted:
            low = word.lower()
            exact = {i for i, pair in enumerate(names) if low in (name.lower() for name in pair)}
            found = exact or {i for i, pair in enumerate(names) if any(low in name.lower() for name in pair)}
            if not found or not low:
                raise InputError(f"{path}: --face {word}: there is no such part; the parts are {listing}.")
            chosen |= found
        return chosen
    for column in (1, 0):  # materials say it best: a part "face_eyes" of material "eyes" is not skin
        found = {i for i, pair in enumerate(names) if _FACE_NAME.search(pair[column])}
        if found:
            return found
    if len(loaded) == 1:
        return {0}
    raise InputError(f"{path}: no part is called skin or face; choose it with --face NAME from {listing}.")


def _mesh(part: LoadedPart, is_face: bool, path: Path) -> Mesh | None:
    """Return the checked mesh of a part, or None if no triangle has an area."""
    where = f"{path}: part {part.name!r}"
    if not is_face and is_flat(part.transform[:3, :3]):
        if part.transform[:3, :3].any():  # else it is hidden, as glTF files do it
            warnings.warn(f"{where} is flattened by its transform: it is left out.", stacklevel=3)
        return None
    if part.positions.ndim != 2 or part.positions.shape[1] != 3 or part.triangles.shape[1:] != (3,):
        raise InputError(
            f"{where} is damaged: not every vertex has three coordinates, or not every triangle three corners."
        )
    with np.errstate(over="ignore"):  # what is too big for float32 becomes infinite, and is refused
        positions = part.positions.astype(np.float32)
    if not np.isfinite(positions).all():
        raise InputError(f"{where} has vertex positions that are not finite numbers.")
    low, high = int(part.triangles.min()), int(part.triangles.max())
    if low < 0 or high >= len(positions):
        raise InputError(f"{where} has triangle indices {low}..{high}, but only {len(positions)} vertices.")
    corners = positions.astype(np.float64)[part.triangles]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.linalg.norm(np.cross(a, b), axis=1)
    edge = np.maximum((a * a).sum(axis=1), (b * b).sum(axis=1))
    triangles = part.triangles[area > 1e-12 * edge]
    if not len(triangles):
        return None
    with np.errstate(over="ignore"):
        uvs = None if part.uvs is None else np.asarray(part.uvs).astype(np.float32)
    if uvs is not None and (uvs.shape != (len(positions), 2) or not np.isfinite(uvs).all()):
        raise InputError(f"{where} has texture coordinates that are not finite numbers, one pair a vertex.")
    if is_face and (uvs is None or np.ptp(uvs[triangles].reshape(-1, 2), axis=0).min() < 1e-6):
        raise InputError(f"{where} is the face but has no texture coordinates (UVs), which choose its networks.")
    if uvs is not None:
        uvs = _laid_out(uvs, triangles, part.uv_matrix, is_face, where)
    normals = smooth_normals(positions, triangles)
    if part.normals is not None:
        given = np.asarray(part.normals, np.float64)
        usable = np.isfinite(given).all(axis=1) & (np.linalg.norm(np.nan_to_num(given), axis=1) > 1e-6)
        normals = np.where(usable[:, None], normalized(np.nan_to_num(given)), normals).astype(np.float32)
    return Mesh.of(positions, triangles, normals, uvs)


def _smooth_together(kept: list[tuple[LoadedPart, Mesh, bool]]) -> list[tuple[LoadedPart, Mesh, bool]]:
    """Return the parts with the face's smooth normals the same on both sides where its parts meet.

    These are parts whose normals are not in the file; those of different transforms stay as they are, and so does a
    normal that the other part would turn away, as one does whose triangles look inwards.
    """
    together: dict[bytes, list[int]] = {}
    for i, (part, _, is_face) in enumerate(kept):
        if is_face and part.normals is None:
            together.setdefault(part.transform.tobytes(), []).append(i)
    smoothed = list(kept)
    for group in (group for group in together.values() if len(group) > 1):
        meshes = [kept[i][1] for i in group]
        starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
        triangles = [mesh.triangles + start for mesh, start in zip(meshes, starts[:-1], strict=True)]
        normals = smooth_normals(np.concatenate([mesh.positions for mesh in meshes]), np.concatenate(triangles))
        for i, mesh, own in zip(group, meshes, np.split(normals, starts[1:-1]), strict=True):
            alike = (own * mesh.normals).sum(axis=1, keepdims=True) > _ALIKE
            smoothed[i] = kept[i][0], replace(mesh, normals=np.where(alike, own, mesh.normals)), True
    return smoothed


def _laid_out(uvs: F32, triangles: NDArray[Any], matrix: F64 | None, is_face: bool, where: str) -> F32:
    """Return the texture coordinates at which a part's textures are looked up; a face's stay in 0..1 if they were."""
    moved = uvs if matrix is None else (uvs @ matrix[:2, :2].T + matrix[:2, 2]).astype(np.float32)
    if not is_face:
        return moved
    moved = moved - whole_tile(moved, triangles)  # textures repeat, so this changes no colour
    uvs = uvs - whole_tile(uvs, triangles)
    if matrix is not None and outside_unit_square(moved[triangles]) and not outside_unit_square(uvs[triangles]):
        warnings.warn(
            f"{where} repeats its textures (KHR_texture_transform), which is not done on a face:"
            " they lie as its UVs say.",
            stacklevel=3,
        )
        return uvs
    return moved


def _as_skin(material: Material, given: Mapping[str, Any]) -> Material:
    """Return the material with scattering below the surface, unless the file says how much in words of ours.

    It is neither clear nor does it glow: networks know no such face, and the reference is of the same one.
    """
    skin: dict[str, Any] = {"subsurface": 1.0, "mean_free_path": SKIN_MEAN_FREE_PATH, "metallic": 0.0}
    return replace(material, **{**skin, "transmission": 0.0, "emission": (0.0, 0.0, 0.0), **given})


def _check_layout(face: list[Part], path: Path) -> None:
    """Warn where not every place of the face has a place of its own in 0..1; InputError where hardly any has."""
    more = [f"{len(face) - _NAMED} more"] if len(face) > _NAMED else []
    names = " and ".join([*(repr(part.name) for part in face[:_NAMED]), *more])
    layouts = [(part.mesh.uvs, part.mesh.triangles) for part in face]
    unwrap = "Unwrap it, so that every place of the face has a place of its own in 0..1."
    deep = layers(layouts)
    if deep > LAYERS_LIMIT:
        raise InputError(
            f"{path}: UVs of face {names} lie in {deep:.0f} layers over each other.",
            unwrap,
        )
    consequence = f"its tile hash and light cache will be wrong there. {unwrap}"
    if any(outside_unit_square(uvs[triangles]) for uvs, triangles in layouts):
        warnings.warn(f"{path}: UVs of face {names} leave 0..1; {consequence}", stacklevel=3)
    share = overlap_share(layouts)
    if share > OVERLAP_LIMIT:
        advice = " Or name the head's part alone with --face." if len(face) > 1 else ""
        warnings.warn(
            f"{path}: UVs of face {names} overlap on {share:.0%} of their area; {consequence}{advice}", stacklevel=3
        )
    elif deep < COVER_LIMIT:
        warnings.warn(
            f"{path}: UVs of face {names} cover {100.0 * deep:.2g}% of 0..1 only; light and networks will be coarse.",
            stacklevel=3,
        )
