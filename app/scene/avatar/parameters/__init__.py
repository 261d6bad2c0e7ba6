"""All parameters of a person, by group; the one table that command line, sampling, manifest and docs read."""

from app.scene.avatar.parameters import expression, eyes, hair, makeup, person, portrait, shape, skin
from app.scene.avatar.parameters.parameter import Parameter

__all__ = ["BY_NAME", "PARAMETERS", "Parameter"]

PARAMETERS: tuple[Parameter, ...] = (
    *person.PARAMETERS,
    *shape.PARAMETERS,
    *expression.PARAMETERS,
    *skin.PARAMETERS,
    *makeup.PARAMETERS,
    *eyes.PARAMETERS,
    *hair.PARAMETERS,
    *portrait.PARAMETERS,
)
BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}
