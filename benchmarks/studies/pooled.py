"""Spectrograms as tables: the mean and the deviation of each bin over the frames of a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import digest
from audiospec.stores.layout.view import View
from audiospec.tables.importing import import_table
from audiospec.tables.reading import FeatureTable

#: Most numbers that are read at a time.
_MOST_VALUES = 1 << 26


def pooled(view: View) -> View:
    """Return the view of a table in the same store: two columns for each bin of a view of spectrograms.

    Of a row that is filled up with zeros, only the frames of its audio count.

    Parameters
    ----------
    view : View
        Of spectrograms; rows are whole tracks, or pieces of them one after another.
    """
    bins, frames = view.info.row_shape
    seconds = view.rows["seconds"]
    valid = np.clip(np.rint(frames * seconds / view.chunking.seconds), 1, frames).astype(np.int64)
    values = np.empty((len(view), 2 * bins), np.float32)
    step = max(1, _MOST_VALUES // (bins * frames))
    for first in range(0, len(view), step):
        rows = view.read(np.arange(first, min(first + step, len(view)))).astype(np.float64)
        for number, row in enumerate(rows, first):
            heard = row[:, : valid[number]]
            values[number] = np.concatenate([heard.mean(1), heard.std(1)])
    rate = view.spec.sample_rate
    table = FeatureTable(
        file=Path(f"{view.name}, pooled"),
        sha256=digest([view.name, view.rows["checksum"].tolist()]),
        columns=tuple(f"{statistic}_{number:03d}" for statistic in ("mean", "std") for number in range(bins)),
        left_out=(),
        numbers=list(range(2, len(view) + 2)),
        filenames=_names(view),
        lengths=np.rint(seconds * rate).astype(np.int64),
        labels=[str(label) for label in view.labels],
        values=values,
    )
    hop = view.chunking.hop
    return import_table(table, view.store.path, chunk=view.chunking.seconds, hop=hop, sample_rate=rate)


def _names(view: View) -> list[str]:
    """Return the name of each row, as tables of features have them: ``TRACK.wav`` or ``TRACK.PIECE.wav``."""
    ids = [str(id) for id in view.ids]
    if len({*ids}) == len(ids):
        return [f"{id}.wav" for id in ids]
    hop = view.chunking.hop or view.chunking.seconds
    pieces: NDArray[np.int64] = np.rint(view.rows["start"] / hop).astype(np.int64)
    return [f"{id}.{piece}.wav" for id, piece in zip(ids, pieces.tolist(), strict=True)]
