"""Gammatone filters over Fourier bins: nnAudio's for torch, and float64 to measure them by."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.features.kernels.windows import hann_window
from audiospec.specs.gammatone import EAR_QUALITY, LEAST_BANDWIDTH, GammatoneSpec

# nnAudio prints a citation reminder on import; the citation is in `GammatoneSpec` and in the README.
os.environ.setdefault("NNAUDIO_DISABLE_CITATION_REMINDER", "1")


def gammatone_filters(spec: GammatoneSpec) -> NDArray[np.float32]:
    """Return nnAudio's gammatone filters of a spec: the weight of each Fourier bin in each bin.

    Returns
    -------
    ndarray, shape (n_bins, n_fft // 2 + 1), float32
    """
    from nnAudio2.librosa_functions import get_gammatone

    weights = get_gammatone(spec.sample_rate, spec.n_fft, spec.n_bins, spec.fmin, spec.highest)
    return np.ascontiguousarray(weights, np.float32)


def exact_filters(spec: GammatoneSpec) -> NDArray[np.float64]:
    """Return the same weights in float64, from the poles and zeros of Slaney's filters.

    A filter is four stages, each with a pair of poles and a zero of its own. Slaney writes its gain at the
    centre as a formula; here it is the response there.
    """
    centres = np.array(spec.frequencies)[:, None]
    angles = 2 * np.pi * centres / spec.sample_rate
    bandwidths = 1.019 * 2 * np.pi * (centres / EAR_QUALITY + LEAST_BANDWIDTH) / spec.sample_rate
    decay = np.exp(-bandwidths)
    poles = decay * np.exp(1j * angles)

    def response(points: NDArray[np.complex128]) -> NDArray[np.float64]:
        stage = 1 / np.abs((points - poles) * (points - poles.conj()))
        magnitude = stage**4
        for sign in (1, -1):
            for root in (math.sqrt(3 + 2**1.5), math.sqrt(3 - 2**1.5)):
                magnitude = magnitude * np.abs(
                    points - decay * (np.cos(angles) + sign * root * np.sin(angles))
                )
        weights: NDArray[np.float64] = magnitude
        return weights

    bins = np.exp(2j * np.pi * np.arange(spec.n_fft // 2 + 1) / spec.n_fft)[None]
    return response(bins) / response(np.exp(1j * angles)) / spec.n_fft


def gammatone_reference(spec: GammatoneSpec, wave: NDArray[Any]) -> NDArray[np.float64]:
    """Compute a spec in float64, on the linear scale.

    Parameters
    ----------
    wave : ndarray, shape (samples,)
        Mono audio at ``spec.sample_rate``.

    Returns
    -------
    ndarray, shape (n_bins, frames), float64
    """
    wave = np.pad(wave.astype(np.float64), spec.n_fft // 2, mode=spec.pad_mode)
    windows = np.lib.stride_tricks.sliding_window_view(wave, spec.n_fft)[:: spec.hop_length]
    spectrum = np.abs(np.fft.rfft(windows * hann_window(spec.n_fft)))
    row: NDArray[np.float64] = exact_filters(spec) @ (spectrum**spec.power).T
    return row
