"""Which variant of the tile network's shader is taken."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import InputError
from app.gpu import Device, DeviceInfo
from app.network.shader import BLOCKS, Variant
from app.passes.tile_variant import OVERRIDE, chosen, default, remember

LAYERS = (32, 32, 28, 15)


@pytest.fixture
def info(gpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceInfo:
    """The device's description, with nothing remembered and nothing overridden."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(OVERRIDE)
    return replace(gpu.info, features=gpu.info.features | {"shaderFloat16"})


def test_the_quickest_is_remembered_for_its_device_and_widths(info: DeviceInfo) -> None:
    assert chosen(info, LAYERS) == default(info)
    remember(info, LAYERS, {Variant(24): 3.0, Variant(8, half=True): 2.0, Variant(12): 2.5})
    assert chosen(info, LAYERS) == Variant(8, half=True)
    assert chosen(info, (32, 15)) == default(info)
    for other in (replace(info, name="another"), replace(info, driver="newer")):
        assert chosen(other, LAYERS) == default(other)


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


@pytest.mark.parametrize(
    "name", ["16", "float-7", "float-0", "float-68", "double-16", "float-", "float-16 ", "float--8"]
)
def test_absurd_overrides_are_refused(info: DeviceInfo, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(OVERRIDE, name)
    with pytest.raises(InputError, match=f"^{OVERRIDE} is '{name}'"):
        chosen(info, LAYERS)


def test_names() -> None:
    for variant in [Variant(block, half) for block in BLOCKS for half in (False, True)]:
        assert Variant.parse(variant.name) == variant
