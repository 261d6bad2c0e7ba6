"""Reading the parts of any mesh file that trimesh reads, as they are in it.

trimesh hands over vertices as they are in the file (`process=False`); it puts v = 0 at the bottom of the
image for every format, which is our convention as well. It guesses, logs and goes on where a file is broken,
so `meshes.load_mesh` checks everything that comes from here.
"""

import io
import logging
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from app.arrays import F64
from app.errors import InputError
from app.scene.checks import Vec3, triple
from app.scene.gltf import SUFFIXES as GLTF_SUFFIXES
from app.scene.gltf import Gltf, Placed, TextureLayout, external_files, read_gltf, simplified
from app.scene.gltf_materials import gltf_material
from app.scene.model import DEFAULT_ALBEDO, Material
from app.scene.obj_materials import load_obj_materials, obj_material_files
from app.scene.ply_polygons import with_triangles
from app.scene.text_files import MaterialNames, decode, in_plain_lines
from app.scene.texture_files import Shared, find_file, open_texture, srgb_to_linear

MAX_TRIANGLES = 5_000_000
_V_UPWARDS = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 1.0], [0.0, 0.0, 1.0]])  # between glTF's UVs and ours
_NO_MESHES = {"dxf", "xyz", "stl_ascii", "zip", "bz2", "tar.gz", "tar.bz2"}  # drawings, points, archives
MESH_SUFFIXES = tuple(sorted(f".{kind}" for kind in set(trimesh.available_formats()) - _NO_MESHES))


@dataclass
class LoadedPart:
    """A part before its checks: arrays may have other shapes than here, and values that are not finite.

    Attributes:
        name: unlike that of all other parts of the file.
        positions, triangles: (N,3) and (M,3).
        normals, uvs: (N,3) and (N,2); None where the file has none.
        transform: (4,4).
        material: its own.
        of_face: fields that the material has as the file gives them, should the part be face (`gltf_material`).
        uv_matrix: (3,3), from UVs to where textures lie on the mesh; None where that is the same.
    """

    name: str
    positions: NDArray[Any]
    triangles: NDArray[Any]
    normals: NDArray[Any] | None
    uvs: NDArray[Any] | None
    transform: F64
    material: Material
    of_face: Mapping[str, Any] = field(default_factory=dict)
    uv_matrix: F64 | None = None


def read_parts(path: Path, groups: re.Pattern[str] | None = None) -> list[LoadedPart]:
    """Read the parts of a mesh file, at least one, each with triangles and a name of its own.

    Args:
        path: .glb, .gltf, .obj, .ply, or whatever else trimesh reads.
        groups: the groups ("g") of an OBJ file that has no objects ("o") are parts if this is found in a group's name,
            and in no material's.

    Warns (`warnings.warn`) about what cannot be drawn as the file says.

    Raises:
        InputError: the file is missing, damaged, empty or too big.
    """
    _check_file(path)
    try:
        gltf = read_gltf(path) if path.suffix.lower() in GLTF_SUFFIXES else None
        loaded = _load_gltf(gltf) if gltf else _load_other(path, groups)
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
    return loaded


def files_of(path: Path) -> tuple[Path, ...]:
    """Return a mesh file and the files that it is made of: materials, images, buffers. They may be missing.

    Of a file that cannot be read it is that file alone.
    """
    try:
        named = _named_files(path) if path.is_file() else []  # not a pipe, which would have to be waited for
    except Exception:  # malformed files raise anything; `read_parts` says what is wrong
        named = []
    return tuple(dict.fromkeys([path, *named]))


def _named_files(path: Path) -> list[Path]:
    suffix = path.suffix.lower()
    if suffix in GLTF_SUFFIXES:
        return external_files(read_gltf(path))
    if suffix == ".obj":
        return obj_material_files(path)
    texture = _ply_texture(path) if suffix == ".ply" else None
    return [] if texture is None else [texture]


