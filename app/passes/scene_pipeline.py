"""A pipeline whose shaders know the scene and a few things of the pass's own."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from app.gpu import Binding, Buffer, CommandBuffer, Image, Pipeline, Struct
from app.gpu.bindings import BindingKind, Texture
from app.passes.owner import Owner
from app.passes.scene_acceleration import HITS
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import FIRST_PASS_SLOT, SCENE_INCLUDES

# A storage buffer, a storage image, an image with the sampler that looks it up, or an array of these.
Resource: TypeAlias = Buffer | Image | Texture | list[Texture]
Resources: TypeAlias = Mapping[str, Resource]


def _nothing(*_: object) -> dict[str, Any]:
    return {}


class ScenePipeline(Owner):
    """Binds the scene's slots and, after them, what the shaders read and write besides.

    Its shaders know as CUT_PARTS whether parts of the scene are cut out.

    Args:
        make: what makes the pipeline once it gets the bindings, `push`, `defines` and `includes`: of an open device's
            `compute_pipeline` or `graphics_pipeline` all but these, of `raytracing_pipeline` all but these and, first
            of all, the hits. Its shaders include "scene.glsl".
        scene: the scene on the GPU.
        resources: tells what else is bound, by name, whenever the scene is: NAME's slot is SLOT_NAME in the shaders.
            Names, their order and the lengths of arrays stay as they were first. The resources stay the caller's.
        push, defines, includes: as for these methods.
        of_scene: what is defined besides, as the scene wants it; the pipeline is made anew where that changes.
        traces: whether it is a ray-tracing pipeline.
        whole_map: whether the shaders see the lamps of an environment map in the map, not as lights.

    Attributes:
        scene: what is bound.
    """

    def __init__(
        self,
        make: Callable[..., Pipeline],
        scene: SceneBuffers,
        resources: Callable[[], Resources] = _nothing,
        *,
        push: Struct | None = None,
        defines: Mapping[str, str | int] | None = None,
        includes: Mapping[str, str] | None = None,
        of_scene: Callable[[SceneBuffers], Mapping[str, str | int]] = _nothing,
        traces: bool = False,
        whole_map: bool = False,
    ) -> None:
        super().__init__()
        self._make, self._traces, self._resources, self._whole_map = make, traces, resources, whole_map
        first = resources()
        self._slots = {name: FIRST_PASS_SLOT + i for i, name in enumerate(first)}
        self._own_slots = [_binding(self._slots[name], name, resource) for name, resource in first.items()]
        slots = {f"SLOT_{name}": slot for name, slot in self._slots.items()}
        self._push, self._defines, self._includes = push, {**slots, **(defines or {})}, includes or {}
        self._of_scene = of_scene
        with self.building():
            self._wanted = self._wanted_by(scene)
            self._pipeline = self._compile(scene)
            self._bound = self.own(Owner())
            self.scene = scene
            self.bind(scene)

    def _wanted_by(self, scene: SceneBuffers) -> dict[str, str | int]:
        return {"CUT_PARTS": int(scene.has_cut_parts), **self._of_scene(scene)}

    def _compile(self, scene: SceneBuffers) -> Pipeline:
        hits = [HITS[: 1 + scene.has_cut_parts]] if self._traces else []
        return self.own(
            self._make(
                *hits,
                [*scene.bindings(), *self._own_slots],
                push=self._push,
                defines={**self._wanted, **self._defines},
                includes={**SCENE_INCLUDES, **self._includes},
            )
        )

    def bind(self, scene: SceneBuffers) -> None:
        """Bind what stands in all slots now, of this scene from now on. Commands recorded before are stale."""
        self._bound.close()
        if (wanted := self._wanted_by(scene)) != self._wanted:
            self.let_go(self._pipeline).close()
            self._wanted = wanted
            self._pipeline = self._compile(scene)
        self.scene = scene
        own = {self._slots[name]: resource for name, resource in self._resources().items()}
        self._set = self._bound.own(self._pipeline.bind({**scene.resources(whole_map=self._whole_map), **own}))

    def use(self, command: CommandBuffer) -> None:
        """Record that the commands after this are for this pipeline, and that it works with what is bound."""
        command.bind(self._pipeline, self._set)


def _binding(slot: int, name: str, resource: Resource) -> Binding:
    if isinstance(resource, list):
        return Binding(slot, "textures", len(resource), name.lower())
    kind: BindingKind = "texture"
    if isinstance(resource, Buffer | Image):
        kind = "storage" if isinstance(resource, Buffer) else "image"
    return Binding(slot, kind, name=name.lower())
