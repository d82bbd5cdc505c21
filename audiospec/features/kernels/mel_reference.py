"""Log-mel spectrograms in float64, in numpy: what the parity figure of every backend is measured against."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.features.kernels.mel_filters import mel_filters
from audiospec.features.kernels.windows import analysis_window, dither, window_start
from audiospec.specs.mel import MelSpec
from audiospec.specs.mel_rules import LEAST_DEVIATION, PER_DECIBEL

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
    return _to_scale(spec, mel_bins(spec, wave))


def mel_bins(spec: MelSpec, wave: NDArray[Any]) -> NDArray[np.float64]:
    """Return the outputs of the mel filters in float64: a spec before its `scale`.

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
    if spec.dither:
        wave = wave + dither(spec, len(wave))
    if spec.center:
        wave = np.pad(wave, spec.n_fft // 2, mode=spec.pad_mode)
    window, filters = analysis_window(spec), mel_filters(spec).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(wave[window_start(spec) :], len(window))
    windows = windows[:: spec.hop_length]
    row = np.empty((mels, frames))
    step = max(1, _BLOCK // spec.n_fft)
    for first in range(0, frames, step):
        block = windows[first : min(first + step, frames)]
        if spec.remove_dc:
            block = block - block.mean(1, keepdims=True)
        if spec.preemphasis:
            block = block - spec.preemphasis * np.concatenate([block[:, :1], block[:, :-1]], 1)
        spectrum = np.fft.rfft(block * window, spec.n_fft)
        power = spectrum.real**2 + spectrum.imag**2
        row[:, first : first + step] = filters @ (power ** (spec.power / 2)).T
    return row


def _to_scale(spec: MelSpec, mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mel bins → the scale of a spec."""
    value = np.maximum(spec.log_gain * mel + spec.log_offset, spec.amin)
    if spec.scale == "linear":
        row = mel
    elif spec.scale == "pcen":
        row = _pcen(spec, mel)
    elif spec.scale == "log1p":
        row = np.log1p(spec.log_gain * mel)
    else:
        row = np.log(value) if spec.scale == "ln" else np.log10(value)
        if spec.scale == "db":
            row = 10 * row
        peak = row.max()
        if spec.top_db is not None:
            row = np.maximum(row, peak - spec.top_db * PER_DECIBEL[spec.scale])
        if spec.ref == "max":
            row = row - peak
        elif spec.scale == "db":
            row = row - 10 * math.log10(max(spec.ref, spec.amin))
    row = (row - spec.mean) / spec.std
    if spec.normalise != "none":
        axes = (0, 1) if spec.normalise == "row" else (1,)
        deviation = np.maximum(row.std(axes, keepdims=True), LEAST_DEVIATION)
        row = (row - row.mean(axes, keepdims=True)) / deviation
    return row


def _pcen(spec: MelSpec, mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per-channel energy normalisation, frame by frame."""
    weight, state = spec.pcen_weight, np.ones(len(mel))
    smooth = np.empty_like(mel)
    for frame in range(mel.shape[1]):
        state = smooth[:, frame] = (1 - weight) * state + weight * mel[:, frame]
    gained = mel / (spec.pcen_eps + smooth) ** spec.pcen_gain
    row: NDArray[np.float64] = (gained + spec.pcen_bias) ** spec.pcen_power - spec.pcen_bias**spec.pcen_power
    return row


def mel_parity(spec: MelSpec, samples: int, compute: Callable[[NDArray[np.float32]], NDArray[Any]]) -> float:
    """Return the largest difference from float64 over bins within 80 dB of the peak, on noise.

    It is in dB, whatever the logarithm. On a scale that is no multiple of decibels (``"log1p"``,
    ``"pcen"``, or a normalised row) it is in the values' own unit.

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
    mel = mel_bins(spec, noise)
    near = mel >= mel.max() * 10**-8
    exact, row = _to_scale(spec, mel), compute(noise).astype(np.float64)
    if spec.scale == "linear" and spec.normalise == "none":
        exact, row = (
            10 * np.log10(np.maximum(value * spec.std + spec.mean, spec.amin)) for value in (exact, row)
        )
    difference = float(np.abs(exact - row)[near].max())
    if spec.normalise == "none" and spec.scale in PER_DECIBEL:
        difference *= spec.std / PER_DECIBEL[spec.scale]
    return difference
