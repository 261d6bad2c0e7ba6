"""Polygons of binary PLY files as triangles, where some have more corners than others: trimesh reads none of these."""

import struct
from typing import Any, NamedTuple

import numpy as np

_TYPES = {
    **dict.fromkeys(("char", "int8"), "b"),
    **dict.fromkeys(("uchar", "uint8"), "B"),
    **dict.fromkeys(("short", "int16"), "h"),
    **dict.fromkeys(("ushort", "uint16"), "H"),
    **dict.fromkeys(("int", "int32"), "i"),
    **dict.fromkeys(("uint", "uint32"), "I"),
    **dict.fromkeys(("float", "float32"), "f"),
    **dict.fromkeys(("double", "float64"), "d"),
}
_CORNERS = ("vertex_indices", "vertex_index")
_Row = list[tuple[Any, ...]]  # a face's values, a tuple a property


class _Property(NamedTuple):
    """A header's line, the name in it, the type of its values, and of a list the type of their number."""

    line: str
    name: str
    kind: str
    number: str


def with_triangles(data: bytes) -> bytes:
    """Return a PLY file whose polygons are fans of triangles, where it is binary and has polygons of several kinds.

    What a polygon has for each corner, such as texture coordinates, goes with its corners; other lists are left out.

    Raises:
        KeyError, IndexError, ValueError, struct.error: the file is malformed.
    """
    head, _, rest = data.partition(b"end_header")
    lines = head.decode("ascii").splitlines()
    order = next((">" if "big" in line else "<" for line in lines if line.startswith("format binary")), None)
    places = [number for number, line in enumerate(lines) if line.startswith("element")]
    faces = next((number for number in places if lines[number].split()[1] == "face"), None)
    if order is None or faces is None:
        return data
    begin = len(data) - len(rest) + rest.index(b"\n") + 1
    at = begin
    for place in places[: places.index(faces)]:
        before = _properties(lines, place)
        if any(one.number for one in before):
            return data
        at += int(lines[place].split()[2]) * struct.calcsize(order + "".join(one.kind for one in before))
    properties, count = _properties(lines, faces), int(lines[faces].split()[2])
    names = [one.name for one in properties]
    corners = next((names.index(name) for name in _CORNERS if name in names), None)
    if corners is None or not count or _are_alike(data, at, properties, count, order):
        return data
    rows, end = _rows(data, at, properties, count, order)
    kept = [
        column
        for column, one in enumerate(properties)
        if not one.number or len({len(row[column]) / max(len(row[corners]), 1) for row in rows}) == 1
    ]
    body = [
        _packed(properties[column], _of_triangle(row[column], len(row[corners]), second), order)
        for row in rows
        for second in range(1, len(row[corners]) - 1)
        for column in kept
    ]
    lines[faces] = f"element face {len(body) // len(kept)}"
    dropped = {one.line for column, one in enumerate(properties) if column not in kept}
    header = "\n".join([*(line for line in lines if line not in dropped), "end_header\n"])
    return header.encode() + data[begin:at] + b"".join(body) + data[end:]


def _properties(lines: list[str], place: int) -> list[_Property]:
    """Return the properties of the element in line `place` of a header."""
    found = []
    for line in lines[place + 1 :]:
        words = line.split()
        if words[:1] == ["element"]:
            break
        if words[:1] == ["property"]:
            found.append(_Property(line, words[-1], _TYPES[words[-2]], _TYPES[words[2]] if words[1] == "list" else ""))
    return found


def _rows(data: bytes, at: int, properties: list[_Property], count: int, order: str) -> tuple[list[_Row], int]:
    """Return an element's rows, and where they end."""
    rows: list[_Row] = []
    for _ in range(count):
        row: _Row = []
        for one in properties:
            number = 1
            if one.number:
                (number,) = struct.unpack_from(order + one.number, data, at)
                at += struct.calcsize(order + one.number)
            layout = f"{order}{number}{one.kind}"
            row.append(struct.unpack_from(layout, data, at))
            at += struct.calcsize(layout)
        rows.append(row)
    return rows, at


def _are_alike(data: bytes, at: int, properties: list[_Property], count: int, order: str) -> bool:
    """Return whether all rows have lists as long as the first one's."""
    (first,), _ = _rows(data, at, properties, 1, order)
    fields: list[Any] = []
    for number, (one, values) in enumerate(zip(properties, first, strict=True)):
        fields += [(f"n{number}", order + one.number)] if one.number else []
        fields.append((f"v{number}", order + one.kind, (len(values),)))
    layout = np.dtype(fields)
    if at + count * layout.itemsize > len(data):
        return False
    table = np.frombuffer(data, layout, count, at)
    numbers = [f"n{number}" for number, one in enumerate(properties) if one.number]
    return all(bool((table[name] == table[name][0]).all()) for name in numbers)


def _of_triangle(values: tuple[Any, ...], corners: int, second: int) -> tuple[Any, ...]:
    """Return what of a polygon's values belongs to a triangle of its fan; `second`: the second corner of that."""
    width = len(values) // corners  # a corner; 0 for what is not a list
    return values if not width else values[:width] + values[second * width : (second + 2) * width]


def _packed(one: _Property, values: tuple[Any, ...], order: str) -> bytes:
    number = struct.pack(order + one.number, len(values)) if one.number else b""
    return number + struct.pack(f"{order}{len(values)}{one.kind}", *values)
