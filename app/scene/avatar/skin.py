"""The material of a person's skin: albedo, roughness and normal maps in the canonical UV map.

What varies slowly (pigments by region, blood flow, shine) is composed at half resolution and interpolated; pores,
marks, lines, hairs and make-up lie on top at full resolution. Regional blood and the part of it that expressions move:
J. Jimenez et al., "A Practical Appearance Model for Dynamic Facial Color" (2010).
"""

from collections.abc import Mapping

import numpy as np

from app.arrays import F32, U8
from app.errors import InputError
from app.scene.avatar import hair_color, makeup, marks, pigment, wrinkles
from app.scene.avatar.parameters import BY_NAME
from app.scene.avatar.person import Person
from app.scene.avatar.skin_maps import FINE, SkinMaps, doubled, halved, load
from app.scene.avatar.wrinkles import expression
from app.scene.checks import Vec3
from app.scene.model import SKIN_MEAN_FREE_PATH, Material, Texture
from app.scene.tonemap import srgb_encode

_LEAST_BLOOD, _MOST_BLOOD = 0.009, 0.045  # volume fractions in the dermis at skin.haemoglobin 0 and 1
# Extinction of (red, green, blue) by blood that has given its oxygen away, seen through skin: it looks bluish.
_VENOUS = (0.62, 0.80, 0.50)
_STUBBLE = (1.0, 0.93, 0.80)  # extinction by hair below the surface: the blue that is scattered above it stays
_GREY_ROOTS = (0.26, 0.23, 0.20)  # linear colour
_SMALLEST = 64
_CODES = 8192
_SECOND_ROUGHNESS = 0.62  # times the map's roughness: the oil's smooth film over the rougher horny layer


def material(person: Person, size: int = FINE) -> Material:
    """Return the skin of a person with maps of `size` x `size` texels.

    Raises:
        InputError: `size` is not a power of two from 64 to 1024.
    """
    if size < _SMALLEST or size > FINE or size & (size - 1):
        raise InputError(f"Skin maps have 64, 128, 256, 512 or 1024 texels a side, not {size}.")
    maps = load()
    sprinkled = marks.sprinkle(person, maps)
    height = wrinkles.relief(person.values, maps)
    if sprinkled.height is not None:
        height += sprinkled.height
    rough = _roughness(person, maps, height)
    planes = _albedo(person, maps, sprinkled, height)
    makeup.paint(person.values, maps, planes, rough)
    images = [*planes, rough, *wrinkles.slopes(height, maps)]
    while len(images[0]) > size:
        images = [halved(image) for image in images]
    red, green, blue, rough, du, dv = images
    np.clip(rough, 0.12, 0.85, out=rough)
    shine = (rough * np.float32(255.0) + np.float32(0.5)).astype(np.uint8)[..., None]
    return Material(
        "skin",
        albedo=(1.0, 1.0, 1.0),
        albedo_map=Texture(_srgb((red, green, blue)), srgb=True, name="skin albedo"),
        roughness=1.0,
        roughness_map=Texture(shine, name="skin roughness"),
        second_roughness=_SECOND_ROUGHNESS,
        second_weight=0.15 + 0.25 * person["skin.oiliness"],
        ior=1.4,
        normal_map=Texture(wrinkles.normal_map(du, dv), name="skin normal"),
        subsurface=1.0,
        mean_free_path=mean_free_path(person),
    )


def mean_free_path(person: Person) -> Vec3:
    """Millimetres per channel: melanin shortens the way of blue and green light more than that of red."""
    dark = (person["skin.melanin"] + 0.12 * person["skin.tan"]) ** 1.5
    red, green, blue = (
        length * float(np.exp(-loss * dark))
        for length, loss in zip(SKIN_MEAN_FREE_PATH, (0.35, 0.55, 0.75), strict=True)
    )
    return red, green, blue


def _albedo(person: Person, maps: SkinMaps, sprinkled: marks.Marks, height: F32) -> list[F32]:
    """Three linear planes (FINE,FINE)."""
    v = person.values
    melanin, blood, tint = _pigments(person, maps)
    log_melanin, log_blood = doubled(melanin), doubled(blood)
    even = np.float32(1.0 - 0.75 * v["makeup.foundation"])
    groove = np.minimum(height, 0.0)  # the bottom of pores and lines is darker and redder
    log_melanin -= groove * np.float32(0.45)
    log_blood -= groove * np.float32(0.55)
    log_melanin += maps.relief["fine"] * np.float32(-2.2)
    if sprinkled.melanin is not None:
        log_melanin += sprinkled.melanin * even
    if sprinkled.blood is not None:
        log_blood += sprinkled.blood * even
    tone = pigment.Tone(pigment.Blend(v["skin.pheomelanin"], 0.75, 0.07 + 0.20 * v["skin.carotene"]))
    planes = tone.look_up(log_melanin, log_blood)
    shade = doubled(tint)
    for plane, extinction in zip(planes, _VENOUS, strict=True):
        plane *= np.exp(shade * np.float32(-extinction))
    _hair_below(person, maps, planes)
    return planes


