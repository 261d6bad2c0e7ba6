"""A GPU's compiler takes every shader, and makes of the networks what docs/tile-network.md says."""

from typing import Any

import pytest

from app.gpu.instance import VALIDATION_LAYER, layer_versions
from app.network.parameters import plan
from app.network.shader import Variant
from app.weight_sets import load_weights
from tests.gpu.amd_compiler import MISSING, compiled, driver, run

pytestmark = pytest.mark.skipif(driver() is None, reason=MISSING)

WITHOUT_RAYS = {
    *("tile_hash.comp", "tile_network.comp", "composite.comp", "reprojection.comp", "gbuffer.comp"),
    *("drawn_triangles.vert", "background.comp"),
    *("light_cache_means.comp", "light_cache_fine.comp", "light_cache_blur.comp", "light_cache_blur_fine.comp"),
    "light_cache_shares.comp",
}
RAYS = {"gbuffer.rgen", "light_cache.rgen", "reference.rgen"}
# What takes the place of rays.
ONLY_WITHOUT_RAYS = {"light_cache.comp", "light_map.vert", "light_views.comp"}


@pytest.fixture(scope="module", params=["navi31", "vega10"])
def chip(request: pytest.FixtureRequest) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the chip traces rays (RDNA 3 does, GCN 5 does not), and its shaders."""
    return request.param == "navi31", compiled(request.param)


def test_every_pipeline_compiles(chip: tuple[bool, list[dict[str, Any]]]) -> None:
    rays, shaders = chip
    assert {one["pipeline"] for one in shaders} == WITHOUT_RAYS | (RAYS if rays else ONLY_WITHOUT_RAYS)


def test_only_rays_need_memory_for_what_registers_do_not_hold(chip: tuple[bool, list[dict[str, Any]]]) -> None:
    for one in chip[1]:
        if one["pipeline"] not in RAYS:
            assert one["spilled"] == one["scratch"] == 0, one


def test_the_default_network_is_hardly_anything_but_its_multiplications(
    chip: tuple[bool, list[dict[str, Any]]],
) -> None:
    rays, shaders = chip
    variants = {one["stage"]: one for one in shaders if one["pipeline"] == "tile_network.comp"}
    staged, direct = variants[Variant().name], variants[Variant(direct=1).name]
    assert variants["compute"] == {**direct, "stage": "compute"}  # what the renderer draws with
    layers = load_weights(None).layers
    multiplications = sum(4 * layer.columns * layer.inputs for layer in plan(layers))
    assert multiplications < direct["arithmetic"] < 1.2 * multiplications
    assert direct["shared"] == 0 < staged["shared"]
    if rays:  # of RDNA; GCN's compiler leaves the staged weights where they are
        assert direct["cycles"] < 0.5 * staged["cycles"]
    else:
        assert direct["cycles"] < staged["cycles"]


OPEN = """
import json
from app.gpu.features import optional_extensions
from app.gpu.instance import Instance
from app.gpu.lifetime import Ledger
from app.gpu.logical_device import LogicalDevice
from app.gpu.selection import candidates

ledger, found = Ledger(), []
for validation in (False, True):
    with Instance(ledger, validation=validation) as instance:
        (chip,) = candidates(instance)
        extensions = optional_extensions(chip.offer, raytracing=False)
        LogicalDevice(ledger, chip, extensions, raytracing=False).close()
        found.append(("cooperativeMatrix" in chip.info.features, len(chip.info.matrices), extensions))
print(json.dumps([*found, instance.messages]))
"""


def test_matrices_are_switched_on_where_the_validation_layer_knows_them() -> None:
    """The layer of Debian 12 complains about what came after it."""
    free, watched, messages = run("navi31", "-c", OPEN)
    extension = "VK_KHR_cooperative_matrix"
    assert free[0] and free[1] > 0 and extension in free[2]
    known = layer_versions()[VALIDATION_LAYER] >= (1 << 22 | 3 << 12 | 255)
    assert watched == (free if known else [False, 0, [name for name in free[2] if name != extension]])
    assert messages == []
