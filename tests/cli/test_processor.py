"""The processor's name is what the system says, or at least its kind."""

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
    (tmp_path / "cpuinfo").write_text("Processor\t: ARMv8\nmodel name\t:\n")
    assert name() == platform.machine()
