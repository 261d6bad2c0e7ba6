"""Cooperative matrices: which products of small matrices the threads of a subgroup can work out together."""

from dataclasses import dataclass

from app.gpu.binding import Handle, instance_function, vk
from app.gpu.enumeration import enumerate_all


@dataclass(frozen=True)
class MatrixProduct:
    """A product (rows x depth) * (depth x columns), added to sums (rows x columns), as a device offers it.

    `factors` and `sums` are the types of their numbers: "half", "float" or, for what is neither, "other".
    """

    rows: int
    columns: int
    depth: int
    factors: str
    sums: str


def matrix_products(instance: Handle, physical: Handle) -> tuple[MatrixProduct, ...]:
    """What a physical device that has the extension offers its subgroups, in the driver's order."""
    query = instance_function(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR")
    action = "list the matrix products of the GPU"
    types = {vk.VK_COMPONENT_TYPE_FLOAT16_KHR: "half", vk.VK_COMPONENT_TYPE_FLOAT32_KHR: "float"}
    return tuple(
        MatrixProduct(
            cell.MSize, cell.NSize, cell.KSize, types.get(cell.AType, "other"), types.get(cell.CType, "other")
        )
        for cell in enumerate_all("VkCooperativeMatrixPropertiesKHR", action, query, physical)
        if (cell.AType, cell.CType, cell.scope) == (cell.BType, cell.ResultType, vk.VK_SCOPE_SUBGROUP_KHR)
    )
