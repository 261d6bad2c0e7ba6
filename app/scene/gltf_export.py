"""Writing parts as binary glTF 2.0 (.glb), with morph targets, as Khronos' specification says.

trimesh, which reads meshes for us, writes no morph targets and no material extensions; hence this page. The same
parts give the same bytes.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.arrays import F32, U32
from app.scene.gltf import WRAP_MODES, pack_glb
from app.scene.model import DEFAULT_IOR, Material, Part, Texture, Wrap

MorphTargets = Mapping[str, Mapping[str, F32]]
"""By target's name, then by part's name: (N,3) displacements of its vertices, metres."""

_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_LINEAR, _MIPMAPS = 9729, 9987
_STILL = 1e-6  # metres; vertices that a morph target moves less do not move
JPEG_QUALITY = 93


def encode_glb(
    parts: Sequence[Part],
    morph_targets: MorphTargets | None = None,
    *,
    extras: Mapping[str, Any] | None = None,
    copyright_notice: str = "",
) -> bytes:
    """Return the bytes of a .glb with one node and one mesh a part.

    Colour maps become JPEG without chroma subsampling, other maps PNG. What glTF has no word for (scattering below the
    skin, a second specular lobe) goes into the materials' `extras.bungyo`, which our loader reads.

    Args:
        parts: their transforms become the nodes' matrices.
        morph_targets: every part that one of them moves gets all of them, so that one list of weights fits all.
        extras: of the file's `asset`: what made it. Plain JSON values.
        copyright_notice: of the file's `asset`.
    """
    writer = _Writer()
    materials: dict[int, int] = {}
    for part in parts:
        if id(part.material) not in materials:
            materials[id(part.material)] = writer.material(part.material)
    targets = morph_targets or {}
    for number, part in enumerate(parts):
        uvs = np.stack([part.mesh.uvs[:, 0], 1.0 - part.mesh.uvs[:, 1]], axis=1)  # glTF's v points down
        primitive: dict[str, Any] = {
            "attributes": {
                "POSITION": writer.accessor(part.mesh.positions, "VEC3"),
                "NORMAL": writer.accessor(part.mesh.normals, "VEC3"),
                "TEXCOORD_0": writer.accessor(uvs, "VEC2"),
            },
            "indices": writer.indices(part.mesh.triangles),
            "material": materials[id(part.material)],
        }
        mesh: dict[str, Any] = {"name": part.name, "primitives": [primitive]}
        if any(part.name in moved for moved in targets.values()):
            still = np.zeros_like(part.mesh.positions)
            primitive["targets"] = [
                {"POSITION": writer.displacements(moved.get(part.name, still))} for moved in targets.values()
            ]
            mesh["weights"] = [0.0] * len(targets)
            mesh["extras"] = {"targetNames": list(targets)}  # where viewers and Blender look for names
        writer.document["meshes"].append(mesh)
        node: dict[str, Any] = {"name": part.name, "mesh": number}
        if not np.array_equal(part.transform, np.eye(4)):
            node["matrix"] = part.transform.T.ravel().tolist()
        writer.document["nodes"].append(node)
    asset: dict[str, Any] = {"version": "2.0", "generator": "bungyo"}
    if copyright_notice:
        asset["copyright"] = copyright_notice
    if extras:
        asset["extras"] = dict(extras)
    return writer.finish(asset)


@dataclass
class _Writer:
    """The document under way, and the binary chunk piece by piece."""

    document: dict[str, Any] = field(
        default_factory=lambda: {
            "nodes": [],
            "meshes": [],
            "materials": [],
            "textures": [],
            "images": [],
            "samplers": [],
            "accessors": [],
            "bufferViews": [],
        }
    )
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    used: set[str] = field(default_factory=set)
    stills: dict[int, int] = field(default_factory=dict)  # number of vertices -> view of as many zero vectors

    def view(self, data: bytes, target: int | None = None) -> int:
        entry: dict[str, Any] = {"buffer": 0, "byteOffset": self.size, "byteLength": len(data)}
        if target is not None:
            entry["target"] = target
        self.document["bufferViews"].append(entry)
        self.pieces.append(data + b"\0" * (-len(data) % 4))
        self.size += len(self.pieces[-1])
        return len(self.document["bufferViews"]) - 1

    def accessor(self, array: NDArray[Any], kind: str) -> int:
        values = np.ascontiguousarray(array, "<f4")
        view = self.view(values.tobytes(), _VERTICES)
        entry = {"bufferView": view, "componentType": _FLOAT, "count": len(values), "type": kind}
        return self._add(entry, values if kind == "VEC3" else None)

    def indices(self, triangles: U32) -> int:
        view = self.view(np.ascontiguousarray(triangles, "<u4").tobytes(), _INDICES)
        return self._add({"bufferView": view, "componentType": _UINT, "count": triangles.size, "type": "SCALAR"}, None)

    def zeros(self, count: int) -> int:
        if count not in self.stills:
            self.stills[count] = self.view(bytes(12 * count), _VERTICES)
            self.document["bufferViews"][-1]["byteStride"] = 12  # several accessors share it
        return self.stills[count]

    def displacements(self, deltas: F32) -> int:
        """A sparse accessor over zeros that all share: most of a head stands still.

        A sparse accessor needs neither a view below nor offsets of 0, but VTK reads none that lacks them.
        """
        far = np.abs(deltas) > _STILL
        moving = np.flatnonzero(far[:, 0] | far[:, 1] | far[:, 2])
        moved = np.ascontiguousarray(deltas[moving], "<f4")
        entry: dict[str, Any] = {"componentType": _FLOAT, "count": len(deltas), "type": "VEC3"}
        entry["bufferView"] = self.zeros(len(deltas))
        if len(moving):
            indices = moving.astype("<u4")
            entry["sparse"] = {
                "count": len(moving),
                "indices": {"bufferView": self.view(indices.tobytes()), "byteOffset": 0, "componentType": _UINT},
                "values": {"bufferView": self.view(moved.tobytes()), "byteOffset": 0},
            }
        still = np.zeros((int(len(moving) < len(deltas)), 3), np.float32)  # counts in the bounds where there is any
        return self._add(entry, np.concatenate([moved, still]))

    def _add(self, entry: dict[str, Any], bounded: NDArray[Any] | None) -> int:
        if bounded is not None:
            entry["min"] = bounded.min(axis=0).tolist()
            entry["max"] = bounded.max(axis=0).tolist()
        self.document["accessors"].append(entry)
        return len(self.document["accessors"]) - 1

    def texture(self, texture: Texture, name: str) -> dict[str, int]:
        pixels: NDArray[Any] = texture.pixels
        if pixels.dtype != np.uint8:
            pixels = np.clip(np.round(pixels * 255.0), 0.0, 255.0).astype(np.uint8)
        if pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)  # whatever channel glTF reads holds it
        stream = io.BytesIO()
        photograph = texture.srgb and pixels.shape[2] == 3
        if photograph:
            Image.fromarray(pixels).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        else:
            Image.fromarray(pixels).save(stream, "PNG", compress_level=3)
        images, textures = self.document["images"], self.document["textures"]
        mime = "image/jpeg" if photograph else "image/png"
        images.append({"bufferView": self.view(stream.getvalue()), "mimeType": mime, "name": name})
        textures.append({"source": len(images) - 1, "sampler": self.sampler(texture.wrap)})
        return {"index": len(textures) - 1}

    def sampler(self, wrap: tuple[Wrap, Wrap]) -> int:
        wrap_s, wrap_t = (WRAP_MODES[one] for one in wrap)
        entry = {"magFilter": _LINEAR, "minFilter": _MIPMAPS, "wrapS": wrap_s, "wrapT": wrap_t}
        samplers = self.document["samplers"]
        if entry not in samplers:
            samplers.append(entry)
        return int(samplers.index(entry))

    def material(self, m: Material) -> int:
        surface: dict[str, Any] = {
            "baseColorFactor": [*m.albedo, m.opacity],
            "metallicFactor": m.metallic,
            "roughnessFactor": m.roughness,
        }
        entry: dict[str, Any] = {"name": m.name, "pbrMetallicRoughness": surface}
        if m.albedo_map is not None:
            surface["baseColorTexture"] = self.texture(m.albedo_map, f"{m.name} albedo")
        if m.roughness_map is not None:
            # The metallic factor stays; its map would be the same picture's blue channel, so metals cannot have one.
            surface["metallicRoughnessTexture"] = self.texture(m.roughness_map, f"{m.name} roughness")
        if m.normal_map is not None:
            entry["normalTexture"] = {**self.texture(m.normal_map, f"{m.name} normal"), "scale": m.normal_scale}
        if max(m.emission) > 0.0:
            strength = max(1.0, *m.emission)
            entry["emissiveFactor"] = [e / strength for e in m.emission]
            if strength > 1.0:
                self._extend(entry, "KHR_materials_emissive_strength", {"emissiveStrength": strength})
        if m.alpha_mode != "opaque":
            entry["alphaMode"] = m.alpha_mode.upper()
            if m.alpha_mode == "mask":
                entry["alphaCutoff"] = m.alpha_cutoff
        if m.ior != DEFAULT_IOR:
            self._extend(entry, "KHR_materials_ior", {"ior": m.ior})
        if m.transmission > 0.0:
            self._extend(entry, "KHR_materials_transmission", {"transmissionFactor": m.transmission})
        own: dict[str, Any] = {}
        if m.subsurface > 0.0:
            own.update(subsurface=m.subsurface, mean_free_path=list(m.mean_free_path))
        if m.second_weight > 0.0:
            own.update(second_weight=m.second_weight, second_roughness=m.second_roughness)
        if own:
            entry["extras"] = {"bungyo": own}
        self.document["materials"].append(entry)
        return len(self.document["materials"]) - 1

    def _extend(self, entry: dict[str, Any], name: str, values: dict[str, Any]) -> None:
        entry.setdefault("extensions", {})[name] = values
        self.used.add(name)

    def finish(self, asset: dict[str, Any]) -> bytes:
        body = b"".join(self.pieces)
        document = {"asset": asset, "scene": 0, "scenes": [{"nodes": list(range(len(self.document["nodes"])))}]}
        document |= {key: value for key, value in self.document.items() if value}
        document["buffers"] = [{"byteLength": len(body)}]
        if self.used:
            document["extensionsUsed"] = sorted(self.used)
        return pack_glb(json.dumps(document, separators=(",", ":")).encode(), body)