def _pigments(person: Person, maps: SkinMaps) -> tuple[F32, F32, F32]:
    """Logarithms of the volume fractions of melanin and blood, and venous shade, (MASK,MASK) each."""
    v, r, n = person.values, maps.regions, maps.mottle
    rng = person.rng("skin.mottle")
    if rng.random() < 0.5:  # the map is its own mirror image, so noise may be mirrored
        n = {name: noise[:, ::-1] for name, noise in n.items()}
    wide, narrow = rng.uniform(0.6, 1.2, 2), rng.uniform((1.0, 0.8), (2.4, 1.7))
    even = 1.0 - 0.75 * v["makeup.foundation"]
    blotchy, old = v["skin.blotchiness"] * even, min(max((v["person.age"] - 30.0) / 50.0, 0.0), 1.2)
    dark, male = v["skin.melanin"], v["person.gender"]

    flow = _blood_flow(v)
    region = 0.55 + 0.75 * blotchy
    blood = np.full_like(r["lips"], np.log(_LEAST_BLOOD * (_MOST_BLOOD / _LEAST_BLOOD) ** v["skin.haemoglobin"]))
    for name, amount in (
        ("cheek", 0.50 * region), ("nose", 0.50 * region), ("nose_wing", 0.60 * region), ("ear", 0.50),
        ("chin", 0.25 * region),
        ("forehead", -0.08), ("upper_lid", 0.25 * even), ("lid_edge", 0.75), ("inner_corner", 0.7), ("cavity", 0.55),
        ("sallow", -0.20), ("mouth_corner", 0.10), ("neck", 0.10), ("under_eye", 0.15),
    ):  # fmt: skip
        blood += r[name] * np.float32(amount + flow.get(name, 0.0))
    lips = 1.85 + 0.50 * v["skin.lip_color"] - 0.30 * old - 0.45 * dark + flow.get("lips", 0.0)
    blood += r["lips"] * np.float32(lips)
    blood += r["inside"] * (np.float32(0.55) - np.float32(0.45) * r["lips"])
    patch = n["blood_wide"] * np.float32((0.05 + 0.13 * blotchy) * wide[0])
    patch += n["blood"] * np.float32((0.05 + 0.14 * blotchy) * narrow[0])
    patch += (
        n["vessels"] * (r["cheek"] + r["nose_wing"] + 0.5 * r["nose"]) * np.float32(0.35 * blotchy * (0.15 + 0.6 * old))
    )
    blood += patch

    contrast = 0.55 + 0.9 * dark
    melanin = np.full_like(blood, pigment.log_melanin(dark) + 0.12 * v["skin.tan"])
    sides = 1.0 - r["front"]
    for name, amount in (
        ("forehead", 0.10 * contrast), ("around_eye", (0.10 + 0.18 * v["skin.dark_circles"]) * contrast * even),
        ("under_eye", (0.05 + 0.25 * v["skin.dark_circles"]) * contrast * even), ("upper_lid", 0.12 * contrast),
        ("cheek", -0.10 * contrast), ("nose", -0.05), ("sallow", (0.06 + 0.06 * male) * contrast * even),
        ("mouth_corner", 0.22 * contrast * even), ("neck", 0.03 + 0.08 * contrast), ("cavity", 0.22), ("ear", -0.05),
        ("nostril", 1.0), ("lip_rim", 0.10 * contrast), ("sun", 0.85 * v["skin.tan"] * (1.0 - 0.6 * dark)),
    ):  # fmt: skip
        melanin += r[name] * np.float32(amount)
    melanin += sides * np.float32(-0.05)
    melanin += r["lips"] * np.float32(-0.22 + 0.10 * dark)
    melanin += r["inside"] * r["lips"] * np.float32(-0.5 - 1.4 * dark)  # the mouth's; the eyes' sockets stay dark
    uneven = (0.05 + 0.06 * old + 0.05 * blotchy) * even
    patch = n["melanin_wide"] * np.float32(uneven * wide[1])
    patch += n["melanin"] * np.float32((0.4 * uneven + 0.03) * narrow[1])
    melanin += patch

    tint = r["under_eye"] * np.float32((0.04 + 0.24 * v["skin.dark_circles"]) * even * (1.0 - 0.4 * dark))
    tint += r["inner_corner"] * np.float32(0.15)
    tint += r["cavity"] * r["cavity"] * np.float32(0.35)
    tint += r["nostril"] * np.float32(1.6)
    tint += r["lips"] * np.float32(0.10 + 0.12 * dark)
    return melanin, blood, tint


