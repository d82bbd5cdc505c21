"""Stretches of tracks: the outputs of rows that follow each other or overlap, as one sequence of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation
from audiospec.zoo.targets.base import TargetRows

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

#: Largest gap in seconds between rows of a stretch: times are whole samples, divided by the sample rate.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of a track that rows cover without a gap.

    Attributes
    ----------
    track : int
        Row number in the track table.
    unit : str
        The unit of its rows.
    start, end : float
        Seconds from the start of the track.
    outputs : ndarray of float64, shape (frames, classes)
        The mean over the rows that cover a frame.
    times : ndarray of float64, shape (frames + 1,)
        Starts of the frames, and the end of the last one, in seconds from the start of the stretch.
    period : float
        Seconds from one frame to the next.
    """

    track: int
    unit: str
    start: float
    end: float
    outputs: NDArray[np.float64]
    times: NDArray[np.float64]
    period: float

    @property
    def seconds(self) -> float:
        """Length of the stretch."""
        return self.end - self.start

    def events(self, view: View) -> list[Annotation]:
        """Return the parts of a view's annotations that are in the stretch, in seconds from its start."""
        return [
            replace(one, start=max(one.start - self.start, 0.0), end=min(one.end, self.end) - self.start)
            for one in view.store.tracks.annotations.of(self.track)
            if one.column == view.store.labelling.column and one.start < self.end and one.end > self.start
        ]


def stretches(outputs: NDArray[np.float64], rows: TargetRows) -> Iterator[Stretch]:
    """Yield the stretches that rows cover, by track and start.

    Frames of overlapping rows are put on the frames of the stretch's first row that are nearest in time, as
    `Averager` puts those of files.

    Parameters
    ----------
    outputs : ndarray of float64, shape (n, frames, classes)
        What is known of each frame of each row; frames divide a chunk into equal parts.
    rows : TargetRows
        The n rows, in any order, each once.
    """
    table = rows.view.rows[rows.numbers]
    frame = rows.view.chunking.seconds / outputs.shape[1]
    ends = table["start"] + table["seconds"]
    units = rows.units
    order = np.lexsort((table["start"], table["track"]))
    for of_track in np.split(order, np.flatnonzero(np.diff(table["track"][order])) + 1):
        if not len(of_track):
            continue
        covered = np.maximum.accumulate(ends[of_track])
        gaps = np.flatnonzero(table["start"][of_track][1:] > covered[:-1] + _ROUNDING) + 1
        for chosen in np.split(of_track, gaps):
            start, end = float(table["start"][chosen[0]]), float(ends[chosen].max())
            yield Stretch(
                int(table["track"][chosen[0]]),
                str(units[chosen[0]]),
                start,
                end,
                *_mean(outputs[chosen], table["start"][chosen] - start, end - start, frame),
                frame,
            )


def _mean(
    outputs: NDArray[np.float64], starts: NDArray[np.float64], seconds: float, frame: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean outputs of the frames of a stretch, and their times."""
    first = np.floor(starts / frame + 0.5).astype(np.int64)
    frames = outputs.shape[1]
    sums = np.zeros((int(first.max()) + frames, outputs.shape[2]))
    counts = np.zeros(len(sums))
    for place, of_row in zip(first.tolist(), outputs, strict=True):
        sums[place : place + frames] += of_row
        counts[place : place + frames] += 1
    # What follows is the padding of the last row.
    length = max(1, int(np.ceil(seconds / frame - 1e-6)))
    means = sums[:length] / np.maximum(counts[:length, None], 1)
    times = np.append(np.arange(len(means)) * frame, seconds)
    return means, times
