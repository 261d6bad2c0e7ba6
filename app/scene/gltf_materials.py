"""glTF 2.0 materials: numbers from the header, images as trimesh decoded them."""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app.errors import InputError
from app.scene.checks import triple
from app.scene.gltf import GLOSSINESS, SPECULAR, Gltf, TextureLayout
from app.scene.gltf_specular import without_specular
from app.scene.model import DEFAULT_IOR, Material, Texture
from app.scene.texture_files import MOST_PIXELS, Shared, linear_mean, to_texture

_AlphaMode = Literal["opaque", "mask", "blend"]
# Numbers of ours in a material's `extras.bungyo`: what Khronos has no extension for.
_OWN = ("subsurface", "mean_free_path", "second_roughness", "second_weight")
_ALPHA_MODES: dict[str | None, _AlphaMode] = {"MASK": "mask", "BLEND": "blend"}


def gltf_material(gltf: Gltf, index: int, images: Any, shared: Shared | None = None) -> tuple[Material, dict[str, Any]]:
    """Return material `index` of the file, and fields that a face of this material has as the file gives them.

    These are `own_numbers` and, of the archived kind, the colours as they are below what reflects: skin is no metal.

    Args:
        gltf: the file.
        index: into its materials.
        images: trimesh's PBRMaterial of the same index, whose attributes hold the decoded images.
        shared: textures of the file's other materials; those of this one join them. The images must live as long.

    The index of refraction and transmission come from KHR_materials_ior and KHR_materials_transmission; what
    `own_numbers` finds is applied as well. Metallic maps are averaged to one number, emission maps to one colour.

    Raises:
        InputError: a texture cannot be read, or a value is out of range.
        KeyError, IndexError, TypeError, ValueError, AttributeError: the file is malformed.
    """
    source = gltf.header["materials"][index]
    name = str(source.get("name") or "")  # whatever else than text a file has there
    pbr = source.get("pbrMetallicRoughness", {})
    extensions = source.get("extensions", {})
    reader = _Reader(gltf, index, images, {} if shared is None else shared)
    factor = np.array(pbr.get("baseColorFactor", (1.0, 1.0, 1.0, 1.0)), np.float64).reshape(4)
    metallic = float(pbr.get("metallicFactor", 1.0))
    surface = pbr.get("metallicRoughnessTexture")
    roughness, roughness_map = float(pbr.get("roughnessFactor", 1.0)), None
    if surface is not None and GLOSSINESS in surface:
        roughness, roughness_map = _rough(reader.texture(surface, "metallicRoughnessTexture"), roughness)
    elif surface is not None:
        roughness_map = reader.texture(surface, "metallicRoughnessTexture", channel=1)
        metallic *= float(linear_mean(reader.texture(surface, "metallicRoughnessTexture", channel=2))[0])
    emission = np.array(source.get("emissiveFactor", (0.0, 0.0, 0.0)), np.float64).reshape(3)
    emission = emission * extensions.get("KHR_materials_emissive_strength", {}).get("emissiveStrength", 1.0)
    if "emissiveTexture" in source and emission.any():
        emission = emission * linear_mean(reader.texture(source["emissiveTexture"], "emissiveTexture", srgb=True))[:3]
    base, normal = pbr.get("baseColorTexture"), source.get("normalTexture")
    albedo_map = None if base is None else reader.texture(base, "baseColorTexture", srgb=True)
    normal_map = None if normal is None else reader.texture(normal, "normalTexture")
    albedo = triple(np.minimum(factor[:3], 1.0))  # exporters round 1 up
    own = own_numbers(gltf, index)
    of_face = own
    if SPECULAR in pbr:
        of_face = {**own, "albedo": albedo, "albedo_map": albedo_map}
        reflected = None if surface is None else reader.texture(surface, "metallicRoughnessTexture", srgb=True)
        specular = triple(np.clip(np.array(pbr[SPECULAR], np.float64).reshape(3), 0.0, 1.0))
        albedo, albedo_map, metallic = without_specular(albedo, albedo_map, specular, reflected)
    mode: _AlphaMode = _ALPHA_MODES.get(source.get("alphaMode"), "opaque")
    cutoff = float(source.get("alphaCutoff", 0.5))
    nothing = mode == "mask" and cutoff > 1.0  # is there then, says the specification: no alpha reaches that
    try:
        material = Material(
            name=name,
            albedo=albedo,
            albedo_map=albedo_map,
            roughness=roughness,
            roughness_map=roughness_map,
            metallic=metallic,
            ior=_ior(extensions.get("KHR_materials_ior", {})),
            normal_map=normal_map,
            normal_scale=1.0 if normal is None else float(normal.get("scale", 1.0)),
            transmission=float(extensions.get("KHR_materials_transmission", {}).get("transmissionFactor", 0.0)),
            emission=triple(emission),
            opacity=0.0 if nothing else min(float(factor[3]), 1.0),
            alpha_mode=mode,
            alpha_cutoff=min(cutoff, 1.0),
            **own,
        )
    except InputError as error:
        raise InputError(f"{gltf.path}: {error.message}") from None
    return material, of_face


