"""Leaks: test rows that share a recording with what a model learnt from. Facts of the rows, not of a name.

A test row leaks if its track, its content hash, its cluster or its group is among those that the model was
trained or validated on. A score of such rows is called leaky: part of it may be memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from audiospec.datasets.base import datasets
from audiospec.errors import AudiospecError

#: Kind of leak → what is shared, in words. The word for groups is the dataset's.
KINDS = {"track": "tracks", "hash": "copies", "cluster": "near-copies", "group": "groups"}

#: Most names of each kind that are kept.
MOST_NAMES = 5


class Known(NamedTuple):
    """What is known of one track; ``""`` where it is not.

    Attributes
    ----------
    track : str
        Id.
    hash : str
        Content hash of the file.
    cluster, group : str
    """

    track: str
    hash: str = ""
    cluster: str = ""
    group: str = ""


@dataclass(frozen=True)
class Learnt:
    """What a model has learnt from: the tracks of its training and validation rows.

    Attributes
    ----------
    dataset : str
        Ids are compared within one dataset only: in another one they may be of other tracks.
    values : dict
        Kind of leak → the values that were learnt from.
    """

    dataset: str
    values: dict[str, frozenset[str]]

    @classmethod
    def of(cls, dataset: str, tracks: Iterable[Known]) -> Learnt:
        """Collect the values of tracks."""
        known = list(tracks)
        return cls(dataset, {kind: frozenset(getattr(one, kind) for one in known) - {""} for kind in KINDS})

    def shares(self, track: Known, dataset: str) -> dict[str, str]:
        """Return what a track has in common with these: kind → the value."""
        return {
            kind: value
            for kind in KINDS
            if (value := getattr(track, kind)) in self.values[kind]
            and (kind != "track" or dataset == self.dataset)
        }


@dataclass(frozen=True)
class Leaks:
    """How many test rows share a recording with what was learnt from.

    Attributes
    ----------
    rows : int
        Number of test rows.
    leaking : int
        How many of them leak, by any kind.
    kinds : dict
        Kind → number of rows; only kinds that occur.
    names : dict
        Kind → some of the values that are shared.
    nouns : dict
        Kind → what is shared, in words.
    """

    rows: int
    leaking: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    nouns: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether any row leaks."""
        return self.leaking > 0

    @property
    def words(self) -> str:
        """What leaks, such as ``"tracks, speakers"``; ``""`` if nothing does."""
        return ", ".join(self.nouns[kind] for kind in self._shown)

    @property
    def _shown(self) -> list[str]:
        """The kinds to name: a track that was learnt from is its own copy and near-copy."""
        return [kind for kind in self.kinds if kind in ("track", "group") or "track" not in self.kinds]

    def sentence(self, noun: str = "test rows") -> str:
        """Return how many rows leak and by what, in words, with some names."""
        parts = [
            f"{self.kinds[kind]} by {self.nouns[kind]} ({', '.join(self.names[kind])}"
            f"{', …' if len(self.names[kind]) == MOST_NAMES else ''})"
            for kind in self._shown
        ]
        return f"{self.leaking} of {self.rows} {noun} were learnt from: {'; '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the leaks as plain JSON values."""
        return {
            "rows": self.rows,
            "leaking": self.leaking,
            "kinds": dict(self.kinds),
            "names": {kind: list(names) for kind, names in self.names.items()},
        }


def find_leaks(learnt: Learnt, rows: Sequence[Known], dataset: str) -> Leaks:
    """Find the rows whose track, content, cluster or group was learnt from.

    Parameters
    ----------
    learnt : Learnt
    rows : sequence of Known
        The track of each test row.
    dataset : str
        Dataset of the test rows.
    """
    shared = {track: learnt.shares(track, dataset) for track in dict.fromkeys(rows)}
    kinds = dict.fromkeys(KINDS, 0)
    for row in rows:
        for kind in shared[row]:
            kinds[kind] += 1
    names = {
        kind: sorted({found[kind] for found in shared.values() if kind in found})[:MOST_NAMES]
        for kind in KINDS
    }
    # A hash means nothing to a reader, so the track is named.
    copies = {track.track for track, found in shared.items() if "hash" in found}
    names["hash"] = sorted(copies)[:MOST_NAMES]
    occurring = [kind for kind in KINDS if kinds[kind]]
    return Leaks(
        len(rows),
        sum(bool(shared[row]) for row in rows),
        {kind: kinds[kind] for kind in occurring},
        {kind: names[kind] for kind in occurring},
        nouns(dataset),
    )


def merge_leaks(leaks: Sequence[Leaks]) -> Leaks:
    """Return the leaks of several tests together: a row that is tested twice counts twice.

    Parameters
    ----------
    leaks : sequence of Leaks
        At least one; of one dataset.
    """
    occurring = [kind for kind in KINDS if any(kind in one.kinds for one in leaks)]
    names = {kind: {name for one in leaks for name in one.names.get(kind, ())} for kind in occurring}
    return Leaks(
        sum(one.rows for one in leaks),
        sum(one.leaking for one in leaks),
        {kind: sum(one.kinds.get(kind, 0) for one in leaks) for kind in occurring},
        {kind: sorted(names[kind])[:MOST_NAMES] for kind in occurring},
        leaks[0].nouns,
    )


def nouns(dataset: str) -> dict[str, str]:
    """Return what each kind of leak shares, in words, for a dataset."""
    return {**KINDS, "group": group_noun(dataset)}


def group_noun(dataset: str) -> str:
    """Return what the groups of a dataset are, such as ``"artists"``; ``"groups"`` if unknown."""
    try:
        return datasets[dataset].group_noun
    except AudiospecError:  # of a package that is not installed, or a table
        return KINDS["group"]
