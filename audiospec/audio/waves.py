"""Waveforms as arrays: mix channels to mono, pad or trim to a length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]


def pad_or_trim(wave: Wave, samples: int) -> Wave:
    """Cut `wave` (n,) or pad its end with zeros, to a shape of (samples,)."""
    if len(wave) >= samples:
        return wave[:samples]
    return np.concatenate([wave, np.zeros(samples - len(wave), np.float32)])


def mix_to_mono(block: NDArray[Any]) -> Wave:
    """Take the mean of a block's channels: (n, channels) int16 or float32 → (n,) float32.

    Channels are added one by one, because numpy's mean takes ten times as long over so short an axis.
    """
    wave: Wave = block[:, 0].astype(np.float32, copy=block.shape[1] > 1)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller checks for an infinite sum
        for channel in range(1, block.shape[1]):
            wave += block[:, channel]
    if block.shape[1] > 1:
        wave /= np.float32(block.shape[1])
    if block.dtype == np.int16:
        wave *= np.float32(1 / 32768)
    return wave
