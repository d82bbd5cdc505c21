"""The labels of the frames that rows are divided into: strong labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Labelling
from audiospec.annotations.overlap import chunk_targets
from audiospec.annotations.table import Annotations


def frame_labels(
    annotations: Annotations,
    tracks: NDArray[np.integer],
    starts: NDArray[np.float64],
    durations: NDArray[np.float64],
    *,
    seconds: float,
    frames: int,
    classes: Sequence[str],
    labelling: Labelling,
) -> NDArray[np.bool_]:
    """Return which labels each frame of some rows has, by the rule for chunks (see `chunk_targets`).

    Frame ``f`` of a row is from ``start + f * seconds / frames`` to ``start + (f + 1) * seconds / frames``.

    Parameters
    ----------
    annotations : Annotations
    tracks : ndarray of int, shape (n,)
        Number of each row's track in the track table.
    starts : ndarray of float64, shape (n,)
        Start of each row in its track, in seconds; rows may overlap, and be in any order.
    durations : ndarray of float64, shape (n,)
        Length of each row's track in seconds. Frames beyond it have no label.
    seconds : float
        Length of a row, with its padding.
    frames : int
        Frames of a row.
    classes : sequence of str
        Labels; annotations of others do not count.
    labelling : Labelling

    Returns
    -------
    ndarray of bool, shape (n, frames, classes)
    """
    labels = np.zeros((len(tracks), frames, len(classes)), bool)
    place = {name: number for number, name in enumerate(classes)}
    order = np.argsort(tracks, kind="stable")
    bounds = np.flatnonzero(np.diff(tracks[order], prepend=-1, append=-1))
    offsets = np.arange(frames) * (seconds / frames)
    for rows in np.split(order, bounds[1:-1]) if len(order) else []:
        used = [one for one in annotations.of(int(tracks[rows[0]])) if one.label in place]
        if not used:
            continue
        begins = (starts[rows, None] + offsets).reshape(-1)
        sorting = np.argsort(begins, kind="stable")
        begins = begins[sorting]
        ends = begins + seconds / frames
        found = chunk_targets(used, begins, ends, float(durations[rows[0]]), labelling, "").targets
        columns = np.array([place[name] for name in found.names], np.int64)
        row, frame = np.divmod(sorting[found.row], frames)
        labels[rows[row], frame, columns[found.label]] = True
    return labels
