"""One description of a GPU struct gives its numpy dtype and its GLSL text (scalar block layout)."""

import math
import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

# Component type -> (numpy code, bytes). Scalar block layout (GL_EXT_scalar_block_layout): everything is aligned
# to its component, vectors and arrays have no padding, a struct's size is a multiple of its largest component.
_SCALARS = {
    "float": "<f4",
    "int": "<i4",
    "uint": "<u4",
    "double": "<f8",
    "uint64_t": "<u8",
    "int64_t": "<i8",
    "float16_t": "<f2",
    "uint16_t": "<u2",
    "int16_t": "<i2",
    "uint8_t": "u1",
    "int8_t": "i1",
}
_VECTORS = {
    "vec": "float",
    "ivec": "int",
    "uvec": "uint",
    "dvec": "double",
    "u64vec": "uint64_t",
    "i64vec": "int64_t",
    "f16vec": "float16_t",
    "u16vec": "uint16_t",
    "i16vec": "int16_t",
    "u8vec": "uint8_t",
    "i8vec": "int8_t",
}

FieldType: TypeAlias = "str | Struct | tuple[Struct, int]"


class Struct:
    """A struct shared by numpy and GLSL.

    Args:
        name: the GLSL name.
        fields: (field name, type) pairs. A type is GLSL text ("float", "uvec3", "mat4", "mat4x3", "uint64_t",
            "float[4]", "vec3[2]"), another Struct, or (Struct, length) for an array of structs.
        multiple: the size is one of so many bytes.

    Matrices are stored by columns as in GLSL: "mat4" is ('<f4', (4, 4)) whose rows are GLSL's columns, so a matrix
    for column vectors is stored transposed. `.dtype` is the numpy dtype of one record, `.glsl` the declaration
    (those of nested structs are not included: declare them first), `.size` the bytes of one record. A struct whose
    fields do not fill a multiple of its largest component ends with an array `padding_` in GLSL. Make arrays of records
    with `zeros(n)`: numpy's `stack` and `concatenate` drop the gaps between fields.
    """

    def __init__(self, name: str, fields: Sequence[tuple[str, FieldType]], multiple: int = 1) -> None:
        if not fields:
            raise ValueError(f"struct {name} has no fields")
        self.name = name
        self.fields = tuple(fields)
        names: list[str] = []
        formats: list[np.dtype] = []
        offsets: list[int] = []
        lines: list[str] = []
        end = 0
        self.alignment, self._smallest = 1, 8  # bytes of the largest and of the smallest component
        for field, kind in fields:
            dtype, alignment, declaration = _layout(field, kind)
            offset = -(-end // alignment) * alignment
            names.append(field)
            formats.append(dtype)
            offsets.append(offset)
            lines.append(f"    {declaration};")
            end = offset + dtype.itemsize
            self.alignment = max(self.alignment, alignment)
            inner = kind[0] if isinstance(kind, tuple) else kind
            smallest = inner._smallest if isinstance(inner, Struct) else alignment
            self._smallest = min(self._smallest, smallest)
        whole = math.lcm(self.alignment, multiple)
        self.size = -(-end // whole) * whole
        if end < self.size:
            # Scalar layout puts the next member of an outer struct into the tail of this one; numpy cannot overlap
            # them. A named tail, of a type that the struct uses anyway, makes both agree.
            filler = {1: "uint8_t", 2: "uint16_t", 4: "uint", 8: "uint64_t"}[self._smallest]
            lines.append(f"    {filler} padding_[{(self.size - end) // self._smallest}];")
        self.dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.size})
        self.glsl = "\n".join([f"struct {name} {{", *lines, "};", ""])

    def zeros(self, shape: int | tuple[int, ...] = ()) -> np.ndarray:
        """Zeroed records of this struct."""
        return np.zeros(shape, self.dtype)

    def texel_loader(self, buffer: str) -> str:
        """GLSL of `load_<name>(index)`, which reads a record of a buffer of texels, four components of 32 bits each.

        Args:
            buffer: the buffer's name in GLSL; `texel(buffer, i)` is its i-th texel (shaders/include/texels.glsl).

        Raises:
            ValueError: records are no whole texels, or a field is no number or vector of 32-bit components.
        """
        if self.size % 16:
            raise ValueError(f"struct {self.name} has {self.size} bytes, which are no whole texels")
        lines = []
        for field, kind in self.fields:
            vector = re.fullmatch(r"(float|int|uint)|([iu]?)vec([234])", kind) if isinstance(kind, str) else None
            if vector is None:
                raise ValueError(f"struct {self.name}: {field} does not come from texels")
            first, count = self.offset(field) // 4, int(vector[3] or 1)
            parts = [f"t{i // 4}.{'xyzw'[i % 4]}" for i in range(first, first + count)]
            words = parts[0] if count == 1 else f"vec{count}({', '.join(parts)})"
            cast = {"i": "floatBitsToInt", "u": "floatBitsToUint"}.get((vector[1] or vector[2])[:1], "")
            lines.append(f"    record.{field} = {cast}({words});")
        texels = range(self.size // 16)
        return "\n".join(
            [
                f"{self.name} load_{self.name.lower()}(uint index)",
                "{",
                *(f"    vec4 t{i} = texel({buffer}, {len(texels)}u * index + {i}u);" for i in texels),
                f"    {self.name} record;",
                *lines,
                "    return record;",
                "}",
                "",
            ]
        )

    def offset(self, field: str) -> int:
        """Byte offset of a field."""
        return int(self.dtype.fields[field][1]) if self.dtype.fields else 0

    def __repr__(self) -> str:
        return f"Struct({self.name!r}, {self.size} bytes)"


def _layout(field: str, kind: FieldType) -> tuple[np.dtype, int, str]:
    """dtype, alignment in bytes and GLSL declaration of one field."""
    if isinstance(kind, Struct):
        return kind.dtype, kind.alignment, f"{kind.name} {field}"
    if isinstance(kind, tuple):
        inner, length = kind
        return np.dtype((inner.dtype, (length,))), inner.alignment, f"{inner.name} {field}[{length}]"
    match = re.fullmatch(r"(\w+?)\s*(?:\[(\d+)\])?", kind)
    if match is None:
        raise ValueError(f"field {field}: {kind!r} is no GLSL type")
    base, length_text = match.groups()
    code, shape = _base(field, base)
    scalar = np.dtype(code)
    if length_text:
        return (
            np.dtype((scalar, (int(length_text), *shape))),
            scalar.itemsize,
            f"{base} {field}[{length_text}]",
        )
    return np.dtype((scalar, shape)) if shape else scalar, scalar.itemsize, f"{base} {field}"


def _base(field: str, base: str) -> tuple[str, tuple[int, ...]]:
    if base in _SCALARS:
        return _SCALARS[base], ()
    if (match := re.fullmatch(r"(\w*vec)([234])", base)) and match[1] in _VECTORS:
        return _SCALARS[_VECTORS[match[1]]], (int(match[2]),)
    if match := re.fullmatch(r"mat([234])(?:x([234]))?", base):  # matCxR: C columns of R components
        return "<f4", (int(match[1]), int(match[2] or match[1]))
    raise ValueError(f"field {field}: {base!r} is no GLSL type that Struct knows")
