"""Portraits of people: one picture, or a contact sheet of many."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.arrays import U8
from app.gpu import Device
from app.network.weights import WeightSet
from app.pictures import check_output, write_png
from app.progress import counted
from app.renderer import Renderer
from app.scene.avatar.build import build_avatar
from app.scene.avatar.person import Person
from app.scene.avatar.portrait import portrait_camera, portrait_lights
from app.scene.default import load_environment
from app.scene.model import Scene

COLUMNS = 6
PORTRAIT, ON_SHEET = (512, 576), (256, 288)  # width, height in pixels: of a single portrait, of those on a sheet
CAPTION, GAP = 22, 6  # pixels: a caption's height, the least between two of them
PAPER, INK = (24, 24, 26), (200, 200, 200)


def draw_portrait(gpu: Device, person: Person, size: tuple[int, int], samples: int) -> U8:
    """Path-trace a person, seen and lit as the groups `camera` and `light` say; (H,W,3) sRGB.

    Args:
        gpu: an open device with ray tracing.
        person: who.
        size: width and height in pixels.
        samples: paths a pixel.
    """
    rig = portrait_lights(person)
    camera = portrait_camera(person, size[0] / size[1])
    scene = Scene(build_avatar(person), rig, load_environment(rig), camera)
    with Renderer(gpu, scene, WeightSet.untrained(), size, mode="reference") as renderer:
        for _ in range(samples):
            renderer.add_sample()
        return renderer.read()[..., :3]


def draw_sheet(
    people: Sequence[Person], out: Path, *, size: tuple[int, int], samples: int, device: str | None = None
) -> None:
    """Path-trace a portrait of everybody and write them as one picture.

    Args:
        people: in reading order.
        out: a .png file.
        size: width and height of each portrait, in pixels.
        samples: paths a pixel.
        device: a device's number or a part of its name.

    Raises:
        InputError: `out` cannot be written.
    """
    check_output(out)
    with Device.open(device) as gpu:
        portraits = [draw_portrait(gpu, people[i], size, samples) for i in counted(len(people), "portraits")]
    write_png(out, arrange(portraits, [caption(person) for person in people]))


def caption(person: Person) -> str:
    """Who it is, in a few words."""
    african, asian, european = person.ancestry
    shares = sorted(((african, "African"), (asian, "East Asian"), (european, "European")), reverse=True)
    names = "/".join(name for share, name in shares if share >= 0.25)
    sex = "woman" if person["person.gender"] < 0.5 else "man"
    return f"{person.seed}: {sex}, {person['person.age']:.0f}, {names}"


def arrange(portraits: Sequence[U8], captions: Sequence[str]) -> U8:
    """Lay (H,W,3) portraits of one size out in rows, each over its caption, as far apart as captions need."""
    columns = min(COLUMNS, len(portraits))
    rows = math.ceil(len(portraits) / columns)
    height, width = portraits[0].shape[:2]
    font = ImageFont.load_default(13)
    cell = max(width, GAP + math.ceil(max(map(font.getlength, captions))))
    sheet = Image.new("RGB", (columns * cell, rows * (height + CAPTION)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (portrait, text) in enumerate(zip(portraits, captions, strict=True)):
        x, y = number % columns * cell, number // columns * (height + CAPTION)
        sheet.paste(Image.fromarray(portrait), (x + (cell - width) // 2, y))
        pen.text((x + cell // 2, y + height + CAPTION // 2), text, INK, font, anchor="mm")
    return np.asarray(sheet)
