"""What trimesh does not read of glTF 2.0 files: exact factors, extensions of materials, and punctual lights.

The header is also put into a plainer, equivalent form before trimesh reads it (`simplified`), so that every
part can be traced back to its node and material, and nothing is lost on the way.
"""

import copy
import json
import math
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from app.arrays import F64
from app.errors import InputError
from app.scene.gltf_geometry import FAN, STRIP, TRIANGLES, Geometry
from app.scene.lights import DirectionalLight, Light, PointLight
from app.scene.model import Wrap

# glTF lights are photometric (candela, lux), ours radiometric. 683 lm/W is the efficacy of green light, and
# the factor Blender's exporter multiplies its watts with; so a file from there comes back as it was.
LUMENS_PER_WATT = 683.0

SUFFIXES = (".glb", ".gltf")
_UNSUPPORTED = {
    "EXT_meshopt_compression": "meshopt compression",
    "KHR_meshopt_compression": "meshopt compression",
    "KHR_texture_basisu": "Basis Universal textures",
}
# Of what a file says nobody can do without; of materials' extensions only looks depend.
_KNOWN = (
    "KHR_draco_mesh_compression",
    "KHR_lights_punctual",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "EXT_texture_webp",
)
SPECULAR = "bungyo specular"  # what a material of the archived kind reflects: a factor on the colours of that map
GLOSSINESS = "bungyo glossiness"  # marks a map whose alpha, times the roughness factor, is 1 - roughness
WRAP_MODES: dict[Wrap, int] = {"repeat": 10497, "mirror": 33648, "clamp": 33071}  # of samplers
_JSON, _BIN = 0x4E4F534A, 0x004E4942


@dataclass(frozen=True)
class Gltf:
    """A glTF file: its JSON header and the binary chunk (empty for .gltf)."""

    path: Path
    header: dict[str, Any]
    binary: bytes


@dataclass(frozen=True)
class Placed:
    """Where a part comes from: its name for people, and the index of its material (None: it has none)."""

    name: str
    material: int | None


@dataclass(frozen=True)
class TextureLayout:
    """Where a material's textures lie on a mesh.

    Attributes:
        uv_set: which of the mesh's texture coordinates they are looked up at.
        matrix: (3,3), what these are multiplied with before (KHR_texture_transform); v = 0 is the image's upper edge.
    """

    uv_set: int
    matrix: F64

    @staticmethod
    def of(reference: Mapping[str, Any]) -> "TextureLayout":
        """Return that of one texture, as a material refers to it."""
        transform = reference.get("extensions", {}).get("KHR_texture_transform", {})
        x, y = transform.get("scale", (1.0, 1.0))
        u, v = transform.get("offset", (0.0, 0.0))
        cos, sin = math.cos(transform.get("rotation", 0.0)), math.sin(transform.get("rotation", 0.0))
        # Counter-clockwise where v points down: the specification's text and example, not its listing (glTF #1563).
        matrix = np.array([[cos * x, sin * y, u], [-sin * x, cos * y, v], [0.0, 0.0, 1.0]])
        return TextureLayout(transform.get("texCoord", reference.get("texCoord", 0)), matrix)

    @staticmethod
    def of_material(material: Mapping[str, Any]) -> "TextureLayout":
        """Return that of the first texture that the material has of those that are drawn."""
        pbr = material.get("pbrMetallicRoughness", {})
        references = [pbr.get("baseColorTexture"), material.get("normalTexture"), pbr.get("metallicRoughnessTexture")]
        return TextureLayout.of(next((reference for reference in references if reference is not None), {}))

    def matches(self, other: "TextureLayout") -> bool:
        """Return whether both are the same place."""
        return self.uv_set == other.uv_set and np.allclose(self.matrix, other.matrix, atol=1e-6)


