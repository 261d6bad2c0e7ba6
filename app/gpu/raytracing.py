"""Ray-tracing pipelines and their shader binding tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.gpu.binding import Handle, device_function, ffi, make, vk
from app.gpu.bindings import Binding
from app.gpu.buffer import Buffer
from app.gpu.open_device import OpenDevice
from app.gpu.pipeline import Pipeline, Stage, Text
from app.gpu.results import check
from app.gpu.struct import Struct


@dataclass(frozen=True)
class HitGroup:
    """Shaders that run where a ray meets triangles: the closest hit (.rchit), and any hit on the way (.rahit)."""

    closest: str | None = None
    any: str | None = None


class RayTracingPipeline(Pipeline):
    """A ray-tracing pipeline with its shader binding table, made by `Device.raytracing_pipeline`.

    Miss index i is the i-th of `misses`; hit group i is the i-th of `hits`.
    """

    _table: Buffer | None = None

    def __init__(
        self,
        device: OpenDevice,
        raygen: str,
        misses: Sequence[str],
        hits: Sequence[HitGroup],
        bindings: Sequence[Binding],
        push: Struct | None,
        text: Text,
        recursion: int,
    ) -> None:
        self.bind_point = vk.VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR
        kinds = {
            "rgen": vk.VK_SHADER_STAGE_RAYGEN_BIT_KHR,
            "rmiss": vk.VK_SHADER_STAGE_MISS_BIT_KHR,
            "rchit": vk.VK_SHADER_STAGE_CLOSEST_HIT_BIT_KHR,
            "rahit": vk.VK_SHADER_STAGE_ANY_HIT_BIT_KHR,
        }
        super().__init__(device, raygen, bindings, push, sum(kinds.values()))
        with self.building():
            device.need_raytracing()
            allowed = device.info.limits.ray_recursion
            if not 0 <= recursion <= allowed:
                raise ValueError(f"{raygen}: ray recursion {recursion}, the device allows {allowed}")
            names = [raygen, *misses]
            for hit in hits:
                names += [name for name in (hit.closest, hit.any) if name is not None]
            names = list(dict.fromkeys(names))  # a shader used twice is compiled once
            codes = self._compile(names, text)
            groups = self._groups(names, raygen, misses, hits)

            def described(infos: list[Handle]) -> Handle:
                return make(
                    "VkRayTracingPipelineCreateInfoKHR",
                    stageCount=len(infos),
                    pStages=infos,
                    groupCount=len(groups),
                    pGroups=groups,
                    maxPipelineRayRecursionDepth=recursion,
                    layout=self.layout,
                )

            def create(handle: Handle, *arguments: Any) -> int:  # not deferred
                return int(device_function(handle, "vkCreateRayTracingPipelinesKHR")(handle, ffi.NULL, *arguments))

            stages = [
                Stage(name, kinds[name.rsplit(".", 1)[-1]], 0, code) for name, code in zip(names, codes, strict=True)
            ]
            self._take(stages, text.constants, (raygen, tuple(misses), tuple(hits), recursion), create, described)
            self._make_table(len(misses), len(hits))

    @staticmethod
    def _groups(names: list[str], raygen: str, misses: Sequence[str], hits: Sequence[HitGroup]) -> list[Handle]:
        unused = vk.VK_SHADER_UNUSED_KHR

        def group(kind: int, general: str | None, closest: str | None, any_hit: str | None) -> Handle:
            return make(
                "VkRayTracingShaderGroupCreateInfoKHR",
                type=kind,
                generalShader=names.index(general) if general else unused,
                closestHitShader=names.index(closest) if closest else unused,
                anyHitShader=names.index(any_hit) if any_hit else unused,
                intersectionShader=unused,
            )

        general = vk.VK_RAY_TRACING_SHADER_GROUP_TYPE_GENERAL_KHR
        triangles = vk.VK_RAY_TRACING_SHADER_GROUP_TYPE_TRIANGLES_HIT_GROUP_KHR
        return [
            *(group(general, name, None, None) for name in (raygen, *misses)),
            *(group(triangles, None, hit.closest, hit.any) for hit in hits),
        ]

    def _make_table(self, misses: int, hits: int) -> None:
        """Write the group handles into a buffer: ray generation, then misses, then hit groups, each aligned."""
        device, limits = self._device, self._device.info.limits
        size = limits.sbt_handle_size
        stride = -(-size // limits.sbt_handle_alignment) * limits.sbt_handle_alignment
        base = limits.sbt_base_alignment
        count = 1 + misses + hits
        handles = ffi.new("uint8_t[]", count * size)
        get = device_function(device.handle, "vkGetRayTracingShaderGroupHandlesKHR")
        check(
            get(device.handle, self.handle, 0, count, count * size, handles),
            f"read the shader groups of {self.name}",
        )
        records = np.frombuffer(ffi.buffer(handles), np.uint8).reshape(count, size)
        # The ray generation region holds one record, and its size must equal its stride.
        regions: list[tuple[int, int, int]] = []  # offset, stride, size
        offset = 0
        for number in (1, misses, hits):
            regions.append((offset, stride, number * stride))
            offset = -(-(offset + number * stride) // base) * base
        content = np.zeros(offset + base, np.uint8)
        start = 0
        for (place, step, _), number in zip(regions, (1, misses, hits), strict=True):
            for index in range(number):
                content[place + index * step :][:size] = records[start + index]
            start += number
        self._table = Buffer(device, content.size + base, "device", f"{self.name} table", internal=True)
        shift = -self._table.address % base
        self._table.write(content, shift)
        self.regions = [
            make(
                "VkStridedDeviceAddressRegionKHR",
                deviceAddress=self._table.address + shift + place if length else 0,
                stride=step if length else 0,
                size=length,
            )
            for place, step, length in regions
        ]
        self.regions.append(make("VkStridedDeviceAddressRegionKHR"))  # no callable shaders
        self.trace_rays = device_function(device.handle, "vkCmdTraceRaysKHR")

    def close(self) -> None:
        """Destroy the layout and the table."""
        super().close()
        if self._table is not None:
            self._table.close()
            self._table = None
