"""The scene's acceleration structures: one over the face, one over other solid things, one over strands of hair,
one over what is clear; and of all but the face's another one, over what is cut out of its triangles by opacity."""

from collections.abc import Sequence

import numpy as np

from app.gpu import Buffer, Device, Geometry, HitGroup, Instance
from app.passes.array_store import Arrays
from app.passes.owner import Owner
from app.passes.scene_layout import MASK_CLEAR, MASK_FACE, MASK_SOLID, MASK_SPARSE_HAIR, PRIMITIVE, VERTEX
from app.passes.triangle_order import triangle_order
from app.scene.model import Mesh, Part


def group_mask(part: Part) -> int:
    """The instance mask of the group that a part belongs to."""
    if part.material.transmission > 0.0:
        return MASK_CLEAR
    return MASK_FACE if part.face else MASK_SPARSE_HAIR if part.sparse_hair else MASK_SOLID


def triangle_orders(parts: Sequence[Part], meshes: Sequence[Mesh]) -> Arrays:
    """The order in which the driver shall get the triangles of a group of parts, by the group's number as text."""
    orders = {}
    for number, (_, _, group) in enumerate(_groups(parts)):
        order = triangle_order(np.concatenate([meshes[index].positions[meshes[index].triangles] for index in group]))
        orders[f"{number}"] = order.astype(np.uint32)
    return orders


def _groups(parts: Sequence[Part]) -> list[tuple[int, bool, list[int]]]:
    """Mask of every group, whether it is of parts that are cut out, and its parts."""
    kinds = [(group_mask(part), part.cut_out) for part in parts]
    return [(*kind, [index for index, other in enumerate(kinds) if other == kind]) for kind in sorted(set(kinds))]


# What runs where rays meet parts that are whole, and those that are cut out.
HITS = (HitGroup("hit.rchit"), HitGroup("hit.rchit", any="cut_out.rahit"))


class SceneAcceleration(Owner):
    """Made of parts whose `meshes` lie one after the other, in world space, in the buffer `vertices`.

    `orders` is what `triangle_orders` says of them.

    Parts that are cut out are a group of their own beside those of the same mask, of which rays ask whether what they
    meet is there (shaders/cut_out.rahit).

    All parts of a group share one structure: they overlap (eyes lie inside the head's box), and a ray would have to
    look into every one of them. Rays can pass over a group by its mask.

    Attributes:
        tlas: an instance a group of parts, with the mask that `group_mask` tells. Its custom index is where its
            triangles start in `primitives`.
        primitives: buffer of PRIMITIVE, which part's which triangle a hit is: shaders/hit.rchit.
    """

    def __init__(
        self, device: Device, parts: Sequence[Part], meshes: Sequence[Mesh], vertices: Buffer, orders: Arrays
    ) -> None:
        super().__init__()
        first_vertices = np.cumsum([0] + [len(mesh.positions) for mesh in meshes])
        instances, tables = [], []
        first = 0
        with self.building():
            for number, (mask, cut_out, group) in enumerate(_groups(parts)):
                corner_indices = np.concatenate([meshes[index].triangles + first_vertices[index] for index in group])
                table = np.zeros(len(corner_indices), PRIMITIVE.dtype)
                table["part"] = np.repeat(group, [len(meshes[index].triangles) for index in group])
                table["triangle"] = np.concatenate([np.arange(len(meshes[index].triangles)) for index in group])
                order = orders[f"{number}"]
                with device.buffer(corner_indices[order].astype(np.uint32), name="indices for tracing") as indices:
                    geometry = Geometry(
                        vertices=vertices,
                        vertex_count=int(first_vertices[-1]),
                        vertex_stride=VERTEX.size,
                        vertex_offset=0,
                        indices=indices,
                        index_offset=0,
                        triangle_count=len(corner_indices),
                        opaque=not cut_out,
                    )
                    blas = self.own(device.blas([geometry], name=f"triangles of group {number}"))
                hits = int(cut_out)  # of `HITS`
                instances.append(Instance(blas, custom_index=first, mask=mask, hit_group=hits))
                tables.append(table[order])
                first += len(corner_indices)
            self.primitives = self.own(device.buffer(np.concatenate(tables), name="primitives"))
            self.tlas = self.own(device.tlas(instances))