def read_gltf(path: Path) -> Gltf:
    """Read the container and check its structure; InputError says what is wrong."""
    data = path.read_bytes()
    if path.suffix.lower() == ".gltf":
        return Gltf(path, _parse_header(data, path), b"")
    if len(data) < 20 or data[:4] != b"glTF":
        raise InputError(f"{path}: is not a GLB file.")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise InputError(f"{path}: is glTF version {version}; only version 2 is supported.")
    if length > len(data):
        raise InputError(f"{path}: is truncated: {len(data)} of {length} bytes.")
    chunks: dict[int, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", data, at)
        if at + 8 + size > len(data):
            raise InputError(f"{path}: is truncated inside a chunk.")
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if _JSON not in chunks:
        raise InputError(f"{path}: is a GLB file without a JSON chunk.")
    return Gltf(path, _parse_header(chunks[_JSON], path), chunks.get(_BIN, b""))


def external_files(gltf: Gltf) -> list[Path]:
    """Return the files that a glTF file's images and buffers are in, whether they are there or not."""
    items = [*gltf.header.get("images", ()), *gltf.header.get("buffers", ())]
    return [gltf.path.parent / name for item in items if (name := _external(item)) is not None]


def texture_wrap(header: Mapping[str, Any], reference: Mapping[str, Any]) -> tuple[Wrap, Wrap]:
    """Return how a texture that a material refers to goes on beyond 0..1, along u and v.

    Raises KeyError, IndexError or TypeError on malformed files.
    """
    sampler = header["textures"][reference["index"]].get("sampler")
    modes = {} if sampler is None else header["samplers"][sampler]
    names = {mode: name for name, mode in WRAP_MODES.items()}
    return names[modes.get("wrapS", WRAP_MODES["repeat"])], names[modes.get("wrapT", WRAP_MODES["repeat"])]


def node_transforms(header: dict[str, Any]) -> dict[int, F64]:
    """Return {node index: (4,4) node -> world} for the nodes of the default scene, in the file's order.

    Raises ValueError where the nodes do not form a tree, and KeyError, IndexError or TypeError on malformed
    files.
    """
    nodes = header.get("nodes", [])
    world: dict[int, F64] = {}
    queue = [(root, np.eye(4)) for root in reversed(_roots(header))]
    while queue:
        index, parent = queue.pop()
        if index in world:
            raise ValueError(f"node {index} has two parents")
        world[index] = parent @ _local_transform(nodes[index])
        queue.extend((child, world[index]) for child in reversed(nodes[index].get("children", ())))
    return world


def simplified(gltf: Gltf, max_triangles: int) -> tuple[bytes, str, dict[str, Placed]]:
    """Return the file rewritten for trimesh, its type ("glb" or "gltf"), and what the nodes' names stand for.

    One node a primitive, named uniquely; every primitive has a material, named by its index.

    Raises:
        InputError: what trimesh would misread or what is too big.
        KeyError, IndexError, TypeError, ValueError: the file is malformed.
    """
    path, header = gltf.path, copy.deepcopy(gltf.header)
    _check_needs(header, path)
    world = node_transforms(header)
    _check_meshes(header, world, path, max_triangles)
    geometry = Geometry(header, gltf.binary, path.parent, world)
    materials = header.setdefault("materials", [])
    layouts = [TextureLayout.of_material(material) for material in materials]
    names = [str(material.get("name") or "") for material in materials]
    for index, material in enumerate(materials):
        material["name"] = str(index)
    materials.append({"name": str(len(names))})
    nodes: list[dict[str, Any]] = []
    meshes: list[dict[str, Any]] = []
    placed: dict[str, Placed] = {}
    for index in world:
        old = header["nodes"][index]
        if "mesh" not in old:
            continue
        mesh = header["meshes"][old["mesh"]]
        for number, primitive in enumerate(mesh["primitives"]):
            material = primitive.setdefault("material", len(names))
            title = str(old.get("name") or mesh.get("name") or f"part {index}")
            if len(mesh["primitives"]) > 1:
                title += "/" + (names[material] if material < len(names) and names[material] else str(number))
            key = f"part{len(nodes)}"
            placed[key] = Placed(title, material if material < len(names) else None)
            uv_set = layouts[material].uv_set if material < len(names) else 0
            if uv_set and f"TEXCOORD_{uv_set}" not in primitive["attributes"]:
                warnings.warn(
                    f"{path}: {title} lacks texture coordinates number {uv_set}, which its material"
                    " asks for; the first ones, number 0, are used.",
                    stacklevel=3,
                )
            plain, matrix = geometry.primitive(primitive, index, uv_set)
            nodes.append({"name": key, "mesh": len(meshes), "matrix": matrix.T.reshape(-1).tolist()})
            meshes.append({"primitives": [plain]})
    geometry.close()
    header |= {"nodes": nodes, "meshes": meshes, "scenes": [{"nodes": list(range(len(nodes)))}], "scene": 0}
    text = json.dumps(header).encode()
    if path.suffix.lower() == ".gltf":
        return text, "gltf", placed
    return pack_glb(text, gltf.binary), "glb", placed


def pack_glb(text: bytes, binary: bytes) -> bytes:
    """Return a binary glTF file of a JSON header and its buffer."""
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary))
    chunks = struct.pack("<II", len(text), _JSON), text, struct.pack("<II", len(binary), _BIN), binary
    return b"".join([head, *chunks])


