"""In what the options of one run differ from those of another, for the sentence that refuses to go on."""

from collections.abc import Mapping
from typing import Any

PLAIN = ("scene", "options", "spec")  # groups of options whose name says nothing
OPTIONS = {  # of `bungyo dataset`, as what they decide is called in a set
    "cache_samples": "--light-samples",
    "cache_size": "--light-texels",
    "tile_fraction": "--tiles",
    "people_limit": "--people",
}
LONGEST = 60  # characters of a value that are shown


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any], where: str = "") -> list[str]:
    """Say of every option that differs what it was, and what it is now.

    Args:
        theirs, ours: JSON values by option, which may be such mappings themselves.
        where: what goes before the names.
    """
    found = []
    for key in dict.fromkeys([*theirs, *ours]):
        name = OPTIONS.get(key, where + key)
        was, now = theirs.get(key), ours.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            found += differences(was, now, where if key in PLAIN else f"{name}.")
        elif max(len(repr(was)), len(repr(now))) > LONGEST:
            found.append(f"{name} differs")
        else:
            was, now = ("not given" if value is None else value for value in (was, now))
            found.append(f"{name} was {was} and is now {now}")
    return found
