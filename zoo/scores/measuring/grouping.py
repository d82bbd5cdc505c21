"""Grouping: the track and the unit of each chunk, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError


@dataclass(frozen=True, eq=False)
class Grouping:
    """The track and the unit of each chunk.

    Attributes
    ----------
    tracks : ndarray, shape (tracks,)
        Ids or numbers, sorted.
    track_of, unit_of : ndarray of int, shape (chunks,)
        Number of each chunk's track and of its unit, from 0.
    units : int
        Number of units.
    """

    tracks: NDArray[Any]
    track_of: NDArray[np.int64]
    unit_of: NDArray[np.int64]
    units: int

    @classmethod
    def of(cls, tracks: ArrayLike, units: ArrayLike | None) -> Grouping:
        """Return the grouping of chunks by the track and the unit of each; None: each track is a unit."""
        names, track_of = np.unique(np.asarray(tracks), return_inverse=True)
        unit_names, unit_of = np.unique(np.asarray(tracks if units is None else units), return_inverse=True)
        return cls(names, track_of, unit_of, len(unit_names))

    @property
    def shapes(self) -> str:
        """Shapes of the tracks and the units, for a message."""
        return f"{self.track_of.shape} and {self.unit_of.shape}"

    def unit_of_tracks(self) -> NDArray[np.int64]:
        """Return the unit of each track: (tracks,).

        Raises
        ------
        ModelError
            A track has several units.
        """
        unit_of_track = np.empty(len(self.tracks), np.int64)
        unit_of_track[self.track_of] = self.unit_of
        if (unit_of_track[self.track_of] != self.unit_of).any():
            name = self.tracks[self.track_of[np.flatnonzero(unit_of_track[self.track_of] != self.unit_of)[0]]]
            raise ModelError(
                f"expected all chunks of a track in one unit; got several `units` for track {name}",
                "give each track the name of its group",
            )
        return unit_of_track

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over the chunks of each track (tracks, ...) of values of chunks (chunks, ...)."""
        sums = np.zeros((len(self.tracks), *values.shape[1:]))
        np.add.at(sums, self.track_of, values)
        counts = np.bincount(self.track_of, minlength=len(self.tracks))
        return sums / counts.reshape(-1, *[1] * (values.ndim - 1))
