"""Parameters of the group shape."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = ()
