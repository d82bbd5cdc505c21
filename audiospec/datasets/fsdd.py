"""fsdd: Free Spoken Digit Dataset, ten digits by six speakers, 3000 clips at 8 kHz."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import MappingProxyType

from audiospec.datasets.base import PublishedDataset, datasets
from audiospec.datasets.download.remote import Remote
from audiospec.manifest import Track

_CLIP = re.compile(r"(\d)_([a-z]+)_(\d+)", re.ASCII)


@datasets.register
class Fsdd(PublishedDataset):
    """FSDD: ``DIGIT_SPEAKER_N.wav``.

    The label is the digit, and the group is the speaker. The fold is ``"test"`` for N below 5, as the
    dataset defines it, else ``"train"``.
    """

    citation = (
        "Z. Jackson, C. Souza, J. Flaks, Y. Pan, H. Nicolas and A. Thite, "
        "Jakobovski/free-spoken-digit-dataset: v1.0.8, Zenodo, 2018, doi 10.5281/zenodo.1342401"
    )
    group_noun = "speakers"
    licence = "CC BY-SA 4.0"
    homepage = "https://github.com/Jakobovski/free-spoken-digit-dataset"
    layout = "recordings/DIGIT_SPEAKER_N.wav"
    remotes = (
        Remote(
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.10.zip",
            file="free-spoken-digit-dataset-1.0.10.zip",
        ),
        Remote(
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/master.zip",
            file="free-spoken-digit-dataset-master.zip",
        ),
    )
    expected = MappingProxyType({str(digit): 300 for digit in range(10)})

    def track(self, path: PurePosixPath) -> Track | None:
        """Return the track of ``DIGIT_SPEAKER_N.SUFFIX``."""
        match = _CLIP.fullmatch(path.stem)
        if match is None:
            return None
        digit, speaker, number = match.groups()
        fold = "test" if int(number) < 5 else "train"
        return Track(id=path.stem, path=str(path), label=digit, group=speaker, fold=fold)
