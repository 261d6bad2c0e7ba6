"""Another renderer of our scenes: Mitsuba 3 (Jakob et al. 2022), for the judge of the reference and for comparisons.

Skin is its `roughdielectric` around a `homogeneous` medium, traced by `volpathmis` (Miller et al. 2019) or `volpath`.
Mitsuba is needed by tests and comparisons only and imported where it is used; `scalar_rgb` needs no LLVM and uses all
cores.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import F32, F64
from app.scene.environment import Environment, directions_of
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight
from app.scene.medium import medium_of
from app.scene.model import Material, Part, Scene

UNIT = 1000.0  # Mitsuba's lengths are millimetres: it starts rays 0.09 units off a surface that is 1000 away, as here
# Mitsuba's roulette lets at most 95% of the paths live on: in a medium that absorbs less than that a scattering event,
# the survivors' weights grow without limit, and rare bright paths carry the light. Paths are left to end outside.
ROULETTE_DEPTH = 100_000
_BLACK = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.0}}


def load(
    scene: Scene,
    size: tuple[int, int],
    *,
    integrator: str = "volpathmis",
    max_depth: int = -1,
    roulette_depth: int = ROULETTE_DEPTH,
) -> Any:
    """Return our scene as Mitsuba's, with flat triangles, ready for `render`.

    Args:
        scene: without textures. Materials: subsurface 1, white metal, or matt (ior 1, subsurface 0). Area lights hide
            what is behind them there; only a constant environment can shine through them.
        size: (width, height) in pixels.
        integrator: its name in Mitsuba; "depth" shows what camera rays hit.
        max_depth: as Mitsuba counts, where every scattering event is one; -1: no limit.
        roulette_depth: from which on paths may be ended by chance.

    Raises:
        ValueError: the scene holds something that has no counterpart.
    """
    mi = _mitsuba()
    center = _center(scene)
    description: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": integrator},
        "sensor": _sensor(scene, size, center),
    }
    if integrator != "depth":
        description["integrator"] |= {"max_depth": max_depth, "rr_depth": roulette_depth}
    sky = (0.0, 0.0, 0.0)
    if scene.environment is not None:
        description["environment"] = _environment(scene.environment)
        if is_constant(scene.environment):
            sky = scene.environment.pixels[0, 0].astype(np.float64) * scene.environment.intensity
        elif any(isinstance(light, AreaLight) for light in scene.rig.lights):
            raise ValueError("an area light hides what is behind it in Mitsuba")
    for index, light in enumerate(scene.rig.lights):
        description[f"light{index}"] = _light(light, center, np.asarray(sky))
    for part in scene.parts:
        description[part.name] = _mesh(part, center)
    return mi.load_dict(description)


def render(loaded: Any, samples: int, seed: int) -> F32:
    """Return a picture (H,W,3): the mean of `samples` a pixel, box filter; rows from the top. All cores work."""
    return np.array(_mitsuba().render(loaded, spp=samples, seed=seed), np.float32)[..., :3]


def coverage(scene: Scene, size: tuple[int, int], samples: int = 1024) -> F32:
    """Return (H,W): the share of each pixel that shows a surface."""
    loaded = load(scene, size, integrator="depth")
    return np.array(_mitsuba().render(loaded, spp=samples), np.float32)[..., 3]


def _mitsuba() -> Any:
    import mitsuba as mi

    if mi.variant() != "scalar_rgb":
        mi.set_variant("scalar_rgb")
    return mi


def _center(scene: Scene) -> F64:
    """Where Mitsuba's origin is: its rays start less exactly the further away from there a surface is."""
    parts = [part for part in scene.parts if part.material.subsurface > 0.0] or list(scene.parts)
    center: F64 = np.mean([part.bounds().mean(axis=0) for part in parts], axis=0)
    return center


def _at(position: Any, center: F64) -> list[float]:
    x, y, z = (np.asarray(position, np.float64) - center) * UNIT
    return [float(x), float(y), float(z)]


def _rgb(value: Any) -> dict[str, Any]:
    return {"type": "rgb", "value": np.asarray(value, np.float64).tolist()}


def _sensor(scene: Scene, size: tuple[int, int], center: F64) -> dict[str, Any]:
    camera = scene.camera
    return {
        "type": "perspective",
        "fov_axis": "y",
        "fov": math.degrees(camera.fov_y),
        "near_clip": 1e-3 * camera.distance * UNIT,
        "far_clip": 1e3 * camera.distance * UNIT,
        "to_world": _mitsuba().ScalarTransform4f().look_at(
            origin=_at(camera.position, center), target=_at(camera.target, center), up=list(camera.up)
        ),
        "film": {
            "type": "hdrfilm",
            "width": size[0],
            "height": size[1],
            "rfilter": {"type": "box"},
            "pixel_format": "rgba",
            "component_format": "float32",
        },
        "sampler": {"type": "independent"},
    }  # fmt: skip


def _mesh(part: Part, center: F64) -> Any:
    """A part as Mitsuba's mesh with flat normals and its material."""
    mi = _mitsuba()
    mesh = part.mesh.with_transform(part.transform)
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(_bsdf(part.material))
    if part.material.subsurface > 0.0:
        properties["interior"] = mi.load_dict(_medium(part.material))
    result = mi.Mesh(part.name, len(mesh.positions), len(mesh.triangles), props=properties)
    parameters = mi.traverse(result)
    parameters["vertex_positions"] = ((mesh.positions - center) * UNIT).astype(np.float32).ravel()
    parameters["faces"] = mesh.triangles.ravel()
    parameters.update()
    return result


