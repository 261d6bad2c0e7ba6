"""The scene on the GPU: geometry, materials, lights, environment and camera, as every pass reads them.

`ScenePipeline` puts `bindings()` before the slots of a pass, which start at `scene_layout.FIRST_PASS_SLOT`.
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import F32, F64
from app.errors import InputError
from app.gpu import Binding, CommandBuffer, Device, Sampler
from app.gpu.bindings import BindingKind, Bound
from app.gpu.bindings import Texture as SampledImage
from app.network.schema import tile_grid
from app.passes.array_store import Arrays, ArrayStore, derived, digest_of
from app.passes.dealt_rows import row_deal
from app.passes.dielectric_table import DIELECTRIC_FLOATS, dielectric_table
from app.passes.environment_maps import EnvironmentMaps
from app.passes.ggx_albedo import ggx_albedo_texels
from app.passes.light_records import disc_records, light_records
from app.passes.owner import Owner
from app.passes.scene_acceleration import SceneAcceleration, triangle_orders
from app.passes.scene_layout import (
    DISC,
    ENVIRONMENT,
    ENVIRONMENT_LEVELS,
    FRAME,
    LIGHT,
    MATERIAL,
    MAX_TEXTURES,
    MOST_DISCS,
    PART,
    SLOTS,
    VERTEX,
)
from app.passes.texture_upload import can_share, shared_image, upload_texture
from app.processor import core_count
from app.scene.camera import Camera
from app.scene.closed import hides_back_sides
from app.scene.environment import LUMINANCE
from app.scene.even_layout import even_uvs
from app.scene.medium import MIN_BOUNDARY_IOR
from app.scene.model import Material, Scene, Texture, Wrap


class SceneBuffers(Owner):
    """GPU copy of a scene. `set_lights` and `set_frame` change it; new meshes need a new one.

    `frame` is the buffer of FRAME; who has several frames under way copies `frame_record` there by commands.
    `clip_from_world` is the view of the last of those, a (4,4) column-vector matrix without jitter.

    Args:
        device: an open device; with ray tracing, acceleration structures are built.
        scene: parts are baked into world space. At least one part.
        store: where what follows from the meshes, textures and maps is kept, if anywhere.

    Raises:
        InputError: too many textures.
    """

    def __init__(self, device: Device, scene: Scene, *, store: ArrayStore | None = None) -> None:
        super().__init__()
        self.device, self._store = device, store
        self.parts = scene.parts
        self.meshes = [part.mesh.with_transform(part.transform) for part in self.parts]
        self.light_uvs = self._lay_out()
        self.first_vertices = np.cumsum([0] + [len(mesh.positions) for mesh in self.meshes])
        self.first_indices = np.cumsum([0] + [3 * len(mesh.triangles) for mesh in self.meshes])
        self._head_from_world = scene.head_rotation()
        self._cores = core_count() if device.info.kind == "cpu" else 1
        self._view: tuple[Camera, int, int] | None = None  # of the last frame record
        self._record: NDArray[Any] = np.zeros((), FRAME.dtype)
        self.clip_from_world: F64 = np.eye(4)
        self._maps: EnvironmentMaps
        self._pixels: F32 | None = None  # of the map
        self.light_count = -1  # with the lamps of the map, which come last
        self._disc_count = 0
        self.light_level = 0.0
        self.exposure = 1.0
        with self.building():
            self._samplers: dict[tuple[Wrap, Wrap], Sampler] = {}
            self._sphere = self.own(device.sampler("linear", wrap_u="repeat", wrap_v="clamp"))
            self._blank = self.own(device.image(1, 1, "rgba8", name="blank texture")), self._sphere
            self._upload_meshes()
            self._upload_materials()
            self._ggx = self.own(device.buffer(self._ggx_table(), name="ggx albedo"))
            self.frame = self.own(device.buffer(FRAME.size, name="frame"))
            self.acceleration: SceneAcceleration | None = None
            if device.raytracing:
                self.acceleration = self.own(self._accelerate())
            self._environment = self.own(device.buffer(ENVIRONMENT.size, name="environment"))
            self._of_map, self._of_lights = self.own(Owner()), self.own(Owner())
            self.set_lights(scene)

    def derived(self, key: tuple[object, ...], make: Callable[[], Arrays]) -> Arrays:
        """What `make` works out of the parts alone and what `key` tells, or has been kept of it."""
        return make() if self._store is None else derived(self._store, (self.parts_digest, *key), make)

    @cached_property
    def parts_digest(self) -> bytes:
        """Digest of meshes and materials."""
        return digest_of(self.parts)

    def _lay_out(self) -> list[F32]:
        """Where every part's vertices lie in the light cache; of parts that are not face, nowhere: (0, 2)."""
        faces = {f"{index}": self.meshes[index] for index, part in enumerate(self.parts) if part.face}

        def make() -> Arrays:
            return dict(zip(faces, even_uvs(list(faces.values())), strict=True))

        evened = self.derived(("light uvs",), make)
        return [evened.get(f"{index}", np.zeros((0, 2), np.float32)) for index in range(len(self.parts))]

    def _accelerate(self) -> SceneAcceleration:
        orders = self.derived(("triangle orders",), lambda: triangle_orders(self.parts, self.meshes))
        return SceneAcceleration(self.device, self.parts, self.meshes, self.vertices, orders)

    def _upload_meshes(self) -> None:
        vertices = np.zeros(self.first_vertices[-1], VERTEX.dtype)
        vertices["position"] = np.concatenate([mesh.positions for mesh in self.meshes])
        vertices["normal"] = np.concatenate([mesh.normals for mesh in self.meshes])
        vertices["uv"] = np.concatenate([mesh.uvs for mesh in self.meshes])
        starts = zip(self.meshes, self.first_vertices, strict=False)
        indices = np.concatenate([mesh.triangles.ravel() + start for mesh, start in starts]).astype(np.uint32)
        parts = np.zeros(len(self.parts), PART.dtype)
        parts["first_index"] = self.first_indices[:-1]
        parts["face"] = [part.face for part in self.parts]
        parts["material"] = np.arange(len(self.parts))
        triangle_parts = np.repeat(parts["material"], [len(mesh.triangles) for mesh in self.meshes])
        light_uvs = np.zeros((-(-self.first_vertices[-1] // 2), 4), np.float32)  # two vertices a texel
        for mesh_uvs, first in zip(self.light_uvs, self.first_vertices, strict=False):
            light_uvs.reshape(-1, 2)[first : first + len(mesh_uvs)] = mesh_uvs
        self.vertices = self.own(self.device.buffer(vertices, name="vertices"))
        self._light_uvs = self.own(self.device.buffer(light_uvs, name="light uvs"))
        self.indices = self.own(self.device.buffer(indices, name="indices"))
        self._triangle_parts = self.own(self.device.buffer(triangle_parts, name="parts of triangles"))
        self._parts_buffer = self.own(self.device.buffer(parts, name="parts"))

    def _upload_materials(self) -> None:
        self._textures: list[SampledImage] = []
        self._texture_slots: dict[tuple[int, ...], int] = {}  # by what images are of, and whether it is cut out
        self._dielectrics: dict[float, int] = {}
        materials = MATERIAL.zeros(len(self.parts))
        for record, part in zip(materials, self.parts, strict=True):
            self._fill_material(record, part.material, part.cut_out)
        tables = [self._dielectric_table(ior) for ior in self._dielectrics] or [np.zeros(1, np.float32)]
        self._materials = self.own(self.device.buffer(materials, name="materials"))
        self._boundaries = self.own(self.device.buffer(np.concatenate(tables), name="dielectrics"))

    def set_lights(self, scene: Scene) -> bool:
        """Upload lights and environment. The GPU must be idle.

        Returns:
            Whether buffers were replaced (another number of lights, another map), so that bindings made before are
            stale.

        Raises:
            BungyoError: the GPU cannot take them. Then nothing has changed.
        """
        rig, sky = scene.rig, scene.environment
        pixels = None if sky is None else sky.pixels
        other_map = self.light_count < 0 or pixels is not self._pixels
        made = Owner()
        with made.building():
            maps = made.own(EnvironmentMaps(self.device, sky, self._store)) if other_map else self._maps
            lamps = [] if sky is None else [lamp.light(sky) for lamp in maps.lamps]
            center = scene.face_bounds().mean(axis=0)
            lights, levels = light_records([*rig.lights, *lamps], center)
            other_count = len(lights) != self.light_count
            if other_count:
                self._make_light_buffers(len(lights))
        if other_map:
            self._of_map.close()
            self._of_map.own(made)
            self._maps, self._pixels = maps, pixels
        discs = disc_records(lights)
        del levels[len(rig.lights) :]  # lamps are chosen with the map that they are of
        sky_level = math.pi * float(sky.mean_radiance @ LUMINANCE) * sky.intensity if sky else 0.0
        total = sum(levels) + sky_level
        picks = _chances(levels if sky is None else [*levels, sky_level], total)
        lights["pick"][: len(levels)] = picks[: len(levels)]
        # Lights arrive from all sides; about a quarter of what they could give reaches a typical normal.
        self.light_level, self.exposure = 0.25 * total, 2.0**rig.exposure

        record = np.zeros((), ENVIRONMENT.dtype)
        if sky is not None:
            record["present"], record["pick"] = 1, picks[-1]
            record["height"], record["width"] = sky.pixels.shape[:2]
            record["turn"], record["intensity"] = (math.cos(sky.rotation), math.sin(sky.rotation)), sky.intensity
        self.light_count, self._disc_count = len(lights), len(discs)
        self._lights.write(lights)
        self._discs.write(discs)
        self._environment.write(record)
        return other_map or other_count

    def _make_light_buffers(self, count: int) -> None:
        """Make room for so many lights, in the place of what there was."""
        made = Owner()
        with made.building():
            lights = made.own(self.device.buffer(max(1, count) * LIGHT.size, name="lights"))
            # Lights may become longer.
            discs = made.own(self.device.buffer(max(1, count) * MOST_DISCS * DISC.size, name="discs"))
        self._of_lights.close()
        self._of_lights.own(made)
        self._lights, self._discs = lights, discs

    def set_frame(
        self, camera: Camera, width: int, height: int, *, jitter: tuple[float, float], sample_index: int, seed: int = 0
    ) -> None:
        """Write what changes from frame to frame. The GPU must be idle.

        Args:
            jitter: shift of every ray, in pixels.
            sample_index: 0, 1, 2 ...: decides the random numbers together with `seed`.
        """
        self.frame.write(self.frame_record(camera, width, height, jitter=jitter, sample_index=sample_index, seed=seed))

    def frame_record(
        self, camera: Camera, width: int, height: int, *, jitter: tuple[float, float], sample_index: int, seed: int = 0
    ) -> NDArray[Any]:
        """What `set_frame` writes, for `frame`; valid until the next call."""
        view = (camera, width, height)
        if view != self._view:
            self._view, self.clip_from_world = view, camera.projection(width, height) @ camera.view()
            self._record = _fill_camera(camera, width, height)
            self._record["head_from_world"] = self._head_from_world.T
            deal = row_deal(tile_grid(width, height)[1], self._cores)
            self._record["row_stride"], self._record["row_modulus"] = deal
        frame = self._record
        frame["view_projection"] = (camera.shift(width, height, jitter) @ self.clip_from_world).T
        frame["exposure"], frame["light_level"] = self.exposure, self.light_level
        frame["light_count"], frame["lamp_count"] = self.light_count, len(self._maps.lamps)
        frame["disc_count"] = self._disc_count
        frame["sample_index"], frame["seed"], frame["jitter"] = sample_index, seed, jitter
        return frame

    def bindings(self) -> list[Binding]:
        """The scene's slots, for a pipeline."""
        kinds: dict[str, BindingKind] = {
            "TLAS": "tlas", "VERTICES": "texels", "LIGHT_UVS": "texels", "MATERIALS": "texels", "LIGHTS": "texels",
            "DISCS": "texels", "GGX_ALBEDO": "texels", "TEXTURES": "textures", "ENVIRONMENT_LEVELS": "textures",
        }  # fmt: skip
        counts = {"TEXTURES": MAX_TEXTURES, "ENVIRONMENT_LEVELS": ENVIRONMENT_LEVELS + 1}  # and the backdrop
        return [
            Binding(slot, kinds.get(name, "storage"), counts.get(name, 1), name.lower())
            for slot, name in enumerate(SLOTS)
            if self.acceleration is not None or name not in ("TLAS", "PRIMITIVES")
        ]

    def resources(self, *, whole_map: bool = False) -> dict[int, Bound]:
        """What stands in the slots now, for a pipeline's `bind`. Valid until `set_lights` returns True.

        Args:
            whole_map: the environment with its lamps, for a pipeline that does not draw them as lights.
        """
        textures = self._textures + [self._blank] * (MAX_TEXTURES - len(self._textures))
        maps = self._maps
        first, alias = (maps.whole, maps.whole_alias) if whole_map else (maps.levels[0], maps.alias)
        levels = [(image, self._sphere) for image in (first, *maps.levels[1:], maps.backdrop)]
        traced = (None, None) if self.acceleration is None else (self.acceleration.tlas, self.acceleration.primitives)
        values = (
            *traced, self.vertices, self._light_uvs, self.indices, self._triangle_parts, self._parts_buffer,
            self._materials, self._lights, self._discs, self._environment, alias, self._ggx, self._boundaries,
            self.frame, textures, levels,
        )  # fmt: skip
        return {slot: value for slot, value in enumerate(values) if value is not None}

    @property
    def has_environment(self) -> bool:
        """Whether light comes from all around."""
        return self._pixels is not None

    @cached_property
    def has_cut_parts(self) -> bool:
        """Whether rays have to ask what they meet whether it is there."""
        return any(part.cut_out for part in self.parts)

    @cached_property
    def shows_back_sides(self) -> list[bool]:
        """Of every part but faces, whether one may see triangles of it from behind: sheets, and what is cut."""
        return [
            part.cut_out or (not part.face and not hides_back_sides(mesh))
            for part, mesh in zip(self.parts, self.meshes, strict=True)
        ]

    def draw_part(self, command: CommandBuffer, part: int) -> None:
        """Record the draw of all triangles of a part; `indices` must be bound."""
        command.draw_indexed(3 * len(self.meshes[part].triangles), first=int(self.first_indices[part]))

    def _fill_material(self, record: Any, m: Material, cut_out: bool) -> None:
        record["albedo"], record["roughness"], record["metallic"] = m.albedo, m.roughness, m.metallic
        bounded = m.subsurface > 0.0 or m.transmission > 0.0
        record["second_roughness"], record["second_weight"] = m.second_roughness, m.second_weight if bounded else 0.0
        record["f0"], record["ior"] = ((m.ior - 1.0) / (m.ior + 1.0)) ** 2, max(m.ior, MIN_BOUNDARY_IOR)
        if bounded:
            record["dielectric"] = self._dielectric(m.ior)
        record["transmission"] = m.transmission
        record["subsurface"], record["normal_scale"] = m.subsurface, m.normal_scale
        record["mean_free_path"] = np.array(m.mean_free_path) * 1e-3
        record["emission"], record["cut"] = m.emission, _cut(m) if cut_out else 0.0
        sizes = [_edge(t) for t in (m.albedo_map, m.normal_map, m.roughness_map) if t is not None]
        record["texture_size"] = size = sizes[0] if sizes else 1.0
        record["normal_lod"] = 0.0 if m.normal_map is None else math.log2(_edge(m.normal_map) / size)
        record["roughness_lod"] = 0.0 if m.roughness_map is None else math.log2(_edge(m.roughness_map) / size)
        record["albedo_map"] = self._texture(m.albedo_map, cut_out)
        record["normal_map"], record["roughness_map"] = self._bump_and_roughness(m.normal_map, m.roughness_map)

    def _ggx_table(self) -> F32:
        return derived(self._store, ("ggx",), lambda: {"": ggx_albedo_texels()})[""]

    def _dielectric_table(self, ior: float) -> F32:
        return derived(self._store, ("dielectric", ior), lambda: {"": dielectric_table(ior)})[""]

    def _dielectric(self, ior: float) -> int:
        """Where the table of an index of refraction starts."""
        return self._dielectrics.setdefault(ior, len(self._dielectrics) * DIELECTRIC_FLOATS)

    def _bump_and_roughness(self, normals: Texture | None, roughness: Texture | None) -> tuple[int, int]:
        """Slots of both maps: the same, if they share one image, which takes one look-up instead of two."""
        if normals is None or roughness is None or not can_share(normals, roughness):
            return self._texture(normals), self._texture(roughness)
        key = (id(normals), id(roughness))
        if key not in self._texture_slots:
            self._texture_slots[key] = self._upload(shared_image(normals, roughness))
        return self._texture_slots[key], self._texture_slots[key]

    def _texture(self, texture: Texture | None, cut_out: bool = False) -> int:
        """Slot of a texture in the shader's array, uploading it on first use; -1 for none."""
        if texture is None:
            return -1
        key = (id(texture), cut_out)
        if key not in self._texture_slots:
            self._texture_slots[key] = self._upload(texture, cut_out)
        return self._texture_slots[key]

    def _upload(self, texture: Texture, cut_out: bool = False) -> int:
        if len(self._textures) == MAX_TEXTURES:
            raise InputError(f"The scene has more than {MAX_TEXTURES} textures.")
        image = self.own(upload_texture(self.device, texture, self._store, cut_out=cut_out))
        self._textures.append((image, self._sampler(texture.wrap)))
        return len(self._textures) - 1

    def _sampler(self, wrap: tuple[Wrap, Wrap]) -> Sampler:
        if wrap not in self._samplers:
            self._samplers[wrap] = self.own(self.device.sampler("linear", *wrap))
        return self._samplers[wrap]


def _fill_camera(camera: Camera, width: int, height: int) -> NDArray[Any]:
    """A record of FRAME with what only depends on these, but for the projection."""
    frame = np.zeros((), FRAME.dtype)
    basis = camera.basis(width, height)
    frame["camera_origin"], frame["camera_right"] = basis.origin, basis.right
    frame["camera_up"], frame["camera_forward"] = basis.up, basis.forward
    frame["near"], frame["far"] = camera.near, camera.far
    frame["pixel_angle"] = 2.0 * math.tan(camera.fov_y / 2.0) / height
    frame["size"] = width, height
    frame["tiles_x"] = tile_grid(width, height)[0]
    return frame


def _chances(levels: Sequence[float], total: float) -> list[float]:
    """How often each source of light is chosen, by what they bring to the face's centre, `total` together.

    A quarter of the choices is uniform, so that a light that is weak there but strong somewhere is found.
    """
    return [0.75 * level / total + 0.25 / len(levels) if total > 0.0 else 1.0 / len(levels) for level in levels]


def _edge(texture: Texture) -> float:
    """Texels along the edge of a square of as many."""
    return math.sqrt(math.prod(texture.size))


def _cut(material: Material) -> float:
    """`cut` of MATERIAL: the map's alpha times the opacity is compared with the cut-off, or with chance."""
    if material.alpha_mode == "blend":
        return -max(material.opacity, 1e-9)
    if material.opacity == 0.0:
        return 2.0 if material.alpha_cutoff > 0.0 else 0.0  # more than any alpha
    return material.alpha_cutoff / material.opacity
