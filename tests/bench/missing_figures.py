"""The figures that a report of the bench has only under some condition."""

from collections.abc import Collection

from app.bench.meanings import FRAME, MEANINGS

NEEDS = {
    "mitsuba": frozenset(name for name in FRAME if "head_samples" in name or "mitsuba" in name),
    **{
        package: frozenset(name for name in MEANINGS if package in name)
        for package in ("torch", "openvino", "ncnn", "pygfx")
    },
}
"""Figures that are missing without a package."""
BEST = frozenset(name for name in MEANINGS if "best_cpu" in name)
"""Those that need one of the libraries that compute many networks: torch or OpenVINO."""
KEYS = frozenset(name for name in MEANINGS if name.startswith("key_to"))
"""Those that need a display."""
NO_RAYS = frozenset({"fps_720_raster"})
"""Those that are there only without ray tracing, in place of traced ones."""
WIDE_GENERALIST = frozenset(name for name in MEANINGS if "wide_generalist" in name)
"""Those that need --wide."""


def absent(present: Collection[str]) -> frozenset[str]:
    """The figures that are missing where of app.bench.packages.PACKAGES these are present."""
    missing = [names for package, names in NEEDS.items() if package not in present]
    return frozenset[str]().union(*missing, () if {"torch", "openvino"} & {*present} else BEST)
