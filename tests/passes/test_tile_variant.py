"""Which variant of the tile network's shader is taken."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import InputError
from app.gpu import Device, DeviceInfo
from app.gpu.matrices import MatrixProduct
from app.network.matrix_shader import Matrix
from app.network.shader import BLOCKS, DIRECT, Variant
from app.passes import tile_variant
from app.passes.tile_variant import OVERRIDE, candidates, chosen, default, matrices, remember

LAYERS = (32, 32, 28, 15)
WIDE = (32, 64, 64, 15)
FLOAT_SUMS = MatrixProduct(16, 8, 16, "half", "float")


@pytest.fixture
def info(gpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceInfo:
    """The device's description, with nothing remembered and nothing overridden."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(OVERRIDE)
    return replace(gpu.info, features=gpu.info.features | {"shaderFloat16"})


@pytest.fixture
def multiplier(info: DeviceInfo) -> DeviceInfo:
    """As a GPU that multiplies matrices describes itself."""
    features = info.features | {"cooperativeMatrix", "vulkanMemoryModel", "computeFullSubgroups"}
    products = (
        *(FLOAT_SUMS, replace(FLOAT_SUMS, sums="half"), MatrixProduct(16, 16, 16, "half", "half")),
        MatrixProduct(16, 16, 32, "other", "other"),
    )
    return replace(info, features=features, matrices=products, min_subgroup_size=32, max_shared_memory=32768)


def test_the_quickest_is_remembered_for_its_device_and_widths(info: DeviceInfo) -> None:
    assert chosen(info, LAYERS) == default(info)
    remember(info, LAYERS, {Variant(24): 3.0, Variant(8, half=True): 2.0, Variant(12): 2.5})
    assert chosen(info, LAYERS) == Variant(8, half=True)
    assert chosen(info, (32, 15)) == default(info)
    for other in (replace(info, name="another"), replace(info, driver="newer")):
        assert chosen(other, LAYERS) == default(other)


