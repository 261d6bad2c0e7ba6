"""Loading what is drawn from any file that trimesh reads, and deciding which part of it is the face.

trimesh hands over vertices as they are in the file (`process=False`); it puts v = 0 at the bottom of the
image for every format, which is our convention as well. It guesses, logs and goes on where a file is broken,
so everything it returns is checked here.
"""

import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from app.errors import InputError
from app.scene.checks import F64, Vec3
from app.scene.gltf import SUFFIXES as GLTF_SUFFIXES
from app.scene.gltf import Gltf, Placed, TextureLayout, load_glb_lights, read_gltf, simplified
from app.scene.gltf_materials import gltf_material, own_numbers
from app.scene.model import (
    DEFAULT_ALBEDO,
    SKIN_MEAN_FREE_PATH,
    Material,
    Mesh,
    Part,
    normalized,
    smooth_normals,
)
from app.scene.obj_materials import load_obj_materials
from app.scene.text_files import MaterialNames, decode, with_absolute_indices
from app.scene.texture_files import open_texture, srgb_to_linear
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

__all__ = ["MAX_TRIANGLES", "MESH_SUFFIXES", "load_glb_lights", "load_mesh"]

MAX_TRIANGLES = 5_000_000
_FACE_NAME = re.compile(r"skin|(?<!sur)(?<!inter)face", re.IGNORECASE)  # but not "surface"
_NAMED = 4  # face parts that a warning names, at most
_V_UPWARDS = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 1.0], [0.0, 0.0, 1.0]])  # between glTF's UVs and ours
_NO_MESHES = {"dxf", "xyz", "stl_ascii", "zip", "bz2", "tar.gz", "tar.bz2"}  # drawings, points, archives
MESH_SUFFIXES = tuple(sorted(f".{kind}" for kind in set(trimesh.available_formats()) - _NO_MESHES))


@dataclass
class _Loaded:
    """A part before its checks; uvs are None where the file has none."""

    name: str
    positions: NDArray[Any]
    triangles: NDArray[Any]
    normals: NDArray[Any] | None
    uvs: NDArray[Any] | None
    transform: F64
    material: Material
    own: Mapping[str, Any] = field(default_factory=dict)  # fields of the material that the file sets in words of ours
    uv_matrix: F64 | None = None  # (3,3), from UVs to where textures lie on the mesh, if elsewhere


