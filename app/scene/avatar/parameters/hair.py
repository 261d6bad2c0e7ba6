"""Hair of the head, brows, lashes and beard."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS = (
    Parameter("hair.length", 0.0, 1.0, 0.3, "0 shaved, 0.3 some 2 cm, 0.6 to the chin .. 1 to the neck's end"),
    Parameter("hair.density", 0.0, 1.0, 1.0, "0 hardly any, 0.5 thinning .. 1 dense"),
    Parameter("hair.volume", 0.0, 1.0, 0.4, "0 flat on the head .. 1 full"),
    Parameter("hair.wave", 0.0, 1.0, 0.15, "0 straight .. 1 strong waves"),
    Parameter("hair.curl", 0.0, 1.0, 0.0, "0 hair that falls .. 1 tight coils that stand away from the head"),
    Parameter("hair.parting", -1.0, 1.0, 0.4, "where longer hair parts: -1 far on the person's right .. 1 on the left"),
    Parameter("hair.swept", -1.0, 1.0, 0.0, "-1 combed forward, 0 falling as it grows .. 1 combed back"),
    Parameter("hair.fringe", 0.0, 1.0, 0.0, "0 none .. 1 the front falls over the forehead to the brows"),
    Parameter("hair.fade", 0.0, 1.0, 0.4, "0 sides and nape as long as the top .. 1 cropped"),
    Parameter("hair.recession", 0.0, 1.0, 0.0, "0 full hairline, 0.3 high temples, 0.6 thin crown .. 1 bald on top"),
    Parameter("hair.melanin", 0.0, 1.0, 0.6, "0 platinum blond, 0.3 blond, 0.6 brown .. 1 black"),
    Parameter("hair.redness", 0.0, 1.0, 0.1, "share of the red pigment: 0 ash .. 1 red"),
    Parameter("hair.greying", 0.0, 1.0, 0.0, "share of white hairs"),
    Parameter("brow.density", 0.0, 1.0, 0.6, "0 hardly any hairs .. 1 bushy"),
    Parameter("brow.thickness", 0.0, 1.0, 0.45, "0 a thin line .. 1 a broad band"),
    Parameter("brow.length", 0.0, 1.0, 0.5, "length of the single hairs: 0 trimmed .. 1 long"),
    Parameter("brow.arch", -1.0, 1.0, 0.0, "-1 flat .. 1 high arch"),
    Parameter("lash.length", 0.0, 1.0, 0.4, "0 short .. 1 long"),
    Parameter("lash.density", 0.0, 1.0, 0.5, "0 sparse .. 1 dense"),
    Parameter("lash.mascara", 0.0, 1.0, 0.0, "0 none .. 1 black, longer and thicker"),
    Parameter("beard.density", 0.0, 1.0, 0.0, "0 clean shaven .. 1 dense"),
    Parameter("beard.length", 0.0, 1.0, 0.0, "0 stubble, 0.3 short, 0.6 full .. 1 long"),
    Parameter("beard.moustache", 0.0, 1.0, 1.0, "0 bare upper lip .. 1 grown over"),
    Parameter("beard.chin", 0.0, 1.0, 1.0, "0 bare chin .. 1 grown over"),
    Parameter("beard.cheeks", 0.0, 1.0, 1.0, "0 bare cheeks and jaw .. 1 grown up to the cheekbones"),
)
