"""Packages that only some commands need, and the one sentence where they are missing."""

from importlib.util import find_spec

from app.errors import BungyoError

_NAMES = {"skimage": "scikit-image"}  # of packages that are not called like their modules


def install_command(extra: str) -> str:
    """The command that installs an optional group of packages, as pyproject.toml names it."""
    return f".venv/bin/pip install -c constraints.txt -e '.[{extra}]'"


def need(who: str, *modules: str) -> None:
    """Raise BungyoError, with the command that mends it, if a module of the optional group `train` is not installed.

    Args:
        who: what needs them, to begin the sentence with.
        modules: all that it needs.
    """
    missing = [_NAMES.get(module, module) for module in modules if find_spec(module) is None]
    if not missing:
        return
    several = len(missing) > 1
    named = f"{', '.join(missing[:-1])} and {missing[-1]}" if several else missing[0]
    raise BungyoError(
        f"{who} needs {named}, which {'are' if several else 'is'} not installed.",
        f"Install {'them' if several else 'it'} with:  {install_command('train')}",
    )
