"""Light set-ups that a person goes through while the demo draws; one whose file is written meanwhile is shown anew."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Protocol

import click
import numpy as np

from app.arrays import F64
from app.errors import BungyoError
from app.file_times import written
from app.scene.assets import find_lights, light_set_ups
from app.scene.checks import triple
from app.scene.default import brighter, load_environment, with_environment
from app.scene.environment import Environment
from app.scene.lights import AreaLight, EnvironmentRef, Light, LightRig, PointLight, load_lights
from app.scene.model import Scene
from app.scene_options import SceneOptions

_ROUNDING = 1e-9  # of numbers that were changed and brought back: metres, radians, EV, or a share of them

SetUp = Path | None  # a light set-up's file; None: the lights that came with the face


class Drawn(Protocol):
    """The part of app.renderer.Renderer that shows other light, by assigning to it."""

    scene: Scene


def set_ups(options: SceneOptions, first: LightRig, own: LightRig | None = None) -> tuple[SetUp, ...]:
    """Return the light set-ups to go through, `first` and those that `options` name; if they name none, all that ship.

    Args:
        options: may name some.
        first: the one that is shown.
        own: the lights that came with the face, if they are to be gone through as well.

    Raises:
        InputError: there is none of that name.
    """
    named = options.lights is not None or options.other_lights
    others = [find_lights(name) for name in options.other_lights] if named else light_set_ups()
    files = first.file, *(file for file in others if file != first.file)
    return files if own is None or None in files else (*files, None)


@dataclass(frozen=True)
class AsRead:
    """Light as its files have it, whatever a person has done to it since.

    Args:
        rig, environment: the light.
        map_written: when the map had been written, as it was read.
        tried: when the set-up and the map had been written, as they were read or found unusable.
    """

    rig: LightRig
    environment: Environment | None
    map_written: int
    tried: tuple[int, int]

    @property
    def times(self) -> tuple[int, int]:
        """When the set-up and its map were written; 0 while one is not there, 1 where there is none."""
        return _written(self.rig.file), _written(_map_file(self.rig))


class LightSwitch:
    """Goes from set-up to set-up. One that cannot be used costs a sentence, and the light stays as it is.

    Args:
        drawn: shows the first set-up.
        files: of the set-ups, at least one.
        environment: a map in the place of all set-ups' own, if any.
        exposure: EV, on top of all set-ups' own.
        read: the first set-up as it was read, where what is drawn may have been changed by hand since.
        came_along: whether its light is one that was chosen for the face before.
        own: the lights that came with the face, if they are among the set-ups; by default those that are shown.

    Attributes:
        environment: the same, or the last one that was dropped, until a set-up is.
        read: the set-up that is shown, as it was read.
    """

    def __init__(
        self,
        drawn: Drawn,
        files: Sequence[SetUp],
        environment: Path | None = None,
        exposure: float = 0.0,
        *,
        read: AsRead | None = None,
        came_along: bool = False,
        own: LightRig | None = None,
    ) -> None:
        self._drawn, self._files, self.environment, self.came_along = drawn, list(files), environment, came_along
        self._exposure = exposure
        if read is None:
            read = AsRead(drawn.scene.rig, drawn.scene.environment, 0, (0, 0))
            read = replace(read, map_written=read.times[1], tried=read.times)
        self.read = read
        # What None stands for.
        self._own = own or (read.rig if environment is None else replace(read.rig, environment=None))
        self._shown = self._asked = 0  # the latter by `next`, be it that it could not be used
        self._dropped: set[SetUp] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all set-ups."""
        own = f"{'another' if self.came_along else 'the'} face's own"
        return tuple(own if file is None else file.stem for file in self._files)

    @property
    def files(self) -> tuple[SetUp, ...]:
        """Of all set-ups, the one that is shown first."""
        return *self._files[self._shown :], *self._files[: self._shown]

    @property
    def own(self) -> LightRig | None:
        """The lights that came with the face, or with the one whose light came along; None: not among the set-ups."""
        return self._own if None in self._files else None

    @property
    def label(self) -> str:
        """What is shown, and the map in the place of its own; "" where there is only one set-up and no such map."""
        name, file = self.names[self._shown], _map_file(self.read.rig)
        if self.environment is not None and file is not None:
            return f"{name} + {file.name}"
        return name if len(self._files) > 1 else ""

    def next(self) -> None:
        """Show the set-up after the one that was tried last: one that cannot be used is not in the way of others."""
        if len(self._files) == 1:
            click.echo("There is only one light set-up; more can be given with --lights.")
        else:
            others = [index for index in range(len(self._files)) if index != self._shown]
            self._asked = next((index for index in others if index > self._asked), others[0])
            self._show(self._asked, self.environment)

    def use(self, file: Path) -> None:
        """Show the set-up in a file with its own map, and go through it with the others from then on."""
        known = [None if other is None else other.resolve() for other in self._files]
        joins = file.resolve() not in known
        if joins:
            self._files.append(file)
        if self._show(len(known) if joins else known.index(file.resolve()), None):
            self._dropped.add(self._files[self._shown])  # a choice, be it the first
        elif joins:
            self._files.pop()

    def use_environment(self, file: Path) -> None:
        """Show an environment map in the place of all set-ups' own, until a set-up is dropped.

        Lamps, the map's turn and all else stay as they have been set by hand.
        """
        scene = self._drawn.scene
        try:
            read = self._with_map(with_environment(self.read.rig, file), self.read.tried[0])
            environment = read.environment
            if environment is not None and scene.environment is not None and self._is_turned:
                environment = replace(environment, rotation=scene.environment.rotation)
            rig = replace(scene.rig, environment=read.rig.environment)
            self._drawn.scene = replace(scene, rig=rig, environment=environment)
        except BungyoError as error:
            _say_it_stays(error)
        else:
            self.read, self.environment = read, file

    def for_another_face(self, options: SceneOptions) -> SceneOptions:
        """Return options with the set-up that is shown if its light `is_chosen`, and all others to be gone through.

        Without a choice, a face comes in its own light, or else in the default one. Files that are gone are left out.
        """
        chosen = self._files[self._shown] if self.is_chosen(options) else None
        others = tuple(file for file in self.files if file is not None and file != chosen and file.is_file())
        return replace(options, lights=chosen, other_lights=others, environment=self.environment)

    def is_chosen(self, options: SceneOptions) -> bool:
        """Whether a person wants the light.

        It is named in `options`, or was gone on to, dropped, changed by hand, or wanted for the face before. The face's
        own is what it comes in anyway, unless it was changed.
        """
        if self._files[self._shown] is None and not self.came_along:
            return self._is_changed
        wanted = self._shown > 0 or self._files[self._shown] in self._dropped
        return options.lights is not None or wanted or self._is_changed or self.came_along

    def on(self, face: Scene) -> Scene:
        """Return another face in the light as it is now.

        Lamps stand in the room, as set-ups have them, and so they do for another head in the same place. What a person
        has set by hand, however, is meant for the face: to one that is elsewhere, as a whole body's is, the lamps move
        along. They stay as far from it and as large as they are: a face's metres are real ones, too.
        """
        now = self._drawn.scene
        rig = now.rig
        if self._lamps_are_changed and (way := _way(now, face)) is not None:
            rig = replace(rig, lights=tuple(_moved(light, way) for light in rig.lights))
        return replace(face, rig=rig, environment=now.environment)

    def around(self, face: Scene) -> tuple[Scene, AsRead | None]:
        """Return another face, in its own light but for the map that is shown in the place of all set-ups' own.

        That one is in memory, and its file may be gone. What is returned as well is that light as it was read, None
        where there is no such map.
        """
        if self.environment is None:
            return face, None
        read = self._with_map_in_memory(self._with_shown_map(face.rig), _written(face.rig.file))
        return replace(face, rig=read.rig, environment=read.environment), read

    @property
    def _is_turned(self) -> bool:
        now, read = self._drawn.scene.environment, self.read.environment
        if now is None or read is None:
            return now is not read
        return abs(math.remainder(now.rotation - read.rotation, 2.0 * math.pi)) > _ROUNDING

    @property
    def _lamps_are_changed(self) -> bool:
        now, read = self._drawn.scene.rig.lights, self.read.rig.lights
        return len(now) != len(read) or not all(map(_same, now, read))

    @property
    def _is_changed(self) -> bool:
        """Whether a person has changed the light and has not brought it back to where it was."""
        stops = self._drawn.scene.rig.exposure - self.read.rig.exposure
        return self._is_turned or self._lamps_are_changed or abs(stops) > _ROUNDING

    def update(self) -> None:
        """Show the set-up anew if one of its files has been written since. Between two frames."""
        times = self.read.times
        if times != self.read.tried and all(times):
            self.read = replace(self.read, tried=times)  # what is wrong with it is said once
            self._show(self._shown, self.environment)

    def _show(self, index: int, environment: Path | None) -> bool:
        file = self._files[index]
        # Before they are read: what is still being written is read again.
        set_up_written = _written(file)
        try:
            rig = self._own if file is None else brighter(load_lights(file), self._exposure)
            shown = environment is not None and environment == self.environment
            rig = self._with_shown_map(rig) if shown else with_environment(rig, environment)
            read = self._with_map(rig, set_up_written)
            self._drawn.scene = replace(self._drawn.scene, rig=read.rig, environment=read.environment)
        except BungyoError as error:
            _say_it_stays(error)
            return False
        self._shown = self._asked = index
        self.read, self.environment = read, environment
        return True

    def _with_map(self, rig: LightRig, set_up_written: int) -> AsRead:
        """Read the map that a set-up wants; `set_up_written`: when the set-up's own file had been, as it was read."""
        file = _map_file(rig)
        map_written = _written(file)
        if file == _map_file(self.read.rig) and map_written in (0, self.read.map_written):  # 0: it is gone since
            return self._with_map_in_memory(rig, set_up_written)
        return AsRead(rig, load_environment(rig), map_written, (set_up_written, map_written))

    def _with_map_in_memory(self, rig: LightRig, set_up_written: int) -> AsRead:
        """Take over the map of the set-up that is shown, which another one wants as well."""
        ref, environment = rig.environment, self.read.environment
        # The same object where it is the same map: then what it lights need not be gathered anew.
        if ref is not None and environment is not None and ref != self.read.rig.environment:
            environment = replace(environment, rotation=ref.rotation, intensity=ref.intensity)
        return AsRead(rig, environment, self.read.map_written, (set_up_written, self.read.tried[1]))

    def _with_shown_map(self, rig: LightRig) -> LightRig:
        """Return a set-up with the map that is shown, as `with_environment` does, but whose file may be gone."""
        file = _map_file(self.read.rig)
        if file is None:
            return rig
        return replace(rig, environment=replace(rig.environment or EnvironmentRef(file), path=file))


