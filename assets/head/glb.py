"""Writes binary glTF 2.0 (Khronos, .glb): the same parts give the same bytes."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.arrays import F64, I64, U8


@dataclass(frozen=True)
class Material:
    """A metallic-roughness material; maps are (H, W, 3) u8 with row 0 at the TOP of the image (v = 1 in memory)."""

    name: str
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    roughness: float = 1.0
    color_map: U8 | None = None  # sRGB
    roughness_map: U8 | None = None  # linear, roughness in G
    normal_map: U8 | None = None  # tangent space
    jpeg: bool = False  # photograph-like maps: JPEG at high quality instead of PNG


@dataclass(frozen=True)
class Part:
    """A named triangle mesh: positions, unit normals (N, 3), uvs (N, 2) with v upward, triangles (M, 3)."""

    name: str
    material: str
    positions: F64
    normals: F64
    uvs: F64
    triangles: I64


@dataclass
class _Writer:
    document: dict[str, Any]
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0

    def view(self, data: bytes, target: int | None = None) -> int:
        pad = -len(data) % 4
        self.chunks.append(data + b"\0" * pad)
        entry: dict[str, Any] = {"buffer": 0, "byteOffset": self.size, "byteLength": len(data)}
        if target is not None:
            entry["target"] = target
        self.size += len(data) + pad
        self.document["bufferViews"].append(entry)
        return len(self.document["bufferViews"]) - 1

    def accessor(self, array: NDArray[Any], kind: str, component: int, target: int) -> int:
        entry: dict[str, Any] = {
            "bufferView": self.view(array.tobytes(), target),
            "componentType": component,
            "count": len(array),
            "type": kind,
        }
        if kind == "VEC3":
            entry["min"] = [float(v) for v in array.min(axis=0)]
            entry["max"] = [float(v) for v in array.max(axis=0)]
        self.document["accessors"].append(entry)
        return len(self.document["accessors"]) - 1

    def texture(self, pixels: U8, jpeg: bool, name: str) -> int:
        stream = io.BytesIO()
        image = Image.fromarray(pixels)
        if jpeg:
            image.save(stream, "JPEG", quality=93, subsampling=0, optimize=True)
        else:
            image.save(stream, "PNG", optimize=True)
        mime = "image/jpeg" if jpeg else "image/png"
        view = self.view(stream.getvalue())
        self.document["images"].append({"bufferView": view, "mimeType": mime, "name": name})
        self.document["textures"].append({"source": len(self.document["images"]) - 1, "sampler": 0})
        return len(self.document["textures"]) - 1


def encode(parts: list[Part], materials: list[Material], generator: str) -> bytes:
    """Return the bytes of a .glb with one node and one mesh a part; v is flipped to glTF's downward axis."""
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": generator, "copyright": "CC0 1.0"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(parts)))}],
        "nodes": [],
        "meshes": [],
        "materials": [],
        "textures": [],
        "images": [],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
        "accessors": [],
        "bufferViews": [],
    }
    writer = _Writer(document)
    for material in materials:
        surface: dict[str, Any] = {
            "baseColorFactor": [*material.color, 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": material.roughness,
        }
        entry: dict[str, Any] = {"name": material.name, "pbrMetallicRoughness": surface}
        for key, pixels in (
            ("baseColorTexture", material.color_map),
            ("metallicRoughnessTexture", material.roughness_map),
            ("normalTexture", material.normal_map),
        ):
            if pixels is not None:
                name = f"{material.name}_{key.removesuffix('Texture')}"
                holder = entry if key == "normalTexture" else surface
                holder[key] = {"index": writer.texture(pixels, material.jpeg, name)}
        document["materials"].append(entry)
    order = {material.name: number for number, material in enumerate(materials)}
    for number, part in enumerate(parts):
        flipped = np.stack([part.uvs[:, 0], 1 - part.uvs[:, 1]], axis=1)
        attributes = {
            "POSITION": writer.accessor(part.positions.astype("<f4"), "VEC3", 5126, 34962),
            "NORMAL": writer.accessor(part.normals.astype("<f4"), "VEC3", 5126, 34962),
            "TEXCOORD_0": writer.accessor(flipped.astype("<f4"), "VEC2", 5126, 34962),
        }
        indices = writer.accessor(part.triangles.astype("<u4").ravel(), "SCALAR", 5125, 34963)
        primitive = {"attributes": attributes, "indices": indices, "material": order[part.material]}
        document["meshes"].append({"name": part.name, "primitives": [primitive]})
        document["nodes"].append({"name": part.name, "mesh": number})
    document["buffers"] = [{"byteLength": writer.size}]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(writer.chunks)
    total = 12 + 8 + len(text) + 8 + len(body)
    head = struct.pack("<4sII", b"glTF", 2, total)
    return head + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
