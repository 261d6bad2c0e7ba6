"""Acceleration structures: triangles (BLAS) and instances of them (TLAS)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.gpu.binding import Handle, array, device_function, ffi, make, vk
from app.gpu.buffer import Buffer
from app.gpu.lifetime import Resource
from app.gpu.open_device import OpenDevice
from app.gpu.results import check

# VkAccelerationStructureInstanceKHR: two pairs of a 24-bit and an 8-bit number share a word each.
_INSTANCE = np.dtype(
    [
        ("transform", "<f4", (3, 4)),
        ("index_mask", "<u4"),
        ("hit_group_flags", "<u4"),
        ("blas", "<u8"),
    ]
)


@dataclass(frozen=True)
class Geometry:
    """Triangles in GPU buffers: positions as three f32 at the start of each vertex, indices as u32 triples.

    Offsets and stride are in bytes. `opaque` geometry never runs any-hit shaders.
    """

    vertices: Buffer
    vertex_count: int
    vertex_stride: int
    vertex_offset: int
    indices: Buffer
    index_offset: int
    triangle_count: int
    opaque: bool = True


@dataclass(frozen=True)
class Instance:
    """A BLAS placed in a TLAS.

    `transform` is the 3x4 row-major matrix from the BLAS's space to the world (default: identity); `custom_index`
    (24 bits) is gl_InstanceCustomIndexEXT; `mask` (8 bits) is and-ed with the ray's cull mask; `hit_group` is added
    to the hit group that the trace call selects.
    """

    blas: "Blas"
    transform: np.ndarray = field(default_factory=lambda: np.eye(3, 4, dtype=np.float32))
    custom_index: int = 0
    mask: int = 0xFF
    hit_group: int = 0


class AccelerationStructure(Resource):
    """What BLAS and TLAS share: `handle` (VkAccelerationStructureKHR), `address`, building on the GPU."""

    def __init__(self, device: OpenDevice, name: str) -> None:
        super().__init__(device.ledger, name)
        self._device = device
        self._scratch: Buffer | None = None
        self._storage: Buffer | None = None
        self.handle: Handle = None
        self.address = 0
        with self.building():
            device.need_raytracing()
            self._build = device_function(device.handle, "vkCmdBuildAccelerationStructuresKHR")

    def _create(self, kind: int, info: Handle, counts: Handle) -> None:
        """Make the structure with room for what `info` describes, and the scratch memory of its build."""
        device = self._device
        sizes = make("VkAccelerationStructureBuildSizesInfoKHR")
        device_function(device.handle, "vkGetAccelerationStructureBuildSizesKHR")(
            device.handle, vk.VK_ACCELERATION_STRUCTURE_BUILD_TYPE_DEVICE_KHR, info, counts, sizes
        )
        self._storage = Buffer(device, sizes.accelerationStructureSize, "device", f"{self.name} storage", internal=True)
        create = make(
            "VkAccelerationStructureCreateInfoKHR",
            buffer=self._storage.handle,
            size=sizes.accelerationStructureSize,
            type=kind,
        )
        out = ffi.new("VkAccelerationStructureKHR *")
        function = device_function(device.handle, "vkCreateAccelerationStructureKHR")
        destroy = device_function(device.handle, "vkDestroyAccelerationStructureKHR")
        check(function(device.handle, create, ffi.NULL, out), f"make {self.name}")
        handle = out[0]
        self.handle = self.own("VkAccelerationStructureKHR", handle, lambda: destroy(device.handle, handle, ffi.NULL))
        query = make("VkAccelerationStructureDeviceAddressInfoKHR", accelerationStructure=handle)
        self.address = int(
            device_function(device.handle, "vkGetAccelerationStructureDeviceAddressKHR")(device.handle, query)
        )
        # Buffer addresses need not have the scratch alignment: leave room to round up.
        alignment = max(1, device.info.limits.scratch_alignment)
        self._scratch = Buffer(
            device, sizes.buildScratchSize + alignment, "device", f"{self.name} scratch", internal=True
        )
        info.dstAccelerationStructure = handle
        info.scratchData.deviceAddress = -(-self._scratch.address // alignment) * alignment

    def _run(self, info: Handle, ranges: Handle) -> None:
        pointers = ffi.new("VkAccelerationStructureBuildRangeInfoKHR *[]", [ranges])
        self._device.transfer.run(lambda cmd: self._build(cmd, 1, info, pointers), f"build {self.name}")

    def close(self) -> None:
        """Destroy the structure and its memory."""
        super().close()
        for buffer in (self._scratch, self._storage):
            if buffer is not None:
                buffer.close()
        self._scratch = self._storage = None


class Blas(AccelerationStructure):
    """A bottom-level structure over triangle geometries, made and built by `Device.blas`.

    The geometries' buffers are read only while it builds. Geometry index i is gl_GeometryIndexEXT i.
    """

    def __init__(self, device: OpenDevice, geometries: Sequence[Geometry], *, updatable: bool, name: str) -> None:
        super().__init__(device, name)
        self._updatable = updatable
        with self.building():
            if not geometries:
                raise ValueError(f"{name}: no geometries")
            self.geometries = tuple(geometries)
            counts = array("uint32_t", [geometry.triangle_count for geometry in geometries])
            flags = (
                vk.VK_BUILD_ACCELERATION_STRUCTURE_PREFER_FAST_BUILD_BIT_KHR
                if updatable
                else vk.VK_BUILD_ACCELERATION_STRUCTURE_PREFER_FAST_TRACE_BIT_KHR
            )
            self._info = make(
                "VkAccelerationStructureBuildGeometryInfoKHR",
                type=vk.VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR,
                flags=flags,
                mode=vk.VK_BUILD_ACCELERATION_STRUCTURE_MODE_BUILD_KHR,
                geometryCount=len(geometries),
                pGeometries=[self._geometry(geometry) for geometry in geometries],
            )
            self._ranges = array(
                "VkAccelerationStructureBuildRangeInfoKHR",
                [
                    make(
                        "VkAccelerationStructureBuildRangeInfoKHR",
                        primitiveCount=geometry.triangle_count,
                        primitiveOffset=geometry.index_offset,
                    )
                    for geometry in geometries
                ],
            )
            self._create(vk.VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR, self._info, counts)
            self._run(self._info, self._ranges)
            if not updatable and self._scratch is not None:
                self._scratch.close()
                self._scratch = None

    def _geometry(self, geometry: Geometry) -> Handle:
        if geometry.triangle_count <= 0 or geometry.vertex_count <= 0:
            raise ValueError(f"{self.name}: a geometry of {geometry.triangle_count} triangles")
        if geometry.index_offset + 12 * geometry.triangle_count > geometry.indices.size:
            raise ValueError(f"{self.name}: {geometry.triangle_count} triangles do not fit {geometry.indices!r}")
        last = geometry.vertex_offset + geometry.vertex_stride * (geometry.vertex_count - 1) + 12
        if last > geometry.vertices.size:
            raise ValueError(f"{self.name}: {geometry.vertex_count} vertices do not fit {geometry.vertices!r}")
        triangles = make(
            "VkAccelerationStructureGeometryTrianglesDataKHR",
            vertexFormat=vk.VK_FORMAT_R32G32B32_SFLOAT,
            vertexData={"deviceAddress": geometry.vertices.address + geometry.vertex_offset},
            vertexStride=geometry.vertex_stride,
            maxVertex=geometry.vertex_count - 1,
            indexType=vk.VK_INDEX_TYPE_UINT32,
            indexData={"deviceAddress": geometry.indices.address},
        )
        result = make(
            "VkAccelerationStructureGeometryKHR",
            geometryType=vk.VK_GEOMETRY_TYPE_TRIANGLES_KHR,
            flags=vk.VK_GEOMETRY_OPAQUE_BIT_KHR if geometry.opaque else 0,
        )
        result.geometry.triangles = triangles[0]
        return result

    def rebuild(self) -> None:
        """Build again from the buffers' present contents (made with updatable=True)."""
        if not self._updatable:
            raise ValueError(f"{self.name} was not made updatable")
        self._run(self._info, self._ranges)


