"""speech-commands: 35 spoken words, 105,829 clips of up to 1 s, version 0.02 (Warden 2018)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import MappingProxyType

from audiospec.datasets.base import DownloadedDataset, Reader, datasets
from audiospec.datasets.download.remote import Remote
from audiospec.datasets.own.search import Found
from audiospec.datasets.published.tables import find_file, read_lines
from audiospec.errors import DatasetError
from audiospec.manifest import Track
from audiospec.storage.location import Location

# Table 1 of the paper; the sum is its 105,829.
COUNTS = {
    "backward": 1664,
    "bed": 2014,
    "bird": 2064,
    "cat": 2031,
    "dog": 2128,
    "down": 3917,
    "eight": 3787,
    "five": 4052,
    "follow": 1579,
    "forward": 1557,
    "four": 3728,
    "go": 3880,
    "happy": 2054,
    "house": 2113,
    "learn": 1575,
    "left": 3801,
    "marvin": 2100,
    "nine": 3934,
    "no": 3941,
    "off": 3745,
    "on": 3845,
    "one": 3890,
    "right": 3778,
    "seven": 3998,
    "sheila": 2022,
    "six": 3860,
    "stop": 3872,
    "three": 3727,
    "tree": 1759,
    "two": 3880,
    "up": 3723,
    "visual": 1592,
    "wow": 2123,
    "yes": 4044,
    "zero": 4052,
}
"""Word → number of clips."""

LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
"""Fold → the list of its clips; all others are for training."""

NOISE = "_background_noise_"
_CLIP = re.compile(r"([0-9a-f]{8})_nohash_\d+", re.ASCII)


@datasets.register
class SpeechCommands(DownloadedDataset):
    """Speech Commands, version 0.02: ``WORD/SPEAKER_nohash_N.wav`` and the lists of its folds.

    The label is the word, the group is the speaker, and the fold is ``"valid"`` or ``"test"`` for a clip of
    ``validation_list.txt`` or ``testing_list.txt``, else ``"train"``. The id is the path without its suffix.
    The long recordings of noise are left out.
    """

    citation = (
        "P. Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, "
        "arXiv 1804.03209, 2018"
    )
    group_noun = "speakers"
    licence = "CC BY 4.0"
    homepage = "https://arxiv.org/abs/1804.03209"
    layout = "'WORD/SPEAKER_nohash_N.wav', testing_list.txt and validation_list.txt"
    remotes = (
        # SHA-256 as in torchaudio's SPEECHCOMMANDS and the checksums of TensorFlow Datasets.
        Remote(
            "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            bytes=2_428_923_189,
        ),
    )
    expected = MappingProxyType(COUNTS)

    def find(self, root: Location) -> Found:
        """Find the audio files; the recordings of noise are others."""
        found = super().find(root)
        noise = {path for path in found.sound if PurePosixPath(path).parent.name == NOISE}
        return Found([path for path in found.sound if path not in noise], sorted({*found.others, *noise}))

    def reader(self, root: Location, found: Found) -> Reader:
        """Read the lists, and return what maps a clip to its track."""
        folds: dict[str, str] = {}
        for fold, name in LISTS.items():
            file = find_file(found, name)
            if file is None:
                raise DatasetError(
                    f"dataset {self.name!r} expects {self.layout} under {root}: found no {name}",
                    "give the folder that has the list, too",
                )
            for line in read_lines(root / file):
                if folds.setdefault(line, fold) != fold:
                    raise DatasetError(
                        f"{root / file}: {line!r} is also in {LISTS[folds[line]]}",
                        "restore the dataset's own lists",
                    )

        def read(path: PurePosixPath) -> Track | None:
            clip, word = _CLIP.fullmatch(path.stem), path.parent.name
            if clip is None or word not in COUNTS:
                return None
            id = f"{word}/{path.stem}"
            fold = folds.get(f"{id}.wav", "train")
            return Track(id=id, path=str(path), label=word, group=clip[1], fold=fold)

        return read
