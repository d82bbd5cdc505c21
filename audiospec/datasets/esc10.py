"""esc10: environmental sounds in ten classes, 400 clips of 5 s in five folds (Piczak 2015)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import MappingProxyType

from audiospec.datasets.base import PublishedDataset, datasets
from audiospec.datasets.download.remote import Remote
from audiospec.datasets.own.search import Found
from audiospec.datasets.published import esc
from audiospec.manifest import Track
from audiospec.storage.location import Location

# Class → its number in ESC-50, which includes ESC-10.
TARGETS = {
    "Dog bark": 0,
    "Rooster": 1,
    "Rain": 10,
    "Sea waves": 11,
    "Fire crackling": 12,
    "Baby cry": 20,
    "Person sneeze": 21,
    "Clock tick": 38,
    "Helicopter": 40,
    "Chainsaw": 41,
}
_LABELS = {target: label for label, target in TARGETS.items()}
_CLIP = re.compile(r"([1-5])-(\d+)-[A-Z]", re.ASCII)
_CLASS = re.compile(r"\d{3} - (.+)", re.ASCII)


@datasets.register
class Esc10(PublishedDataset):
    """ESC-10: ``NNN - Class/FOLD-CLIP-TAKE.ogg``, or ESC-50's ``FOLD-CLIP-TAKE-TARGET.wav``.

    The label is the class as written, the fold is FOLD, and the group is CLIP, the recording on
    Freesound that the clip was cut from. The id is ``FOLD-CLIP-TAKE`` in both layouts. ESC-50's other
    forty classes are left out.
    """

    citation = esc.CITATION
    group_noun = "recordings"
    licence = "CC BY 3.0"
    homepage = "https://github.com/karolpiczak/ESC-10"
    layout = "'NNN - Class/FOLD-CLIP-TAKE.ogg' (ESC-10) or 'FOLD-CLIP-TAKE-TARGET.wav' (ESC-50)"
    remotes = (
        Remote("https://github.com/karoldvl/ESC-10/archive/master.zip", file="ESC-10-master.zip"),
        esc.ARCHIVE,
    )
    expected = MappingProxyType(dict.fromkeys(TARGETS, 40))

    def find(self, root: Location) -> Found:
        """Find the audio files, without those of ESC-50's other classes."""
        found = super().find(root)
        sound = [path for path in found.sound if not _is_other(PurePosixPath(path).stem)]
        return Found(sound, found.others)

    def track(self, path: PurePosixPath) -> Track | None:
        """Return the track of a clip, given its name and, for ESC-10, the name of its folder."""
        if (clip := esc.clip(path.stem)) is not None:
            if clip.target not in _LABELS:
                return None
            label = _LABELS[clip.target]
            return Track(id=clip.id, path=str(path), label=label, group=clip.recording, fold=clip.fold)
        match, folder = _CLIP.fullmatch(path.stem), _CLASS.fullmatch(path.parent.name)
        if match is None or folder is None or folder[1] not in TARGETS:
            return None
        fold, recording = match.groups()
        return Track(id=path.stem, path=str(path), label=folder[1], group=recording, fold=fold)


def _is_other(stem: str) -> bool:
    """Whether a file's stem is that of a clip in another class of ESC-50."""
    clip = esc.clip(stem)
    return clip is not None and clip.target not in _LABELS
