"""Fingerprints of sketches: a hash for each moment, and one descriptor for each track.

Both are made of patches, about a second of a sketch, and their principal components. The signs of the
leading components are the bits of a hash: what varies most is changed least by codecs, noise and shifts by
parts of a frame. How the components vary together over a track is its descriptor, which does not depend on
when anything sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Frames of a patch, and every how many frames of the sample one is learnt from.
PATCH, STEP = 16, 7
#: Principal components of patches, which is the largest number of bits; numbers in a descriptor.
COMPONENTS, NUMBERS = 32, 64
#: Hashes of a patch.
HASHES = 3
#: Share of the largest variance that is added to each number's.
RIDGE = 0.02


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Makes fingerprints of sketches.

    Attributes
    ----------
    components : ndarray of float32, shape (PATCH · bands, COMPONENTS)
        Leading principal components of patches, scaled to variance 1.
    mean, axes : ndarray of float32, shape (pairs,) and (pairs, numbers)
        Mean and scaled principal components of the covariances of the components.
    """

    components: NDArray[np.float32]
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def fit(cls, sketches: Sequence[NDArray[np.int8]]) -> Fingerprints:
        """Learn the components from sketches of some tracks, at least one of which is a patch long."""
        bands = sketches[0].shape[1]
        total, count = np.zeros((PATCH * bands, PATCH * bands)), 0
        for sketch in sketches:
            patches = _patches(sketch, STEP)
            total += patches.T @ patches
            count += len(patches)
        variances, directions = np.linalg.eigh(total / max(count, 1))
        kept = min(COMPONENTS, len(variances))
        scale = np.sqrt(np.maximum(variances[::-1][:kept], 1e-6))
        components = (_signed(directions[:, ::-1][:, :kept]) / scale).astype(np.float32)
        pairs = kept * (kept + 1) // 2
        first = cls(components, np.zeros(pairs, np.float32), np.zeros((pairs, 0), np.float32))
        moments = np.stack([first.moments(first.project(sketch)) for sketch in sketches])
        mean = moments.mean(0)
        _, sizes, axes = np.linalg.svd(moments - mean, full_matrices=False)
        kept = max(1, min(NUMBERS, len(sketches) - 1, len(sizes)))
        scaled = _signed(axes[:kept].T) / np.maximum(sizes[:kept] + RIDGE * sizes[0], 1e-6)
        return cls(components, mean.astype(np.float32), scaled.astype(np.float32))

    def project(self, sketch: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return the components of each patch, shape (n - PATCH + 1, components).

        A patch with a frame that is 0 is 0.
        """
        projected = _patches(sketch) @ self.components
        silent = np.lib.stride_tricks.sliding_window_view(~sketch.any(1), PATCH)
        projected[silent.any(1)] = 0
        return projected

    def moments(self, projected: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how components vary together: the upper triangle of their covariance."""
        known = projected[projected.any(1)]
        covariance = known.T @ known / np.float32(max(len(known), 1))
        moments: NDArray[np.float32] = covariance[np.triu_indices(len(covariance))]
        return moments

    def descriptor(self, projected: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a track's descriptor, float32 of shape (numbers,) and length 1."""
        numbers = ((self.moments(projected) - self.mean) @ self.axes).astype(np.float32)
        numbers /= max(float(np.linalg.norm(numbers)), 1e-12)
        return numbers

    def hashes(self, projected: NDArray[np.float32], bits: int) -> NDArray[np.uint32]:
        """Return several hashes for each patch.

        Parameters
        ----------
        projected : ndarray of float32, shape (n, components)
            See `project`.
        bits : int
            Bits of a hash, at most `COMPONENTS`.

        Returns
        -------
        ndarray of uint32, shape (n, HASHES)
            Bit i of the first is the sign of component i; in each of the others, that of one of the
            components nearest to 0 is reversed, as these are the first to change in a copy. All are
            multiplied by an odd number, so that any range of numbers has its share of them, and are 0 if the
            patch is.
        """
        used = projected[:, :bits]
        weights = np.left_shift(np.uint32(1), np.arange(used.shape[1], dtype=np.uint32))
        hashes = np.repeat(((used > 0) * weights).sum(1, dtype=np.uint32)[:, None], HASHES, 1)
        if len(used):
            hashes[:, 1:] ^= weights[np.abs(used).argpartition(HASHES - 1, 1)[:, : HASHES - 1]]
        hashes *= np.uint32(2654435769)
        hashes[~used.any(1)] = 0
        return hashes


def _patches(sketch: NDArray[np.int8], step: int = 1) -> NDArray[np.float32]:
    """Return every `step`-th patch of a sketch as a row, frame by frame."""
    windows = np.lib.stride_tricks.sliding_window_view(sketch.astype(np.float32), PATCH, axis=0)
    chosen = windows[::step].swapaxes(1, 2)  # a row is consecutive in memory, so it is copied at once
    return chosen.reshape(len(chosen), -1)


def _signed(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return directions, columns, with the sign that makes their largest number positive.

    The sign of an eigenvector differs between libraries.
    """
    largest = np.take_along_axis(directions, np.abs(directions).argmax(0)[None], 0)
    return directions * np.where(largest < 0, -1.0, 1.0)
