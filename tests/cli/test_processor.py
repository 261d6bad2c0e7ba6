"""What the system says of the processor: its name, or at least its kind, and whether it has wide vectors."""

import platform
from pathlib import Path

import pytest

from app import processor

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model\t\t: 106
model name\t: Some CPU @ 2.60GHz\x20
stepping\t: 6

processor\t: 1
model name\t: Some CPU @ 2.60GHz\x20
"""


def test_the_name_is_that_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "processor", lambda: "")
    name = processor.processor_name.__wrapped__  # one that was asked for before is kept
    assert name() == platform.machine()
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert name() == "Some CPU @ 2.60GHz"
    (tmp_path / "cpuinfo").write_text("Processor\t: ARMv8\nmodel name\t:\nstepping\t: 6\n")
    assert name() == platform.machine()


@pytest.mark.parametrize(
    ("flags", "found"),
    [("fpu avx2 avx512f avx512dq", True), ("fpu avx2", False), ("fpu avx512fp16", False), ("", False), (None, False)],
)
def test_vectors_of_512_bits_are_a_flag(
    flags: str | None, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"model name\t: Some CPU\nflags\t\t: {flags}\nvmx flags\t: avx512f\n")
    assert processor.has_avx512.__wrapped__() is found