def load_glb_lights(path: str | Path) -> tuple[Light, ...]:
    """Return the KHR_lights_punctual lights of a .glb or .gltf file in world space; other files have none.

    Candela become W/sr and lux W/m2 by division by `LUMENS_PER_WATT`. Spot lights become point lights, with a
    warning.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        return ()
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    gltf = read_gltf(path)
    try:
        return tuple(_lights(gltf))
    except InputError as error:
        raise InputError(f"{path}: {error.message}") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: its lights are malformed ({type(error).__name__}: {error}).") from None


def _lights(gltf: Gltf) -> Iterator[Light]:
    described = gltf.header.get("extensions", {}).get("KHR_lights_punctual", {}).get("lights", [])
    for index, matrix in node_transforms(gltf.header).items():
        extension = gltf.header["nodes"][index].get("extensions", {}).get("KHR_lights_punctual")
        if extension is None:
            continue
        light = described[extension["light"]]
        color = tuple(light.get("color", (1.0, 1.0, 1.0)))
        power = float(light.get("intensity", 1.0)) / LUMENS_PER_WATT
        position = matrix[:3, 3].tolist()
        if light["type"] == "directional":
            yield DirectionalLight((-matrix[:3, 2]).tolist(), color, power)  # shines along its node's -z
        elif light["type"] in ("point", "spot"):
            if light["type"] == "spot":
                name = light.get("name", "a spot light")
                warnings.warn(f"{gltf.path}: {name} is drawn as a point light: no cone.", stacklevel=3)
            yield PointLight(position, color, power)
        else:
            raise InputError(f"has a light of unknown type {light['type']!r}.")


def _parse_header(text: bytes, path: Path) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its JSON header cannot be read ({error}).") from None
    if not isinstance(header, dict):
        raise InputError(f"{path}: its JSON header is not an object.")
    if isinstance(materials := header.get("materials"), list):
        header["materials"] = [_with_metallic_roughness(material) for material in materials]
    return header


def _roots(header: dict[str, Any]) -> list[int]:
    if header.get("scenes"):
        return list(header["scenes"][header.get("scene", 0)].get("nodes", []))
    nodes = header.get("nodes", [])  # a file without scenes: everything that is nobody's child
    children = {child for node in nodes for child in node.get("children", ())}
    return [index for index in range(len(nodes)) if index not in children]


def _local_transform(node: dict[str, Any]) -> F64:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0.0, 0.0, 0.0, 1.0)), np.float64)
    length = math.sqrt(x * x + y * y + z * z + w * w)
    x, y, z, w = (c / length if length > 0.0 else c for c in (x, y, z, w))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.array(node.get("scale", (1.0, 1.0, 1.0)), np.float64).reshape(3)
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def _with_metallic_roughness(material: dict[str, Any]) -> dict[str, Any]:
    """Return a material of the archived KHR_materials_pbrSpecularGlossiness as glTF's own, marked; others unchanged."""
    old = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    if old is None:
        return material
    rest = {name: value for name, value in material["extensions"].items() if value is not old}
    plain = {
        "baseColorFactor": old.get("diffuseFactor", (1.0, 1.0, 1.0, 1.0)),
        "metallicFactor": 0.0,
        "roughnessFactor": 1.0 - old.get("glossinessFactor", 1.0),
        SPECULAR: old.get("specularFactor", (1.0, 1.0, 1.0)),
    }
    if "diffuseTexture" in old:
        plain["baseColorTexture"] = old["diffuseTexture"]
    if "specularGlossinessTexture" in old:
        plain["roughnessFactor"] = old.get("glossinessFactor", 1.0)
        plain["metallicRoughnessTexture"] = {**old["specularGlossinessTexture"], GLOSSINESS: True}
    # Files that have both have the plain kind for programs that know nothing else, like this one.
    return {"pbrMetallicRoughness": plain} | material | {"extensions": rest}


