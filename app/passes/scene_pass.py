"""A compute shader that knows the scene and a few things of its own."""

from collections.abc import Mapping
from typing import Any

from app.gpu import Binding, Buffer, CommandBuffer, Device, Image
from app.gpu.bindings import BindingKind, Texture
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import FIRST_PASS_SLOT, SCENE_INCLUDES


class ScenePass:
    """Binds the scene's slots and, after them, what the shader reads and writes besides.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        shader: a compute shader that includes "scene.glsl"; its name without suffix is the timer's.
        resources: by name; NAME's slot is SLOT_NAME in the shader. Storage buffers, storage images, and images with the
            sampler that looks them up. They stay the caller's.
        defines, includes: as for Device.compute_pipeline.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        shader: str,
        resources: Mapping[str, Buffer | Image | Texture],
        *,
        defines: Mapping[str, str | int],
        includes: Mapping[str, str],
    ) -> None:
        self._scene, self._name = scene, shader.removesuffix(".comp")
        slots = {name: FIRST_PASS_SLOT + i for i, name in enumerate(resources)}
        self._resources = {slots[name]: resource for name, resource in resources.items()}
        own = [Binding(slots[name], _kind(resource), name=name.lower()) for name, resource in resources.items()]
        self._pipeline = device.compute_pipeline(
            shader,
            [*scene.bindings(), *own],
            defines={**{f"SLOT_{name}": slot for name, slot in slots.items()}, **defines},
            includes={**SCENE_INCLUDES, **includes},
        )
        self._bound: Any = None
        self.lights_changed()

    def lights_changed(self) -> None:
        """Binds the scene anew. Commands recorded before are stale."""
        if self._bound is not None:
            self._bound.close()
        self._bound = self._pipeline.bind({**self._scene.resources(), **self._resources})

    def record(self, command: CommandBuffer, groups: tuple[int, int]) -> None:
        """Records a dispatch of (across, down) workgroups; what it writes is visible after the next barrier."""
        with command.timer(self._name):
            command.bind(self._pipeline, self._bound)
            command.dispatch(*groups)

    def close(self) -> None:
        """Releases the pipeline and what is bound to it."""
        self._bound.close()
        self._pipeline.close()


def _kind(resource: Buffer | Image | Texture) -> BindingKind:
    if isinstance(resource, Buffer):
        return "storage"
    return "image" if isinstance(resource, Image) else "texture"
