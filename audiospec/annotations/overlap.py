"""From the annotations of a track to the targets of its chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.table import RowTargets
from audiospec.errors import DatasetError

#: Part of an expected overlap that may be missing: as floats, 0.7 - 0.2 is a little less than 0.5.
_ROUNDING = 1e-6

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ChunkTargets:
    """The targets of a track's chunks.

    Attributes
    ----------
    targets : RowTargets
        Its rows are numbers of chunks.
    is_background : ndarray of bool, shape (n_chunks,)
        Which chunks have no label or number of their own.
    unused : int
        Annotations that give no chunk its label or number, because none overlaps them enough.
    """

    targets: RowTargets
    is_background: NDArray[np.bool_]
    unused: int


def chunk_targets(
    annotations: Sequence[Annotation],
    starts: _Floats,
    ends: _Floats,
    duration: float,
    labelling: Labelling,
    track: str,
) -> ChunkTargets:
    """Return the targets of a track's chunks.

    A chunk has a label if the label's annotations together cover at least `labelling.min_overlap` of it, or
    if at least that share of one of them is in the chunk. An annotation without length is in each chunk that
    has its time, from the chunk's start to before its end. Numbers qualify likewise; a chunk's number is the
    mean of the values that overlap it, weighted by the overlap. One without length counts only where no
    longer one overlaps.

    Parameters
    ----------
    annotations : sequence of Annotation
        In any order; those of other columns than `labelling.column` do not count. What is beyond `duration`
        does not count either.
    starts, ends : ndarray of float64, shape (n_chunks,)
        Start of each chunk in seconds, and its end without padding, which is later; neither descend.
    duration : float
        Length of the track in seconds, which is the end of annotations without one.
    labelling : Labelling
    track : str
        Id of the track, for messages.

    Returns
    -------
    ChunkTargets
        With ``background="class"``, background has that label; its share is what no annotation covers.

    Raises
    ------
    DatasetError
        The target is single, and two labels qualify for one chunk.
    """
    is_number = labelling.target == "number"
    used = [
        one for one in annotations if one.column == labelling.column and (one.value is not None) == is_number
    ]
    names = [labelling.column] if is_number else sorted({one.label for one in used})
    place = {name: number for number, name in enumerate(names)}
    label = np.array([0 if is_number else place[one.label] for one in used], np.int64)
    start = np.array([one.start for one in used], np.float64)
    end = np.minimum(np.array([one.end for one in used], np.float64), duration)

    seconds = ends - starts
    chunks = _Chunks(starts, ends, max(1, len(names)))
    one, chunk, overlap = chunks.pairs(start, end)
    keys, group = np.unique(chunks.keys(chunk, label[one]), return_inverse=True)
    is_inside = overlap >= labelling.min_overlap * (1 - _ROUNDING) * (end - start)[one]
    covered = chunks.covered(start, end, label, keys)
    row, found = np.divmod(keys, chunks.labels)
    qualifies = (_summed(group, is_inside, len(keys)) > 0) | (
        covered >= labelling.min_overlap * (1 - _ROUNDING) * seconds[row]
    )
    share = np.minimum(covered / seconds[row], 1.0)
    value = np.full(len(keys), np.nan)
    if is_number:
        value = _means(np.array([one.value for one in used], np.float64)[one], overlap, group, len(keys))
    unused = len(used) - len(np.unique(one[qualifies[group]]))
    row, found, share, value = row[qualifies], found[qualifies], share[qualifies], value[qualifies]
    is_background = np.ones(len(starts), bool)
    is_background[row] = False
    if labelling.target == "single":
        _require_one(row, found, share, names, starts, ends, track)
    if labelling.background == "class" and is_background.any():
        numbers = np.flatnonzero(is_background)
        every = _Chunks(starts, ends, 1).covered(start, end, np.zeros_like(label), np.arange(len(starts)))
        rest = np.maximum(0.0, 1 - every[numbers] / seconds[numbers])
        label_of_rest = np.full(len(numbers), len(names))
        row, found = np.append(row, numbers), np.append(found, label_of_rest)
        share, value = np.append(share, rest), np.append(value, np.full(len(numbers), np.nan))
        names = [*names, labelling.background_class]
    return ChunkTargets(_sorted(row, found, share, value, names), is_background, unused)


def _sorted(row: _Ints, label: _Ints, share: _Floats, value: _Floats, names: Sequence[str]) -> RowTargets:
    """Return a table of targets, sorted by row and label; `names` may be unsorted, and have names twice."""
    distinct = sorted(set(names))
    place = {name: number for number, name in enumerate(distinct)}
    label = np.array([place[name] for name in names], np.int64)[label] if len(label) else label
    order = np.lexsort((label, row))
    return RowTargets(
        row[order].astype(np.int64),
        label[order].astype(np.int32),
        share[order].astype(np.float64),
        value[order].astype(np.float64),
        tuple(distinct),
    )


def joined(parts: Sequence[tuple[int, RowTargets]]) -> RowTargets:
    """Return one table of the targets of consecutive rows.

    Parameters
    ----------
    parts : sequence of (int, RowTargets)
        Number of the first row of each part, and its table.
    """
    names = sorted({name for _, part in parts for name in part.names})
    place = {name: number for number, name in enumerate(names)}
    columns: dict[str, list[NDArray[Any]]] = {"row": [], "label": [], "share": [], "value": []}
    for first, part in parts:
        if len(part):
            columns["row"].append(part.row + first)
            columns["label"].append(np.array([place[name] for name in part.names])[part.label])
            columns["share"].append(part.share)
            columns["value"].append(part.value)
    row, label, share, value = (
        np.concatenate([np.zeros(0, kind), *columns[name]])
        for name, kind in (("row", np.int64), ("label", np.int64), ("share", float), ("value", float))
    )
    return RowTargets(row, label.astype(np.int32), share, value, tuple(names))


class _Chunks:
    """The chunks of a track, and a number of labels that they may have."""

    def __init__(self, starts: _Floats, ends: _Floats, labels: int) -> None:
        self.starts, self.ends, self.labels = starts, ends, labels

    def keys(self, chunk: _Ints, label: _Ints) -> _Ints:
        """Return a number for each chunk and label, in their order."""
        return chunk * self.labels + label

    def pairs(self, start: _Floats, end: _Floats) -> tuple[_Ints, _Ints, _Floats]:
        """Return which stretches overlap which chunks: number of the stretch, of the chunk, and seconds."""
        first = np.searchsorted(self.ends, start, "right")
        stop = np.where(
            end > start,
            np.searchsorted(self.starts, end, "left"),
            np.searchsorted(self.starts, start, "right"),
        )
        counts = np.maximum(stop - first, 0)
        stretch = np.repeat(np.arange(len(start)), counts)
        chunk = np.arange(len(stretch)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        overlap = np.minimum(end[stretch], self.ends[chunk]) - np.maximum(start[stretch], self.starts[chunk])
        return stretch, chunk, np.maximum(overlap, 0.0)

    def covered(self, start: _Floats, end: _Floats, label: _Ints, keys: _Ints) -> _Floats:
        """Return the seconds that the union of a label's stretches covers, for each of some keys, sorted."""
        start, end, label = _union(start, end, label)
        stretch, chunk, overlap = self.pairs(start, end)
        places = np.searchsorted(keys, self.keys(chunk, label[stretch]))
        return _summed(places, overlap, len(keys))


