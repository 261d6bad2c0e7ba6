"""The driver's own cache of compiled pipelines, kept on disk from run to run."""

import hashlib

from app.gpu.binding import array, ffi, make, vk
from app.gpu.cache_files import cache_folder, load_checked, store_checked
from app.gpu.lifetime import Resource
from app.gpu.logical_device import LogicalDevice
from app.gpu.results import check


class PipelineCache(Resource):
    """A VkPipelineCache, loaded from `cache_folder()/pipelines` and written back on close.

    The file is a checked one: drivers look at the header of what they are given, but trust the rest.
    """

    def __init__(self, device: LogicalDevice) -> None:
        super().__init__(device.ledger, "pipeline cache", internal=True)
        self._device = device
        # Drivers refuse a foreign cache themselves; the name only keeps several GPUs apart.
        identity = f"{device.info.name} {device.info.driver}".encode()
        self._path = cache_folder() / "pipelines" / hashlib.sha256(identity).hexdigest()[:32]
        data = load_checked(self._path) or b""
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
        if hashlib.sha256(data).digest() != self._loaded:
            store_checked(self._path, data)
