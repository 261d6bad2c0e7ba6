"""Parameters of the group skin: pigments, what is sprinkled over them, and relief."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("skin.melanin", 0.0, 1.0, 0.33, "0 very fair, 0.35 light, 0.6 brown .. 1 very dark"),
    Parameter("skin.pheomelanin", 0.0, 1.0, 0.15, "share of the reddish melanin: 0 none .. 1 all"),
    Parameter("skin.haemoglobin", 0.0, 1.0, 0.5, "blood in the skin: 0 pale .. 1 ruddy"),
    Parameter("skin.carotene", 0.0, 1.0, 0.2, "yellow: 0 rosy .. 1 sallow"),
    Parameter("skin.tan", 0.0, 1.0, 0.1, "melanin that the sun adds, most on nose and cheeks: 0 none .. 1 deep"),
    Parameter("skin.blotchiness", 0.0, 1.0, 0.4, "0 even colour .. 1 red and brown patches, vessels on cheeks"),
    Parameter("skin.blush", 0.0, 1.0, 0.0, "blood flow to cheeks, nose and ears: 0 calm .. 1 flushed"),
    Parameter("skin.dark_circles", 0.0, 1.0, 0.3, "darker shade under the eyes: 0 none .. 1 strong"),
    Parameter("skin.lip_color", -1.0, 1.0, 0.0, "natural colour of the lips: -1 pale .. 1 full"),
    Parameter("skin.freckles", 0.0, 1.0, 0.0, "0 none .. 1 nose, cheeks and forehead covered"),
    Parameter("skin.moles", 0.0, 1.0, 0.25, "0 none .. 1 some two dozen on face and neck"),
    Parameter("skin.age_spots", 0.0, 1.0, 0.0, "brown spots of some millimetres: 0 none .. 1 many"),
    Parameter("skin.acne", 0.0, 1.0, 0.0, "0 none .. 1 dozens of red pimples"),
    Parameter("skin.beard_shadow", 0.0, 1.0, 0.0, "shaved stubble: 0 none .. 1 dark, two days old"),
    Parameter("skin.scalp", 0.0, 1.0, 0.7, "shade of the hair's roots on the scalp: 0 none .. 1 dense"),
    Parameter("skin.oiliness", 0.0, 1.0, 0.4, "0 dry and matt .. 1 the face shines, forehead, nose and chin most"),
    Parameter("skin.pores", 0.0, 1.0, 0.5, "depth of the pores: 0 hardly visible .. 1 coarse"),
    Parameter("skin.wrinkles", 0.0, 2.0, 1.0, "times the depth of lines by age and expression: 0 none .. 2 twice"),
)
