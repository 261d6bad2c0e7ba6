"""The path tracer against another one: Mitsuba 3 (Jakob et al. 2022) renders our own scene objects."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from app.gpu import Device
from app.scene.lights import AreaLight
from app.scene.model import Material, Mesh, Part, Scene
from tests.passes.reference_scenes import SKY, Picture, still_life, trace

mi: Any = pytest.importorskip("mitsuba")

SIZE = (64, 64)
BOUNCES = 6  # the default of the reference
RUNS = 24  # independent pictures of Mitsuba's, whose spread tells its noise


def _mesh(part: Part) -> Any:
    """A part as Mitsuba's mesh with flat normals and its material."""
    mesh: Mesh = part.mesh.with_transform(part.transform)
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(_bsdf(part.material))
    result = mi.Mesh(part.name, len(mesh.positions), len(mesh.triangles), props=properties)
    parameters = mi.traverse(result)
    parameters["vertex_positions"] = mesh.positions.ravel()
    parameters["faces"] = mesh.triangles.ravel()
    parameters.update()
    return result


def _bsdf(material: Material) -> dict[str, Any]:
    if material.metallic == 1.0:
        assert material.albedo == (1.0, 1.0, 1.0)
        # Reflects everything: Fresnel's factor is 1 in both.
        return {"type": "roughconductor", "material": "none", "distribution": "ggx", "alpha": material.roughness**2}
    assert material.ior == 1.0 and material.subsurface == 0.0
    matt = {"type": "diffuse", "reflectance": {"type": "rgb", "value": list(material.albedo)}}
    return {"type": "twosided", "bsdf": matt}


def _lamp(light: AreaLight, sky: tuple[float, float, float]) -> dict[str, Any]:
    """A rectangle. Our lights hide nothing, so that it shines with the sky behind it as well."""
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = light.edge_u, light.edge_v, light.normal
    matrix[:3, 3] = light.center
    radiance = (np.array(light.color) * light.radiance + sky).tolist()
    emitter = {"type": "area", "radiance": {"type": "rgb", "value": radiance}}
    return {"type": "rectangle", "to_world": mi.ScalarTransform4f(matrix), "emitter": emitter}


def _mitsuba(scene: Scene, size: tuple[int, int], samples: int, sky: tuple[float, float, float]) -> Picture:
    """Mitsuba's picture and its variance, from RUNS independent ones with `samples` in all."""
    camera = scene.camera
    to_world = mi.ScalarTransform4f().look_at(
        origin=list(camera.position), target=list(camera.target), up=list(camera.up)
    )
    description: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": BOUNCES + 1, "rr_depth": 100},
        "sensor": {
            "type": "perspective",
            "fov_axis": "y",
            "fov": math.degrees(camera.fov_y),
            "to_world": to_world,
            "film": {
                "type": "hdrfilm",
                "width": size[0],
                "height": size[1],
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
                "component_format": "float32",
            },
            "sampler": {"type": "independent", "sample_count": samples // RUNS},
        },
        "sky": {"type": "constant", "radiance": {"type": "rgb", "value": list(sky)}},
    }
    for index, light in enumerate(scene.lights.lights):
        assert isinstance(light, AreaLight)
        description[f"light{index}"] = _lamp(light, sky)
    for part in scene.parts:
        description[part.name] = _mesh(part)
    loaded = mi.load_dict(description)
    runs = np.stack([np.array(mi.render(loaded, seed=seed)) for seed in range(RUNS)]).astype(np.float64)
    return Picture(runs.mean(axis=0), runs.var(axis=0, ddof=1) / RUNS)


def test_mitsuba_draws_the_same_picture(gpu: Device) -> None:
    mi.set_variant("scalar_rgb")
    scene = still_life()
    ours = trace(gpu, scene, SIZE, 256)
    theirs = _mitsuba(scene, SIZE, 12 * RUNS, SKY)
    variance = ours.variance + theirs.variance
    noisy = variance > 1e-7 * theirs.mean**2
    assert np.allclose(ours.mean[~noisy], theirs.mean[~noisy], rtol=1e-4)  # the sky
    z = np.zeros_like(variance)
    z[noisy] = (ours.mean - theirs.mean)[noisy] / np.sqrt(variance[noisy])
    # As in Mitsuba's own tests: a level of 1%, corrected for the number of tests (Sidak), and 0.25% of them to spare.
    level = 1.0 - (1.0 - 0.01) ** (1.0 / noisy.sum())
    assert (np.abs(z[noisy]) < student.isf(level / 2.0, RUNS - 1)).mean() >= 0.9975
    # Sharper: deviations are as large as the noise, and in no part of the picture lean to one side.
    assert 0.9 < float(z[noisy].std()) < 1.15
    for rows in (slice(0, 32), slice(32, 64)):
        for columns in (slice(0, 32), slice(32, 64)):
            part, where = z[rows, columns], noisy[rows, columns]
            pixels = max(1, int(where.any(axis=-1).sum()))  # the channels of a pixel vary together
            assert abs(float(part[where].mean())) * math.sqrt(pixels) < 4.0