def _summed(group: _Ints, values: NDArray[Any], groups: int) -> _Floats:
    """Return the sum of the values of each group."""
    return np.bincount(group, values, groups).astype(np.float64, copy=False)


def _union(start: _Floats, end: _Floats, label: _Ints) -> tuple[_Floats, _Floats, _Ints]:
    """Return the union of the stretches of each label, without those that have no length."""
    long = end > start
    start, end, label = start[long], end[long], label[long]
    order = np.lexsort((start, label))
    start, end, label = start[order], end[order], label[order]
    # The latest end so far, of each label: the ends' ranks, because times would be rounded by an offset.
    ends, rank = np.unique(end, return_inverse=True)
    latest = np.maximum.accumulate(label * len(ends) + rank) - label * len(ends)
    begins = np.ones(len(start), bool)
    begins[1:] = (label[1:] != label[:-1]) | (start[1:] > ends[latest[:-1]])
    stops = np.append(begins[1:], True)[: len(start)]
    return start[begins], ends[latest[stops]], label[begins]


def _means(values: _Floats, weights: _Floats, group: _Ints, groups: int) -> _Floats:
    """Return the weighted mean of each group; of one whose weights are all 0, the mean."""
    total = _summed(group, weights, groups)
    weights = np.where(total[group] > 0, weights, 1.0)
    mean = _summed(group, weights * values, groups) / _summed(group, weights, groups)
    # Rounding must not make 0.7 of several times 0.7 into 0.7000000000000001.
    counts = weights > 0
    least, most = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(least, group[counts], values[counts])
    np.maximum.at(most, group[counts], values[counts])
    clipped: _Floats = np.clip(mean, least, most)
    return clipped


def _require_one(
    row: _Ints,
    label: _Ints,
    share: _Floats,
    names: Sequence[str],
    starts: _Floats,
    ends: _Floats,
    track: str,
) -> None:
    """Raise if a chunk has several labels; `row` is sorted."""
    twice = np.flatnonzero(row[1:] == row[:-1])
    if not len(twice):
        return
    first = int(twice[0])
    chunk = int(row[first])
    labels = " and ".join(f"{names[label[n]]!r} ({share[n]:.0%} of it)" for n in (first, first + 1))
    chunks = len(set(row[twice].tolist()))
    more = f", as {chunks - 1} more of its chunks have several" if chunks > 1 else ""
    raise DatasetError(
        f"track {track!r}: the chunk from {starts[chunk]:g} to {ends[chunk]:g} s has the "
        f"labels {labels}{more}; the target 'single' allows one",
        'give `target="multi-label"`, a larger `min_overlap`, or a shorter `chunk`',
    )
