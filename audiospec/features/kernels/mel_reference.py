"""Log-mel spectrograms in float64, in numpy: what the parity figure of every backend is measured against."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.features.kernels.mel_filters import hann_window, mel_filters
from audiospec.specs.mel import MelSpec

#: Samples that are transformed at once.
_BLOCK = 1 << 20


def mel_reference(spec: MelSpec, wave: NDArray[Any]) -> NDArray[np.float64]:
    """Compute a spec in float64.

    Parameters
    ----------
    wave : ndarray, shape (samples,)
        Mono audio at ``spec.sample_rate``.

    Returns
    -------
    ndarray, shape (n_mels, frames), float64
    """
    wave = wave.astype(np.float64)
    mels, frames = spec.row_shape(len(wave))
    if spec.center:
        wave = np.pad(wave, spec.n_fft // 2, mode=spec.pad_mode)
    window, filters = hann_window(spec.n_fft), mel_filters(spec).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(wave, spec.n_fft)[:: spec.hop_length]
    row = np.empty((mels, frames))
    step = max(1, _BLOCK // spec.n_fft)
    for first in range(0, frames, step):
        spectrum = np.fft.rfft(windows[first : first + step] * window)
        power = spectrum.real**2 + spectrum.imag**2
        row[:, first : first + step] = filters @ (power ** (spec.power / 2)).T
    if spec.scale == "linear":
        return row
    row = 10 * np.log10(np.maximum(row, spec.amin))
    peak = row.max()
    if spec.top_db is not None:
        row = np.maximum(row, peak - spec.top_db)
    return row - (peak if spec.ref == "max" else 10 * math.log10(max(spec.ref, spec.amin)))


def mel_parity(spec: MelSpec, samples: int, compute: Callable[[NDArray[np.float32]], NDArray[Any]]) -> float:
    """Return the largest difference in dB from float64, over bins within 80 dB of the peak, on noise.

    Parameters
    ----------
    samples : int
        Length of a chunk; at most two seconds of noise, or two windows, are used.
    compute : callable
        Wave (samples,), float32 → row (n_mels, frames).
    """
    samples = min(samples, max(2 * spec.sample_rate, 2 * spec.n_fft))
    # Uniform, as loud as normal noise with a deviation of 0.1. The standard library's generator is the same
    # on every machine, and numpy's takes longer to import than this to run.
    whole = np.frombuffer(Random(0).randbytes(2 * samples), "<i2")  # noqa: S311 - no secret
    noise = (whole * np.float32(0.1 * math.sqrt(3) / 2**15)).astype(np.float32)
    exact = mel_reference(spec, noise)
    row = compute(noise).astype(np.float64)
    if spec.scale == "linear":
        exact, row = (10 * np.log10(np.maximum(value, spec.amin)) for value in (exact, row))
    near = exact >= exact.max() - 80
    return float(np.abs(exact - row)[near].max())
