"""Other people's programs that are compared with where they are installed; none is needed to run the bench."""

from importlib.util import find_spec

from app.packages import install_command

PACKAGES = {
    "mitsuba": "The reference is not compared with Mitsuba 3",
    "torch": "The tile network is not compared with torch",
    "openvino": "The tile network is not compared with OpenVINO",
    "ncnn": "The tile network is not compared with ncnn",
    "pygfx": "The view is not compared with pygfx",
}
"""By name on PyPI, which is that of the module as well: what is missing without it, as a clause."""


def installed(name: str) -> bool:
    """Whether one of PACKAGES can be imported."""
    return find_spec(name) is not None


def absence(name: str) -> str:
    """Say what is missing without one of PACKAGES, and how to get it."""
    return f"{PACKAGES[name]}, which is not installed ({install_command('bench')})."
