"""Environment variables that are switches."""

import os


def switched_on(name: str) -> bool:
    """Whether an environment variable is set, but not to 0."""
    return os.environ.get(name, "") not in ("", "0")
