"""Other people's programs that are compared with where they are installed; none is needed to run the bench."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
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
    """Whether numpy or one of PACKAGES can be imported."""
    return find_spec(name) is not None


def version(name: str) -> str | None:
    """The version of numpy or of one of PACKAGES; None where it is not installed, "unknown" where it does not say."""
    if not installed(name):
        return None
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "unknown"


def absence(name: str) -> str:
    """Say what is missing without one of PACKAGES, and how to get it."""
    return f"{PACKAGES[name]}, which is not installed ({install_command('bench')})."
