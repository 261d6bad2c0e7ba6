"""Another real-time renderer draws the view: pygfx, with plain physically based shading of the same meshes and maps.

It is spared a lot: no scattering, no shadows, no light between surfaces, area lights are points, and of the environment
the mean is left. Pictures stay on the GPU, as ours do.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from app.open_renderer import open_device
from app.scene.default import default_scene
from app.scene.lights import AreaLight, DirectionalLight, Light
from app.scene.model import Material, Part, Scene, Texture
from app.scene_options import SceneOptions

_WARM_UP = 3  # frames; the first ones compile
_GLASS = 0.05  # opacity of what is clear in our scene


class PygfxView:
    """The scene in pygfx, drawn to a texture, warmed up.

    Args:
        scene: what is drawn.
        size: (width, height) in pixels.
        device: the name of one that `finds` is true of; the same for all views of a process.
    """

    def __init__(self, scene: Scene, size: tuple[int, int], device: str) -> None:
        import pygfx as gfx
        import wgpu

        _select(device)
        attachment = wgpu.TextureUsage.RENDER_ATTACHMENT
        self._target = gfx.Texture(
            dim=2, size=(*size, 1), format="rgba8unorm-srgb", colorspace="physical", usage=attachment
        )
        self._renderer = gfx.renderers.WgpuRenderer(self._target, pixel_scale=1, ppaa="none")
        self._word = self._renderer.device.create_buffer(size=4, usage=wgpu.BufferUsage.COPY_SRC)
        self._scene = _scene(scene)
        aspect = size[0] / size[1]
        angle = 2.0 * math.atan(math.tan(scene.camera.fov_y / 2.0) * (1.0 + aspect) / 2.0)  # of a square between both
        near_far = (scene.camera.near, scene.camera.far)
        self._camera = gfx.PerspectiveCamera(math.degrees(angle), aspect, depth_range=near_far)
        self._camera.local.position = scene.camera.position
        self._camera.look_at(scene.camera.target)
        for _ in range(_WARM_UP):
            self.milliseconds()

    def milliseconds(self) -> float:
        """Draw a frame and wait for it."""
        start = time.perf_counter()
        self._renderer.render(self._scene, self._camera)
        self._renderer.device.queue.read_buffer(self._word)  # a frame later than all that was submitted
        return (time.perf_counter() - start) * 1e3

    def read(self) -> Any:
        """The last frame, (H, W, 4) uint8."""
        return self._renderer.snapshot()


def finds(device: str) -> bool:
    """Whether pygfx can draw on the device of this name, by Vulkan."""
    return bool(_adapters(device))


@cache
def _select(device: str) -> None:
    import pygfx as gfx

    gfx.renderers.wgpu.select_adapter(_adapters(device)[0])


def _adapters(device: str) -> list[Any]:
    import wgpu

    known = wgpu.gpu.enumerate_adapters_sync()
    return [one for one in known if one.info["device"] == device and one.info["backend_type"] == "Vulkan"]


def _scene(scene: Scene) -> Any:
    import pygfx as gfx

    made = gfx.Scene()
    made.add(gfx.Background(None, gfx.BackgroundMaterial("black")))
    if scene.environment is not None:
        mean = scene.environment.mean_radiance * scene.environment.intensity
        made.add(gfx.AmbientLight(_color(mean / mean.max()), math.pi * float(mean.max())))
    made.add(*(_light(light) for light in scene.rig.lights))
    made.add(*(_part(part) for part in scene.parts))
    return made


def _light(light: Light) -> Any:
    """A light without a size; pygfx's intensities are radiant ones (W/sr), or irradiance."""
    import pygfx as gfx

    if isinstance(light, DirectionalLight):
        made = gfx.DirectionalLight(_color(light.color), light.irradiance)
        made.local.position = -np.asarray(light.direction)
        return made
    if isinstance(light, AreaLight):
        intensity, position = light.radiance * light.area, light.center
    else:
        intensity, position = light.intensity, light.position
    made = gfx.PointLight(_color(light.color), intensity, decay=2)
    made.local.position = position
    return made


def _part(part: Part) -> Any:
    import pygfx as gfx

    mesh = part.mesh.with_transform(part.transform)
    uvs = np.stack([mesh.uvs[:, 0], 1.0 - mesh.uvs[:, 1]], axis=-1)  # its images begin at the top
    geometry = gfx.Geometry(indices=mesh.triangles, positions=mesh.positions, normals=mesh.normals, texcoords=uvs)
    return gfx.Mesh(geometry, _material(part.material))


def _material(material: Material) -> Any:
    import pygfx as gfx

    clear = material.transmission > 0.0
    made = gfx.MeshStandardMaterial(
        color=(*_color(material.albedo), _GLASS if clear else material.opacity),
        map=_texture(material.albedo_map),
        roughness=material.roughness,
        roughness_map=_texture(material.roughness_map, channel=1),
        metalness=material.metallic,
        normal_map=_texture(material.normal_map),
        normal_scale=(material.normal_scale, material.normal_scale),
        alpha_mode="blend" if clear or material.alpha_mode == "blend" else "solid",
        side="both" if material.alpha_mode != "opaque" else "front",
    )
    if material.alpha_mode == "mask":
        made.alpha_test = material.alpha_cutoff
    return made


def _texture(texture: Texture | None, channel: int | None = None) -> Any:
    """A map with mip levels; `channel`: where pygfx looks for what has one channel."""
    import pygfx as gfx

    if texture is None:
        return None
    pixels = texture.pixels
    if pixels.dtype == np.float32:
        pixels = np.round(np.clip(pixels.astype(np.float64), 0.0, 1.0) * 255.0).astype(np.uint8)
    rgba = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    if channel is None:
        rgba[..., : pixels.shape[2]] = pixels
    else:
        rgba[..., channel] = pixels[..., 0]
    made = gfx.Texture(rgba, dim=2, colorspace="srgb" if texture.srgb else "physical", generate_mipmaps=True)
    return gfx.TextureMap(made, filter="linear", wrap_s=texture.wrap[0], wrap_t=texture.wrap[1])


def _color(linear: Any) -> tuple[float, float, float]:
    """Linear Rec.709 as the sRGB that pygfx takes colours in."""
    c = np.asarray(linear, np.float64)
    encoded = np.where(c <= 0.0031308, 12.92 * c, 1.055 * np.maximum(c, 1e-9) ** (1.0 / 2.4) - 0.055)
    return float(encoded[0]), float(encoded[1]), float(encoded[2])


@contextmanager
def pygfx_view(options: SceneOptions, size: tuple[int, int]) -> Iterator[PygfxView | None]:
    """For a `Worker`: the default view on the device that `options` name; None where pygfx does not find that."""
    with open_device(options, raytracing=False) as device:
        name = device.info.name
    yield PygfxView(default_scene(aspect=size[0] / size[1]), size, name) if finds(name) else None


def frame(view: PygfxView | None) -> float | None:
    """Milliseconds of a frame, if there is a view."""
    return view.milliseconds() if view is not None else None
