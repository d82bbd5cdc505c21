"""Column names of tables, and the parts of the file names in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from audiospec.datasets.own.search import AUDIO_SUFFIXES

#: A higher piece number, or a row with more samples, is treated as a typo.
MAX_PIECE, MAX_SAMPLES = 1_000_000, 1 << 40
#: Columns of a table that are not features. ``cluster`` is written only if a track has one.
FILENAME, LENGTH, CLUSTER, LABEL = "filename", "length", "cluster", "label"
NOT_FEATURES = (FILENAME, LENGTH, CLUSTER, LABEL)
#: The columns before the features: texts, or lengths in samples.
FrontColumns = Mapping[str, list[str] | NDArray[np.int64]]
#: ``NAME.PIECE``. A number with leading zeros, as in ``jazz.00012``, is part of the name.
PIECE = re.compile(r"(.+)\.(0|[1-9][0-9]*)", re.DOTALL)


def track_stem(name: str) -> str:
    """Return a file name without its audio suffix; ``jazz.00012`` has none."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in AUDIO_SUFFIXES else name