def own_numbers(gltf: Gltf, index: int) -> dict[str, Any]:
    """Return what the object `extras.bungyo` of material `index` sets, as fields of `Material`.

    Its keys are fields of `Material`: subsurface, mean_free_path (three numbers, mm), second_roughness, second_weight.

    Raises:
        InputError: it is no object, or has another key.
        TypeError, ValueError: a value is not of the right kind.
    """
    source = gltf.header["materials"][index]
    extras = source.get("extras")
    own = extras.get("bungyo", {}) if isinstance(extras, dict) else {}
    where = f"{gltf.path}: material {source.get('name', '') or str(index)!r}: extras.bungyo"
    if not isinstance(own, dict):
        raise InputError(f"{where} must be an object, not {own!r}.")
    if unknown := sorted(set(own) - set(_OWN)):
        raise InputError(f"{where} has unknown {', '.join(unknown)}; it may have {', '.join(_OWN)}.")
    return {key: triple(value) if key == "mean_free_path" else float(value) for key, value in own.items()}


class _Reader:
    """Turns a material's texture references into textures."""

    def __init__(self, gltf: Gltf, index: int, images: Any, shared: Shared) -> None:
        source = gltf.header["materials"][index]
        self._path: Path = gltf.path
        self._material = str(source.get("name") or index)
        self._layout = TextureLayout.of_material(source)
        self._images, self._shared = images, shared

    def texture(self, reference: dict[str, Any], key: str, srgb: bool = False, channel: int | None = None) -> Texture:
        image = getattr(self._images, key, None)
        where = f"{key} of material {self._material!r}"
        if image is None:
            raise InputError(
                f"{self._path}: {where} cannot be read (missing, damaged, of an unknown kind, or of more than"
                f" {MOST_PIXELS / 1e6:.0f} million pixels)."
            )
        if not TextureLayout.of(reference).matches(self._layout):
            warnings.warn(
                f"{self._path}: {where} is to lie elsewhere on the mesh than the material's other textures (texCoord or"
                " KHR_texture_transform), which is not done: it lies where they do.",
                stacklevel=3,
            )
        shown = id(image), srgb, channel
        if shown not in self._shared:
            self._shared[shown] = to_texture(image, self._path, where, srgb, channel)
        return self._shared[shown]


def _rough(glossiness: Texture, factor: float) -> tuple[float, Texture | None]:
    """Return the roughness, and a map that it is multiplied with, of a map whose alpha times a factor is glossiness."""
    factor, pixels = min(max(factor, 0.0), 1.0), glossiness.pixels
    if pixels.shape[2] < 4:
        return 1.0 - factor, None
    return 1.0, Texture(np.rint(255.0 - factor * pixels[..., 3:].astype(np.float64)).astype(np.uint8))


def _ior(extension: dict[str, Any]) -> float:
    """Return the index of refraction; 0 and numbers beyond 3 mean "ask KHR_materials_specular", which is not read."""
    given = float(extension.get("ior", DEFAULT_IOR))
    return DEFAULT_IOR if given == 0.0 or given > 3.0 else given
