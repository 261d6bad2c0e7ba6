"""Weight files: what is saved is loaded, and whatever is wrong is named."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from app.errors import InputError
from app.network.layers import parameter_count
from app.network.schema import SCHEMA_VERSION
from app.network.weights import FILE_NAME, WeightSet

LAYERS = (32, 8, 15)
Change = Callable[[dict[str, np.ndarray], dict[str, str]], None]


def good() -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of a valid file."""
    weights = WeightSet.untrained(LAYERS, slots=2)
    metadata = {
        "format": "bungyo-experts",
        "schema_version": str(SCHEMA_VERSION),
        "hash_scale": "8",
        "layers": json.dumps(LAYERS),
        "activation": "relu",
        "training": "{}",
    }
    return {"slots": weights.slots.copy(), "table": weights.table.copy()}, metadata


def test_saved_weights_are_loaded_again(tmp_path: Path) -> None:
    weights = WeightSet.untrained((32, 12, 8, 15), seed=5, slots=3)
    for path in (tmp_path / "folder", tmp_path / "other.safetensors"):
        file = weights.save(path)
        assert file.name in (FILE_NAME, "other.safetensors")
        loaded = WeightSet.load(path)
        assert loaded.layers == weights.layers and loaded.metadata == weights.metadata
        assert loaded.hash_scale == 8 and loaded.activation == "relu"
        np.testing.assert_array_equal(loaded.slots, weights.slots)
        np.testing.assert_array_equal(loaded.table, weights.table)
        assert [p for p in file.parent.iterdir() if "partial" in p.name] == []


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WeightSet.untrained(LAYERS, seed=1).save(tmp_path)
    before = file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("app.network.weights.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        WeightSet.untrained(LAYERS, seed=2).save(tmp_path)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def test_hashes_with_an_expert() -> None:
    weights = WeightSet.untrained(LAYERS, slots=1)
    table = weights.table.copy()
    table[[0x0101, 0x8080]] = 1
    two = WeightSet(LAYERS, np.repeat(weights.slots, 2, axis=0), table)
    assert two.hashes.tolist() == [0x0101, 0x8080]


def _set(key: str, value: str) -> Change:
    def change(_: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
        metadata[key] = value

    return change


def _drop(key: str) -> Change:
    return lambda tensors, metadata: (metadata if key in metadata else tensors).__delitem__(key)


def _nan(tensors: dict[str, np.ndarray], _: dict[str, str]) -> None:
    tensors["slots"][1, 7] = np.nan


def _narrow(tensors: dict[str, np.ndarray], _: dict[str, str]) -> None:
    tensors["slots"] = tensors["slots"][:, 1:].copy()


def _no_slots(tensors: dict[str, np.ndarray], _: dict[str, str]) -> None:
    tensors["slots"] = tensors["slots"][:0]


def _double(tensors: dict[str, np.ndarray], _: dict[str, str]) -> None:
    tensors["slots"] = tensors["slots"].astype(np.float64)


def _short_table(tensors: dict[str, np.ndarray], _: dict[str, str]) -> None:
    tensors["table"] = tensors["table"][:1000].copy()


def _beyond(tensors: dict[str, np.ndarray], _: dict[str, str]) -> None:
    tensors["table"][77] = 2


def _extra(tensors: dict[str, np.ndarray], _: dict[str, str]) -> None:
    tensors["more"] = np.zeros(3, np.float32)


FAULTS: list[tuple[Change, str]] = [
    (_drop("slots"), "tensors"),
    (_drop("table"), "tensors"),
    (_extra, "more"),
    (_nan, "slot 1 that are not finite"),
    (_narrow, f"float32 \\[slots, {parameter_count(LAYERS)}\\]"),
    (_no_slots, "at least one slot"),
    (_double, "float64"),
    (_short_table, "65536"),
    (_beyond, "hash 77 to slot 2, but has only 2"),
    (_drop("layers"), "lacks the metadata layers"),
    (_drop("training"), "lacks the metadata training"),
    (_set("format", "ours"), "format 'ours'"),
    (_set("schema_version", "99"), "schema 99"),
    (_set("schema_version", "new"), "unreadable metadata schema_version"),
    (_set("hash_scale", "0"), "hash scale 0"),
    (_set("hash_scale", "8.5"), "unreadable metadata hash_scale"),
    (_set("layers", "[32, 8"), "unreadable metadata layers"),
    (_set("layers", "[32, 8.0, 3]"), "unreadable metadata layers"),
    (_set("layers", "[30, 8, 3]"), "from 30 to 3"),
    (_set("layers", "[32, 1025, 15]"), "hidden widths \\[1025\\]"),
    (_set("layers", "[32, 8, 8, 8, 8, 8, 3]"), "6 layers"),
    (_set("activation", "gelu"), "'gelu'"),
    (_set("training", "[]"), "unreadable metadata training"),
]


@pytest.mark.parametrize(("change", "complaint"), FAULTS, ids=[text for _, text in FAULTS])
def test_faults_are_named(tmp_path: Path, change: Change, complaint: str) -> None:
    tensors, metadata = good()
    change(tensors, metadata)
    file = tmp_path / "bad.safetensors"
    save_file(tensors, file, metadata)
    with pytest.raises(InputError, match=complaint) as caught:
        WeightSet.load(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"not a weight file at all", "cut", "header"])
def test_missing_and_broken_files(tmp_path: Path, content: bytes | str | None) -> None:
    file = tmp_path / FILE_NAME
    if isinstance(content, str):
        WeightSet.untrained(LAYERS).save(file)
        content = file.read_bytes()[: -100 if content == "cut" else 50]
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="no weight file" if content is None else "cut off or not a safetensors"):
        WeightSet.load(tmp_path)


def test_a_file_of_another_kind_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("No weights.")
    with pytest.raises(InputError, match=r"README\.md is cut off or not a safetensors"):
        WeightSet.load(tmp_path / "README.md")


def test_wrong_weights_cannot_be_made() -> None:
    weights = WeightSet.untrained(LAYERS)
    with pytest.raises(ValueError, match="slot 9"):
        WeightSet(LAYERS, weights.slots, np.full(65536, 9, np.uint32))


def test_equal_sets_are_equal_files(tmp_path: Path) -> None:
    """However the library orders what it writes, in whatever process."""
    weights = WeightSet.untrained(slots=3)
    files = {weights.save(tmp_path / f"{number}.safetensors").read_bytes() for number in range(8)}
    assert len(files) == 1
    (file,) = files
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    assert end % 8 == 0 and list(header) == sorted(header) and list(header["__metadata__"]) == sorted(good()[1])
    assert WeightSet.load(tmp_path / "0.safetensors").slots.tobytes() == weights.slots.tobytes()
