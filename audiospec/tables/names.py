"""Find the tracks that a table's file names refer to."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from audiospec.datasets.base import AUDIO_SUFFIXES

#: A piece with a higher number, or a row of more samples, is a slip of the pen.
MOST_PIECES, MOST_SAMPLES = 1_000_000, 1 << 40
#: Columns of a table that are no features.
FILENAME, LENGTH, LABEL = "filename", "length", "label"
NOT_FEATURES = (FILENAME, LENGTH, LABEL)
#: ``NAME.PIECE``. A number with leading zeros, as in ``jazz.00012``, is part of the name.
PIECE = re.compile(r"(.+)\.(0|[1-9][0-9]*)", re.DOTALL)


def track_stem(name: str) -> str:
    """A file's name without its suffix, if that is one of audio: ``jazz.00012`` has none."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in AUDIO_SUFFIXES else name