def _check_file(path: Path) -> None:
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # a name that is too long, or a folder that nobody may look into
        raise InputError(f"{path}: no such mesh file ({error.strerror}).") from None
    if is_folder:
        raise InputError(f"{path}: is a folder, not a mesh file.")
    if not is_file:
        raise InputError(f"{path}: no such mesh file.")
    if path.suffix.lower() not in MESH_SUFFIXES:
        known = ", ".join(suffix[1:] for suffix in MESH_SUFFIXES)
        raise InputError(f"{path}: has an unknown kind of file name; mesh files are {known}.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence trimesh's log and numpy's warnings about broken files: our own checks say it better."""
    logger = logging.getLogger("trimesh")  # its modules' loggers take their level from this one
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _load_gltf(gltf: Gltf) -> list[LoadedPart]:
    data, kind, placed = simplified(gltf, MAX_TRIANGLES)
    with _quiet():
        scene = trimesh.load_scene(
            io.BytesIO(data),
            file_type=kind,
            resolver=trimesh.resolvers.FilePathResolver(str(gltf.path.absolute()), allow_anywhere=True),
            process=False,
        )
    order = {node: number for number, node in enumerate(placed)}
    materials: dict[int, tuple[Material, dict[str, Any]]] = {}
    shared: Shared = {}

    def material(part: Placed, geometry: Any) -> tuple[Material, dict[str, Any]]:
        color = _vertex_color(geometry, linear=True)
        if part.material is None:
            return Material(albedo=color or DEFAULT_ALBEDO), {}
        if part.material not in materials:
            materials[part.material] = gltf_material(gltf, part.material, geometry.visual.material, shared)
        found, of_face = materials[part.material]
        if color is None or found.albedo_map is not None:
            return found, of_face
        if "albedo" in of_face:
            of_face = {**of_face, "albedo": triple(np.multiply(of_face["albedo"], color))}
        return replace(found, albedo=triple(np.multiply(found.albedo, color))), of_face

    def uv_matrix(part: Placed) -> F64 | None:
        source = {} if part.material is None else gltf.header["materials"][part.material]
        matrix = TextureLayout.of_material(source).matrix
        return None if np.array_equal(matrix, np.eye(3)) else _V_UPWARDS @ matrix @ _V_UPWARDS

    parts = []
    for node, geometry, transform in sorted(_geometries(scene), key=lambda found: order[found[0]]):
        part = placed[node]
        loaded = _loaded(part.name, geometry, transform, *material(part, geometry))
        parts.append(replace(loaded, uv_matrix=uv_matrix(part)))
    return parts


def _load_other(path: Path, groups: re.Pattern[str] | None) -> list[LoadedPart]:
    suffix = path.suffix.lower()
    materials = load_obj_materials(path) if suffix == ".obj" else {}
    texture = _ply_texture(path) if suffix == ".ply" else None
    data = path.read_bytes()
    options: dict[str, Any] = {"file_type": suffix[1:], "resolver": MaterialNames(path.name, materials)}
    if suffix == ".obj":
        text = in_plain_lines(decode(data))
        data = text.encode()
        options["split_objects"] = True
        options["split_groups"] = groups is not None and _is_of_groups(text, groups)
    elif suffix == ".ply":
        head, end, body = data.partition(b"end_header")
        try:
            data = with_triangles(decode(head).encode("ascii", "replace") + end + body)
        except struct.error:
            raise InputError(f"{path}: is truncated: it ends before its last face does.") from None
    with _quiet():
        scene = trimesh.load_scene(io.BytesIO(data), process=False, **options)
    for geometry in scene.geometry.values():
        _check_all_there(geometry, path)
    loaded = []
    for node, geometry, transform in _geometries(scene):
        name = path.stem if node in (path.name, "geometry_0") else node  # as trimesh names a nameless part
        used = getattr(geometry.visual, "material", None)
        material = materials.get(getattr(used, "name", None) or "")
        if material is None and texture is not None:
            material = Material(albedo=(1.0, 1.0, 1.0), albedo_map=open_texture(texture, path, srgb=True))
        if material is None:
            material = Material(albedo=_vertex_color(geometry, linear=False) or DEFAULT_ALBEDO)
        elif material.albedo_map is None and any(color := _vertex_color(geometry, linear=False) or ()):
            material = replace(material, albedo=triple(np.multiply(material.albedo, color)))
        loaded.append(_loaded(name, geometry, transform, material))
    return loaded[::-1] if suffix == ".obj" else loaded  # trimesh collects an OBJ's parts from the end


def _is_of_groups(obj: str, wanted: re.Pattern[str]) -> bool:
    """Return whether an OBJ file has groups but no objects, and a group's name has what is wanted, no material's has.

    Many programs write a group for each thing there is; others one for each patch of a sculpture.
    """
    named = re.findall(r"^usemtl (.+)", obj, re.MULTILINE)
    if re.search(r"^o ", obj, re.MULTILINE) or any(wanted.search(name) for name in named):
        return False
    groups = (group.partition("\n") for group in re.split(r"^g ", obj, flags=re.MULTILINE)[1:])
    return any(wanted.search(name) for name, _, lines in groups if re.search(r"^f ", lines, re.MULTILINE))


def _check_all_there(geometry: Any, path: Path) -> None:
    """Raise InputError if a PLY file ends too soon, which trimesh notices in binary ones only."""
    for name, element in geometry.metadata.get("_ply_raw", {}).items():
        data = element.get("data", {})
        rows = min(map(len, data.values()), default=0) if isinstance(data, dict) else len(data)
        if name in ("vertex", "face") and rows < element["length"]:
            raise InputError(f"{path}: is truncated: {rows:,} of {element['length']:,} {name} lines.")


def _geometries(scene: Any) -> Iterator[tuple[str, Any, F64]]:
    """Yield (node name, trimesh, (4,4) transform) of everything in the scene that has triangles."""
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
            yield str(node), geometry, np.array(transform, np.float64)


def _loaded(
    name: str, geometry: Any, transform: F64, material: Material, of_face: Mapping[str, Any] | None = None
) -> LoadedPart:
    # The attribute `vertex_normals` computes what is missing; only the cache tells whether the file had any.
    normals = geometry.vertex_normals if "vertex_normals" in geometry._cache else None
    return LoadedPart(
        name,
        np.asarray(geometry.vertices),
        np.asarray(geometry.faces),
        None if normals is None else np.asarray(normals),
        getattr(geometry.visual, "uv", None),
        transform,
        material,
        of_face or {},
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
    used = np.unique(geometry.faces)  # parts of one file may share their vertices
    if len(colors) != len(geometry.vertices):  # a PLY's that has been cut up at UV seams
        used = np.arange(len(colors))
    value = np.asarray(colors)[used, :3].astype(np.float64)
    if np.issubdtype(np.asarray(colors).dtype, np.integer):
        value /= np.iinfo(np.asarray(colors).dtype).max
    mean = np.clip((value if linear else srgb_to_linear(value)).mean(axis=0), 0.0, 1.0)
    return triple(mean)


def _ply_texture(path: Path) -> Path | None:
    """Return the image that a "comment TextureFile" line in the header names."""
    with path.open("rb") as file:
        for line in file:
            text = decode(line).strip()
            if text == "end_header":
                break
            if match := re.match(r"comment\s+texturefile\s+(.+)", text, re.IGNORECASE):
                return find_file(match[1], path)
    return None


def _make_names_unique(loaded: list[LoadedPart]) -> None:
    seen: set[str] = set()
    for part in loaded:
        name, number = part.name, 2
        while part.name in seen:
            part.name, number = f"{name}_{number}", number + 1
        seen.add(part.name)
