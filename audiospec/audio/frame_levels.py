"""Sums, extremes and clipped samples of frames of sound: in C, or by numpy where that is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiospec.compiled.library import library

#: Samples from here to 1 are at full scale: the largest of 16 bits. Those beyond are not cut off.
FULL_SCALE = 32767 / 32768
#: Fewest samples of a run that is clipped.
LEAST_RUN = 3
#: What the sample before a run at a channel's own extreme is lower by at least: a share of it, and 4 steps of
#: 16 bits.
EDGE_SHARE, EDGE_STEP = 1 / 64, 2.0**-13


def no_clipping(channels: int) -> NDArray[np.float64]:
    """Return the clipping of channels before their first sample; see `frame_levels`."""
    return np.tile([-np.inf, 0, np.inf, 0, 0], (channels, 1))


def frame_levels(frames: NDArray[np.float32], clipping: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure frames.

    Parameters
    ----------
    frames : ndarray of float32, shape (n, samples, channels)
        C-contiguous and finite.
    clipping : ndarray of float64, shape (channels, 5)
        Of each channel so far, changed in place: its highest sample, and how many samples are in clipped runs
        there; its lowest, and how many there; and how many are in runs at full scale.

    Returns
    -------
    ndarray of float64, shape (n, channels, 5)
        Of each frame and channel: sum, sum of squares, sum of products with the first channel, lowest and
        highest sample. Sums of 16-bit samples are exact; others are rounded, in C and numpy differently.
    """
    native = library()
    if native is None or not hasattr(native, "frame_levels"):  # of an earlier build
        return _by_numpy(frames, clipping)
    out = np.empty((len(frames), frames.shape[2], 5))
    native.frame_levels(frames, frames.shape[1], frames.shape[2], out, clipping, "")
    return out


def _by_numpy(frames: NDArray[np.float32], clipping: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.empty((len(frames), frames.shape[2], 5))
    # Channel by channel in memory, so that a frame's sum does not depend on how many frames there are.
    values = np.ascontiguousarray(frames.transpose(0, 2, 1), dtype=np.float64)
    with np.errstate(invalid="ignore"):  # the caller sees an infinite sum
        out[:, :, 0] = values.sum(axis=2)
        out[:, :, 1] = (values * values).sum(axis=2)
        out[:, :, 2] = (values * values[:, :1]).sum(axis=2)
    out[:, :, 3] = low = values.min(axis=2)
    out[:, :, 4] = high = values.max(axis=2)
    for channel, state in enumerate(clipping):
        for sign, extreme, place in ((1.0, high[:, channel], 0), (-1.0, -low[:, channel], 2)):
            _add_runs(sign * values[:, channel], extreme, state, place, sign)
    return out


def _add_runs(
    values: NDArray[np.float64],
    highest: NDArray[np.float64],
    state: NDArray[np.float64],
    place: int,
    sign: float,
) -> None:
    """Add the clipped samples of one channel (frames, samples), turned so that its extreme is the highest."""
    top = float(highest.max())
    full = values[highest >= FULL_SCALE]
    if len(full):
        starts, lengths = _runs((full >= FULL_SCALE) & (full <= 1))
        state[4] += lengths[lengths >= LEAST_RUN].sum()
    if top < sign * state[place]:
        return
    if top > sign * state[place]:
        state[place], state[place + 1] = sign * top, 0
    at_top = values[highest == top]
    starts, lengths = _runs(at_top == top)
    flat = at_top.ravel()
    # The sample before a run; a run that a frame begins with has none there.
    before = np.where(starts % values.shape[1] > 0, flat[starts - 1], np.inf)
    cut = (lengths >= LEAST_RUN) & (top - before > max(top * EDGE_SHARE, EDGE_STEP))
    state[place + 1] += lengths[cut].sum()


def _runs(is_in: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where runs of True along the last axis begin in the flat array, and their lengths."""
    padded = np.zeros((is_in.shape[0], is_in.shape[1] + 2), np.int8)
    padded[:, 1:-1] = is_in
    edges = np.diff(padded, axis=1)
    row, column = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    return row * is_in.shape[1] + column, end - column