def test_what_the_quickest_was_on_another_processor_does_not_count(
    info: DeviceInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home folder may be that of several computers, whose CPU drivers have the same name."""
    cpu = replace(info, kind="cpu")
    remember(cpu, LAYERS, {Variant(24): 1.0})
    assert chosen(cpu, LAYERS) == Variant(24)
    monkeypatch.setattr(tile_variant, "processor_name", lambda: "another")
    assert chosen(cpu, LAYERS) == default(cpu)


def test_halves_remembered_are_not_for_a_device_without(info: DeviceInfo) -> None:
    remember(info, LAYERS, {Variant(8, half=True): 2.0})
    without = replace(info, features=frozenset())
    assert chosen(without, LAYERS) == default(without)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"variant": "float-7"}', b'{"variant": 3}', b"\xff\x00"])
def test_a_damaged_file_is_ignored_with_a_warning(info: DeviceInfo, content: bytes) -> None:
    remember(info, LAYERS, {Variant(24): 1.0}).write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged and ignored: bungyo bench --tune"):
        assert chosen(info, LAYERS) == default(info)
    remember(info, LAYERS, {Variant(24): 1.0})
    assert chosen(info, LAYERS) == Variant(24)


def test_the_environment_overrides(info: DeviceInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(info, LAYERS, {Variant(24): 1.0})
    monkeypatch.setenv(OVERRIDE, "half-32")
    assert chosen(info, LAYERS) == Variant(32, half=True)
    with pytest.raises(InputError, match="does not calculate with halves"):
        chosen(replace(info, features=frozenset()), LAYERS)


def test_matrices_are_those_the_device_has(multiplier: DeviceInfo) -> None:
    narrow = Matrix(16, 8, 16)
    all_three = [
        Variant(matrix=narrow),
        Variant(half=True, matrix=narrow),
        Variant(half=True, matrix=Matrix(16, 16, 16)),
    ]
    assert matrices(multiplier) == all_three
    # Float sums become halves for the next layer: a matrix of halves of that size must be one that the device has.
    assert not matrices(replace(multiplier, matrices=(FLOAT_SUMS,)))
    assert set(all_three) < set(candidates(multiplier, LAYERS))
    assert not set(all_three) & set(candidates(multiplier, WIDE))  # more shared memory than it has
    for feature in ("cooperativeMatrix", "vulkanMemoryModel", "computeFullSubgroups", "shaderFloat16"):
        assert not matrices(replace(multiplier, features=multiplier.features - {feature}))
    # Half a matrix of a subgroup's own pixels, and one that no network is made of.
    assert not matrices(replace(multiplier, min_subgroup_size=8))
    assert not matrices(replace(multiplier, matrices=(MatrixProduct(16, 4, 16, "half", "float"),)))


def test_halves_in_blocks_are_not_timed_on_a_cpu(multiplier: DeviceInfo) -> None:
    for kind, timed in (("cpu", False), ("discrete", True)):
        found = candidates(replace(multiplier, kind=kind), LAYERS)
        assert {Variant(block) for block in BLOCKS} < set(found)
        assert (Variant(8, half=True) in found) is timed
    without = replace(multiplier, kind="discrete", features=frozenset())
    floats = [Variant(block) for block in BLOCKS] + [Variant(direct=pixels) for pixels in DIRECT]
    assert candidates(without, LAYERS) == floats


def test_wide_vectors_are_a_cpu_s_first_choice_where_it_has_them(
    info: DeviceInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide, mesa = Variant(16, wide=True), replace(info, kind="cpu", driver="llvmpipe Mesa 25.0.7", subgroup_size=8)
    for here in (True, False):
        monkeypatch.setattr("app.gpu.vector_width.has_avx512", lambda here=here: here)
        assert chosen(mesa, LAYERS) == default(mesa) == (wide if here else Variant(12))
        assert (wide in candidates(mesa, LAYERS)) is here and Variant(16) in candidates(mesa, LAYERS)
        assert chosen(mesa, LAYERS, alone=False) == replace(default(mesa), wide=False)
        assert chosen(mesa, (32, 16, 64, 15)) == Variant(12, wide=here)  # of wider layers
        monkeypatch.setenv(OVERRIDE, "wide-float-24")
        if here:
            assert chosen(mesa, LAYERS) == Variant(24, wide=True)
            assert chosen(mesa, LAYERS, alone=False) == Variant(24)
        else:
            with pytest.raises(InputError, match=r"'wide-float-24', but .* has no vectors of 512 bits besides its"):
                chosen(mesa, LAYERS)
        monkeypatch.delenv(OVERRIDE)


def test_what_was_tuned_without_wide_vectors_is_tuned_anew(info: DeviceInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    mesa = replace(info, kind="cpu", driver="llvmpipe Mesa 25.0.7", subgroup_size=8)
    monkeypatch.setattr("app.gpu.vector_width.has_avx512", lambda: False)
    remember(mesa, LAYERS, {Variant(24): 1.0})
    assert chosen(mesa, LAYERS) == Variant(24)
    monkeypatch.setattr("app.gpu.vector_width.has_avx512", lambda: True)
    assert chosen(mesa, LAYERS) == default(mesa)


def test_weights_by_address_are_for_gpus(info: DeviceInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    by_address = {Variant(direct=1), Variant(direct=2)}
    gpu, cpu = replace(info, kind="discrete"), replace(info, kind="cpu")
    assert by_address < set(candidates(gpu, LAYERS)) and not by_address & set(candidates(cpu, LAYERS))
    assert chosen(gpu, LAYERS) == Variant(direct=1)
    monkeypatch.setenv(OVERRIDE, "direct-2")
    assert chosen(gpu, LAYERS) == Variant(direct=2)
    with pytest.raises(InputError, match=r"'direct-2', but .* is a CPU, for which weights by address take minutes"):
        chosen(cpu, LAYERS)


def test_matrices_are_refused_where_there_are_none(
    info: DeviceInfo, multiplier: DeviceInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OVERRIDE, "matrix-16x8x16")
    assert chosen(multiplier, LAYERS) == Variant(matrix=Matrix(16, 8, 16))
    with pytest.raises(InputError, match=r"^BUNGYO_TILE_VARIANT is 'matrix-16x8x16', but .* has no cooperative matr"):
        chosen(replace(info, features=frozenset()), LAYERS)
    unknown = replace(info, features=frozenset(), extensions=frozenset({"VK_KHR_cooperative_matrix"}))
    with pytest.raises(InputError, match=r"has cooperative matrices that the installed validation layer does not know"):
        chosen(unknown, LAYERS)
    monkeypatch.setenv(OVERRIDE, "matrix-16x16x16")
    with pytest.raises(
        InputError,
        match=r"cooperative matrices for matrix-16x8x16 and half-matrix-16x8x16 and half-matrix-16x16x16 only\.$",
    ):
        chosen(multiplier, LAYERS)


def test_matrices_remembered_are_not_for_a_device_without(multiplier: DeviceInfo) -> None:
    remember(multiplier, LAYERS, {Variant(matrix=Matrix(16, 8, 16)): 1.0, Variant(12): 2.0})
    assert chosen(multiplier, LAYERS) == Variant(matrix=Matrix(16, 8, 16))
    other = replace(multiplier, matrices=(replace(FLOAT_SUMS, rows=32),))
    assert chosen(other, LAYERS) == default(other)


@pytest.mark.parametrize(
    "name",
    [
        *("direct-0", "direct-3", "direct-", "16", "float-7", "float-0", "float-68", "double-16", "float-"),
        *("float-16 ", "float--8", "wide-half-16", "wide-direct-1", "wide-16", "float-16-wide"),
        *("matrix", "matrix-8", "matrix-8x8", "matrix-8x8x7", "matrix-7x8x8", "matrix-8x4x8", "float-matrix-8x8x8"),
        *("matrix-0x8x8", "matrix-8x8x8x8", "matrix-1024x8x8", "matrix-8x8x-8"),
    ],
)
def test_absurd_overrides_are_refused(info: DeviceInfo, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(OVERRIDE, name)
    with pytest.raises(InputError, match=f"^{OVERRIDE} is '{name}'"):
        chosen(info, LAYERS)


def test_names() -> None:
    for half in (False, True):
        for variant in (*(Variant(block, half) for block in BLOCKS), Variant(half=half, matrix=Matrix(16, 8, 32))):
            assert Variant.parse(variant.name) == variant
    assert Variant.parse("matrix-16x8x32").name == "matrix-16x8x32"
