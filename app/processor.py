"""What the system says of the processor: a CPU driver's name does not tell which one draws."""

import os
import platform
import re
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@cache
def processor_name() -> str:
    """The processor's name, as Linux tells it, or at least its kind."""
    return _entry("model name") or platform.processor() or platform.machine()


@cache
def has_avx512() -> bool:
    """Whether Linux says that it has vectors of 512 bits."""
    return "avx512f" in _entry("flags").split()


def _entry(name: str) -> str:
    """What Linux says of the first core under this name, or ""."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{name}\s*:[ \t]*(\S.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def core_count() -> int:
    """How many of the processor's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
