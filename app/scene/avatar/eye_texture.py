"""Painted eyeballs: iris, limbus and sclera in polar coordinates.

The texture's columns are the angle around the gaze and its rows the distance from the pupil's centre, because all that
an iris is made of runs around or outwards: fibres, collarette, furrows, rings (Lefohn et al. 2003, "An Ocularist's
Approach to Human Iris Synthesis", name the layers). The pole lies in the pupil, where everything is black.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFilter

from app.arrays import F32, U8
from app.scene.avatar.person import Person
from app.scene.tonemap import srgb_encode

SIZE = 512
"""Texels along the texture's edge."""
LIMBUS_V = 0.375
"""Texture coordinate v of the limbus; below it iris and pupil, above it sclera."""
LIMBUS = 0.4
"""Radius of the iris, in radii of the ball: 5.9 mm on MakeHuman's large one, as in adults (11.7 mm across)."""
LIMBUS_ANGLE = math.asin(LIMBUS)
CORNEA_END = 0.445
"""Polar angle at which the cornea has sunk into the white, radians."""
CORNEA_IOR = 1.376
IRIS_RADIUS_MM = 5.85
"""What the pupil's size in millimetres refers to."""
SCLERA_END = 2.1
"""Polar angle at v = 1, radians; behind it the ball is never seen."""

# Linear Rec.709 reflectance of an iris by its melanin: the stroma scatters blue, melanin swallows it.
_MELANIN = (0.0, 0.16, 0.30, 0.45, 0.70, 1.0)
_PALETTE = (
    (0.235, 0.300, 0.365),
    (0.215, 0.245, 0.215),
    (0.220, 0.185, 0.100),
    (0.190, 0.108, 0.042),
    (0.092, 0.043, 0.018),
    (0.030, 0.015, 0.009),
)
_TABLE: F32 = np.stack(
    [np.interp(np.linspace(0, 1, 256), _MELANIN, [color[k] for color in _PALETTE]) for k in range(3)], axis=-1
).astype(np.float32)
_IRIS_ROWS = round(SIZE * LIMBUS_V)
_WHITE_ROWS = SIZE - _IRIS_ROWS
_IRIS_AT: F32 = ((np.arange(_IRIS_ROWS) + 0.5) / _IRIS_ROWS).astype(np.float32)[:, None]  # radii of the iris
_WHITE_AT: F32 = ((np.arange(_WHITE_ROWS) + 0.5) / _WHITE_ROWS).astype(np.float32)[:, None]  # 0 limbus .. 1 back


@dataclass(frozen=True)
class Look:
    """What both eyes of a person share.

    Attributes:
        melanin, hue, redness, yellowness: as the parameters of these names.
        pupil: its radius in radii of the iris.
        ring: strength of the limbal ring, 0..1.
        arcus: strength of the pale ring that comes with age (arcus senilis), 0..1.
    """

    melanin: float
    hue: float
    pupil: float
    ring: float
    redness: float
    yellowness: float
    arcus: float

    @classmethod
    def of(cls, person: Person) -> "Look":
        """The look of a person; limbal rings fade with age, and the white yellows."""
        age = person["person.age"]
        return cls(
            person["eyes.melanin"],
            person["eyes.hue"],
            person["eyes.pupil"] / 2 / IRIS_RADIUS_MM,
            person["eyes.limbal_ring"] * (1 - 0.6 * float(_step(np.float32(age), 35, 80))),
            person["eyes.redness"],
            min(1.0, person["eyes.yellowness"] + 0.25 * float(_step(np.float32(age), 45, 90))),
            0.5 * float(_step(np.float32(age), 60, 90)),
        )


def paint(look: Look, rng: np.random.Generator) -> U8:
    """Paint one eyeball: (SIZE, SIZE, 3) sRGB, row 0 at v = 1."""
    white = _sclera(look, rng)
    colored = _iris(look, rng)
    # The sclera reaches over the iris' edge, thinner and greyer, in an uneven line.
    edge = _noise(rng, (1, SIZE), 9, 1)[0] * 0.006
    over = _step(_IRIS_AT + edge, 0.965, 1.06)[..., None]
    rim = white[:1] * _rgb(0.23, 0.235, 0.25)
    colored += over * (rim - colored)
    outer = _step(_WHITE_AT + 0.5 * edge, 0.085, -0.012)[..., None]
    white = white + outer * (rim - white)
    linear = np.concatenate([colored, white])
    covered = (CORNEA_END - LIMBUS_ANGLE) / (SCLERA_END - LIMBUS_ANGLE)
    below = np.concatenate([np.ones_like(_IRIS_AT), _step(_WHITE_AT, covered + 0.004, covered - 0.008)])[..., None]
    linear += below * (_below_cornea(linear) - linear)
    linear = linear[::-1]
    srgb = srgb_encode(linear)
    return (srgb * 255 + 0.5).astype(np.uint8)


