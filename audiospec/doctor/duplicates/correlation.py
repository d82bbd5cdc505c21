"""Normalised cross-correlation of sketches over lags."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Most numbers that are transformed at once.
MOST_NUMBERS = 1 << 20
#: Frames over which frames of a track depend on each other.
REACH = 10


class Match(NamedTuple):
    """Where two tracks are most alike.

    Attributes
    ----------
    similarity : float
        Normalised cross-correlation, -1 to 1.
    frames : float
        Frames that overlap there and are 0 in neither.
    lag : int
        Frame of the first track minus frame of the second.
    """

    similarity: float
    frames: float
    lag: int


def best_match(first: NDArray[np.int8], second: NDArray[np.int8], least: int) -> Match:
    """Return the match of two sketches with the most evidence, over all lags.

    Parameters
    ----------
    first, second : ndarray of int8, shape (n, bands) and (m, bands)
        Frames that are 0 in either, such as padding and silence, are left out.
    least : int
        Fewest frames of an overlap.

    Returns
    -------
    Match
        Of similarity 0 if no overlap is long enough.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(first) + len(second) - 1, real=True)
    step = max(1, MOST_NUMBERS // size)
    spectrum = np.zeros(size // 2 + 1, np.complex64)
    for band in range(0, first.shape[1], step):
        one, other = (values[:, band : band + step].astype(np.float32) for values in (first, second))
        spectrum += (rfft(one, size, axis=0) * np.conj(rfft(other, size, axis=0))).sum(1)
    energies = [np.square(values.astype(np.float32)).sum(1, dtype=np.float64) for values in (first, second)]
    one, other = (rfft(np.stack([energy, energy > 0]), size) for energy in energies)
    one_energy, frames = irfft(one * np.conj(other[1]), size)
    other_energy = irfft(one[1] * np.conj(other[0]), size)
    frames = np.rint(frames)
    scale = np.sqrt(np.maximum(one_energy, 1) * np.maximum(other_energy, 1))
    similarity = np.where(frames >= max(least, 1), irfft(spectrum, size) / scale, 0)
    place = int((similarity * np.sqrt(frames)).argmax())
    lag = place if place < len(first) else place - size
    return Match(float(min(similarity[place], 1)), float(frames[place]), lag)


def dependence(first: NDArray[np.int8], second: NDArray[np.int8]) -> float:
    """Return how many frames count as one, since frames of a held sound are alike.

    It is the factor by which the variance of a correlation of two independent series grows because each is
    correlated with itself (Bartlett 1946).

    Parameters
    ----------
    first, second : ndarray of int8, shape (n, bands) and (m, bands)

    Returns
    -------
    float
        At least 1.
    """
    one, other = _autocorrelation(first), _autocorrelation(second)
    return 1 + 2 * float(np.maximum(one * other, 0).sum())


def _autocorrelation(sketch: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the correlation of a sketch with itself, 1 to `REACH` frames later; of frames that are not 0."""
    values = sketch[sketch.any(1)].astype(np.float32)
    energy = max(float(np.square(values).sum()), 1.0)
    return np.array(
        [float((values[lag:] * values[: len(values) - lag]).sum()) / energy for lag in range(1, REACH + 1)]
    )


def excerpt(first: NDArray[np.int8], second: NDArray[np.int8], lag: int, window: int) -> float:
    """Return the largest normalised correlation of `window` frames of two sketches at a lag.

    Parameters
    ----------
    first, second : ndarray of int8, shape (n, bands) and (m, bands)
    lag : int
        Frame of the first minus frame of the second.
    window : int
        Frames, none of which is 0 in either sketch.

    Returns
    -------
    float
        0 if no such window overlaps.
    """
    begin, end = max(lag, 0), min(len(first), len(second) + lag)
    if end - begin < window:
        return 0.0
    one = first[begin:end].astype(np.float32)
    other = second[begin - lag : end - lag].astype(np.float32)
    energies = np.square(one).sum(1), np.square(other).sum(1)
    known = (energies[0] > 0) & (energies[1] > 0)
    rows = np.stack([(one * other).sum(1), *energies, known]).astype(np.float64)
    totals = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), 1)
    products, one_energy, other_energy, counts = totals[:, window:] - totals[:, :-window]
    similarity = products / np.sqrt(np.maximum(one_energy * other_energy, 1))
    return float(np.where(counts >= window, similarity, 0).max())
