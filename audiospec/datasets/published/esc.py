"""ESC-50 and ESC-10, which is a part of it: names of clips, source."""

from __future__ import annotations

import re
from dataclasses import dataclass

from audiospec.datasets.download.remote import Remote

CITATION = (
    "K. J. Piczak, ESC: Dataset for Environmental Sound Classification, "
    "Proceedings of the 23rd ACM International Conference on Multimedia, 1015-1018, 2015, "
    "doi 10.1145/2733373.2806390"
)

# The last commit of the repository. An archive that GitHub makes of a commit has no fixed checksum.
ARCHIVE = Remote(
    "https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip",
    file="ESC-50-master.zip",
)
"""ESC-50; its content is checked."""

_CLIP = re.compile(r"(([1-5])-(\d+)-([A-Z]))-(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of ESC-50, by its name ``FOLD-CLIP-TAKE-TARGET``.

    Attributes
    ----------
    id : str
        ``FOLD-CLIP-TAKE``.
    fold : str
        ``"1"`` to ``"5"``.
    recording : str
        Number on Freesound of the recording that the clip was cut from.
    take : str
        Letter of the cut.
    target : int
        Number of the class, 0 to 49.
    """

    id: str
    fold: str
    recording: str
    take: str
    target: int


def clip(stem: str) -> Clip | None:
    """Return the clip that a file's stem names, or None if it is no name of ESC-50."""
    match = _CLIP.fullmatch(stem)
    if match is None or match[5] != str(int(match[5])) or int(match[5]) > 49:
        return None
    id, fold, recording, take, target = match.groups()
    return Clip(id, fold, recording, take, int(target))
