"""Recording rasterisation: dynamic rendering into images, vertex and index buffers, draws."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from app.gpu.binding import Handle, array, make, vk
from app.gpu.buffer import Buffer
from app.gpu.image import Image
from app.gpu.recorder import Recorder

Color: TypeAlias = tuple[float, float, float, float]


class DrawRecorder(Recorder):
    """Draw commands."""

    @contextmanager
    def rendering(
        self,
        color: Sequence[Image],
        depth: Image | None = None,
        clear_color: Color | None = (0.0, 0.0, 0.0, 0.0),
        clear_depth: float | None = 1.0,
        *,
        resolve: Sequence[Image] = (),
        size: tuple[int, int] | None = None,
    ) -> Iterator[None]:
        """Draw into images of one size in this block; viewport and scissor start as the whole image.

        Args:
            color: colour targets, in the order of the fragment shader's locations.
            depth: depth target.
            clear_color: what the colour targets are filled with first; None keeps their contents.
            clear_depth: the same for the depth target.
            resolve: for multisampled targets, images of one sample that receive the averages.
            size: (width, height) where there are no images, for fragment shaders that write elsewhere.
        """
        targets = [*color, *([depth] if depth else [])]
        if bool(targets) == (size is not None):
            raise ValueError("rendering needs a colour or a depth image, or else a size")
        width, height = size or (targets[0].width, targets[0].height)
        if any((image.width, image.height) != (width, height) for image in (*targets, *resolve)):
            raise ValueError("all images of one rendering need the same size")
        self._kept += (*targets, *resolve)
        attachments = []
        for index, image in enumerate(color):
            clear: dict[str, object] = {}
            if clear_color is not None:
                clear = {"color": image.clear_value(clear_color)}
            target = resolve[index] if index < len(resolve) else None
            attachments.append(self._attachment(image, clear, target))
        depth_clear: dict[str, object] = {}
        if clear_depth is not None:
            depth_clear = {"depthStencil": {"depth": clear_depth}}
        area = {"offset": {"x": 0, "y": 0}, "extent": {"width": width, "height": height}}
        info = make(
            "VkRenderingInfo",
            renderArea=area,
            layerCount=1,
            colorAttachmentCount=len(attachments),
            pColorAttachments=attachments,
            pDepthAttachment=self._attachment(depth, depth_clear, None) if depth else None,
        )
        vk.vkCmdBeginRendering(self.handle, info)
        self._rendering = True
        self.viewport(0, 0, width, height)
        self.scissor(0, 0, width, height)
        try:
            yield
        finally:
            self._rendering = False
            vk.vkCmdEndRendering(self.handle)

    @staticmethod
    def _attachment(image: Image, clear: dict[str, object], resolve: Image | None) -> Handle:
        general = vk.VK_IMAGE_LAYOUT_GENERAL
        fields: dict[str, object] = {}
        if resolve is not None:
            fields = {
                "resolveMode": vk.VK_RESOLVE_MODE_AVERAGE_BIT,
                "resolveImageView": resolve.target_view,
                "resolveImageLayout": general,
            }
        return make(
            "VkRenderingAttachmentInfo",
            imageView=image.target_view,
            imageLayout=general,
            loadOp=vk.VK_ATTACHMENT_LOAD_OP_CLEAR if clear else vk.VK_ATTACHMENT_LOAD_OP_LOAD,
            storeOp=vk.VK_ATTACHMENT_STORE_OP_STORE,
            clearValue=clear,
            **fields,
        )

    def viewport(self, x: float, y: float, width: float, height: float) -> None:
        """Where clip space lands, in pixels; depth 0..1."""
        area = make("VkViewport", x=x, y=y, width=width, height=height, minDepth=0.0, maxDepth=1.0)
        vk.vkCmdSetViewport(self.handle, 0, 1, area)

    def scissor(self, x: int, y: int, width: int, height: int) -> None:
        """Draw only inside this rectangle of pixels."""
        area = make("VkRect2D", offset={"x": x, "y": y}, extent={"width": width, "height": height})
        vk.vkCmdSetScissor(self.handle, 0, 1, area)

    def cull(self, *, back: bool) -> None:
        """Leave out triangles seen from behind from now on, or draw them; for pipelines whose `cull` is "dynamic"."""
        vk.vkCmdSetCullMode(self.handle, vk.VK_CULL_MODE_BACK_BIT if back else vk.VK_CULL_MODE_NONE)

    def vertex_buffer(self, buffer: Buffer, *, slot: int = 0) -> None:
        """Read vertices of layout entry `slot` from a buffer."""
        self._kept.append(buffer)
        vk.vkCmdBindVertexBuffers(self.handle, slot, 1, array("VkBuffer", [buffer.handle]), array("VkDeviceSize", [0]))

    def index_buffer(self, buffer: Buffer, *, bits: int = 32) -> None:
        """Read indices of 32 or 16 bits from a buffer."""
        self._kept.append(buffer)
        kinds = {16: vk.VK_INDEX_TYPE_UINT16, 32: vk.VK_INDEX_TYPE_UINT32}
        vk.vkCmdBindIndexBuffer(self.handle, buffer.handle, 0, kinds[bits])

    def draw(self, count: int, first: int = 0) -> None:
        """Draw `count` vertices from vertex `first` on."""
        self._bound()
        vk.vkCmdDraw(self.handle, count, 1, first, 0)

    def draw_indirect(self, buffer: Buffer) -> None:
        """Draw what a buffer begins with, a VkDrawIndirectCommand (four u32)."""
        self._bound()
        self._kept.append(buffer)
        vk.vkCmdDrawIndirect(self.handle, buffer.handle, 0, 1, 16)

    def draw_indexed(self, count: int, first: int = 0, vertex_offset: int = 0) -> None:
        """Draw `count` indices from index `first` on, adding `vertex_offset` to each index."""
        self._bound()
        vk.vkCmdDrawIndexed(self.handle, count, 1, first, vertex_offset, 0)