class Tlas(AccelerationStructure):
    """A top-level structure over instances, made by `Device.tlas`; `update` rebuilds it in place."""

    _instances: Buffer | None = None

    def __init__(self, device: OpenDevice, instances: Sequence[Instance], *, capacity: int, name: str) -> None:
        super().__init__(device, name)
        self.capacity = max(1, len(instances), capacity)
        with self.building():
            self._instances = Buffer(
                device, self.capacity * _INSTANCE.itemsize, "upload", f"{name} instances", internal=True
            )
            geometry = make("VkAccelerationStructureGeometryKHR", geometryType=vk.VK_GEOMETRY_TYPE_INSTANCES_KHR)
            data = make(
                "VkAccelerationStructureGeometryInstancesDataKHR",
                data={"deviceAddress": self._instances.address},
            )
            geometry.geometry.instances = data[0]
            self._info = make(
                "VkAccelerationStructureBuildGeometryInfoKHR",
                type=vk.VK_ACCELERATION_STRUCTURE_TYPE_TOP_LEVEL_KHR,
                flags=vk.VK_BUILD_ACCELERATION_STRUCTURE_PREFER_FAST_TRACE_BIT_KHR,
                mode=vk.VK_BUILD_ACCELERATION_STRUCTURE_MODE_BUILD_KHR,
                geometryCount=1,
                pGeometries=[geometry],
            )
            self._ranges = array("VkAccelerationStructureBuildRangeInfoKHR", 1)
            self._create(
                vk.VK_ACCELERATION_STRUCTURE_TYPE_TOP_LEVEL_KHR,
                self._info,
                array("uint32_t", [self.capacity]),
            )
            self.update(instances)

    def update(self, instances: Sequence[Instance]) -> None:
        """Replace the instances (at most `capacity`) and build again; bindings to this TLAS stay valid."""
        if self._instances is None or len(instances) > self.capacity:
            raise ValueError(f"{self.name} has room for {self.capacity} instances, not {len(instances)}")
        records = np.zeros(len(instances), _INSTANCE)
        for record, instance in zip(records, instances, strict=True):
            if instance.blas.closed:
                raise ValueError(f"{self.name}: {instance.blas!r}")
            if not 0 <= instance.custom_index < 2**24 or not 0 <= instance.hit_group < 2**24:
                raise ValueError(f"{self.name}: custom_index and hit_group have 24 bits")
            record["transform"] = np.asarray(instance.transform, np.float32)[:3]
            record["index_mask"] = instance.custom_index | (instance.mask & 0xFF) << 24
            # Both faces of a triangle are hit unless a ray asks otherwise.
            record["hit_group_flags"] = (
                instance.hit_group | vk.VK_GEOMETRY_INSTANCE_TRIANGLE_FACING_CULL_DISABLE_BIT_KHR << 24
            )
            record["blas"] = instance.blas.address
        self._instances.write(records)
        self._ranges[0].primitiveCount = len(instances)
        self._run(self._info, self._ranges)

    def close(self) -> None:
        """Destroy the structure and its memory."""
        super().close()
        if self._instances is not None:
            self._instances.close()
            self._instances = None
