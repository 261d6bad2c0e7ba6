"""What a pixel tells its network: the one description of the structured input.

The table `FEATURES` names every channel a pixel carries. Everything else is derived from it: the numpy
dtype, the GLSL declarations (`glsl`), the packed buffer layout and the table in the documentation
(`schema_markdown`). Files that hold pixels or weights store `SCHEMA_VERSION`, which changes whenever a
channel changes its place or meaning.

Packing. A pixel is 32 half floats in 16 words: channels 2w and 2w+1 share word w, the lower channel in the
low half, as GLSL's packHalf2x16 does it. Rounding is to nearest, ties to even; in shaders drivers may choose to
round towards zero. Values beyond the largest half (65504) are clamped to it and NaN becomes 0 on both sides, so
that one bad ray cannot poison a tile.

Buffers are tile-major, so that a tile's workgroup reads consecutive memory. With tiles_x = ceil(width / 16):

    tile     = (y // 16) * tiles_x + x // 16         pixel = (y % 16) * 16 + x % 16
    features   uvec4[(tile * 4 + k) * 256 + pixel]   k = 0..3 holds words 4k..4k+3, that is channels 8k..8k+7
    surface    vec2[tile * 256 + pixel]              (view-space depth in metres, +inf = no face; light_scale)
    places     uint[tile * 256 + pixel]              word 0 of the features (u, v), NO_FACE where there is no face
    radiance   uvec2[tile * 256 + pixel]             what networks and background draw: halves red, green, blue, alpha

`places` is for the tile hash, which would otherwise fetch whole cache lines of the other two for 6 bytes a pixel: 1 KB
a tile in place of 6. It says one thing that they do not: which place of the skin is seen where a pixel shows it from
within, through a hole in the mesh. Such pixels are black (light_scale 0, no features).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.arrays import F16, F32, U32, Bools

SCHEMA_VERSION = 2
HASH_BINS = 8  # bins of the tile hash along u and along v; two bytes make the 16-bit hash
TILE = 16  # pixels along a tile's edge
TILE_PIXELS = TILE * TILE
HALF_MAX = 65504.0  # the largest finite half
NO_FACE = 0xFFFF_FFFF  # in `places`; two NaN, which packing never yields
# Deviations of the Gaussians that light is blurred by along the skin, in (diffuse) mean free paths, channel by channel:
# measured so, how far light spreads below the skin is nearly the same curve for all colours and all skins.
SIGMA_NARROW = 0.4
SIGMA_WIDE = 1.2
THICKNESS_UNIT = 0.02  # metres
# Of the light that comes through, what the feature has: so much of it was in the data that the shipped networks learnt
# from, where one update of four knew nothing of it.
TRANSMISSION_LEARNT = 0.75


@dataclass(frozen=True)
class Feature:
    """One named group of channels.

    Attributes:
        name: field name in numpy, GLSL and the documentation.
        channels: 1, 2 or 3.
        meaning: what it holds, for the documentation.
        unit: physical unit, or "1" for a pure number.
        low, high: usual range of a channel (light features: after division by light_scale). Not enforced.
        frame: "head" for directions in the head's frame, else "-".
        light: True if the feature scales with the lights: it is stored divided by the pixel's light_scale.
    """

    name: str
    channels: int
    meaning: str
    unit: str
    low: float
    high: float
    frame: str = "-"
    light: bool = False


_RADIANCE = "W/(m² sr)"
_BLURRED = "the same, light blurred by {:g} mean free paths"
_THICKNESS = f"tanh(mean thickness / {1e3 * THICKNESS_UNIT:g} mm), in many directions inwards"
_THROUGH = f"{TRANSMISSION_LEARNT:g} * albedo * light through thin parts / pi"

FEATURES: tuple[Feature, ...] = (
    Feature("uv", 2, "texture coordinate on the face, wrapped; also decides the tile hash", "1", 0, 1),
    Feature("normal", 3, "shading normal including the normal map, unit length", "1", -1, 1, "head"),
    Feature("view", 3, "direction towards the camera, unit length", "1", -1, 1, "head"),
    Feature("albedo", 3, "diffuse albedo of the skin, linear Rec.709", "1", 0, 1),
    Feature("roughness", 1, "roughness of the skin's reflection", "1", 0, 1),
    Feature("diffuse", 3, "albedo * irradiance / pi, shadowed, at the shading normal", _RADIANCE, 0, 4, light=True),
    Feature("diffuse_narrow", 3, _BLURRED.format(SIGMA_NARROW), _RADIANCE, 0, 4, light=True),
    Feature("diffuse_wide", 3, _BLURRED.format(SIGMA_WIDE), _RADIANCE, 0, 4, light=True),
    Feature("specular", 3, "GGX reflection of lights and surroundings, shadowed", _RADIANCE, 0, 4, light=True),
    Feature("light_direction", 3, "first moment of all light, times albedo / pi", _RADIANCE, -4, 4, "head", True),
    Feature("thickness", 1, _THICKNESS, "1", 0, 1),
    Feature("transmission", 3, _THROUGH, _RADIANCE, 0, 4, light=True),
    Feature("ambient_visibility", 1, "fraction of the hemisphere that is open", "1", 0, 1),
)

CHANNELS = sum(feature.channels for feature in FEATURES)
WORDS = CHANNELS // 2  # 32-bit words a pixel
VECTORS = WORDS // 4  # uvec4 a pixel

DTYPE = np.dtype([(f.name, np.float32) if f.channels == 1 else (f.name, np.float32, (f.channels,)) for f in FEATURES])
"""One pixel as a numpy record of float32, fields in schema order, without padding (128 bytes)."""

LIGHT_SCALE = {"diffuse": 0.3, "diffuse_wide": 0.5, "transmission": 0.2, "specular": 0.5}
"""light_scale is the luminance of these features together, weighed so, and a floor (shaders/include/gbuffer.glsl)."""

_SLICES: dict[str, slice] = {}
for _feature in FEATURES:
    _start = sum(f.channels for f in FEATURES[: len(_SLICES)])
    _SLICES[_feature.name] = slice(_start, _start + _feature.channels)

LIGHT_CHANNELS: Bools = np.array([f.light for f in FEATURES for _ in range(f.channels)])
"""(32,) bool: the channels that are stored divided by light_scale."""
LIGHT_CHANNELS.setflags(write=False)


def channels(name: str) -> slice:
    """The channels of feature `name` among the 32 (KeyError if there is no such feature)."""
    return _SLICES[name]


def join(features: Mapping[str, npt.ArrayLike] | npt.NDArray[Any]) -> F32:
    """Lays features out as plain channels.

    Args:
        features: a record array of `DTYPE` and shape (...), a mapping from every feature name to an array of
            shape (..., channels) or (...) for one-channel features, or an array (..., 32), which passes
            through.

    Returns:
        (..., 32) float32.

    Raises:
        ValueError: a feature is missing, unknown or of the wrong shape.
    """
    if isinstance(features, np.ndarray):
        if features.dtype.names is None:
            if features.shape[-1:] != (CHANNELS,):
                raise ValueError(f"expected {CHANNELS} channels in the last axis, got shape {features.shape}")
            return np.ascontiguousarray(features, np.float32)
        if features.dtype.names != DTYPE.names:
            raise ValueError(f"expected the fields {DTYPE.names}, got {features.dtype.names}")
        features = {f.name: features[f.name] for f in FEATURES}
    if set(features) != set(_SLICES):
        raise ValueError(f"features missing or unknown: {sorted(set(features) ^ set(_SLICES))}")
    columns = []
    for f in FEATURES:
        column = np.asarray(features[f.name], np.float32)
        if f.channels == 1 and column.shape[-1:] != (1,):
            column = column[..., None]
        if column.shape[-1:] != (f.channels,):
            raise ValueError(f"feature {f.name} needs {f.channels} channels, got shape {column.shape}")
        columns.append(column)
    shape = np.broadcast_shapes(*(column.shape[:-1] for column in columns))
    return np.concatenate([np.broadcast_to(c, (*shape, c.shape[-1])) for c in columns], axis=-1)


def split(values: F32) -> dict[str, F32]:
    """The features by name as views into `values` (..., 32); one-channel features lose their last axis."""
    return {
        f.name: values[..., _SLICES[f.name]] if f.channels > 1 else values[..., _SLICES[f.name].start] for f in FEATURES
    }


def to_half(values: npt.ArrayLike) -> F16:
    """Rounds float32 to half exactly as the shaders do: nearest even, clamped to ±65504, NaN becomes 0."""
    array = np.asarray(values, np.float32)
    return np.clip(np.where(np.isnan(array), np.float32(0), array), -HALF_MAX, HALF_MAX).astype(np.float16)


def pack(features: Mapping[str, npt.ArrayLike] | npt.NDArray[Any]) -> U32:
    """Packs features (anything `join` takes) into words, bit for bit as GLSL `pack_features`.

    Returns:
        (..., 16) uint32.
    """
    half = np.ascontiguousarray(to_half(join(features)))
    return half.view("<u4")


def unpack(words: U32) -> F32:
    """The channels (..., 32) float32 of packed words (..., 16)."""
    if words.shape[-1:] != (WORDS,):
        raise ValueError(f"expected {WORDS} words in the last axis, got shape {words.shape}")
    return np.ascontiguousarray(words, "<u4").view("<f2").astype(np.float32)


def tile_grid(width: int, height: int) -> tuple[int, int]:
    """Tiles across and down (tiles_x, tiles_y) that cover an image of width x height pixels."""
    return -(-width // TILE), -(-height // TILE)


def to_tiles(image: npt.NDArray[Any], fill: float = 0) -> npt.NDArray[Any]:
    """Cuts an image (H, W, ...) into tiles (tiles, 256, ...); pixels beyond the image hold `fill`."""
    height, width = image.shape[:2]
    tiles_x, tiles_y = tile_grid(width, height)
    padded = np.full((tiles_y * TILE, tiles_x * TILE, *image.shape[2:]), fill, image.dtype)
    padded[:height, :width] = image
    grid = padded.reshape(tiles_y, TILE, tiles_x, TILE, *image.shape[2:]).swapaxes(1, 2)
    return np.ascontiguousarray(grid).reshape(tiles_y * tiles_x, TILE_PIXELS, *image.shape[2:])


def from_tiles(tiles: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[Any]:
    """Puts tiles (tiles, 256, ...) back together to an image (height, width, ...)."""
    tiles_x, tiles_y = tile_grid(width, height)
    rest = tiles.shape[2:]
    grid = tiles.reshape(tiles_y, tiles_x, TILE, TILE, *rest).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(tiles_y * TILE, tiles_x * TILE, *rest)[:height, :width])


def feature_buffer(image: U32) -> U32:
    """Lays packed pixels (H, W, 16) out as the `features` buffer: (tiles * 4 * 256, 4) uint32."""
    tiles = to_tiles(image).reshape(-1, TILE_PIXELS, VECTORS, 4)
    return np.ascontiguousarray(tiles.swapaxes(1, 2)).reshape(-1, 4)


def tile_words(tiles: U32) -> U32:
    """The packed pixels (n, 256, 16) of tiles (n, 4, 256, 4) of a `features` buffer."""
    return np.ascontiguousarray(tiles.swapaxes(1, 2)).reshape(-1, TILE_PIXELS, WORDS)


def feature_image(buffer: U32, width: int, height: int) -> U32:
    """The inverse of `feature_buffer`: packed pixels (height, width, 16) uint32."""
    return from_tiles(tile_words(buffer.reshape(-1, VECTORS, TILE_PIXELS, 4)), width, height)


def surface_buffer(depth: npt.ArrayLike, light_scale: npt.ArrayLike) -> F32:
    """Lays depth (H, W; +inf = no face) and light_scale (H, W) out as the `surface` buffer.

    Returns:
        (tiles * 256, 2) float32; pixels beyond the image have depth +inf.
    """
    depths = to_tiles(np.asarray(depth, np.float32), fill=np.inf)
    scales = to_tiles(np.asarray(light_scale, np.float32))
    return np.stack([depths, scales], axis=-1).reshape(-1, 2)


def place_buffer(features: U32, surface: F32) -> U32:
    """The `places` buffer that belongs to a `features` and a `surface` buffer of any shape: (tiles * 256,) uint32.

    Skin that is seen from within has no features: what the G-buffer says of its places, these do not tell.
    """
    words = features.reshape(-1, VECTORS, TILE_PIXELS, 4)[:, 0, :, 0].reshape(-1)
    return np.where(np.isfinite(surface.reshape(-1, 2)[:, 0]), words, np.uint32(NO_FACE))


_GLSL_TYPES = {1: "float", 2: "vec2", 3: "vec3"}

_GLSL_FUNCTIONS = """
// float -> half as the host rounds it: beyond the largest half is clamped, NaN is 0 (tested on its bits,
// because a compiler may assume that there is no NaN).
float half_range(float x) {
    return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u ? 0.0 : clamp(x, -HALF_MAX, HALF_MAX);
}
// Whether a pixel shows face: its depth is infinite where it does not (tested on its bits for the same reason).
bool is_face(float depth) { return floatBitsToUint(depth) < 0x7f800000u; }
uint pack_pair(float low, float high) {
    return packHalf2x16(vec2(half_range(low), half_range(high)));
}

