"""Waveforms as arrays: mix channels to mono, pad or trim to a length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.compiled.library import library

Wave = NDArray[np.float32]


def pad_or_trim(wave: Wave, samples: int) -> Wave:
    """Cut `wave` (n,) or pad its end with zeros, to a shape of (samples,)."""
    if len(wave) >= samples:
        return wave[:samples]
    return np.concatenate([wave, np.zeros(samples - len(wave), np.float32)])


def mix_to_mono(block: NDArray[Any]) -> Wave:
    """Take the mean of a block's channels: (n, channels) int16 or float32 → (n,) float32."""
    if block.dtype == np.float32 and block.shape[1] == 1:
        return block[:, 0]
    native = library()
    if native is None or not block.flags.c_contiguous:
        return _mix_by_numpy(block)
    wave = np.empty(len(block), np.float32)
    native.mix_to_mono(block, block.shape[1], wave)
    return wave


def _mix_by_numpy(block: NDArray[Any]) -> Wave:
    """Do the same, where there is no compiled module or a single channel is picked.

    Channels are added one by one, because numpy's mean takes ten times as long over so short an axis.
    """
    wave: Wave = block[:, 0].astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller checks for an infinite sum
        for channel in range(1, block.shape[1]):
            wave += block[:, channel]
    if block.shape[1] > 1:
        wave /= np.float32(block.shape[1])
    if block.dtype == np.int16:
        wave *= np.float32(1 / 32768)
    return wave
