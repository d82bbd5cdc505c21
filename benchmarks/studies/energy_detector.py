"""Energy detector: events by level alone, without a class; what a detector has to be better than."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import percentile_filter

FRAME = 0.04
"""Seconds over which a level is measured."""

HOP = 0.01
"""Seconds from one level to the next."""

_SILENCE = 1e-10  # power that no 16-bit recording reaches but digital silence


def energy_events(
    wave: npt.NDArray[np.floating],
    rate: int,
    *,
    threshold: float = 6.0,
    window: float = 5.0,
    share: float = 25.0,
    gap: float = 0.15,
    least: float = 0.1,
) -> list[tuple[float, float]]:
    """Find the stretches of a recording that are louder than its background.

    The background's level at a time is a low percentile of the levels around it, so it follows a background
    that slowly changes. An event that is longer than most of the window is taken for background.

    Parameters
    ----------
    wave : ndarray of float, shape (samples,)
        From -1 to 1.
    rate : int
        Sample rate in Hz.
    threshold : float
        Level of an event above the background, in dB; above 0.
    window : float
        Seconds around a time that the background's level is of.
    share : float
        Percentile of the levels that is the background's, 0 to 100.
    gap : float
        Longest pause within an event, in seconds.
    least : float
        Shortest event in seconds.

    Returns
    -------
    list of (float, float)
        Onset and offset in seconds, in order, without overlap.
    """
    hop, frame = max(1, round(HOP * rate)), max(1, round(FRAME * rate))
    if len(wave) < frame:
        return []
    sums = np.concatenate(([0.0], np.cumsum(np.square(wave, dtype=np.float64))))
    starts = np.arange(0, len(wave) - frame + 1, hop)
    level = 10 * np.log10(np.maximum((sums[starts + frame] - sums[starts]) / frame, _SILENCE))
    floor = percentile_filter(level, share, size=max(1, round(window / HOP)), mode="nearest")
    changes = np.flatnonzero(np.diff(np.concatenate(([False], level > floor + threshold, [False]))))
    middle = (frame - hop) / 2  # a level is that of the middle `hop` samples of its frame
    events: list[tuple[float, float]] = []
    for first, stop in changes.reshape(-1, 2):
        onset, offset = ((number * hop + middle) / rate for number in (first, stop))
        if events and onset - events[-1][1] <= gap:
            onset = events.pop()[0]
        events.append((float(onset), float(offset)))
    return [(onset, offset) for onset, offset in events if offset - onset >= least]
