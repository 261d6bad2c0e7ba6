"""Weight files: all experts of one training run, and the table from tile hash to expert.

A file is a safetensors archive "weights/NAME/experts.safetensors" with two tensors

    slots   float32 (slots, parameters)   one network a row; layer after layer (app/network/layers.py): weight[out][in]
                                          row-major, then bias
    table   uint32 (65536,)               tile hash -> slot; slot 0 is the generalist, to which every hash without an
                                          expert of its own points, so that no tile is ever left undrawn

and the metadata strings "format", "schema_version", "hash_scale", "layers" (JSON list), "activation" and
"training" (JSON object: how it was trained, its scores; free). `load` checks all of it and says what is
wrong with which file.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from app.arrays import F32, U32
from app.errors import InputError
from app.files import atomic_write
from app.network.layers import LAYERS, check_layers, parameter_count
from app.network.parameters import arrange
from app.network.schema import SCHEMA_VERSION
from app.network.tile_hash import HASH_SCALE, HASHES

FORMAT = "bungyo-experts"
FILE_NAME = "experts.safetensors"
MAX_HASH_SCALE = 64
_METADATA_KEYS = ("format", "schema_version", "hash_scale", "layers", "activation", "training")


@dataclass(frozen=True, eq=False)
class WeightSet:
    """All networks of one training run, in memory.

    Attributes:
        layers: widths from input to output, e.g. LAYERS.
        slots: (slots, parameters) float32, finite; row 0 is the generalist.
        table: (65536,) uint32, tile hash -> row of `slots`.
        hash_scale: bins of the tile hash along 0..1.
        activation: after every hidden layer; "relu" is the only one.
        schema_version: of the features it was trained on.
        metadata: how it was trained and its scores; anything JSON can hold.

    Raises:
        ValueError: on construction, if any of this does not hold.
    """

    layers: tuple[int, ...]
    slots: F32
    table: U32
    hash_scale: int = HASH_SCALE
    activation: str = "relu"
    schema_version: int = SCHEMA_VERSION
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise ValueError(f"weight set {fault}")

    def _fault(self) -> str:
        """What is wrong, as a clause that follows the name of the file, or ""."""
        if self.schema_version != SCHEMA_VERSION:
            return f"was trained for feature schema {self.schema_version}, but this program has {SCHEMA_VERSION}"
        if self.activation != "relu":
            return f"uses the activation {self.activation!r}, but only 'relu' is known"
        if not 1 <= self.hash_scale <= MAX_HASH_SCALE:
            return f"has hash scale {self.hash_scale}, but it must lie in 1..{MAX_HASH_SCALE}"
        if fault := check_layers(self.layers):
            return fault
        expected = parameter_count(self.layers)
        slots, table = self.slots, self.table
        if slots.dtype != np.float32 or slots.ndim != 2 or slots.shape[1] != expected or not len(slots):
            widths = "-".join(map(str, self.layers))
            return (
                f"holds 'slots' as {slots.dtype} {list(slots.shape)}, "
                f"but widths {widths} need float32 [slots, {expected}] with at least one slot"
            )
        if table.dtype != np.uint32 or table.shape != (HASHES,):
            return f"holds 'table' as {table.dtype} {list(table.shape)}, but it must be uint32 [{HASHES}]"
        if table.max() >= len(slots):
            bad = int(np.argmax(table >= len(slots)))
            return f"sends tile hash {bad} to slot {table[bad]}, but has only {len(slots)} slots"
        finite = np.isfinite(slots).all(axis=1)
        if not finite.all():
            return f"holds values in slot {int(np.argmin(finite))} that are not finite"
        return ""

    @property
    def hashes(self) -> U32:
        """The tile hashes that an expert draws, ascending; some may share one."""
        return np.flatnonzero(self.table).astype(np.uint32)

    @property
    def experts(self) -> int:
        """How many networks there are besides the generalist."""
        return len(self.slots) - 1

    def gpu_parameters(self) -> F32:
        """The parameters in the order the shader reads them: (slots, floats) float32, see `arrange`."""
        return arrange(self.layers, self.slots)

    def matrices(self, slot: int) -> list[tuple[F32, F32]]:
        """The layers of one network as views: (weight (out, in), bias (out,))."""
        row, start, result = self.slots[slot], 0, []
        for inputs, outputs in pairwise(self.layers):
            middle, end = start + inputs * outputs, start + (inputs + 1) * outputs
            result.append((row[start:middle].reshape(outputs, inputs), row[middle:end]))
            start = end
        return result

    @staticmethod
    def untrained(layers: Sequence[int] = LAYERS, seed: int = 0, slots: int = 1) -> "WeightSet":
        """Networks with random weights (He et al. 2015), for tests and timing.

        Args:
            layers: widths.
            seed: decides all weights.
            slots: number of networks. Hash h is drawn by slot h % slots.
        """
        generator = np.random.default_rng(seed)
        parts = []
        for inputs, outputs in pairwise(layers):
            weight = generator.normal(0, np.sqrt(2 / inputs), (slots, outputs * inputs))
            parts += [weight, generator.normal(0, 0.1, (slots, outputs))]
        return WeightSet(
            layers=tuple(layers),
            slots=np.concatenate(parts, axis=1).astype(np.float32),
            table=(np.arange(HASHES) % slots).astype(np.uint32),
            metadata={"trained": False, "seed": seed},
        )

    def save(self, path: Path | str) -> Path:
        """Writes the file so that a reader never sees half of it.

        Args:
            path: a file ending in ".safetensors", or a folder, which gets "experts.safetensors".

        Returns:
            The file written.
        """
        target = weight_file(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        metadata = {
            "format": FORMAT,
            "schema_version": str(self.schema_version),
            "hash_scale": str(self.hash_scale),
            "layers": json.dumps(self.layers),
            "activation": self.activation,
            "training": json.dumps(dict(self.metadata), sort_keys=True),
        }
        tensors = {"slots": np.ascontiguousarray(self.slots), "table": np.ascontiguousarray(self.table)}
        with atomic_write(target) as temporary:
            # Not by `save_file`, which lets nobody else read the file.
            temporary.write_bytes(_with_sorted_header(save(tensors, metadata)))
        return target

    @staticmethod
    def load(path: Path | str) -> "WeightSet":
        """Reads and checks a weight file.

        Args:
            path: the file, or the folder that holds "experts.safetensors".

        Raises:
            InputError: it is missing, unreadable, or any of its contents is not as this module describes it.
        """
        file = Path(path) if os.path.isfile(path) else weight_file(path)
        if not os.path.isfile(file):  # unlike Path's, it is false for names that no file can have
            raise InputError(f"There is no weight file {file}.")
        try:
            with safe_open(file, framework="numpy") as archive:
                strings = archive.metadata() or {}
                names = sorted(archive.keys())
                if names != ["slots", "table"]:
                    raise InputError(f"Weight file {file} holds the tensors {names} instead of slots and table.")
                slots, table = archive.get_tensor("slots"), archive.get_tensor("table")
        except (SafetensorError, OSError, TypeError, ValueError) as error:
            raise InputError(f"Weight file {file} is cut off or not a safetensors file ({error}).") from error
        weights = _parse(file, strings)
        try:
            return WeightSet(slots=slots, table=table, **weights)
        except ValueError as error:
            raise InputError(f"Weight file {file} {str(error).removeprefix('weight set ')}.") from error


def weight_file(path: Path | str) -> Path:
    """The file `path` means: itself if it ends in ".safetensors", else "experts.safetensors" inside it."""
    path = Path(path)
    return path if path.suffix == ".safetensors" else path / FILE_NAME


def _with_sorted_header(archive: bytes) -> bytes:
    """The same archive with its header's keys in order: safetensors takes any, and equal sets are to be equal files."""
    start = 8 + int.from_bytes(archive[:8], "little")
    header = json.dumps(json.loads(archive[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at multiples of 8 bytes
    return len(header).to_bytes(8, "little") + header + archive[start:]


def _parse(file: Path, strings: Mapping[str, str]) -> dict[str, Any]:
    """The metadata strings as WeightSet arguments; InputError names what is missing or malformed."""
    missing = [key for key in _METADATA_KEYS if key not in strings]
    if missing:
        raise InputError(f"Weight file {file} lacks the metadata {', '.join(missing)}.")
    if strings["format"] != FORMAT:
        raise InputError(f"Weight file {file} has the format {strings['format']!r} instead of {FORMAT!r}.")
    key = ""
    try:
        key = "schema_version"
        version = int(strings[key])
        key = "hash_scale"
        scale = int(strings[key])
        key = "layers"
        layers = json.loads(strings[key])
        if not isinstance(layers, list) or not all(type(width) is int for width in layers):
            raise ValueError("not a list of whole numbers")
        key = "training"
        training = json.loads(strings[key])
        if not isinstance(training, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise InputError(f"Weight file {file} has unreadable metadata {key} ({error}).") from error
    return {
        "schema_version": version,
        "hash_scale": scale,
        "layers": tuple(layers),
        "activation": strings["activation"],
        "metadata": training,
    }
