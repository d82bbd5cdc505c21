"""How much of each label, and which number, the annotations of a store give each track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Labelling
from audiospec.zoo.splits.strata import Numbers

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View


def track_amounts(view: View, labelling: Labelling) -> tuple[Numbers, NDArray[Any], NDArray[np.float64]]:
    """Return tracks, their labels, and for how many rows of a second each label is likely to be.

    An annotation gives a row even if it is short, and about one more for each second.
    """
    table = view.store.tracks
    annotations = table.annotations
    of_column = (annotations.column == labelling.column) & (annotations.label != "")
    track, seconds = annotations.track[of_column].astype(np.int64), _seconds(view)[of_column]
    label, amount = annotations.label[of_column], 1 + seconds
    length = np.nan_to_num(np.maximum(table["seconds"].astype(np.float64), 0))
    whole = np.flatnonzero(table["label"].astype(str) != "")
    whole = whole[~np.isin(whole, track)]
    parts = [(track, label, amount), (whole, table["label"][whole], 1 + length[whole])]
    if labelling.background == "class":
        annotated = np.unique(track)
        covered = np.bincount(track, seconds, len(table))[annotated]
        name = np.full(len(annotated), labelling.background_class, object)
        parts.append((annotated, name, 1 + np.maximum(0, length[annotated] - covered)))
    tracks, labels, amounts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return tracks, labels, amounts


def _seconds(view: View) -> NDArray[np.float64]:
    """Return the length of each annotation; an infinite end is that of the track."""
    table = view.store.tracks
    annotations = table.annotations
    ends = np.nan_to_num(np.maximum(table["seconds"].astype(np.float64), 0))[annotations.track]
    end = np.where(np.isinf(annotations.end), ends, annotations.end)
    seconds: NDArray[np.float64] = np.maximum(0, end - annotations.start)
    return seconds


def track_means(view: View, labelling: Labelling, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean number of each track's annotations, by their lengths; of its rows if it has none."""
    annotations, count = view.store.tracks.annotations, len(view.store.tracks)
    kept = (annotations.column == labelling.column) & np.isfinite(annotations.value)
    track, numbers = annotations.track[kept].astype(np.int64), annotations.value[kept]
    # A point in time has no length: a microsecond, which decides only among points.
    weights = np.maximum(_seconds(view)[kept], 1e-6)
    rows = np.flatnonzero(np.isfinite(values) & ~np.isin(view.rows["track"], track))
    track = np.concatenate([track, view.rows["track"][rows]])
    numbers = np.concatenate([numbers, values[rows]])
    weights = np.concatenate([weights, np.ones(len(rows))])
    total = np.bincount(track, weights, count)
    means = np.full(count, np.nan)
    has = total > 0
    means[has] = np.bincount(track, weights * numbers, count)[has] / total[has]
    return means
