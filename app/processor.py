"""What the system says of the processor: a CPU driver's name does not tell which one draws."""

import platform
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@cache
def processor() -> dict[str, str]:
    """What Linux says of the first processor, by field; nothing elsewhere."""
    try:
        first = _CPUINFO.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def processor_name() -> str:
    """The processor's name, or at least its kind."""
    return processor().get("model name") or platform.processor() or platform.machine()
