"""The driver's own cache of compiled pipelines, kept on disk from run to run."""

import hashlib
from typing import TYPE_CHECKING

from app.gpu.binding import array, ffi, make, vk
from app.gpu.lifetime import Resource
from app.gpu.results import check
from app.gpu.shader import cache_folder, store_atomically

if TYPE_CHECKING:
    from app.gpu.device import Device


class PipelineCache(Resource):
    """A VkPipelineCache, loaded from `cache_folder()/pipelines` and written back on close.

    The file starts with a digest: drivers check the header of what they are given, but trust the rest.
    """

    def __init__(self, device: "Device") -> None:
        super().__init__(device.ledger, "pipeline cache", internal=True)
        self._device = device
        # Drivers refuse a foreign cache themselves; the name only keeps several GPUs apart.
        identity = f"{device.info.name} {device.info.driver}".encode()
        self._path = cache_folder() / "pipelines" / hashlib.sha256(identity).hexdigest()[:32]
        try:
            stored = self._path.read_bytes()
        except OSError:
            stored = b""
        data = stored[32:] if hashlib.sha256(stored[32:]).digest() == stored[:32] else b""
        self._loaded = hashlib.sha256(data).digest()
        with self.building():
            info = make("VkPipelineCacheCreateInfo", initialDataSize=len(data), pInitialData=data or None)
            out = ffi.new("VkPipelineCache *")
            check(vk.vkCreatePipelineCache(device.handle, info, ffi.NULL, out), "make a pipeline cache")
            cache = out[0]
            self.handle = self.own(
                "VkPipelineCache", cache, lambda: vk.vkDestroyPipelineCache(device.handle, cache, ffi.NULL)
            )

    def save(self) -> None:
        """Write the cache to disk if pipelines were added."""
        size = ffi.new("size_t *")
        if vk.vkGetPipelineCacheData(self._device.handle, self.handle, size, ffi.NULL) or not size[0]:
            return
        cells = array("uint8_t", int(size[0]))
        if vk.vkGetPipelineCacheData(self._device.handle, self.handle, size, cells):
            return
        data = bytes(ffi.buffer(cells, size[0]))
        digest = hashlib.sha256(data).digest()
        if digest != self._loaded:
            store_atomically(self._path, digest + data)
