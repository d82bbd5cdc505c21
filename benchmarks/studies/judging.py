"""Compare the pairs that a search for duplicates found with those that were planted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from audiospec.benchmarks.studies.planted import Planted, source_of
from audiospec.doctor.duplicates.clusters import components
from audiospec.zoo.scores.measuring.intervals import wilson


class Found(NamedTuple):
    """A pair that was found.

    Attributes
    ----------
    first, second : str
        Paths below the folder of audio.
    kind : str
        ``"bytes"``, ``"samples"`` or ``"sound"``.
    similarity : float
    lag : float
        Second of `first` at which `second` begins.
    """

    first: str
    second: str
    kind: str
    similarity: float
    lag: float


def judge(
    found: Iterable[Found], planted: Sequence[Planted], recording: Callable[[str], str] = str
) -> dict[str, Any]:
    """Return what was found, and which pairs are wrong.

    A pair is right if both files are made of one recording. A planted pair is found if right pairs join its
    files, directly or through others.

    Parameters
    ----------
    found : iterable of Found
    planted : sequence of Planted
        At least one.
    recording : callable
        Name of a track, ``LABEL/FILE`` without suffix → its recording.

    Returns
    -------
    dict
        JSON values: counts, ``recall`` and ``precision`` with 95 % intervals (over planted pairs, and over
        tracks, as pairs of a track are right together); ``weakest``: least similarity of a planted pair
        that is a found pair itself; ``lags``: how far, in s, the lags of those are from the true ones;
        ``missed`` and ``wrong``: what to look at.
    """
    pairs = list(found)
    right = {pair: _is_right(pair, recording) for pair in pairs}
    joined = _joined(pair for pair, correct in right.items() if correct)
    hits = [row for row in planted if row.second in joined.get(row.first, ())]
    direct = {(pair.first, pair.second): pair for pair in pairs}
    direct |= {
        (second, first): pair._replace(lag=-pair.lag) for (first, second), pair in list(direct.items())
    }
    links = [(row, direct[row.first, row.second]) for row in planted if (row.first, row.second) in direct]
    errors = [
        abs(pair.lag - row.start)
        for row, pair in links
        if pair.kind == "sound" and row.kind in ("trimmed", "shifted")
    ]
    return {
        "sources": len({source_of(row.second) for row in planted}),
        "planted": len(planted),
        "found": len(hits),
        "direct": len(links),
        "recall": len(hits) / len(planted),
        "recall_interval": wilson(len(hits) / len(planted), len(planted)),
        **_precision(right),
        "weakest": min((pair.similarity for _, pair in links), default=None),
        "lags": {"median": median(errors), "largest": max(errors)} if errors else None,
        "missed": [[row.first, row.second, row.strength] for row in planted if row not in hits],
        "wrong": [
            [pair.first, pair.second, round(pair.similarity, 4)]
            for pair, correct in right.items()
            if not correct
        ],
    }


def _is_right(pair: Found, recording: Callable[[str], str]) -> bool:
    return recording(source_of(pair.first)) == recording(source_of(pair.second))


def _joined(pairs: Iterable[Found]) -> dict[str, set[str]]:
    """Return for each file the files that pairs join it with."""
    edges = [(pair.first, pair.second) for pair in pairs]
    files = sorted({file for edge in edges for file in edge})
    numbers = {file: number for number, file in enumerate(files)}
    clusters = components((numbers[first], numbers[second]) for first, second in edges)
    return {files[number]: {files[other] for other in cluster} for cluster in clusters for number in cluster}


def _precision(right: Mapping[Found, bool]) -> dict[str, Any]:
    """Return how many pairs are right; the interval is over the tracks that they are of."""
    if not right:
        return {"pairs": 0, "right": 0, "precision": None, "precision_interval": None}
    share = sum(right.values()) / len(right)
    tracks = {source_of(pair.first) for pair in right}
    return {
        "pairs": len(right),
        "right": sum(right.values()),
        "precision": share,
        "precision_interval": wilson(share, len(tracks)),
    }