// Places in the tile-major buffers of an image that is tiles_x tiles wide.
uint tiles_across(uint width) { return (width + TILE - 1u) / TILE; }
uint tile_of(uvec2 xy, uint tiles_x) { return (xy.y / TILE) * tiles_x + xy.x / TILE; }
uint pixel_of(uvec2 xy) { return (xy.y % TILE) * TILE + xy.x % TILE; }
uvec2 position_of(uint tile, uint pixel, uint tiles_x) {
    return uvec2(tile % tiles_x, tile / tiles_x) * TILE + uvec2(pixel % TILE, pixel / TILE);
}
uint feature_index(uint tile, uint k, uint pixel) {
    return (tile * FEATURE_VECTORS + k) * TILE_PIXELS + pixel;
}
uint surface_index(uint tile, uint pixel) { return tile * TILE_PIXELS + pixel; } // not of `features`
uint surface_index(uvec2 xy, uint tiles_x) { return surface_index(tile_of(xy, tiles_x), pixel_of(xy)); }
"""


def _channel_names(struct: str) -> list[str]:
    """GLSL expressions of the 32 channels, e.g. "f.normal.x"."""
    return [
        f"{struct}.{f.name}" + (f".{'xyz'[c]}" if f.channels > 1 else "") for f in FEATURES for c in range(f.channels)
    ]


def glsl() -> str:
    """The GLSL include "features.glsl": constants, `struct Features`, pack, unpack and buffer indices."""
    names = _channel_names("f")
    lines = [
        "// Generated by app/network/schema.py.",
        "#ifndef FEATURES_GLSL",
        "#define FEATURES_GLSL",
        f"const uint HASH_BINS = {HASH_BINS}u;",
        f"const float HALF_MAX = {HALF_MAX};",
        f"const uint TILE = {TILE}u;",
        f"const uint TILE_PIXELS = {TILE_PIXELS}u;",
        f"const uint FEATURE_VECTORS = {VECTORS}u; // uvec4 a pixel",
        f"const float THICKNESS_UNIT = {THICKNESS_UNIT}; // metres",
        f"const float TRANSMISSION_LEARNT = {TRANSMISSION_LEARNT};",
        f"const uint NO_FACE = {NO_FACE:#x}u; // a place that is none",
        "",
        "struct Features {",
        *(
            f"    {_GLSL_TYPES[f.channels]} {f.name}; // {f.meaning}" + ("; over light_scale" if f.light else "")
            for f in FEATURES
        ),
        "};",
        "",
        "vec3 light_scale_color(Features f) { // its luminance is light_scale, but for the floor",
        f"    return {' + '.join(f'{share} * f.{name}' for name, share in LIGHT_SCALE.items())};",
        "}",
        _GLSL_FUNCTIONS,
        f"void pack_features(Features f, out uvec4 words[{VECTORS}]) {{",
    ]
    for k in range(VECTORS):
        pairs = [f"pack_pair({names[8 * k + 2 * i]}, {names[8 * k + 2 * i + 1]})" for i in range(4)]
        lines += [f"    words[{k}] = uvec4({', '.join(pairs)});"]
    lines += ["}", "", f"Features unpack_features(uvec4 words[{VECTORS}]) {{"]
    lines += ["    Features f;", "    vec2 pair;"]
    for word in range(WORDS):
        lines += [
            f"    pair = unpackHalf2x16(words[{word // 4}].{'xyzw'[word % 4]});",
            f"    {names[2 * word]} = pair.x;",
            f"    {names[2 * word + 1]} = pair.y;",
        ]
    lines += ["    return f;", "}", "#endif", ""]
    return "\n".join(lines)


def schema_markdown() -> str:
    """The table of channels for the documentation."""
    rows = [
        "| channels | name | meaning | unit | range | frame | scales with light |",
        "|---|---|---|---|---|---|---|",
    ]
    for f in FEATURES:
        place = _SLICES[f.name]
        span = f"{place.start}" if f.channels == 1 else f"{place.start}-{place.stop - 1}"
        rows.append(
            f"| {span} | `{f.name}` | {f.meaning} | {f.unit} | {f.low:g}..{f.high:g} | {f.frame} "
            f"| {'yes' if f.light else 'no'} |"
        )
    return "\n".join(rows) + "\n"


# The buffer layout above is written for these numbers; the shaders' unrolled loads depend on them.
if CHANNELS != 32 or DTYPE.itemsize != 4 * CHANNELS:
    raise AssertionError("the packed layout holds exactly 32 channels")
