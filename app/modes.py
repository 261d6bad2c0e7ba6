"""What a picture can show, by name. Knows no GPU: command line and controls name modes before there is one."""

from app.network.schema import FEATURES

NEEDS_REFERENCE = ("reference", "split", "difference")  # and so ray tracing; their noise takes many samples to go
PICTURE_MODES = ("neural", *NEEDS_REFERENCE)
SHOWS_NETWORKS = ("neural", "split", "difference")  # the face as the networks draw it, or a part of it
FIXED_VIEWS = ("tiles", "face", "hash", "depth")  # all others show a feature
VIEW_MODES = (*FIXED_VIEWS, *(feature.name for feature in FEATURES))
MODES = PICTURE_MODES + VIEW_MODES
AOVS = tuple(name for name in VIEW_MODES if name != "tiles")  # of the G-buffer: can be read as numbers
