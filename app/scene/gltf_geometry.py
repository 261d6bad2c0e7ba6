"""The vertices of glTF 2.0 files as plain float32, in the pose that the file shows.

Integers are scaled, sparse and compressed arrays unpacked, morph targets and skins applied.

trimesh takes integers for floats and knows neither sparse arrays, nor morph targets, nor skins. `Geometry` hands it
arrays of its own where a file has any of these. Numbers in brackets are sections of the specification of glTF 2.0.
"""

import base64
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import DracoPy
import numpy as np
from numpy.typing import NDArray

from app.arrays import F64, U32

DRACO = "KHR_draco_mesh_compression"
_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_UINT, _FLOAT = 5125, 5126
MOST_VERTICES = 15_000_000
TRIANGLES, STRIP, FAN = 4, 5, 6  # modes of primitives


class Geometry:
    """Reads a file's arrays, and adds new ones to its header.

    Args:
        header: the file's, which `primitive` and `close` change.
        binary: the binary chunk of a GLB.
        folder: where the files lie that it names.
        world: {node: (4,4) node -> world} of its scene.

    Its methods raise KeyError, IndexError, TypeError or ValueError, or what DracoPy raises, on malformed files.
    """

    def __init__(self, header: dict[str, Any], binary: bytes, folder: Path, world: Mapping[int, F64]) -> None:
        self._header = header
        self._binary = binary
        self._folder = folder
        self._world = world
        self._buffers: dict[int, bytes] = {}
        self._added = bytearray()

    def primitive(self, primitive: dict[str, Any], node: int, uv_set: int) -> tuple[dict[str, Any], F64]:
        """Return a primitive that trimesh reads rightly, and its (4,4) matrix to the world.

        Args:
            primitive: of the mesh that the node holds.
            node: its index.
            uv_set: which of its texture coordinates shall be the first.
        """
        holder = self._header["nodes"][node]
        weights = holder.get("weights", self._header["meshes"][holder["mesh"]].get("weights", ()))
        skin = holder.get("skin") if "JOINTS_0" in primitive["attributes"] else None
        moves = skin is not None or any(weights)
        attributes: dict[str, int] = dict(primitive["attributes"])
        result = {key: value for key, value in primitive.items() if key != "extensions"} | {"attributes": attributes}
        arrays: dict[str, F64] = {}
        if (compressed := primitive.get("extensions", {}).get(DRACO)) is not None:
            arrays, triangles = self._decompressed(compressed, attributes)
            if triangles is not None:
                result |= {"indices": self._add(triangles, _UINT), "mode": TRIANGLES}
        if result.get("mode") == FAN:
            result |= {"indices": self._add(self._fan(result), _UINT), "mode": TRIANGLES}
        if (chosen := f"TEXCOORD_{uv_set}") in attributes:
            attributes["TEXCOORD_0"] = attributes[chosen]
            first = arrays.pop("TEXCOORD_0", None)
            if (uvs := arrays.get(chosen, first if uv_set == 0 else None)) is not None:
                arrays["TEXCOORD_0"] = uvs
        for name in ("POSITION", "NORMAL", "TEXCOORD_0"):
            if name in attributes and name not in arrays and (moves or not self._plain(attributes[name])):
                arrays[name] = self.read(attributes[name])
        color = attributes.get("COLOR_0")  # integers are told from fractions later on
        if color is not None and "COLOR_0" not in arrays and "sparse" in self._header["accessors"][color]:
            arrays["COLOR_0"] = self.read(color)
        self._morph(arrays, primitive.get("targets", ()), weights)
        matrix = self._world[node]
        if skin is not None:
            matrix = self._skin(arrays, attributes, self._header["skins"][skin])
        attributes |= {name: self._add(array, _FLOAT) for name, array in arrays.items()}
        return result, matrix

    def close(self) -> None:
        """Write the arrays that were added into the header, as a buffer of their own."""
        if self._added:
            self._header["buffers"][self._own]["uri"] = (
                "data:application/octet-stream;base64," + base64.b64encode(self._added).decode()
            )
            self._header["buffers"][self._own]["byteLength"] = len(self._added)

    def read(self, index: int) -> F64:
        """Return accessor `index` as (count, components): what is normalised in 0..1 or -1..1 (3.6.2.2)."""
        accessor = self._header["accessors"][index]
        if accessor["count"] > MOST_VERTICES:
            raise ValueError(f"accessor {index} has {accessor['count']:,} entries, more than {MOST_VERTICES:,}")
        kind, width = _type(accessor), _WIDTHS[accessor["type"]]
        values = np.zeros((accessor["count"], width), kind)
        if "bufferView" in accessor:
            offset = accessor.get("byteOffset", 0)
            values[:] = self._view(accessor["bufferView"], offset, accessor["count"], width, kind)
        if (sparse := accessor.get("sparse")) is not None:
            count, where, what = sparse["count"], sparse["indices"], sparse["values"]
            places = self._view(where["bufferView"], where.get("byteOffset", 0), count, 1, _type(where))
            values[places[:, 0]] = self._view(what["bufferView"], what.get("byteOffset", 0), count, width, kind)
        return _scaled(values, accessor)

    @cached_property
    def _own(self) -> int:
        buffers = self._header.setdefault("buffers", [])
        buffers.append({"byteLength": 0})
        return len(buffers) - 1

    def _plain(self, index: int) -> bool:
        accessor = self._header["accessors"][index]
        return accessor["componentType"] == _FLOAT and "sparse" not in accessor

    def _view(self, index: int, offset: int, count: int, width: int, kind: np.dtype[Any]) -> NDArray[Any]:
        view = self._header["bufferViews"][index]
        start = view.get("byteOffset", 0)
        data = self._buffer(view["buffer"])[start : start + view["byteLength"]]
        row = width * kind.itemsize
        stride = view.get("byteStride", row)
        if min(offset, count) < 0 or stride < row or (count and offset + (count - 1) * stride + row > len(data)):
            raise ValueError(f"buffer view {index} is too short")
        return np.ndarray((count, width), kind, data, offset, (stride, kind.itemsize))

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            uri = self._header["buffers"][index].get("uri")
            if uri is None:
                data = self._binary
            elif uri.startswith("data:"):
                data = base64.b64decode(uri.partition("base64,")[2])
            else:
                data = (self._folder / uri).read_bytes()
            self._buffers[index] = data
        return self._buffers[index]

    def _decompressed(
        self, compressed: dict[str, Any], attributes: dict[str, int]
    ) -> tuple[dict[str, F64], U32 | None]:
        view = self._header["bufferViews"][compressed["bufferView"]]
        start = view.get("byteOffset", 0)
        decoded = DracoPy.decode(self._buffer(view["buffer"])[start : start + view["byteLength"]])
        names = {number: name for name, number in compressed["attributes"].items()}
        arrays = {}
        for attribute in decoded.attributes:
            name = names.get(attribute["unique_id"])
            if name in attributes:
                arrays[name] = _scaled(attribute["data"], self._header["accessors"][attributes[name]])
        triangles = getattr(decoded, "faces", None)
        return arrays, None if triangles is None else np.asarray(triangles, np.uint32).reshape(-1, 1)

    def _fan(self, primitive: dict[str, Any]) -> U32:
        """Return the corners of a fan's triangles, which trimesh would leave out, as (corners, 1)."""
        if "indices" in primitive:
            corners = self.read(primitive["indices"])[:, 0].astype(np.uint32)
        else:
            corners = np.arange(
                self._header["accessors"][primitive["attributes"]["POSITION"]]["count"], dtype=np.uint32
            )
        first = np.broadcast_to(corners[:1], max(len(corners) - 2, 0))
        return np.stack([first, corners[1:-1], corners[2:]], axis=1).reshape(-1, 1)

    def _morph(self, arrays: dict[str, F64], targets: Sequence[dict[str, int]], weights: Sequence[float]) -> None:
        """Add the targets by their weights (3.7.2.2)."""
        for target, weight in zip(targets, weights, strict=False):
            for name in ("POSITION", "NORMAL"):
                if weight and name in target and name in arrays:
                    arrays[name] = arrays[name] + weight * self.read(target[name])

    def _skin(self, arrays: dict[str, F64], attributes: dict[str, int], skin: dict[str, Any]) -> F64:
        """Take vertices by their joints, as the nodes stand, to where the matrix (4,4) returned leads to the world.

        The mesh's own node has no say (3.7.3.3). Joints that mirror leave that to the matrix: what mirrors turns
        triangles round (3.7.4), and nothing here knows of these.
        """
        if elsewhere := [node for node in skin["joints"] if node not in self._world]:
            raise ValueError(f"a skin hangs on node {elsewhere[0]}, which is not in the scene")
        joints = np.stack([self._world[node] for node in skin["joints"]])
        if "inverseBindMatrices" in skin:
            joints = joints @ self.read(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)

        def influences(name: str) -> F64:
            keys = [key for number in range(8) if (key := f"{name}_{number}") in attributes]
            return np.hstack([arrays[key] if key in arrays else self.read(attributes[key]) for key in keys])

        weights = influences("WEIGHTS")
        weights[weights.sum(axis=1) <= 0.0, 0] = 1.0  # what hangs on nothing goes with the first
        weights = weights / weights.sum(axis=1, keepdims=True)
        blended = np.zeros((len(weights), 3, 4))
        for number, weight in zip(influences("JOINTS").astype(np.int64).T, weights.T, strict=True):
            blended += weight[:, None, None] * joints[number, :3]
        turn, shift = blended[:, :, :3], blended[:, :, 3]
        arrays["POSITION"] = (turn @ arrays["POSITION"][:, :, None])[:, :, 0] + shift
        if "NORMAL" in arrays:  # by the matrix of cofactors, which keeps them perpendicular
            a, b, c = turn[:, 0], turn[:, 1], turn[:, 2]
            cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
            arrays["NORMAL"] = (cofactors @ arrays["NORMAL"][:, :, None])[:, :, 0]
        matrix = np.eye(4)
        if np.median(np.linalg.det(turn)) < 0.0:
            matrix[0, 0] = -1.0
            arrays["POSITION"] = arrays["POSITION"] * [-1.0, 1.0, 1.0]
            if "NORMAL" in arrays:  # cofactors have the other sign where the determinant is negative
                arrays["NORMAL"] = arrays["NORMAL"] * [1.0, -1.0, -1.0]
        return matrix

    def _add(self, array: NDArray[Any], component: int) -> int:
        data = np.ascontiguousarray(array, _TYPES[component])
        views, accessors = self._header.setdefault("bufferViews", []), self._header["accessors"]
        views.append({"buffer": self._own, "byteOffset": len(self._added), "byteLength": data.nbytes})
        self._added += data.tobytes()
        kind = next(name for name, width in _WIDTHS.items() if width == data.shape[1])
        accessors.append({"bufferView": len(views) - 1, "componentType": component, "count": len(data), "type": kind})
        return len(accessors) - 1


def _type(described: dict[str, Any]) -> np.dtype[Any]:
    if described["componentType"] not in _TYPES:
        raise ValueError(f"there is no component type {described['componentType']}")
    return np.dtype(_TYPES[described["componentType"]])


def _scaled(values: NDArray[Any], accessor: dict[str, Any]) -> F64:
    result = values.astype(np.float64)
    if accessor.get("normalized") and values.dtype.kind in "iu":
        result = np.maximum(result / np.iinfo(values.dtype).max, -1.0)
    return result
