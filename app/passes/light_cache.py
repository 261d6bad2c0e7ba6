"""Light in the face's own UV space: traced once a texel, blurred along the skin, independent of the camera.

What a pixel needs to know of the light around it (the rule of the talk: put it into the pixel) does not depend on the
camera. So it is gathered per texel of the face's UV square, and per vertex of everything else, when lights or meshes
change, and merely looked up in a frame. That is stable under motion, free of noise from frame to frame, and its cost
does not depend on the size of the screen.
"""

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from app.gpu import Binding, Device, HitGroup, Struct
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import FIRST_PASS_SLOT, MASK_FACE, MASK_SOLID, MASK_SPARSE_HAIR, SCENE_INCLUDES
from app.scene.uv_raster import gutter_sources, rasterize_uv

# The Gaussians' widths in (diffuse) mean free paths, channel by channel: measured so, how far light spreads below the
# skin is nearly the same curve for all colours and all skins.
SIGMA_NARROW = 0.4
SIGMA_WIDE = 1.2
TRANSMISSION_REACH = 3.0  # mean free paths; with it, what ears let through of all colours is brighter by about the same
THICKNESS_MAX = 0.1  # metres; beyond this no light comes through
THICKNESS_MIN = 0.0015  # metres; no part of a face is thinner
BLUR_TAPS = 16  # texels a side
# Metres from brows, lashes and beards within which light rays meet them. Elsewhere they hide next to nothing, and as
# rays through thin strands are slow, they would double the cost.
SPARSE_HAIR_REACH = 0.012
CACHE_IMAGES = ("NARROW", "WIDE", "ENVIRONMENT", "MOMENT", "TRANSMISSION")

CACHE_POINT = Struct(
    "CachePoint",
    [
        ("position", "vec3"),
        ("area", "float"),  # m2 of skin that a texel stands for; 0 in the gutter and for vertices
        ("normal", "vec3"),
        ("traced", "uint"),
        ("geometric_normal", "vec3"),
        ("face", "uint"),
        ("material", "uint"),
        ("mean_free_path", "vec3"),  # metres
        ("spread", "float"),  # metres by which rays' origins are shifted at random, against patterns of fine shadows
        ("ray_mask", "uint"),  # what hides light
    ],
)
GATHERED_LIGHT = Struct(
    "GatheredLight",  # sums over samples, but for the last
    [
        ("irradiance", "vec3"),  # without the environment's; weighed by how well it enters the skin, on average 1
        ("ambient_visibility", "float"),
        ("seen", "vec3"),  # irradiance from what is seen of the environment, weighed likewise
        ("thickness", "float"),  # metres
        ("whole", "vec3"),  # irradiance from all of the environment, as if nothing hid it
        ("moment", "vec3"),  # first moment of the arriving luminance
        ("transmission", "vec3"),
        ("environment", "vec3"),  # irradiance from the environment: seen / whole of what would arrive without obstacles
    ],
)
BLURRED_LIGHT = Struct(
    "BlurredLight",
    [
        ("narrow", "vec3"),
        ("ambient_visibility", "float"),
        ("environment", "vec3"),
        ("thickness", "float"),
        ("moment", "vec3"),
        ("transmission", "vec3"),
        ("wide", "vec3"),
    ],
)
CACHE_STATE = Struct(
    "CacheState",
    [
        ("point_count", "uint"),
        ("first_sample", "uint"),
        ("samples", "uint"),
        ("seed", "uint"),
        ("bounce_gain", "float"),  # for the first update, which knows nothing of the light that surfaces reflect
    ],
)


