"""A frame's camera, lights and environment as the manifest stores them, and back again, bit by bit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from app.errors import InputError
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight
from app.training.situations import load_environment, lobe_map

LIGHTS: dict[str, type[Light]] = {"directional": DirectionalLight, "point": PointLight, "area": AreaLight}

Kind = TypeVar("Kind")


def camera_record(camera: Camera) -> dict[str, Any]:
    """The camera with its lens (fov_y, radians), as plain JSON values."""
    return asdict(camera)


def light_records(lights: Sequence[Light]) -> list[dict[str, Any]]:
    """The lights, each with its "kind"."""
    names = {kind: name for name, kind in LIGHTS.items()}
    return [{"kind": names[type(light)], **asdict(light)} for light in lights]


def camera_of(record: Mapping[str, Any]) -> Camera:
    """The camera that was recorded; InputError if the record is damaged."""
    return _restored(Camera, record)


def lights_of(records: Sequence[Mapping[str, Any]]) -> tuple[Light, ...]:
    """The lights that were recorded; InputError if a record is damaged."""
    lights = []
    for record in records:
        kind = LIGHTS.get(record.get("kind", ""))
        if kind is None:
            raise InputError(f"A recorded light has the unknown kind {record.get('kind')!r}.")
        lights.append(_restored(kind, {name: value for name, value in record.items() if name != "kind"}))
    return tuple(lights)


def environment_of(record: Mapping[str, Any] | None, files: Sequence[Path]) -> Environment | None:
    """The environment that was recorded; maps from files are looked for, by name, among `files`.

    Raises:
        InputError: no such file, it cannot be read, or the record is damaged.
    """
    if record is None:
        return None
    if record.get("kind") == "file":
        found = [file for file in files if file.name == record.get("name")]
        if not found:
            raise InputError(f"The environment map {record.get('name')} is needed to make this frame again.")
        environment = load_environment(found[0])
    elif record.get("kind") == "lobes":
        environment = Environment(lobe_map(record["ambient"], record["lobes"]))
    else:
        raise InputError(f"A recorded environment has the unknown kind {record.get('kind')!r}.")
    return replace(environment, rotation=record["rotation"], intensity=record["intensity"])


def _restored(kind: type[Kind], record: Mapping[str, Any]) -> Kind:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
    try:
        made = kind(**values)
    except TypeError as error:
        raise InputError(f"A recorded {kind.__name__} is damaged: {error}.") from error
    # Scaled to length 1 once more, a unit vector may move by its last bit: what was recorded counts.
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made
