"""The mean of the windows of a file: what is predicted of the whole file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.chunks import add_log_probabilities, shares_of
from audiospec.zoo.targets.base import Target


class FileMean:
    """What is predicted of one file, whose windows are given block by block.

    Of one label, it is in proportion to the mean log-probability of the windows; of anything else, their
    mean. So do scores by track.

    Parameters
    ----------
    target : Target

    Attributes
    ----------
    count : int
        Number of windows.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.count = 0
        self._sums = np.zeros((1, len(target.classes)))

    def add(self, outputs: NDArray[np.float64]) -> None:
        """Add the outputs (n, *target.output_shape) of the next windows."""
        outputs = self.target.reduce(outputs)
        place = np.zeros(len(outputs), np.int64)
        if self.target.of_row.name == "single":
            add_log_probabilities(self._sums, outputs, place)
        else:
            np.add.at(self._sums, place, outputs)
        self.count += len(outputs)

    def values(self) -> NDArray[np.float64]:
        """Return the outputs of the file (classes,); there is at least one window."""
        means: NDArray[np.float64] = self._sums / self.count
        if self.target.of_row.name == "single":
            means = shares_of(means)
        values: NDArray[np.float64] = means[0]
        return values