def _blood_flow(v: Mapping[str, float]) -> dict[str, float]:
    """What blush and expression add to the logarithm of blood, by region (after the measurements of Jimenez et al.)."""
    smile = max(expression(v, "mouthSmile*"), expression(v, "cheekSquint*"))
    frown, pucker = expression(v, "browDown*"), expression(v, "mouthPucker")
    pressed = max(expression(v, "mouthPress*"), 0.7 * expression(v, "mouthRollLower"))
    wide, puffed, sneer = expression(v, "jawOpen"), expression(v, "cheekPuff"), expression(v, "noseSneer*")
    blush = v["skin.blush"]
    return {
        "cheek": 0.95 * blush + 0.28 * smile - 0.18 * puffed + 0.08 * sneer,
        "nose": 0.45 * blush + 0.08 * smile + 0.12 * sneer,
        "nose_wing": 0.35 * blush - 0.20 * smile + 0.18 * sneer,
        "ear": 0.55 * blush,
        "forehead": 0.18 * blush + 0.22 * frown,
        "chin": 0.15 * blush - 0.15 * wide - 0.10 * pucker,
        "mouth_corner": -0.30 * smile - 0.15 * wide,
        "sallow": -0.12 * smile - 0.10 * pucker,
        "lips": -0.30 * pressed - 0.16 * smile - 0.10 * wide + 0.14 * pucker,
        "neck": 0.15 * blush,
    }


def _hair_below(person: Person, maps: SkinMaps, planes: list[F32]) -> None:
    """Shade of roots and shaved hairs, over the planes in place."""
    v = person.values
    dark = 0.35 + 0.65 * v["hair.melanin"] * (1.0 - 0.6 * v["hair.greying"])
    shadow = v["skin.beard_shadow"] * dark
    if shadow > 0.0:
        cover = doubled(maps.regions["beard"])
        cover *= maps.hairs["shaved"] * np.float32(0.55) + np.float32(0.30)
        for plane, extinction in zip(planes, _STUBBLE, strict=True):
            plane *= np.exp(cover * np.float32(-extinction * shadow))
    rooted = v["skin.scalp"] * v["hair.density"]
    if rooted > 0.0:
        eumelanin, pheomelanin = hair_color.pigment(v["hair.melanin"], v["hair.redness"])
        color = hair_color.albedo(eumelanin, pheomelanin)
        color += v["hair.greying"] * (np.array(_GREY_ROOTS) - color)
        stays = np.clip(
            (maps.regions["stays"] * np.float32(2.0) - np.float32(v["hair.recession"])) / 0.16 + 0.25, 0.0, 1.0
        )
        dense = doubled(maps.regions["scalp"] * stays.astype(np.float32))
        cover = maps.hairs["cropped"] * np.float32(0.5) * dense
        cover += dense * dense * np.float32(0.55)
        cover *= np.float32(rooted * (1.0 - 0.5 * v["hair.greying"]))
        for plane, c in zip(planes, color, strict=True):
            plane += cover * (np.float32(c) - plane)


def _roughness(person: Person, maps: SkinMaps, height: F32) -> F32:
    """Perceptual roughness (FINE,FINE): sebum makes the T-zone shine, lips are moist, the lids' edges wet."""
    v, r, n = person.values, maps.regions, maps.mottle
    oil, age = v["skin.oiliness"], v["person.age"]
    base = 0.62 - 0.22 * oil + 0.03 * min(max((age - 40.0) / 40.0, 0.0), 1.0)
    rough = np.full_like(r["lips"], base)
    for name, amount in (
        ("t_zone", -0.03 - 0.15 * oil), ("cheek", -0.04 * oil), ("upper_lid", -0.05), ("ear", -0.03), ("scalp", 0.10),
        ("beard", 0.03 + 0.05 * v["skin.beard_shadow"]), ("neck", 0.03),
    ):  # fmt: skip
        rough += r[name] * np.float32(amount)
    rough += n["blood"] * np.float32(0.016)
    rough += n["melanin"] * np.float32(0.012)
    lips = r["lips"]
    rough += lips * (np.float32(0.37) - rough)
    for name, target in (("inside", 0.24), ("lid_edge", 0.24), ("inner_corner", 0.25)):
        rough += r[name] * (np.float32(target) - rough)
    fine = doubled(rough)
    fine -= np.minimum(height, 0.0) * np.float32(0.45)
    fine += maps.relief["fine"] * np.float32(0.5)
    return fine


