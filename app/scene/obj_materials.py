"""Wavefront MTL files: constants and maps, with the physically based keys that many exporters write."""

import math
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.scene.checks import Vec3
from app.scene.model import DEFAULT_ALBEDO, DEFAULT_IOR, DEFAULT_ROUGHNESS, Material, Texture
from app.scene.text_files import decode
from app.scene.texture_files import Shared, find_file, open_texture, with_opacity

_MAPS = {"map_kd": "albedo", "map_pr": "roughness", "norm": "normal", "map_d": "opacity"}
_NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
# What may stand before a file's name, each with one word; offset, scale and turbulence with up to three numbers.
_OPTIONS = re.compile(
    rf"^(?:-(?:[ost](?:\s+{_NUMBER}(?=\s)){{1,3}}|mm(?:\s+{_NUMBER}){{2}}|[a-z]+\s+\S+)\s+)+", re.IGNORECASE
)

_CHANNEL = re.compile(r"-imfchan\s+(\w)", re.IGNORECASE)
_CLAMPED = re.compile(r"-clamp\s+on\b", re.IGNORECASE)


def load_obj_materials(path: Path) -> dict[str, Material]:
    """Return the materials that the OBJ file `path` refers to, by name.

    A missing MTL file gives a warning and grey materials.

    Raises:
        InputError: a texture is missing or damaged, or a number is none or out of range.
    """
    materials: dict[str, Material] = {}
    shared: Shared = {}
    for library in _libraries(path):
        if not library.is_file():
            warnings.warn(f"{path}: its material file {library} does not exist; all is grey.", stacklevel=2)
            continue
        for key, values in _parse(library).items():
            materials[key] = _material(key, values, library, shared)
    return materials


def obj_material_files(path: Path) -> list[Path]:
    """Return the material files that the OBJ file `path` refers to, and the images these name; all may be missing."""
    libraries = _libraries(path)
    there = [library for library in libraries if library.is_file()]
    materials = [(library, values) for library in there for values in _parse(library).values()]
    return libraries + [
        _find_map(values[key], library) for library, values in materials for key in _MAPS if key in values
    ]


def _libraries(path: Path) -> list[Path]:
    """Return the files of all mtllib lines, which name one with spaces in its name or several without."""
    lines = [line.split(None, 1) for line in decode(path.read_bytes()).splitlines() if "mtllib" in line]
    found: list[Path] = []
    for name in (words[1].strip() for words in lines if words[0] == "mtllib" and len(words) == 2):
        several = [path.parent / word for word in name.split()]
        all_there = all(library.is_file() for library in several)
        found += several if all_there else [find_file(name, path)]
    return found


def _parse(library: Path) -> dict[str, dict[str, str]]:
    """Return {material: {key in lower case: the rest of its line}}."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in decode(library.read_bytes()).splitlines():
        words = line.split(None, 1)
        if len(words) < 2:
            continue
        if words[0].lower() == "newmtl":
            current = found.setdefault(" ".join(words[1].split()), {})  # trimesh collapses spaces as well
        else:
            current[words[0].lower()] = words[1].strip()
    return found


def _material(name: str, values: dict[str, str], library: Path, shared: Shared) -> Material:
    def texture(kind: str, srgb: bool = False, channel: int | None = None) -> Texture:
        key = maps[kind], srgb, channel, kind in clamped
        if key not in shared:
            found = open_texture(maps[kind], library, srgb, channel)
            shared[key] = replace(found, wrap=("clamp", "clamp")) if kind in clamped else found
        return shared[key]

    def numbers(key: str, default: tuple[float, ...]) -> tuple[float, ...]:
        words = values.get(key, "").partition("#")[0].removeprefix("-halo").split()
        if not words:
            return default
        try:
            return tuple(map(float, words))
        except ValueError:
            raise InputError(f"{library}: {key} of material {name!r} is not a number: {values[key]}.") from None

    def opacity_map() -> Texture | None:
        """Return the colour map with opacity as its 4th channel; None where nothing says what it is."""
        colors: Texture | None = fields.get("albedo_map")
        if "opacity" not in maps:
            return None
        if colors is not None and maps["opacity"].resolve() == maps["albedo"].resolve():
            return colors if colors.pixels.shape[2] == 4 else None  # most exporters say so of any colour map
        asked = _CHANNEL.search(_options(values["map_d"]))
        channel = "rgbm".find(asked[1].lower()) if asked else -1
        key = maps["opacity"], channel, maps.get("albedo"), "albedo" in clamped
        if key not in shared:
            shared[key] = with_opacity(colors, maps["opacity"], library, None if channel < 0 else channel)
        return shared[key]

    maps = {kind: _find_map(values[key], library) for key, kind in _MAPS.items() if key in values}
    clamped = {kind for key, kind in _MAPS.items() if _CLAMPED.search(_options(values.get(key, "")))}
    fields: dict[str, Any] = {"name": name}
    color = numbers("kd", (1.0, 1.0, 1.0) if "albedo" in maps else DEFAULT_ALBEDO)
    if "albedo" in maps:
        fields["albedo_map"] = texture("albedo", srgb=True)
        if max(color) == 0.0:  # some exporters write black here and mean "only the map"
            color = (1.0, 1.0, 1.0)
    if "roughness" in maps:
        fields["roughness_map"] = texture("roughness", channel=0)
    if "normal" in maps:
        fields["normal_map"] = texture("normal")
    fields["albedo"] = _vec3(tuple(min(c, 1.0) for c in color))
    fields["emission"] = _vec3(numbers("ke", (0.0, 0.0, 0.0)))
    fields["metallic"] = numbers("pm", (0.0,))[0]
    fields["ior"] = min(max(numbers("ni", (DEFAULT_IOR,))[0], 1.0), 3.0)
    if "pr" in values or "roughness" in maps:
        fields["roughness"] = numbers("pr", (1.0,))[0]
    elif "ns" in values:
        # Blinn-Phong exponent -> GGX alpha of the same lobe width (Walter et al. 2007), and its square root.
        fields["roughness"] = math.sqrt(math.sqrt(2.0 / (max(numbers("ns", (0.0,))[0], 0.0) + 2.0)))
    else:
        fields["roughness"] = DEFAULT_ROUGHNESS
    opacity = numbers("d", (1.0,))[-1] if "d" in values else 1.0 - numbers("tr", (0.0,))[0]
    masked = opacity_map()
    if opacity < 1.0 or masked is not None:
        fields.update(opacity=opacity, alpha_mode="blend")
    if masked is not None:
        fields["albedo_map"] = masked
    try:
        return Material(**fields)
    except InputError as error:
        raise InputError(f"{library}: {error.message}") from None


def _find_map(text: str, library: Path) -> Path:
    """Return the file a map line names: all of it, or what follows options such as "-bm 0.5"."""
    return find_file(text[len(_options(text)) :], library)


def _options(text: str) -> str:
    """Return what stands before the name of a map line's file."""
    found = _OPTIONS.match(text)
    return found[0] if found else ""


def _vec3(value: tuple[float, ...]) -> Vec3:
    return (value[0], value[1], value[2]) if len(value) >= 3 else (value[0], value[0], value[0])
