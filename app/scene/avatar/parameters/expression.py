"""Parameters of the group expression."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = ()
