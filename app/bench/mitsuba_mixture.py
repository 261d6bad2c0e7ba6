"""A mixture of two BSDFs for Mitsuba, to be imported once its variant is chosen.

Mitsuba's own `blendbsdf` (3.9) weighs what one of its two drew by both, even where that one refused it: a reflection at
a microfacet that ends below the surface counts as the other's refraction. Over rough dielectrics each event brings 0.5
to 2% too much light. This one is slow, a call into Python an event, and right.
"""

from importlib import import_module
from typing import Any

mi: Any = import_module("mitsuba")
NAME = "bungyo_mixture"


class Mixture(mi.BSDF):  # type: ignore[misc]
    """The two BSDFs "first" and "second", the latter with the share "weight"."""

    def __init__(self, properties: Any) -> None:
        """Take the properties from Mitsuba."""
        super().__init__(properties)
        self.weight = float(properties["weight"])
        self.both = properties["first"], properties["second"]
        self.m_components = [one.flags(0) for one in self.both]
        self.m_flags = self.both[0].flags() | self.both[1].flags()

    def sample(self, context: Any, at: Any, choice: float, xi: Any, active: bool = True) -> tuple[Any, Any]:
        """Draw a direction from one of the two."""
        second = choice < self.weight
        rest = choice / self.weight if second else (choice - self.weight) / (1.0 - self.weight)
        drawn, value = self.both[second].sample(context, at, rest, xi, active)
        if max(value) <= 0.0:
            return drawn, mi.Color3f(0.0)
        value, drawn.pdf = self.eval_pdf(context, at, drawn.wo, active)
        return drawn, value / drawn.pdf

    def eval_pdf(self, context: Any, at: Any, wo: Any, active: bool = True) -> tuple[Any, float]:
        """Return f * cosine, and the density of `sample`."""
        (value, pdf), (other, its) = (one.eval_pdf(context, at, wo, active) for one in self.both)
        rest = 1.0 - self.weight
        return value * rest + other * self.weight, pdf * rest + its * self.weight

    def eval(self, context: Any, at: Any, wo: Any, active: bool = True) -> Any:
        """Return f * cosine."""
        return self.eval_pdf(context, at, wo, active)[0]

    def pdf(self, context: Any, at: Any, wo: Any, active: bool = True) -> float:
        """Return the density of `sample`."""
        return self.eval_pdf(context, at, wo, active)[1]

    def to_string(self) -> str:
        """Return the name, for messages."""
        return NAME


mi.register_bsdf(NAME, Mixture)
