"""gtzan: music in ten genres, 100 tracks of 30 s each (Tzanetakis and Cook 2002).

Some copies contain a ``jazz.00054.wav`` that cannot be decoded. It is listed as a track all the same,
and reported when it is read.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import MappingProxyType

from audiospec.datasets.base import PublishedDataset, datasets
from audiospec.datasets.download.remote import Remote
from audiospec.manifest import Track

GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
_ID = re.compile(rf"({'|'.join(GENRES)})\.000\d\d", re.ASCII)


@datasets.register
class Gtzan(PublishedDataset):
    """GTZAN: all files ``GENRE.NNNNN`` of any audio format under a folder, at any depth.

    The folder may be the original archive's, Kaggle's, a part of either, or one that contains them.
    The id is the file's name without its suffix. The label is the genre in the name; a file in the
    folder of another genre is refused. The artists are unknown, so `group` is empty.
    """

    citation = (
        "G. Tzanetakis and P. Cook, Musical genre classification of audio signals, "
        "IEEE Transactions on Speech and Audio Processing 10(5), 293-302, 2002"
    )
    group_noun = "artists"
    licence = "none stated: for research only"
    homepage = "http://marsyas.info/downloads/datasets.html"
    layout = "GENRE/GENRE.NNNNN.wav (or .au, .flac, .mp3 …)"
    remotes = (
        Remote("https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz"),
        Remote(
            "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
            sha256="24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
        ),
    )
    expected = MappingProxyType(dict.fromkeys(GENRES, 100))

    def track(self, path: PurePosixPath) -> Track | None:
        """Return the track of ``GENRE.NNNNN.SUFFIX``."""
        match = _ID.fullmatch(path.stem)
        if match is None or (path.parent.name in GENRES and path.parent.name != match[1]):
            return None
        return Track(id=path.stem, path=str(path), label=match[1])
