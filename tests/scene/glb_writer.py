"""Small glTF files made by hand: the loader is tested against the specification, not against trimesh."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

POSITIONS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "<f4") * np.float32(0.2)
UVS = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], "<f4")  # glTF: v = 0 is the top of the image
NORMALS = np.tile(np.array([0, 0.6, 0.8], "<f4"), (4, 1))  # not the geometric one, so that we see it was read
TRIANGLES = np.array([0, 1, 2, 0, 2, 3], "<u2")
# Top left red, top right green, bottom left blue, bottom right white.
PIXELS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)


def png(pixels: Any = PIXELS) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


class Glb:
    """A quad with a textured material; change `header` or the arrays before writing."""

    def __init__(self, **arrays: Any) -> None:
        self.arrays: dict[str, Any] = {
            "POSITION": POSITIONS,
            "NORMAL": NORMALS,
            "TEXCOORD_0": UVS,
            "indices": TRIANGLES,
        } | arrays
        self.images = [png()]
        self.primitive: dict[str, Any] = {"material": 0}
        self.header: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": "head"}],
            "materials": [{"name": "skin", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
            "textures": [{"source": 0}],
        }

    def with_lamp(self) -> "Glb":
        """Add a point light, at the quad's node."""
        self.header["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point"}]}}
        self.header["nodes"][0]["extensions"] = {"KHR_lights_punctual": {"light": 0}}
        return self

    def parts(self) -> tuple[dict[str, Any], bytes]:
        views, accessors, data = [], [], b""

        def add(blob: bytes) -> int:
            nonlocal data
            views.append({"buffer": 0, "byteOffset": len(data), "byteLength": len(blob)})
            data += blob + b"\0" * (-len(blob) % 4)
            return len(views) - 1

        attributes = {}
        for name, array in self.arrays.items():
            if array is None:
                continue
            kind = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[1 if array.ndim == 1 else array.shape[1]]
            component = {"b": 5120, "B": 5121, "h": 5122, "H": 5123, "I": 5125, "f": 5126}[array.dtype.char]
            accessor = {"bufferView": add(array.tobytes()), "componentType": component, "count": len(array)}
            accessors.append(accessor | {"type": kind})
            attributes[name] = len(accessors) - 1
        indices = {"indices": attributes.pop("indices")} if "indices" in attributes else {}
        images = [{"bufferView": add(blob), "mimeType": "image/png"} for blob in self.images]
        header: dict[str, Any] = {
            "meshes": [{"primitives": [{"attributes": attributes} | indices | self.primitive]}],
            "accessors": accessors,
            "images": images,
            "bufferViews": views,
            "buffers": [{"byteLength": len(data)}],
        }
        return header | self.header, data

    def write(self, path: Path) -> Path:
        header, data = self.parts()
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(data)
        path.write_bytes(
            struct.pack("<4sIIII", b"glTF", 2, total, len(text), 0x4E4F534A)
            + text
            + struct.pack("<II", len(data), 0x004E4942)
            + data
        )
        return path