def _srgb(planes: tuple[F32, F32, F32]) -> U8:
    """Encode linear planes (S,S) as sRGB (S,S,3); never fully black or white, so that light neither dies nor stays."""
    image = np.empty((*planes[0].shape, 3), np.uint8)
    for channel, plane in enumerate(planes):
        index = np.clip(plane, pigment.FLOOR, pigment.CEILING)
        index *= np.float32(_CODES - 1)
        image[..., channel] = _CODE[index.astype(np.int16)]
    return image


def _codes() -> U8:
    linear = (np.arange(_CODES) + 0.5) / _CODES
    return (255.0 * srgb_encode(linear) + 0.5).astype(np.uint8)


_CODE = _codes()


def sample(rng: np.random.Generator, base: Mapping[str, float]) -> dict[str, float]:
    """Plausible skin for a person of whom `base` holds the parameters person.*.

    The tone follows ancestry with spread; tan and freckles follow the tone; spots, circles and vessels follow age;
    shaved stubble is men's.
    """
    african, asian, european = (base[f"person.{name}"] for name in ("african", "asian", "european"))
    total = african + asian + european
    african, asian, european = african / total, asian / total, european / total
    age, male = base["person.age"], base["person.gender"]
    old = min(max((age - 30.0) / 50.0, 0.0), 1.2)
    z, u = rng.normal(size=8), rng.random(10)
    spread = 0.085 * european + 0.07 * asian + 0.08 * african + 0.08 * (1.0 - max(african, asian, european))
    melanin = 0.27 * european + 0.32 * asian + 0.80 * african + 0.015 * (male - 0.5) + spread * z[0]
    melanin = float(np.clip(melanin, 0.02, 0.98))
    fair = float(np.clip((0.42 - melanin) / 0.3, 0.0, 1.0))
    red_haired = european > 0.6 and u[0] < 0.10 * fair
    freckled = red_haired or u[1] < 0.30 * fair
    values = {
        "melanin": 0.7 * melanin + 0.3 * 0.12 if red_haired else melanin,
        "pheomelanin": 0.10 + 0.10 * u[2] + (0.35 if red_haired else 0.0),
        "haemoglobin": 0.47 + 0.07 * (male - 0.5) + 0.11 * z[1],
        "carotene": 0.16 + 0.14 * asian + 0.08 * z[2],
        "tan": max(0.0, 0.16 + 0.14 * z[3]) * (0.4 if red_haired else 1.0),
        "blotchiness": 0.28 + 0.22 * old + 0.20 * fair * u[3] + 0.07 * z[4],
        "blush": 0.15 * u[4] ** 2,
        "dark_circles": 0.18 + 0.25 * old + 0.30 * u[5] ** 2,
        "lip_color": 0.30 * z[5],
        "freckles": (0.25 + 0.65 * u[6]) * (1.0 - 0.4 * old) if freckled else 0.06 * u[6] * fair,
        "moles": 0.10 + 0.35 * u[7] ** 2,
        "age_spots": max(0.0, (age - 48.0) / 40.0) * (0.25 + 0.75 * u[8]) * (1.0 - 0.6 * melanin),
        "acne": max(0.0, 1.0 - (age - 16.0) / 14.0) * 0.6 * max(0.0, u[9] - 0.55) / 0.45 + 0.02 * max(0.0, z[6]),
        "beard_shadow": float(np.clip(2.0 * male - 1.0, 0.0, 1.0))
        * (0.20 + 0.45 * rng.random())
        * (1.0 - 0.35 * asian),
        "scalp": 0.75,
        "oiliness": 0.44 - 0.20 * old + 0.17 * z[7],
        "pores": 0.40 + 0.12 * (male - 0.5) + 0.15 * old + 0.10 * rng.normal(),
        "wrinkles": 1.0 - 0.15 * african - 0.08 * asian + 0.13 * rng.normal(),
    }
    within = {f"skin.{name}": value for name, value in values.items()}
    return {name: float(np.clip(value, BY_NAME[name].low, BY_NAME[name].high)) for name, value in within.items()}
