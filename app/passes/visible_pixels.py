"""What a pass of triangles leaves of every pixel: a visibility buffer (Burns & Hunt 2013)."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeAlias

from app.arrays import F32, U32
from app.gpu import Buffer, CommandBuffer, Device
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resource

NO_PART = 0xFFFF_FFFF  # where there is no triangle
# Tells which parts of a scene are drawn, and of each whether triangles seen from behind are left out.
Choose: TypeAlias = Callable[[SceneBuffers], Mapping[int, bool]]


class VisiblePixels(Owner):
    """Which triangle every pixel shows, and how deep: 0..1, 1 where nothing is.

    All else is computed from it, once a pixel, so that overdraw and triangles of a pixel or two cost little more than
    themselves: rasterisers shade whole blocks of pixels for every triangle that they touch.

    Blended parts leave out pixels, others in every frame (the idea of Wyman & McGuire 2017, "Hashed Alpha Testing", but
    with thresholds that are spread evenly): the frames' mean is right, in any order of drawing, and what is behind
    keeps its depth.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        width, height: pixels.
        choose: the parts; see Choose.
        name: of what it leaves.

    Attributes:
        size: (width, height).
        triangles, depths: what shaders read by `visible_triangle` and `visible_depth` (shaders/include/visible.glsl).
    """

    triangles: Resource
    depths: Resource

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        width: int,
        height: int,
        choose: Choose,
        *,
        name: str,
    ) -> None:
        super().__init__()
        self._device, self._choose, self.size, self._name = device, choose, (width, height), name
        with self.building():
            self._build(scene)

    @abstractmethod
    def _build(self, scene: SceneBuffers) -> None:
        """Make what it draws with and into."""

    @abstractmethod
    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, with the buffers that it has now. Commands recorded before are stale."""

    @abstractmethod
    def record(self, command: CommandBuffer) -> None:
        """Record the pass; the triangles are visible after the next barrier."""

    @abstractmethod
    def read(self) -> tuple[U32, F32]:
        """(part, triangle), (H, W, 2), NO_PART where they do not show; and depth, (H, W)."""


def visible_includes(resource: Resource) -> dict[str, str]:
    """What shaders that read `triangles` or `depths` include: one file, as either kind of these wants it."""
    lines = [f"#define NO_PART {NO_PART:#x}u", f"#define NOTHING {NOTHING:#x}u"]
    if isinstance(resource, Buffer):
        lines.append("#define VISIBILITY_BUFFER")
    return {"visible_kind.glsl": "\n".join(lines) + "\n"}


NOTHING = 0x3F80_0000
"""Both words of a pixel of a visibility buffer that shows nothing: as a float 1, the depth furthest away."""
