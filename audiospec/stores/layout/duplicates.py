"""Duplicates: tracks that hold the same sound, and those among them whose labels contradict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import xxhash

from audiospec.stores.layout.schema import REMOVED
from audiospec.stores.layout.tracks import Tracks

#: Sets that a line names, and tracks that it names of each.
MOST_SETS, MOST_TRACKS = 3, 3


@dataclass(frozen=True, slots=True)
class SameSound:
    """Two tracks or more that hold the same sound.

    Attributes
    ----------
    name : str
        What they have in common: the content hash of equal files, or the cluster.
    labels : mapping of str to str
        Track id → label, in the order of the track table.
    """

    name: str
    labels: Mapping[str, str]

    @property
    def contradicts(self) -> bool:
        """Whether the tracks have different labels."""
        return len(set(self.labels.values())) > 1

    def tracks(self) -> str:
        """Return the tracks as text, such as ``"'a.wav' = 'b.wav'"``."""
        names = [repr(id) for id in islice(self.labels, MOST_TRACKS)]
        more = len(self.labels) - len(names)
        return " = ".join([*names, f"{more} more"] if more else names)

    def contradiction(self) -> str:
        """Return a track of each label as text, such as ``"'a.wav' is 'jazz', 'b.wav' is 'rock'"``."""
        first: dict[str, str] = {}
        for id, label in self.labels.items():
            first.setdefault(label, id)
        named = [f"{id!r} is {label!r}" for label, id in islice(first.items(), MOST_TRACKS)]
        return ", ".join([*named, "…"] if len(first) > len(named) else named)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What a track table says of tracks that hold the same sound.

    Attributes
    ----------
    files : tuple of SameSound
        Tracks whose files are equal: they have one content hash.
    clusters : tuple of SameSound
        Tracks of one cluster (near-duplicates).
    """

    files: tuple[SameSound, ...] = ()
    clusters: tuple[SameSound, ...] = ()

    def lines(self) -> list[str]:
        """Return what a user must know: a line each, none if all is well.

        The first is on equal files, the others on equal files and on clusters whose labels contradict. Each
        names up to `MOST_SETS` examples.
        """
        lines = []
        if self.files:
            count = sum(len(same.labels) for same in self.files)
            number = f"{len(self.files)} set{'s' * (len(self.files) > 1)}"
            lines.append(f"{count} tracks are equal files ({number}): {_some(self.files, SameSound.tracks)}")
        for kind, sets in (("equal files", self.files), ("near-duplicates (clusters)", self.clusters)):
            bad = [same for same in sets if same.contradicts]
            if bad:
                have = "1 set of {} has" if len(bad) == 1 else f"{len(bad)} sets of {{}} have"
                named = _some(bad, SameSound.contradiction)
                lines.append(f"{have.format(kind)} contradictory labels (correct them, or keep one): {named}")
        return lines

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return all sets as a JSON object: ``files`` and ``clusters``, each a list."""
        return {
            "files": [_object("hash", same) for same in self.files],
            "clusters": [_object("cluster", same) for same in self.clusters],
        }


def duplicates(tracks: Tracks) -> Duplicates:
    """Return which tracks hold the same sound.

    Parameters
    ----------
    tracks : Tracks

    Returns
    -------
    Duplicates
        Sets of two tracks or more, in the order of their first tracks. Tracks that cannot be used, because
        of a problem, are in none, unless they were removed from the dataset and keep their rows. A track
        that was imported from a table has no content hash and is never an equal file.
    """
    return duplicates_among(lambda: [tracks])


def duplicates_among(tables: Callable[[], Iterable[Tracks]]) -> Duplicates:
    """Return which tracks of several tables hold the same sound; see `duplicates`.

    Parameters
    ----------
    tables : callable
        Returns the tables, which are read several times, one at a time.
    """
    return Duplicates(_sets(tables, "hash"), _sets(tables, "cluster"))


def _sets(tables: Callable[[], Iterable[Tracks]], column: str) -> tuple[SameSound, ...]:
    """Return the sets of usable tracks that have a text in common."""
    shared = _shared(tables, column)
    found: dict[str, dict[str, str]] = {}
    for tracks in tables() if shared else ():
        names = tracks[column].tolist()
        ids, labels, problems = (tracks[name].tolist() for name in ("id", "label", "problem"))
        for name, id, label, problem in zip(names, ids, labels, problems, strict=True):
            if name in shared and problem in ("", REMOVED):
                found.setdefault(name, {})[id] = label
    return tuple(SameSound(name, members) for name, members in found.items() if len(members) > 1)


def _shared(tables: Callable[[], Iterable[Tracks]], column: str) -> set[str]:
    """Return the texts that occur more than once in a column of all tables; 8 bytes a track are kept."""
    hashes = [
        np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in tracks[column].tolist() if name], "<u8")
        for tracks in tables()
    ]
    values, counts = np.unique(np.concatenate([np.zeros(0, "<u8"), *hashes]), return_counts=True)
    repeated = set(values[counts > 1].tolist())
    if not repeated:
        return set()
    found = Counter(
        name
        for tracks in tables()
        for name in tracks[column].tolist()
        if name and xxhash.xxh3_64_intdigest(name.encode()) in repeated
    )
    return {name for name, count in found.items() if count > 1}


def _some(sets: Sequence[SameSound], text: Callable[[SameSound], str]) -> str:
    shown = "; ".join(text(same) for same in sets[:MOST_SETS])
    return f"{shown}; …" if len(sets) > MOST_SETS else shown


def _object(key: str, same: SameSound) -> dict[str, Any]:
    return {key: same.name, "tracks": dict(same.labels), "contradictory": same.contradicts}