def load_mesh(path: str | Path, face: Sequence[str] | None = None) -> list[Part]:
    """Read the parts of a mesh file.

    With `face`, the face is the parts whose own or material's name equals (or else contains) one of its
    words. Without, it is those whose material's name, or else own name, contains "skin" or "face", or else
    the only part there is. It gets subsurface scattering, unless the file sets it itself (`own_numbers`).
    Parts without normals get smooth ones; parts without UVs get zeros, unless they are face.

    Lengths are those of the file, whatever its unit.

    Args:
        path: .glb, .gltf, .obj, .ply, or whatever else trimesh reads.
        face: names given by the user, upper or lower case.

    Warns (`warnings.warn`) about things that can be drawn but will not look right.

    Raises:
        InputError: the file is missing, damaged, empty, too big, or has no usable face.
    """
    path = Path(path)
    _check_file(path)
    try:
        gltf = read_gltf(path) if path.suffix.lower() in GLTF_SUFFIXES else None
        loaded = _load_gltf(gltf) if gltf else _load_other(path)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{path}: is too big for this machine's memory.") from None
    except ModuleNotFoundError:  # trimesh looks for a package that guesses encodings
        raise InputError(f"{path}: is damaged or not a valid {path.suffix} file (it is not text).") from None
    except Exception as error:  # trimesh and malformed JSON raise anything
        detail = " ".join(str(error).split())[:160]
        raise InputError(
            f"{path}: is damaged or not a valid {path.suffix} file ({type(error).__name__}: {detail})."
        ) from None
    if not loaded:
        raise InputError(f"{path}: contains no triangles.")
    total = sum(len(part.triangles) for part in loaded)
    if total > MAX_TRIANGLES:
        raise InputError(f"{path}: has {total:,} triangles; at most {MAX_TRIANGLES:,} can be drawn.")
    _make_names_unique(loaded)
    chosen = _choose_face(loaded, face or (), path)
    kept = [(part, mesh, i in chosen) for i, part in enumerate(loaded) if (mesh := _mesh(part, i in chosen, path))]
    if not kept:
        raise InputError(f"{path}: all of its triangles have no area.")
    if not any(is_face for _, _, is_face in kept):
        raise InputError(f"{path}: all triangles of its face have no area.")
    parts = []
    for part, mesh, is_face in kept:
        material = part.material
        if is_face:
            if material.alpha_mode != "opaque" or max(material.emission) > 0.0:
                warnings.warn(
                    f"{path}: part {part.name!r} is face: it is drawn opaque and does not glow.", stacklevel=2
                )
            material = _as_skin(material, part.own)
        try:
            parts.append(Part(part.name, mesh, material, is_face, part.transform))
        except InputError as error:
            raise InputError(f"{path}: part {part.name!r}: {error.message}") from None
    _check_layout([part for part in parts if part.face], path)
    return facing_outwards(parts, path)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a mesh file.")
    if not path.is_file():
        raise InputError(f"{path}: no such mesh file.")
    if path.suffix.lower() not in MESH_SUFFIXES:
        known = ", ".join(suffix[1:] for suffix in MESH_SUFFIXES)
        raise InputError(f"{path}: has an unknown kind of file name; mesh files are {known}.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence trimesh's log and numpy's warnings about broken files: the checks here say it better."""
    logger = logging.getLogger("trimesh")  # its modules' loggers take their level from this one
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _load_gltf(gltf: Gltf) -> list[_Loaded]:
    data, kind, placed = simplified(gltf, MAX_TRIANGLES)
    with _quiet():
        scene = trimesh.load_scene(
            io.BytesIO(data),
            file_type=kind,
            resolver=trimesh.resolvers.FilePathResolver(str(gltf.path.absolute()), allow_anywhere=True),
            process=False,
        )
    order = {node: number for number, node in enumerate(placed)}
    materials: dict[int, Material] = {}

    def material(part: Placed, geometry: Any) -> Material:
        color = _vertex_color(geometry, linear=True)
        if part.material is None:
            return Material(albedo=color or DEFAULT_ALBEDO)
        if part.material not in materials:
            materials[part.material] = gltf_material(gltf, part.material, geometry.visual.material)
        found = materials[part.material]
        if color is None or found.albedo_map is not None:
            return found
        r, g, b = (a * c for a, c in zip(found.albedo, color, strict=True))
        return replace(found, albedo=(r, g, b))

    def own(part: Placed) -> Mapping[str, Any]:
        return {} if part.material is None else own_numbers(gltf, part.material)

    def uv_matrix(part: Placed) -> F64 | None:
        source = {} if part.material is None else gltf.header["materials"][part.material]
        matrix = TextureLayout.of_material(source).matrix
        return None if np.array_equal(matrix, np.eye(3)) else _V_UPWARDS @ matrix @ _V_UPWARDS

    parts = []
    for node, geometry, transform in sorted(_geometries(scene), key=lambda found: order[found[0]]):
        part = placed[node]
        loaded = _loaded(part.name, geometry, transform, material(part, geometry), own(part))
        parts.append(replace(loaded, uv_matrix=uv_matrix(part)))
    return parts


def _load_other(path: Path) -> list[_Loaded]:
    suffix = path.suffix.lower()
    materials = load_obj_materials(path) if suffix == ".obj" else {}
    texture = _ply_texture(path) if suffix == ".ply" else None
    data = path.read_bytes()
    options: dict[str, Any] = {"file_type": suffix[1:], "resolver": MaterialNames(path.name, materials)}
    if suffix == ".obj":
        data = with_absolute_indices(decode(data)).encode()
        options["split_objects"] = True
    elif suffix == ".ply":
        head, end, body = data.partition(b"end_header")
        data = decode(head).encode("ascii", "replace") + end + body
    with _quiet():
        scene = trimesh.load_scene(io.BytesIO(data), process=False, **options)
    loaded = []
    for node, geometry, transform in _geometries(scene):
        name = path.stem if node in (path.name, "geometry_0") else node  # as trimesh names a nameless part
        used = getattr(geometry.visual, "material", None)
        material = materials.get(getattr(used, "name", None) or "")
        if material is None and texture is not None:
            material = Material(albedo=(1.0, 1.0, 1.0), albedo_map=open_texture(texture, path, srgb=True))
        if material is None:
            material = Material(albedo=_vertex_color(geometry, linear=False) or DEFAULT_ALBEDO)
        loaded.append(_loaded(name, geometry, transform, material))
    return loaded[::-1] if suffix == ".obj" else loaded  # trimesh collects an OBJ's parts from the end


def _geometries(scene: Any) -> Iterator[tuple[str, Any, F64]]:
    """Yield (node name, trimesh, (4,4) transform) of everything in the scene that has triangles."""
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
            yield str(node), geometry, np.array(transform, np.float64)


def _loaded(
    name: str, geometry: Any, transform: F64, material: Material, own: Mapping[str, Any] | None = None
) -> _Loaded:
    # The attribute `vertex_normals` computes what is missing; only the cache tells whether the file had any.
    normals = geometry.vertex_normals if "vertex_normals" in geometry._cache else None
    return _Loaded(
        name,
        np.asarray(geometry.vertices),
        np.asarray(geometry.faces),
        None if normals is None else np.asarray(normals),
        getattr(geometry.visual, "uv", None),
        transform,
        material,
        own or {},
    )


def _vertex_color(geometry: Any, linear: bool) -> Vec3 | None:
    """Return the mean vertex colour as linear albedo, or None where the file has none."""
    visual = geometry.visual
    if visual.kind == "texture":
        # Beside a texture layout trimesh keeps glTF's colours with the layout, PLY's with the mesh.
        colors = visual.vertex_attributes.get("color")
        colors = geometry.vertex_attributes.get("color") if colors is None else colors
    else:
        colors = visual.vertex_colors if visual.defined else None
    if colors is None or len(colors) == 0:
        return None
    value = np.asarray(colors)[:, :3].astype(np.float64)
    if np.issubdtype(np.asarray(colors).dtype, np.integer):
        value /= np.iinfo(np.asarray(colors).dtype).max
    mean = np.clip((value if linear else srgb_to_linear(value)).mean(axis=0), 0.0, 1.0)
    return float(mean[0]), float(mean[1]), float(mean[2])


def _ply_texture(path: Path) -> Path | None:
    """Return the image that a "comment TextureFile" line in the header names."""
    with path.open("rb") as file:
        for line in file:
            text = decode(line).strip()
            if text == "end_header":
                break
            if match := re.match(r"comment\s+texturefile\s+(.+)", text, re.IGNORECASE):
                return path.parent / match[1]
    return None


def _make_names_unique(loaded: list[_Loaded]) -> None:
    seen: set[str] = set()
    for part in loaded:
        name, number = part.name, 2
        while part.name in seen:
            part.name, number = f"{name}_{number}", number + 1
        seen.add(part.name)


def _choose_face(loaded: list[_Loaded], wanted: Sequence[str], path: Path) -> set[int]:
    """Return the indices of the parts that are face; InputError lists the parts where there is none."""
    names = [(part.name, part.material.name) for part in loaded]
    listing = ", ".join(f"{part} (material {material})" if material else part for part, material in names)
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


def _mesh(part: _Loaded, is_face: bool, path: Path) -> Mesh | None:
    """Return the checked mesh of a part, or None if no triangle has an area."""
    where = f"{path}: part {part.name!r}"
    if not is_face and not part.transform[:3, :3].any():  # how glTF files hide things
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


def _laid_out(
    uvs: NDArray[np.float32], triangles: NDArray[Any], matrix: F64 | None, is_face: bool, where: str
) -> NDArray[np.float32]:
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


def _as_skin(material: Material, own: Mapping[str, Any]) -> Material:
    """Return the material with scattering below the surface, unless the file says how much in words of ours."""
    return replace(material, **{"subsurface": 1.0, "mean_free_path": SKIN_MEAN_FREE_PATH, "metallic": 0.0, **own})


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
