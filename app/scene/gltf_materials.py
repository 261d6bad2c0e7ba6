"""glTF 2.0 materials: numbers from the header, images as trimesh decoded them."""

import math
import warnings
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from app.errors import InputError
from app.scene.checks import triple
from app.scene.gltf import GLOSSINESS, SPECULAR, Gltf, TextureLayout, texture_wrap
from app.scene.gltf_specular import without_specular
from app.scene.model import DEFAULT_IOR, Material, Texture
from app.scene.texture_files import MOST_PIXELS, Shared, linear_mean, to_texture

_AlphaMode = Literal["opaque", "mask", "blend"]
# Numbers of ours in a material's `extras.bungyo`: what Khronos has no extension for.
_OWN = ("subsurface", "mean_free_path", "second_roughness", "second_weight")
_ALPHA_MODES: dict[str | None, _AlphaMode] = {"MASK": "mask", "BLEND": "blend"}
# Of extensions of materials, what is not drawn: its name, its key, and what that is where it shows nothing.
_NOT_DRAWN: dict[str, tuple[tuple[str, str, Any], ...]] = {
    "KHR_materials_anisotropy": (("anisotropy", "anisotropyStrength", 0.0),),
    "KHR_materials_clearcoat": (("clear coat", "clearcoatFactor", 0.0),),
    "KHR_materials_diffuse_transmission": (("diffuse transmission", "diffuseTransmissionFactor", 0.0),),
    "KHR_materials_dispersion": (("dispersion", "dispersion", 0.0),),
    "KHR_materials_iridescence": (("iridescence", "iridescenceFactor", 0.0),),
    "KHR_materials_sheen": (("sheen", "sheenColorFactor", [0.0, 0.0, 0.0]),),
    "KHR_materials_specular": (
        ("map of reflectance", "specularTexture", None),
        ("map of the reflectance's colour", "specularColorTexture", None),
    ),
    "KHR_materials_transmission": (("map of transmission", "transmissionTexture", None),),
    "KHR_materials_volume": (("colour of what is clear", "attenuationColor", [1.0, 1.0, 1.0]),),
}
_MAX_IOR = 3.0  # of Material


def gltf_material(gltf: Gltf, index: int, images: Any, shared: Shared | None = None) -> tuple[Material, dict[str, Any]]:
    """Return material `index` of the file, and fields that a face of this material has as the file gives them.

    These are `own_numbers` and, of the archived kind, the colours as they are below what reflects: skin is no metal.

    Args:
        gltf: the file.
        index: into its materials.
        images: trimesh's PBRMaterial of the same index, whose attributes hold the decoded images.
        shared: textures of the file's other materials; those of this one join them. The images must live as long.

    The index of refraction comes from KHR_materials_ior and KHR_materials_specular, transmission from
    KHR_materials_transmission; what `own_numbers` finds is applied as well. Metallic maps are averaged to one number,
    emission maps to one colour. Of other extensions a warning names what is not drawn.

    Raises:
        InputError: a texture cannot be read, or a value is out of range.
        KeyError, IndexError, TypeError, ValueError, AttributeError: the file is malformed.
    """
    source = gltf.header["materials"][index]
    name = str(source.get("name") or "")  # whatever else than text a file has there
    pbr = source.get("pbrMetallicRoughness", {})
    extensions = source.get("extensions", {})
    if left_out := _not_drawn(extensions):
        warnings.warn(
            f"{gltf.path}: material {name or str(index)!r} has {', '.join(left_out)}, which is not drawn.", stacklevel=2
        )
    reader = _Reader(gltf, index, images, {} if shared is None else shared)
    factor = np.array(pbr.get("baseColorFactor", (1.0, 1.0, 1.0, 1.0)), np.float64).reshape(4)
    metallic = _share(pbr.get("metallicFactor", 1.0))
    surface = pbr.get("metallicRoughnessTexture")
    roughness, roughness_map = _share(pbr.get("roughnessFactor", 1.0)), None
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
            ior=_ior(extensions.get("KHR_materials_ior", {}), extensions.get("KHR_materials_specular", {})),
            normal_map=normal_map,
            normal_scale=1.0 if normal is None else float(normal.get("scale", 1.0)),
            transmission=_share(extensions.get("KHR_materials_transmission", {}).get("transmissionFactor", 0.0)),
            emission=triple(emission),
            opacity=0.0 if nothing else min(float(factor[3]), 1.0),
            alpha_mode=mode,
            alpha_cutoff=min(cutoff, 1.0),
            **own,
        )
    except InputError as error:
        raise InputError(f"{gltf.path}: {error.message}") from None
    return material, of_face


def _share(value: Any) -> float:
    """Return a number of a file that should be 1 at most, where exporters have rounded it up."""
    share = float(value)
    return 1.0 if 1.0 < share <= 1.0 + 1e-4 else share


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
        self._path, self._header = gltf.path, gltf.header
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
        wrap = texture_wrap(self._header, reference)
        shown = id(image), srgb, channel, wrap
        if shown not in self._shared:
            self._shared[shown] = replace(to_texture(image, self._path, where, srgb, channel), wrap=wrap)
        return self._shared[shown]


def _rough(glossiness: Texture, factor: float) -> tuple[float, Texture | None]:
    """Return the roughness, and a map that it is multiplied with, of a map whose alpha times a factor is glossiness."""
    factor, pixels = min(max(factor, 0.0), 1.0), glossiness.pixels
    if pixels.shape[2] < 4:
        return 1.0 - factor, None
    smoothness = factor * pixels[..., 3:].astype(np.float64)
    return 1.0, Texture(np.rint(255.0 - smoothness).astype(np.uint8), wrap=glossiness.wrap)


def _ior(extension: dict[str, Any], specular: dict[str, Any]) -> float:
    """Return the index of refraction whose reflectance, seen from the front, is that of both extensions.

    Args:
        extension: KHR_materials_ior. An index of 0, a mirror's, or beyond 3 leaves it to `specular`; without that
            it means that the exporter knows of none.
        specular: KHR_materials_specular: factors on the reflectance, of which the colours' mean counts.
    """
    given = float(extension.get("ior", DEFAULT_IOR))
    if not specular:
        return DEFAULT_IOR if given == 0.0 or given > _MAX_IOR else given
    color = np.array(specular.get("specularColorFactor", (1.0, 1.0, 1.0)), np.float64).reshape(3)
    factor = float(specular.get("specularFactor", 1.0))
    front = 1.0 if given == 0.0 else ((given - 1.0) / (given + 1.0)) ** 2
    amplitude = math.sqrt(max(0.0, factor * float(np.minimum(front * color, 1.0).mean())))
    return min((1.0 + amplitude) / (1.0 - amplitude), _MAX_IOR) if amplitude < 1.0 else _MAX_IOR


def _not_drawn(extensions: dict[str, Any]) -> list[str]:
    """Return the names of what these extensions of a material would show."""
    return ["an unlit look"] * ("KHR_materials_unlit" in extensions) + [
        name
        for extension, keys in _NOT_DRAWN.items()
        for name, key, neutral in keys
        if extensions.get(extension, {}).get(key, neutral) != neutral
    ]