def _below_cornea(seen: F32) -> F32:
    """The reflectance that looks like `seen` from outside the cornea, which keeps half of the light that comes back.

    J. Saunderson, "Calculation of the color of pigmented plastics" (1942): `inside` is the share of diffuse light that
    a boundary of this index reflects back in, 1 - (1 - 0.063) / ior^2.
    """
    outside, inside = 0.04, 1 - 0.937 / CORNEA_IOR**2
    return np.asarray(seen / ((1 - outside) * (1 - inside) + inside * seen), np.float32)


def _iris(look: Look, rng: np.random.Generator) -> F32:
    """Paint pupil and iris, centre outwards: (rows, SIZE, 3) linear."""
    shape = (_IRIS_ROWS, SIZE)
    slow, broad, fine = (_noise(rng, shape, *cells) for cells in ((9, 2), (40, 1.1), (110, 2.2)))
    holes, zigzag, lumps = (
        _noise(rng, (rows, SIZE), *cells) for rows, cells in ((_IRIS_ROWS, (13, 5)), (1, (24, 1)), (1, (90, 1)))
    )
    # Fibres wind: their noise is read at angles that a slower one shifts.
    across = (np.arange(SIZE) + np.rint(2.5 * slow + 0.8 * holes).astype(np.int64)) % SIZE
    row = np.arange(_IRIS_ROWS)[:, None]
    broad, fine = broad[row, across], fine[row, across]

    # Everything stretches with the iris when the pupil closes.
    t = (_IRIS_AT[:, 0] - look.pupil) / (1 - look.pupil)
    at = np.clip(t, 0, 1) * (_IRIS_ROWS - 1)
    low = np.minimum(at.astype(np.int64), _IRIS_ROWS - 2)
    mix = (at - low).astype(np.float32)[:, None]
    slow, broad, fine, holes = (n[low] + mix * (n[low + 1] - n[low]) for n in (slow, broad, fine, holes))
    t = np.asarray(t, np.float32)[:, None]

    strands = 0.65 * broad + 0.45 * fine
    bright = _step(strands, 0.1, 1.5)
    from_collar = t - 0.30 - 0.035 * zigzag
    inner = _step(from_collar, 0.06, -0.06)
    collar = np.exp(-((from_collar / 0.055) ** 2))
    crypts = _step(holes - 5.0 * np.abs(from_collar - 0.10), 0.3, 1.5) * (1 - 0.5 * look.melanin)
    furrows = np.exp(-((np.sin(math.pi * (5.5 * t + 0.25 * slow)) / 0.25) ** 2)) * _step(t, 0.45, 0.7)

    # Pigment gathers around the pupil: blue eyes with a golden star, hazel ones brown inside and green outside.
    uneven = min(1.0, 0.25 + 3.0 * look.melanin) * (1 - look.melanin)
    spread = 0.30 * inner + 0.16 * collar - 0.10 * _step(t, 0.4, 0.9) + 0.07 * slow + 0.05 * strands
    melanin = np.clip(look.melanin + uneven * spread, 0, 1)
    color = _TABLE[(melanin * 255 + 0.5).astype(np.uint8)]
    warm = _rgb(1.14, 1.06, 0.70) if look.hue > 0 else _rgb(0.93, 0.97, 1.10)
    color *= np.power(warm, np.float32(abs(look.hue)))
    if look.hue < 0:
        color += np.float32(-0.5 * look.hue) * (color.mean(axis=-1, keepdims=True) - color)

    pale = 1 - look.melanin
    tone = 0.66 + (0.30 + 0.50 * pale) * bright + 0.20 * np.clip(strands, -1.6, 1.6)
    tone += 0.22 * collar - 0.42 * crypts + (0.16 - 0.1 * pale) * furrows
    tone *= 1 - 0.22 * inner * pale
    tone *= 1 - 0.85 * look.ring * _step(_IRIS_AT + 0.010 * lumps, 0.76, 0.95)
    tone *= 1 - 0.35 * _step(_IRIS_AT, 0.90, 1.0)
    color *= np.maximum(tone, 0.12)[..., None]
    arcus = look.arcus * np.exp(-(((_IRIS_AT - 0.92) / 0.035) ** 2))[..., None]
    color += arcus * (_rgb(0.34, 0.36, 0.38) - color)
    ruff = _step(np.abs(_IRIS_AT - look.pupil - 0.012 + 0.006 * lumps), 0.03, 0.0)[..., None]
    color += 0.8 * ruff * (_rgb(0.022, 0.012, 0.007) - color)
    pupil = _step(_IRIS_AT + 0.004 * lumps, look.pupil + 0.012, look.pupil - 0.012)[..., None]
    return np.asarray(color * (1 - pupil) + 0.0015 * pupil, np.float32)


