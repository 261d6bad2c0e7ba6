"""Parameters of the group makeup."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = ()
