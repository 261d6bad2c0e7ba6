"""Parameters of the group hair."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = ()