def _check_needs(header: dict[str, Any], path: Path) -> None:
    """Refuse extensions that are not supported and files that are missing, whose names are decoded on the way."""
    for name in header.get("extensionsRequired", ()):
        if name not in _KNOWN and not name.startswith("KHR_materials_"):
            what = f"{_UNSUPPORTED[name]} ({name})" if name in _UNSUPPORTED else name
            raise InputError(f"{path}: uses {what}, which is not supported.", "Save it without.")
    for image in header.get("images", ()):
        _check_external(image, path, "texture")
    for buffer in header.get("buffers", ()):
        _check_external(buffer, path, "buffer")


def _check_external(item: dict[str, Any], path: Path, what: str) -> None:
    """Decode a file name that is percent-encoded and refuse a missing file; trimesh does neither."""
    name = _external(item)
    if name is None:
        return
    item["uri"] = name
    if not (path.parent / name).is_file():
        raise InputError(f"{path}: its {what} file {path.parent / name} does not exist.")


def _external(item: Mapping[str, Any]) -> str | None:
    """Return the name of the file that an image or a buffer is in; None if it is in the file itself."""
    uri = item.get("uri")
    return None if uri is None or uri.startswith("data:") else unquote(uri)


def _check_meshes(header: dict[str, Any], nodes: Iterable[int], path: Path, max_triangles: int) -> None:
    """Refuse meshes that trimesh would misread, and more triangles than so many in those that these nodes show."""
    used = {header["nodes"][i]["mesh"] for i in nodes if "mesh" in header["nodes"][i]}
    triangles = 0
    for mesh in used:
        triangles += sum(_check_primitive(p, header, path) for p in header["meshes"][mesh]["primitives"])
    if triangles > max_triangles:
        raise InputError(f"{path}: has {triangles:,} triangles; at most {max_triangles:,} can be drawn.")


def _check_primitive(primitive: dict[str, Any], header: dict[str, Any], path: Path) -> int:
    """Return a primitive's number of triangles; refuse indices that trimesh would misread."""
    attributes, accessors = primitive["attributes"], header["accessors"]
    if "indices" in primitive and "sparse" in accessors[primitive["indices"]]:
        raise InputError(f"{path}: stores triangles as a sparse accessor, which is not supported.")
    mode = primitive.get("mode", TRIANGLES)
    if mode not in (TRIANGLES, STRIP, FAN):  # points, lines: nothing that we draw
        return 0
    count = int(accessors[primitive["indices"] if "indices" in primitive else attributes["POSITION"]]["count"])
    return count // 3 if mode == TRIANGLES else max(count - 2, 0)