class LightCache:
    """The light gathered so far, as images over the face's UV square and sums per background vertex.

    Args:
        device: an open device with ray tracing.
        scene: the scene on the GPU.
        size: texels along the UV square.
        samples: how many a point gets in all; `samples_per_update` of them each time `command` runs.
        background: whether light is gathered for everything else as well, without which `Background` draws nothing.

    Attributes:
        images: CACHE_IMAGES as (image, sampler); sampled at uv, v = 0 in row 0.
        gathered: buffer of GATHERED_LIGHT: size * size texels, then the background's vertices in order of the parts.
        visibility: buffer of float, sums [light][point].
        state: buffer of CACHE_STATE; first_sample + samples is the number that sums stand for.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        *,
        size: int = 256,
        samples: int = 32,
        samples_per_update: int = 1,
        seed: int = 0,
        background: bool = True,
    ) -> None:
        self._background = background
        self.device, self.scene, self.size = device, scene, size
        self.samples, self.samples_per_update, self._seed = samples, samples_per_update, seed
        self._owned: list[Any] = []
        self._of_scene: list[Any] = []
        self._bound: list[Any] = []
        self.includes = {"light_cache.glsl": self._declarations()}
        self._half = self._own(device.buffer(BLURRED_LIGHT.size * size * size, name="half-blurred light"))
        self.state = self._own(device.buffer(CACHE_STATE.size, memory="upload", name="cache state"))
        self.sampler = self._own(device.sampler("linear", wrap_u="clamp", wrap_v="clamp"))
        self.images = [
            (self._own(device.image(size, size, "rgba16f", name=f"cache {name.lower()}")), self.sampler)
            for name in CACHE_IMAGES
        ]
        first = FIRST_PASS_SLOT
        slots = {name: first + i for i, name in enumerate(("POINTS", "GATHERED", "VISIBILITY", "STATE", "CACHE"))}
        self._trace = self._own(
            device.raytracing_pipeline(
                "light_cache.rgen",
                ["miss.rmiss"],
                [HitGroup("hit.rchit")],
                [
                    *scene.bindings(),
                    *(Binding(first + i, "storage") for i in range(4)),
                    Binding(first + 4, "textures", len(CACHE_IMAGES)),
                ],
                defines={f"SLOT_{name}": slot for name, slot in slots.items()},
                includes={**SCENE_INCLUDES, **self.includes},
            )
        )
        blur_bindings = [*(Binding(i, "storage") for i in range(4)), Binding(4, "image", len(CACHE_IMAGES))]
        self._blur = [
            self._own(
                device.compute_pipeline(
                    "light_cache_blur.comp", blur_bindings, defines={"AXIS": axis}, includes=self.includes
                )
            )
            for axis in (0, 1)
        ]
        self.set_scene(scene)

    @property
    def converged(self) -> bool:
        """Whether every point has all its samples."""
        return self._gathered_samples >= self.samples

    def restart(self) -> None:
        """Starts gathering over: lights have moved."""
        self._gathered_samples = 0

    def set_scene(self, scene: SceneBuffers) -> None:
        """Gathers another scene's light from now on. The GPU must be idle."""
        self.scene = scene
        points, self.vertex_offsets = self._points()
        self.point_count = len(points)
        for thing in reversed(self._of_scene):
            thing.close()
        self._points_buffer = self.device.buffer(points, name="cache points")
        self.gathered = self.device.buffer(GATHERED_LIGHT.size * self.point_count, name="gathered light")
        resources = {0: self._points_buffer, 1: self.gathered, 2: self._half, 3: self.state}
        resources[4] = [image for image, _ in self.images]
        self._blur_sets = [blur.bind(resources) for blur in self._blur]
        self._of_scene = [self._points_buffer, self.gathered, *self._blur_sets]
        self._gathered_samples = 0
        self.lights_changed()

    def lights_changed(self) -> None:
        """Binds the lights anew and starts over."""
        for thing in reversed(self._bound):
            thing.close()
        lights = max(1, self.scene.light_count)
        self.visibility = self.device.buffer(4 * lights * self.point_count, name="light visibility")
        first = FIRST_PASS_SLOT
        bound = self._trace.bind(
            {
                **self.scene.resources(),
                first: self._points_buffer,
                first + 1: self.gathered,
                first + 2: self.visibility,
                first + 3: self.state,
                first + 4: self.images,
            }
        )
        columns = 1024
        with self.device.commands() as command, command.timer("light cache"):
            command.bind(self._trace, bound)
            command.trace(columns, -(-self.point_count // columns))
            command.barrier()
            for blur, resources in zip(self._blur, self._blur_sets, strict=True):
                command.bind(blur, resources)
                command.dispatch(-(-self.size * self.size // 64))
                command.barrier()
        self.command = command
        self._bound = [self.visibility, bound, command]
        self._gathered_samples = 0

    def update(self) -> None:
        """Gathers the next few samples; does nothing once converged. The GPU is idle afterwards."""
        if self.converged:
            return
        state = np.zeros((), CACHE_STATE.dtype)
        samples = min(self.samples_per_update, self.samples - self._gathered_samples)
        state["point_count"], state["first_sample"] = self.point_count, self._gathered_samples
        state["samples"], state["seed"] = samples, self._seed
        state["bounce_gain"] = self.samples / max(self.samples - self.samples_per_update, 1)
        self.state.write(state)
        self.device.submit(self.command)
        self._gathered_samples += samples

    def close(self) -> None:
        """Releases everything on the GPU."""
        for thing in [*reversed(self._bound), *reversed(self._of_scene), *reversed(self._owned)]:
            thing.close()
        self._bound, self._of_scene, self._owned = [], [], []

    def _own(self, thing: Any) -> Any:
        self._owned.append(thing)
        return thing

    def _declarations(self) -> str:
        constants = {
            **{f"CACHE_{name}": i for i, name in enumerate(CACHE_IMAGES)},
            "CACHE_IMAGES": len(CACHE_IMAGES),
            "CACHE_SIZE": self.size,
            "SIGMA_NARROW": SIGMA_NARROW,
            "SIGMA_WIDE": SIGMA_WIDE,
            "TRANSMISSION_REACH": TRANSMISSION_REACH,
            "THICKNESS_MIN": THICKNESS_MIN,
            "THICKNESS_MAX": THICKNESS_MAX,
            "BLUR_TAPS": BLUR_TAPS,
        }
        structs = (CACHE_POINT, GATHERED_LIGHT, BLURRED_LIGHT, CACHE_STATE)
        return "\n".join([*(f"#define {k} {v}" for k, v in constants.items()), *(s.glsl for s in structs)])

    def _points(self) -> tuple[Any, dict[int, int]]:
        """Points to gather light at, and where each background part's vertices start among them."""
        size = self.size
        texels = np.zeros((size, size), CACHE_POINT.dtype)
        for index, (part, mesh) in enumerate(zip(self.scene.parts, self.scene.meshes, strict=True)):
            if not part.face:
                continue
            raster = rasterize_uv(mesh.uvs, mesh.triangles, size)
            rows, columns, wanted = gutter_sources(raster.covered)
            if not raster.covered.any():
                continue
            triangle = mesh.triangles[raster.triangle[rows, columns]]
            w = raster.barycentric[rows, columns]
            weights = np.concatenate([1.0 - w.sum(axis=-1, keepdims=True), w], axis=-1)[..., None]
            corners = mesh.positions[triangle]
            position = (weights * corners).sum(axis=2)
            normals = mesh.normals[triangle]
            normal = (weights * normals).sum(axis=2)
            normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
            cross = np.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
            length = np.linalg.norm(cross, axis=-1)
            geometric = cross / np.maximum(length, 1e-20)[..., None]
            geometric *= np.where((geometric * normal).sum(axis=-1) < 0.0, -1.0, 1.0)[..., None]
            # Lift the point onto the smooth surface, as shaders/include/surface.glsl does (Hanika 2021).
            below = np.minimum(((position[..., None, :] - corners) * normals).sum(axis=-1), 0.0)
            lifted = position - (weights * below[..., None] * normals).sum(axis=2)
            uv = mesh.uvs[triangle]
            d1, d2 = uv[..., 1, :] - uv[..., 0, :], uv[..., 2, :] - uv[..., 0, :]
            uv_area = np.abs(d1[..., 0] * d2[..., 1] - d1[..., 1] * d2[..., 0])
            area = length / np.maximum(uv_area, 1e-12) / (size * size)
            texels["position"][wanted] = lifted[wanted]
            texels["normal"][wanted], texels["geometric_normal"][wanted] = normal[wanted], geometric[wanted]
            texels["area"][wanted] = np.where(raster.covered, area, 0.0)[wanted]
            texels["traced"][wanted] = texels["face"][wanted] = 1
            texels["material"][wanted] = index
            texels["mean_free_path"][wanted] = np.array(part.material.mean_free_path) * 1e-3
        texels["ray_mask"] = MASK_FACE | MASK_SOLID
        parts = zip(self.scene.parts, self.scene.meshes, strict=True)
        hairs = [mesh.positions for part, mesh in parts if part.sparse_hair]
        if hairs:
            tree = cKDTree(np.concatenate(hairs))
            shaded = texels["traced"] > 0
            distance = tree.query(texels["position"][shaded], distance_upper_bound=SPARSE_HAIR_REACH)[0]
            near = np.zeros(texels.shape, bool)
            near[shaded] = np.isfinite(distance)
            texels["ray_mask"][near] |= MASK_SPARSE_HAIR
            texels["spread"][near] = np.sqrt(texels["area"][near])
        groups = [texels.ravel()]
        offsets: dict[int, int] = {}
        count = size * size
        for index, (part, mesh) in enumerate(zip(self.scene.parts, self.scene.meshes, strict=True)):
            if part.face or not self._background:
                continue
            points = np.zeros(len(mesh.positions), CACHE_POINT.dtype)
            points["position"], points["normal"] = mesh.positions, mesh.normals
            points["geometric_normal"], points["traced"] = mesh.normals, 1
            points["ray_mask"] = MASK_FACE | MASK_SOLID
            offsets[index] = count
            count += len(points)
            groups.append(points)
        return np.concatenate(groups), offsets
