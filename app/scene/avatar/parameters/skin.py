"""Parameters of the group skin."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = ()
