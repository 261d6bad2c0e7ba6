"""Where the project's own assets are, and how a name given by the user is found."""

from pathlib import Path

from app.errors import InputError

ASSETS = Path(__file__).resolve().parents[2] / "assets"
DEFAULT_HEAD = ASSETS / "head" / "head.glb"
DEFAULT_LIGHTS = ASSETS / "lights" / "studio.toml"
ENVIRONMENT_SUFFIXES = (".exr", ".hdr")


def find_lights(name: str | Path) -> Path:
    """Return the path of a light set-up: a file, or the name (suffix optional) of one in assets/lights."""
    return _find(name, Path(), ASSETS / "lights", (".toml",), "light set-up")


def find_environment(name: str | Path, relative_to: Path | None = None) -> Path:
    """Return the path of an environment map.

    Args:
        name: a path, or the name (suffix optional) of a file in assets/environments.
        relative_to: the folder that relative paths start from; the current one by default.

    Raises:
        InputError: neither exists.
    """
    folder = ASSETS / "environments"
    return _find(name, relative_to or Path(), folder, ENVIRONMENT_SUFFIXES, "environment map")


def light_set_ups() -> list[Path]:
    """The light set-ups that ship, in assets/lights."""
    return sorted((ASSETS / "lights").glob("*.toml"))


def environment_maps() -> list[Path]:
    """The environment maps that ship, in assets/environments."""
    return sorted((ASSETS / "environments").glob("*.exr"))


def _find(name: str | Path, start: Path, folder: Path, suffixes: tuple[str, ...], what: str) -> Path:
    try:
        wanted = Path(name).expanduser()
        wanted.is_file()  # refuses names that no file can have
    except (OSError, RuntimeError) as error:  # of a user who has no home
        reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        raise InputError(f"{name}: no such {what} ({reason}).") from None
    candidates = [start / wanted]
    if len(wanted.parts) == 1:
        candidates += [folder / wanted, *(folder / f"{wanted}{suffix}" for suffix in suffixes)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if candidates[0].is_dir():
        raise InputError(f"{candidates[0]}: is a folder, not {'an' if what[0] in 'aeiou' else 'a'} {what}.")
    names = sorted(p.stem for p in folder.glob("*") if p.suffix in suffixes)
    hint = f"Supplied with the project: {', '.join(names)}." if names else ""
    raise InputError(f"{candidates[0]}: no such {what}.", hint)
