"""The mean of overlapping windows in time: from outputs of windows to outputs of frames."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


class Averager:
    """Averages the windows of one file, in order, onto frames of one period.

    An output of a whole window counts for each frame of it: as many as its length has periods, rounded. A
    window with outputs of its own frames adds each of them to the nearest frame of the file. The result does
    not depend on how windows are divided into blocks.

    Parameters
    ----------
    length : float
        Seconds of a window.
    hop : float
        Seconds from one window to the next; at most `length`.
    classes : int
    frames : int or None
        Number of frames in the output of a window. None: the output is of the whole window, and a frame of
        the file is as long as the hop.

    Attributes
    ----------
    period : float
        Seconds of a frame.
    """

    def __init__(self, length: float, hop: float, classes: int, frames: int | None = None) -> None:
        self.period = hop if frames is None else length / frames
        self._hop = hop / self.period
        self._cells = max(1, round(length / hop)) if frames is None else frames
        self._windows = self._done = 0
        self._sums, self._counts = np.zeros((0, classes)), np.zeros((0, 1))

    def feed(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add the next windows, and return the frames that no later window reaches.

        Parameters
        ----------
        outputs : ndarray, shape (n, classes) or (n, frames, classes)

        Returns
        -------
        ndarray, shape (m, classes)
        """
        count = len(outputs)
        places = self._place(np.arange(self._windows, self._windows + count + 1)) - self._done
        self._windows += count
        missing = max(0, int(places[-2]) + self._cells - len(self._sums)) if count else 0
        self._sums = np.concatenate([self._sums, np.zeros((missing, self._sums.shape[1]))])
        self._counts = np.concatenate([self._counts, np.zeros((missing, 1))])
        for place, output in zip(places[:-1].tolist(), outputs, strict=True):
            self._sums[place : place + self._cells] += output
            self._counts[place : place + self._cells] += 1
        return self._take(int(places[-1]))

    def end(self, seconds: float) -> NDArray[np.float64]:
        """Return the other frames of a file of `seconds`; those that begin later are padding."""
        last = math.ceil(seconds / self.period - 1e-6) - self._done
        return self._take(min(last, len(self._sums)))

    def _place(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first frame of windows."""
        places: NDArray[np.int64] = np.floor(windows * self._hop + 0.5).astype(np.int64)
        return places

    def _take(self, count: int) -> NDArray[np.float64]:
        count = max(0, min(count, len(self._sums)))
        frames: NDArray[np.float64] = self._sums[:count] / self._counts[:count]
        self._sums, self._counts, self._done = self._sums[count:], self._counts[count:], self._done + count
        return frames
