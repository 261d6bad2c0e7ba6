"""Who it is: what shape, skin and hair alike depend on."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS = (
    Parameter("person.gender", 0.0, 1.0, 1.0, "0 female .. 1 male"),
    Parameter("person.age", 16.0, 90.0, 35.0, "years"),
    Parameter("person.african", 0.0, 1.0, 0.0, "share of African ancestry in the mix"),
    Parameter("person.asian", 0.0, 1.0, 0.0, "share of East Asian ancestry in the mix"),
    Parameter("person.european", 0.0, 1.0, 1.0, "share of European ancestry in the mix; the three are scaled to sum 1"),
)