def _sclera(look: Look, rng: np.random.Generator) -> F32:
    """Paint the white, limbus backwards: (rows, SIZE, 3) linear."""
    cloud = _noise(rng, (_WHITE_ROWS, SIZE), 7, 3)
    cloud += 0.5 * _noise(rng, (_WHITE_ROWS, SIZE), 22, 9)
    young, old = _rgb(0.625, 0.605, 0.600), _rgb(0.600, 0.500, 0.340)
    yellow = np.clip(look.yellowness * (0.55 + 0.45 * _WHITE_AT) + 0.06 * cloud * look.yellowness, 0, 1)[..., None]
    color = young + yellow * (old - young)
    color = color * (1 + 0.03 * cloud)[..., None]
    # Blood: even pinkness that grows towards the corners, and veins.
    corners = np.abs(np.sin(np.arange(SIZE, dtype=np.float32) / SIZE * 2 * math.pi))
    pink = (0.22 + 0.6 * look.redness) * _step(_WHITE_AT + 0.03 * cloud, 0.02, 0.55 - 0.15 * corners)
    color += pink[..., None] * (_rgb(0.52, 0.30, 0.26) - color)
    veins = _veins(rng, look.redness) * _step(_WHITE_AT, 0.03, 0.20)
    stain = (1 - np.exp(-veins * (0.6 + 1.6 * look.redness)))[..., None]
    return np.asarray(color * (1 - stain * _rgb(0.25, 0.72, 0.74)), np.float32)


def _veins(rng: np.random.Generator, redness: float) -> F32:
    """Draw vessels that wander from the corners of the eye towards the iris and fork; (rows, SIZE), about 0..1."""
    scale = 2  # drawn larger, because lines are drawn without antialiasing
    width, height = SIZE * scale, _WHITE_ROWS * scale
    sheet = Image.new("L", (width, height))
    pen = ImageDraw.Draw(sheet)
    roots = 26 + round(44 * redness)
    # Columns: 0 is up; the corners of the eye lie at a quarter and three quarters of the way around.
    corner = np.where(rng.random(roots) < 0.5, 0.25, 0.75)
    todo = [
        (float(x * width), float(height * y), float(w), 0.0)
        for x, y, w in zip(
            (corner + rng.normal(0, 0.10, roots)) % 1.0,
            rng.uniform(0.5, 0.95, roots),
            rng.uniform(0.8, 2.4, roots),
            strict=True,
        )
    ]
    while todo:
        x, y, thick, heading = todo.pop()
        steps = int(rng.integers(14, 34))
        turns = rng.normal(0, 0.55, steps)
        forks = rng.random(steps) < 0.07
        lean = heading
        for turn, fork in zip(turns.tolist(), forks.tolist(), strict=True):
            heading = 0.72 * heading + turn + 0.1 * lean
            nx, ny = x + 9.0 * math.sin(heading), y - 7.0 * math.cos(heading)
            shade = int(min(255, 60 + 62 * thick))
            for shift in (-width, 0, width):  # the sheet's left and right edges meet
                pen.line([x + shift, y, nx + shift, ny], fill=shade, width=max(1, round(thick)))
            x, y, thick = nx % width, ny, thick * 0.965
            if y < 0 or thick < 0.3:
                break
            if fork and thick > 0.6:
                todo.append((x, y, thick * 0.65, heading + math.copysign(0.7, turn)))
    soft = sheet.filter(ImageFilter.GaussianBlur(0.8)).resize((SIZE, _WHITE_ROWS), Image.Resampling.BOX)
    return np.asarray(soft, np.float32) * np.float32(1 / 255)


def _rgb(red: float, green: float, blue: float) -> F32:
    return np.array([red, green, blue], np.float32)


def _noise(rng: np.random.Generator, shape: tuple[int, int], around: float, outwards: float) -> F32:
    """Gaussian noise of variance 1 that closes around: `around` x `outwards` blobs fill the sheet."""
    rows, columns = shape
    f_out, f_around = np.fft.fftfreq(rows, 1 / rows)[:, None], np.fft.rfftfreq(columns, 1 / columns)[None]
    keep = np.exp(-0.5 * ((f_out / outwards) ** 2 + (f_around / around) ** 2)).astype(np.float32)
    keep[0, 0] = 0.0
    waves = rng.standard_normal((2, *keep.shape), np.float32) * keep
    sheet: F32 = scipy.fft.irfft2(waves[0] + 1j * waves[1], s=shape)
    return np.asarray(sheet / sheet.std(), np.float32)


def _step(x: ArrayLike, low: ArrayLike, high: ArrayLike) -> F32:
    """Hermite step from 0 at `low` to 1 at `high`, which may be below `low`."""
    start, end = np.asarray(low, np.float32), np.asarray(high, np.float32)
    t = np.clip((np.asarray(x, np.float32) - start) / (end - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
