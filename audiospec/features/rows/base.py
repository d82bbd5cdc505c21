"""RowWriter: computes rows of one spec, as a store keeps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class RowWriter(ABC):
    """Computes rows of one spec, and writes them as a store keeps them.

    Attributes
    ----------
    backend : str
        Name of the backend that computes.
    batch : int
        Most chunks that are computed together; 1 where together is no faster.
    """

    backend: str
    batch: int = 1

    def __init__(self) -> None:
        self._parity: dict[int, float] = {}

    @abstractmethod
    def write(self, waves: Sequence[NDArray[np.float32]], rows: Sequence[NDArray[Any]]) -> None:
        """Compute chunks of one length.

        Parameters
        ----------
        waves : sequence of ndarray, shape (samples,), float32
            Mono audio at the spec's rate, full scale at ±1; up to `batch` of them.
        rows : sequence of ndarray, shape (*spec.row_shape(samples)), of the spec's dtype
            Overwritten, one for each wave.

        Raises
        ------
        AudioError
            The spec has a code, and the audio is too loud for it.
        """

    def parity(self, samples: int) -> float:
        """Return the largest difference from float64, which is measured once; see `Frontend.parity`."""
        if samples not in self._parity:
            self._parity[samples] = self.measure_parity(samples)
        return self._parity[samples]

    @abstractmethod
    def measure_parity(self, samples: int) -> float:
        """Measure the largest difference from float64."""
