"""The command that makes a data set like a given one, for pages that say how to repeat them."""

import shlex
from pathlib import Path

from app.passes.light_cache_layout import DEFAULT_CACHE_SIZE
from app.training.dataset import Dataset


def recipe(data: Dataset, out: Path) -> str:
    """`bungyo dataset` with the options that differ from set to set; environments of one's own are left out."""
    (width, height), scene = data.spec.size, data.spec.scene
    options = [f"--frames {len(data.frames)} --spp {data.spec.spp} --seed {data.spec.seed} --size {width}x{height}"]
    options += [f"--tiles {scene['tile_fraction']:g}"] if "tile_fraction" in scene else []
    texels = scene.get("cache_size", DEFAULT_CACHE_SIZE)
    options += [f"--light-texels {texels}"] if texels != DEFAULT_CACHE_SIZE else []
    options += [f"--light-samples {scene['cache_samples']}"] if "cache_samples" in scene else []
    options += ["--held-out"] if scene.get("held_out") else []
    options += [f"--people {scene['people_limit']}"] if "people_limit" in scene else []
    options += [] if data.people else ["--mesh FILE"]
    return f"bungyo dataset --out {shlex.quote(str(out))} {' '.join(options)}"
