"""Light set-ups that a person goes through while the demo draws; one whose file is written meanwhile is shown anew."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import click

from app.errors import BungyoError
from app.file_times import written
from app.scene.assets import find_lights, light_set_ups
from app.scene.default import brighter, load_environment, with_environment
from app.scene.environment import Environment
from app.scene.lights import LightRig, load_lights
from app.scene.model import Scene
from app.scene_options import SceneOptions

SetUp = Path | None  # a light set-up's file; None: the lights that came with the face


class Drawn(Protocol):
    """The part of app.renderer.Renderer that shows other light, by assigning to it."""

    scene: Scene


def set_ups(options: SceneOptions, first: LightRig) -> tuple[SetUp, ...]:
    """Return the light set-ups to go through, `first` and those that `options` name; if they name none, all that ship.

    Raises:
        InputError: there is none of that name.
    """
    named = options.lights is not None or options.other_lights
    others = [find_lights(name) for name in options.other_lights] if named else light_set_ups()
    return first.file, *(file for file in others if file != first.file)


class LightSwitch:
    """Goes from set-up to set-up. One that cannot be used costs a sentence, and the light stays as it is.

    Args:
        drawn: shows the first set-up.
        files: of the set-ups, at least one.
        environment: a map in the place of all set-ups' own, if any.
        exposure: EV, on top of all set-ups' own.

    Attributes:
        environment: the same, or the last one that was dropped, until a set-up is.
    """

    def __init__(
        self, drawn: Drawn, files: Sequence[SetUp], environment: Path | None = None, exposure: float = 0.0
    ) -> None:
        self._drawn, self._files, self.environment = drawn, list(files), environment
        self._exposure = exposure
        rig = drawn.scene.lights
        self._own = rig if environment is None else replace(rig, environment=None)  # what None stands for
        self._shown = 0
        self._lit_by, self._map = drawn.scene.lights, drawn.scene.environment
        self._written = self._times()
        self._map_written = self._written[1]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all set-ups."""
        return tuple("the face's own" if file is None else file.stem for file in self._files)

    @property
    def files(self) -> tuple[SetUp, ...]:
        """Of all set-ups, the one that is shown first."""
        return *self._files[self._shown :], *self._files[: self._shown]

    @property
    def label(self) -> str:
        """What is shown, and the map in the place of its own; "" where there is only one set-up and no such map."""
        name, file = self.names[self._shown], _map_file(self._lit_by)
        if self.environment is not None and file is not None:
            return f"{name} + {file.name}"
        return name if len(self._files) > 1 else ""

    def next(self) -> None:
        """Show the set-up after this one."""
        if len(self._files) == 1:
            click.echo("There is only one light set-up; more can be given with --lights.")
        else:
            self._show((self._shown + 1) % len(self._files), self.environment)

    def use(self, file: Path) -> None:
        """Show the set-up in a file with its own map, and go through it with the others from then on."""
        known = [None if other is None else other.resolve() for other in self._files]
        joins = file.resolve() not in known
        if joins:
            self._files.append(file)
        if not self._show(len(known) if joins else known.index(file.resolve()), None) and joins:
            self._files.pop()

    def use_environment(self, file: Path) -> None:
        """Show an environment map in the place of all set-ups' own, until a set-up is dropped.

        Lamps, the map's turn and all else stay as they have been set by hand.
        """
        scene = self._drawn.scene
        try:
            rig = with_environment(self._lit_by, file)
            environment, written = self._read_map(rig)
            shown = environment
            if environment is not None and scene.environment is not None and scene.environment is not self._map:
                shown = replace(environment, rotation=scene.environment.rotation)
            lights = replace(scene.lights, environment=rig.environment)
            self._drawn.scene = replace(scene, lights=lights, environment=shown)
        except BungyoError as error:
            _say_it_stays(error)
            return
        self._lit_by, self._map, self.environment = rig, environment, file
        self._written, self._map_written = (self._written[0], written), written

    def for_another_face(self, options: SceneOptions) -> SceneOptions:
        """Return options with the light that a person has chosen: by `options`, or by leaving the first set-up.

        Without a choice, a face comes in its own light, or else in the default one. All files stay to be gone through.
        """
        chosen = self._files[self._shown] if options.lights is not None or self._shown else None
        others = tuple(file for file in self.files if file is not None and file != chosen)
        return replace(options, lights=chosen, other_lights=others, environment=self.environment)

    def update(self) -> None:
        """Show the set-up anew if one of its files has been written since. Between two frames."""
        times = self._times()
        if times != self._written and all(times):
            self._written = times  # what is wrong with it is said once
            self._show(self._shown, self.environment)

    def _show(self, index: int, environment_file: Path | None) -> bool:
        file = self._files[index]
        # Before they are read: what is still being written is read again.
        set_up_written = _written(file)
        try:
            rig = self._own if file is None else brighter(load_lights(file), self._exposure)
            rig = with_environment(rig, environment_file)
            environment, map_written = self._read_map(rig)
            self._drawn.scene = replace(self._drawn.scene, lights=rig, environment=environment)
        except BungyoError as error:
            _say_it_stays(error)
            return False
        self._shown, self._lit_by, self._map, self.environment = index, rig, environment, environment_file
        self._written, self._map_written = (set_up_written, map_written), map_written
        return True

    def _read_map(self, rig: LightRig) -> tuple[Environment | None, int]:
        """Return a set-up's environment map, and when it was written."""
        written = _written(_map_file(rig))
        # The same object where it is the same map: then what it lights need not be gathered anew.
        known = rig.environment == self._lit_by.environment and written == self._map_written
        return self._map if known else load_environment(rig), written

    def _times(self) -> tuple[int, int]:
        """When the set-up and its environment map were written; 0 while one is not there, 1 where there is none."""
        return _written(self._lit_by.file), _written(_map_file(self._lit_by))


def _say_it_stays(error: BungyoError) -> None:
    click.echo(f"bungyo: error: {error.message} The light stays as it is.", err=True)


def _map_file(rig: LightRig) -> Path | None:
    return None if rig.environment is None else rig.environment.path


def _written(file: Path | None) -> int:
    return 1 if file is None else written(file)