def _bsdf(material: Material) -> dict[str, Any]:
    if material.albedo_map or material.roughness_map or material.normal_map:
        raise ValueError(f"material {material.name!r} has textures")
    if material.metallic == 1.0 and material.albedo == (1.0, 1.0, 1.0):
        # Reflects everything: Fresnel's factor is 1 in both.
        return {"type": "roughconductor", "material": "none", "distribution": "ggx", "alpha": material.roughness**2}
    if material.metallic == 0.0 and material.subsurface == 1.0:
        first = _boundary(material.roughness, material.ior)
        second = _boundary(material.second_roughness, material.ior)
        if material.second_weight == 0.0:
            return first
        from app.bench.mitsuba_mixture import NAME

        return {"type": NAME, "weight": material.second_weight, "first": first, "second": second}
    if material.metallic == 0.0 and material.ior == 1.0 and material.subsurface == 0.0:
        return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": _rgb(material.albedo)}}
    raise ValueError(f"material {material.name!r} has no counterpart in Mitsuba")


def _boundary(roughness: float, ior: float) -> dict[str, Any]:
    return {"type": "roughdielectric", "distribution": "ggx", "alpha": roughness**2, "int_ior": ior, "ext_ior": 1.0}


def _medium(material: Material) -> dict[str, Any]:
    albedo, extinction = medium_of(material.albedo, np.multiply(material.mean_free_path, 1e-3 * UNIT), material.ior)
    largest = float(extinction.max())  # Mitsuba wants colours of 0..1 and a factor
    return {
        "type": "homogeneous",
        "albedo": _rgb(albedo),
        "sigma_t": _rgb(extinction / largest),
        "scale": largest,
        "phase": {"type": "isotropic"},
    }


def _light(light: Light, center: F64, sky: F64) -> dict[str, Any]:
    """An emitter. Our lights hide nothing, so that a rectangle shines with the sky behind it as well."""
    mi = _mitsuba()
    color = np.asarray(light.color)
    if isinstance(light, PointLight):
        position = _at(light.position, center)
        if light.radius == 0.0:
            return {"type": "point", "position": position, "intensity": _rgb(color * light.intensity * UNIT**2)}
        radiance = color * light.intensity / (math.pi * light.radius**2) + sky
        emitter = {"type": "area", "radiance": _rgb(radiance)}
        return {"type": "sphere", "center": position, "radius": light.radius * UNIT, "bsdf": _BLACK, "emitter": emitter}
    if isinstance(light, DirectionalLight):
        if light.angular_radius > 0.0:
            raise ValueError("a directional light with a disc has no counterpart in Mitsuba")
        return {
            "type": "directional",
            "direction": list(light.direction),
            "irradiance": _rgb(color * light.irradiance),
        }
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1] = np.multiply(light.edge_u, UNIT), np.multiply(light.edge_v, UNIT)
    matrix[:3, 2], matrix[:3, 3] = light.normal, _at(light.center, center)
    emitter = {"type": "area", "radiance": _rgb(color * light.radiance + sky)}
    return {"type": "rectangle", "to_world": mi.ScalarTransform4f(matrix), "bsdf": _BLACK, "emitter": emitter}


def is_constant(environment: Environment) -> bool:
    """Whether the same light comes from everywhere."""
    return bool((environment.pixels == environment.pixels[0, 0]).all())


def _environment(environment: Environment) -> dict[str, Any]:
    """A constant one, or a map that Mitsuba, which interpolates on another grid, sees as ours looks up."""
    mi = _mitsuba()
    if is_constant(environment):
        return {"type": "constant", "radiance": _rgb(environment.pixels[0, 0] * environment.intensity)}
    height = 16 * environment.pixels.shape[0]
    # Mitsuba's columns are centred like ours, but start half a turn further; its first and last row are the poles.
    rows, columns = np.arange(height + 1)[:, None] - 0.5, np.arange(2 * height) + height
    directions = directions_of(rows, columns, height, 2 * height)
    pixels = interpolated(environment, directions).astype(np.float32)
    return {"type": "envmap", "bitmap": mi.Bitmap(pixels), "mis_compensation": False}


def interpolated(environment: Environment, directions: NDArray[np.floating]) -> F64:
    """Return (...,3) radiance from world directions (...,3) as shaders look it up: bilinear, around the circle."""
    (u, v), (height, width) = environment.uvs(directions), environment.pixels.shape[:2]
    x, y = u * width - 0.5, np.clip(v * height - 0.5, 0.0, height - 1.0)
    column, row = np.floor(x).astype(int), np.minimum(y.astype(int), height - 2)
    fx, fy = (x - column)[..., None], (y - row)[..., None]
    pixels = environment.pixels.astype(np.float64) * environment.intensity
    left, right = column % width, (column + 1) % width
    upper = pixels[row, left] * (1.0 - fx) + pixels[row, right] * fx
    lower = pixels[row + 1, left] * (1.0 - fx) + pixels[row + 1, right] * fx
    radiance: F64 = upper * (1.0 - fy) + lower * fy
    return radiance