def _way(one: Scene, other: Scene) -> F64 | None:
    """Return the way from one face to another; None for those in the same place: at most half the smaller one apart."""
    before, after = (scene.bounds(face_only=True) for scene in (one, other))
    way: F64 = after.mean(axis=0) - before.mean(axis=0)
    smaller = min(np.ptp(box, axis=0).max() for box in (before, after))
    return None if np.linalg.norm(way) <= smaller / 2.0 else way


def _same(one: Light, other: Light) -> bool:
    """Whether two lights differ in nothing that a person has changed."""
    numbers, others = (np.hstack(astuple(light)) for light in (one, other))
    return type(one) is type(other) and np.allclose(numbers, others, _ROUNDING, _ROUNDING)


def _moved(light: Light, way: F64) -> Light:
    if isinstance(light, PointLight):
        return replace(light, position=triple(light.position + way))
    if isinstance(light, AreaLight):
        return replace(light, center=triple(light.center + way))
    return light  # from infinity


def _say_it_stays(error: BungyoError) -> None:
    click.echo(f"bungyo: error: {error.message} The light stays as it is.", err=True)


def _map_file(rig: LightRig) -> Path | None:
    return None if rig.environment is None else rig.environment.path


def _written(file: Path | None) -> int:
    return 1 if file is None else written(file)
