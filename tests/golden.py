"""Golden images: pictures that must not change, with a stated tolerance.

Drivers and compilers round differently, so a golden image may differ by TOLERANCE (of 255) in any channel, and a few
pixels on silhouettes may fall on the other side: at most MAX_SHARE of all pixels. A picture that differs is
written to tests/failed/, with the golden one and an amplified difference beside it.

    BUNGYO_UPDATE_GOLDEN=1 make test ARGS="-k golden"      accept what is drawn now (and look at it!)
"""

from pathlib import Path

import numpy as np
from PIL import Image

from app.arrays import U8
from app.environment_variables import switched_on

TOLERANCE = 3
MAX_SHARE = 0.001
AMPLIFY = 20
FOLDER = Path(__file__).parent / "golden"
FAILED = Path(__file__).parent / "failed"


def compare(name: str, picture: U8) -> None:
    """Fails unless (H, W, 3 or 4) `picture` is the golden image `name` within the tolerance."""
    picture = picture[..., :3]
    path = FOLDER / f"{name}.png"
    if switched_on("BUNGYO_UPDATE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path, optimize=True)
        return
    assert path.exists(), f"{path} is missing: BUNGYO_UPDATE_GOLDEN=1 make it, and look at it"
    golden = np.asarray(Image.open(path).convert("RGB"))
    assert golden.shape == picture.shape, f"{name}: {picture.shape} instead of {golden.shape}"
    difference = np.abs(golden.astype(np.int16) - picture.astype(np.int16))
    share = float((difference.max(axis=-1) > TOLERANCE).mean())
    if share <= MAX_SHARE:
        return
    FAILED.mkdir(exist_ok=True)
    Image.fromarray(picture).save(FAILED / f"{name}.png")
    Image.fromarray(golden).save(FAILED / f"{name}-golden.png")
    Image.fromarray(np.minimum(difference * AMPLIFY, 255).astype(np.uint8)).save(FAILED / f"{name}-difference.png")
    raise AssertionError(
        f"{name}: {share:.2%} of the pixels differ by more than {TOLERANCE}/255 (at most {MAX_SHARE:.1%} may), "
        f"by up to {difference.max()}; see {FAILED / name}-difference.png"
    )
