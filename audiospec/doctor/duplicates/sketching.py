"""Sketches: what is left of coarse frames when level, equalisation and what all tracks share are removed.

From each frame the mean over its bands is subtracted (level, compression), then from each band its mean over
3 s (equalisation, bandwidth). The rest is whitened: bands that vary together in all tracks of the store are
decorrelated, so that two tracks of one genre correlate no more than others do. Each frame has one weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: dB below loud frames, where sound is lost in noise that depends on the codec; percentile of loud frames.
RANGE, LOUD = 60.0, 95.0
#: dB below the loud frames of an ordinary track, where what is left is the noise of 16 bits.
QUIET = 80.0
#: Seconds on both sides over which a band's mean is taken.
REACH = 1.5
#: dB (RMS over bands) that a frame must differ from this mean; silence and constant tones do not.
LEAST_CHANGE = 0.5
#: Share of the mean variance that is added to each, so that directions of noise are not amplified.
RIDGE = 0.1
#: Largest value of a sketch, and bytes per unit.
MOST, UNIT = 3.0, 42.0


@dataclass(frozen=True, eq=False)
class Sketcher:
    """Makes sketches of tracks.

    Attributes
    ----------
    seconds : float
        From one frame to the next.
    quiet : float
        Level in dB below which there is silence.
    whitening : ndarray of float32, shape (bands, bands)
        Symmetric.
    """

    seconds: float
    quiet: float
    whitening: NDArray[np.float32]

    @classmethod
    def fit(
        cls, seconds: float, bands: int, sample: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]
    ) -> Sketcher:
        """Learn from coarse frames of some tracks how bands vary together.

        Parameters
        ----------
        seconds : float
        bands : int
        sample : sequence of (frames, known)
        """
        levels = [np.percentile(frames[known].max(1), LOUD) for frames, known in sample if known.any()]
        quiet = float(np.median(levels)) - QUIET if levels else 0.0
        total, count = np.zeros((bands, bands)), 0
        for frames, known in sample:
            changes, is_active = _changes(frames, known, seconds, quiet)
            active = changes[is_active].astype(np.float64)
            total += active.T @ active
            count += len(active)
        variances, directions = np.linalg.eigh(total / max(count, 1))
        mean = max(float(variances.mean()), 1e-6)
        whitening = (directions * (np.maximum(variances, 0) + RIDGE * mean) ** -0.5) @ directions.T
        return cls(seconds, quiet, whitening.astype(np.float32))

    def sketch(self, frames: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.int8]:
        """Return the sketch of a track.

        Parameters
        ----------
        frames : ndarray of float32, shape (n, bands)
            In dB.
        known : ndarray of bool, shape (n,)

        Returns
        -------
        ndarray of int8, shape (n, bands)
            Frames that are unknown, silent or constant are 0.
        """
        changes, is_active = _changes(frames, known, self.seconds, self.quiet)
        whitened = changes @ self.whitening
        energy = np.square(whitened).mean(1)
        scale = float(energy[is_active].mean()) if is_active.any() else 1.0
        whitened /= np.sqrt(energy + np.float32(0.05 * max(scale, 1e-12)))[:, None]
        sketch: NDArray[np.int8] = np.rint(whitened.clip(-MOST, MOST) * np.float32(UNIT)).astype(np.int8)
        sketch[~is_active] = 0
        return sketch


def _changes(
    frames: NDArray[np.float32], known: NDArray[np.bool_], seconds: float, quiet: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return how frames differ from those around them, in dB, and which of them differ enough."""
    if not known.any():
        return np.zeros_like(frames), known
    peaks = frames.max(1)
    floor = np.float32(max(np.percentile(peaks[known], LOUD) - RANGE, quiet))
    known = known & (peaks > floor)  # the mean around a short sound must not reach into silence
    weights = known.astype(np.float32)[:, None]
    changes = np.maximum(frames, floor)
    changes -= changes.mean(1, keepdims=True)
    changes *= weights
    reach = round(REACH / seconds)
    changes -= _sums(changes, reach) / np.maximum(_sums(weights, reach), 1)
    changes *= weights
    # Halfway between two frames a copy that is shifted has its own: neighbours are mixed, to be like both.
    smooth = changes * np.float32(0.5)
    smooth[1:] += changes[:-1] / 4
    smooth[:-1] += changes[1:] / 4
    smooth *= weights
    return smooth, known & (np.square(smooth).mean(1) >= LEAST_CHANGE**2)


def _sums(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the sum of each row and of `reach` rows on both sides of it."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, 0, dtype=np.float64)])
    places = np.arange(len(values))
    first, stop = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    around: NDArray[np.float32] = (sums[stop] - sums[first]).astype(np.float32)
    return around
