"""How the light cache finds what hides light from its points without rays: by depth maps.

A map shows the scene from one place on a light, or from one direction of the sky or around. All points look into it, so
directions are shared where rays would have their own. From all around two maps tell more: behind what is seen first,
the nearest back of the face is where light leaves that has entered there, and what places below it see that way.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.gpu import CommandBuffer, Device, Struct
from app.passes.light_cache_layout import PARTS, point_groups
from app.passes.owner import Owner
from app.passes.scene_acceleration import group_mask
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_FACE, MASK_SOLID, MASK_SPARSE_HAIR
from app.passes.scene_pipeline import Resources, ScenePipeline

MAP_SIZE = 1024  # texels along an edge; over a head, a third of a millimetre each
MAP_BIAS = 0.5  # texels by which what hides a place is nearer to the light, at least
MAP_SLOPE = 60.0  # texels by which a place's plane is followed to the middle of a texel, at most; beyond this
MAP_BIAS_GRAZING = 30.0  # is the bias, and where a facet faces away from light that the smooth surface is to get
MAP_NEAREST = 0.02  # of a lamp's distance: what is nearer to it hides nothing of it
MAP_FURTHEST = 1000.0  # times as far as the scene reaches: there depths are too rough, and lamps' rays parallel
MAP_WIDEST = 4.0  # tangent of half the angle that a lamp's view has at most; what lies beside it lies in its light
# Views a sample, besides one for each light. More of them cost maps; fewer show as steps in soft shadows.
SKY_LOOKS = 2
AROUND_LOOKS = 4  # even: they come in pairs of opposites
SHOWN_REACH = 2.0  # radii of the face around its middle that maps show; what lies beyond neither casts nor has shadows

_VIEW_KINDS = ("LIGHT", "SKY", "AROUND")
_MAPS = ("FIRST", "SPARSE_HAIR", "BACKS")
LIGHT_VIEW = Struct(
    "LightView",
    [
        ("origin", "vec3"),
        ("forward", "vec3"),  # unit, away from the light
        ("right", "vec3"),  # half of the map's width, in metres; with perspective, 1 m before the origin
        ("up", "vec3"),
        ("near", "float"),
        ("far", "float"),
        ("perspective", "uint"),
        ("kind", "uint"),
        ("light", "uint"),
        ("xi", "vec2"),  # which place on the light
        ("radiance", "vec3"),  # from the sky, by the density of such views
    ],
)
VIEWS_PUSH = Struct(
    "ViewsPush",
    [
        ("center", "vec3"),
        ("radius", "float"),  # of what the maps show
        ("reach", "float"),  # from the centre to the end of the scene
        ("sky_looks", "uint"),
    ],
)
MAP_PUSH = Struct("MapPush", [("view", "uint"), ("part", "uint")])
GATHER_PUSH = Struct(
    "GatherPush",
    [
        ("view", "uint"),
        ("of_update", "uint"),  # which of the update's samples
        ("first", "uint"),  # whether it is the update's first view
        ("last", "uint"),
    ],
)


class LightMaps(Owner):
    """For every sample draws maps, one view after the other, and lets all points look into them.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        includes: the light cache's generated declarations.
        gathered: tells what shaders/include/light_gathering.glsl reads and writes of the cache.
        samples: the most that an update takes of each point.
    """

    fine_from_the_start = True
    keeps = False
    settles = False
    parts_at_once = (PARTS,)

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        includes: Mapping[str, str],
        gathered: Callable[[], Resources],
        samples: int,
    ) -> None:
        super().__init__()
        self._device, self._samples, self._gathered = device, samples, gathered
        self._includes = {**includes, "light_views.glsl": light_view_declarations()}

        def looking(shader: str, push: Struct) -> ScenePipeline:
            make = partial(device.compute_pipeline, shader)
            return self.own(ScenePipeline(make, scene, self._looked_into, push=push, includes=self._includes))

        with self.building():
            self._sampler = self.own(device.sampler("nearest", wrap_u="clamp", wrap_v="clamp"))
            self._depths, self._surfaces = (
                [self.own(device.image(MAP_SIZE, MAP_SIZE, kind, name=f"light map {name.lower()}")) for name in _MAPS]
                for kind in ("d32", "rg32u")
            )
            self._of_scene = self.own(Owner())
            self._choose_views(scene)
            self._choose = looking("light_views.comp", VIEWS_PUSH)
            self._gather = looking("light_cache.comp", GATHER_PUSH)
            self._drawn: dict[tuple[bool, bool, bool], ScenePipeline] = {}
            self._draws(scene)

    def bind(self, scene: SceneBuffers) -> None:
        """Gather this scene's light from now on, into what the cache has now. Commands recorded before are stale."""
        self._choose_views(scene)
        for pipeline in (self._choose, self._gather, *self._drawn.values()):
            pipeline.bind(scene)
        self._draws(scene)

    def _draws(self, scene: SceneBuffers) -> None:
        """Make what draws the scene's parts: (surfaces, backs, cut_out) of what is wanted of them, and they are."""
        kinds = [(False, False), (True, False)]
        wanted = [(*kind, cut_out) for kind in kinds for cut_out in (False, scene.has_cut_parts)]
        for kind in dict.fromkeys([*wanted, (True, True, False)]):
            if kind not in self._drawn:
                self._drawn[kind] = self._drawing(scene, *kind)

    def _drawing(self, scene: SceneBuffers, surfaces: bool, backs: bool, cut_out: bool) -> ScenePipeline:
        fragment = "light_map.frag" if surfaces or cut_out else "depth_only.frag"
        make = partial(
            self._device.graphics_pipeline,
            "light_map.vert",
            fragment,
            color_formats=["rg32u"] if surfaces else [],
            depth_format="d32",
            cull="none",
        )
        flags = {"SURFACES": surfaces, "BACKS": backs, "CUT": cut_out, "PLACES": surfaces or cut_out}
        defines = {name: int(flag) for name, flag in flags.items()}
        return self.own(
            ScenePipeline(make, scene, self._shown, push=MAP_PUSH, defines=defines, includes=self._includes)
        )

    def _choose_views(self, scene: SceneBuffers) -> None:
        """How many views of which kind the scene wants, and what they show."""
        masks = [group_mask(part) for part in scene.parts]
        self._solid, self._hair, self._face = (
            [index for index, mask in enumerate(masks) if mask & wanted]
            for wanted in (MASK_FACE | MASK_SOLID, MASK_SPARSE_HAIR, MASK_FACE)
        )
        sky_looks = SKY_LOOKS if scene.has_environment else 0
        self._kinds = ["LIGHT"] * scene.light_count + ["SKY"] * sky_looks + ["AROUND"] * AROUND_LOOKS
        self._framing = _framing(scene)
        self._framing["sky_looks"] = sky_looks
        self._of_scene.close()
        size = LIGHT_VIEW.size * len(self._kinds) * self._samples
        self._views = self._of_scene.own(self._device.buffer(size, name="light views"))

    def _shown(self) -> Resources:
        return {"VIEWS": self._views}

    def _looked_into(self) -> Resources:
        depths, surfaces = ([(image, self._sampler) for image in maps] for maps in (self._depths, self._surfaces))
        return {**self._gathered(), "VIEWS": self._views, "DEPTHS": depths, "SURFACES": surfaces}

    def record(self, command: CommandBuffer, points: int, parts: int) -> None:
        """Record an update of the first `points` points, in all its `parts`.

        How many of its samples count, the cache's state says.
        """
        self._choose.use(command)
        command.push(self._framing)
        command.dispatch(-(-len(self._kinds) * self._samples // 64))
        command.barrier()
        gather = np.zeros((), GATHER_PUSH.dtype)
        for view, kind in enumerate(self._kinds * self._samples):
            sample, of_sample = divmod(view, len(self._kinds))
            self._draw_maps(command, view, surfaces=kind == "AROUND")
            command.barrier()
            gather["view"], gather["of_update"] = view, sample
            gather["first"], gather["last"] = view == 0, of_sample == len(self._kinds) - 1
            self._gather.use(command)
            command.push(gather)
            command.dispatch(*point_groups(points))
            command.barrier()

    def _draw_maps(self, command: CommandBuffer, view: int, *, surfaces: bool) -> None:
        """Draw what the view shows; with `surfaces` also which places of which colour these are, and backs."""
        shown = [(_MAPS.index("FIRST"), False, self._solid)]
        if self._hair:
            shown.append((_MAPS.index("SPARSE_HAIR"), False, self._hair))
        if surfaces:
            shown.append((_MAPS.index("BACKS"), True, self._face))
        for index, backs, parts in shown:
            color = [self._surfaces[index]] if surfaces else []
            with command.rendering(color=color, depth=self._depths[index], clear_depth=1.0):
                for cut_out in (False, True):
                    self._draw_parts(command, view, parts, (surfaces, backs, cut_out))

    def _draw_parts(self, command: CommandBuffer, view: int, parts: list[int], kind: tuple[bool, bool, bool]) -> None:
        scene = self._choose.scene
        chosen = [part for part in parts if scene.parts[part].cut_out == kind[-1]]
        if not chosen:
            return
        self._drawn[kind].use(command)
        command.index_buffer(scene.indices)
        for part in chosen:
            push = np.zeros((), MAP_PUSH.dtype)
            push["view"], push["part"] = view, part
            command.push(push)
            scene.draw_part(command, part)


def _framing(scene: SceneBuffers) -> NDArray[Any]:
    """A record of VIEWS_PUSH: maps show the face and what is around it, as deep as the scene is."""
    meshes = zip(scene.parts, scene.meshes, strict=True)
    face = np.concatenate([mesh.positions for part, mesh in meshes if part.face] or [scene.meshes[0].positions])
    center = (face.min(axis=0) + face.max(axis=0)) / 2.0
    reach = max(float(np.linalg.norm(mesh.positions - center, axis=-1).max()) for mesh in scene.meshes)
    push = np.zeros((), VIEWS_PUSH.dtype)
    push["center"], push["reach"] = center, reach
    push["radius"] = min(SHOWN_REACH * float(np.linalg.norm(face - center, axis=-1).max()), reach)
    return push


def light_view_declarations() -> str:
    """Return what shaders include as light_views.glsl: constants and structs of views and maps."""
    constants = {
        **{f"VIEW_{name}": f"{i}u" for i, name in enumerate(_VIEW_KINDS)},
        **{f"MAP_{name}": f"{i}u" for i, name in enumerate(_MAPS)},
        "MAP_SIZE": MAP_SIZE,
        "MAP_BIAS": MAP_BIAS,
        "MAP_BIAS_GRAZING": MAP_BIAS_GRAZING,
        "MAP_SLOPE": MAP_SLOPE,
        "MAP_WIDEST": MAP_WIDEST,
        "MAP_NEAREST": MAP_NEAREST,
        "MAP_FURTHEST": MAP_FURTHEST,
        "AROUND_LOOKS": f"{AROUND_LOOKS}u",
    }
    structs = (LIGHT_VIEW, VIEWS_PUSH, MAP_PUSH, GATHER_PUSH)
    return "\n".join([*(f"#define {name} {value}" for name, value in constants.items()), *(s.glsl for s in structs)])
