"""Wavelets of constant-Q and variable-Q transforms: nnAudio's for torch, and float64 to measure them by."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.specs.cqt import CqtSpec

# nnAudio prints a citation reminder on import; the citation is in `CqtSpec` and in the README.
os.environ.setdefault("NNAUDIO_DISABLE_CITATION_REMINDER", "1")


def wavelets(spec: CqtSpec) -> NDArray[np.float32]:
    """Return nnAudio's wavelets of a spec, each centred in the length of the longest.

    Returns
    -------
    ndarray, shape (2 n_bins, 2 ⌈longest / 2⌉), float32
        Real parts of all bins, then imaginary parts.
    """
    from nnAudio2.utils import create_cqt_kernels

    # nnAudio's bandwidth is r - 1, that of the next bin; librosa's, which the spec has, is in the middle.
    alpha = 2.0 ** (1 / spec.bins_per_octave) - 1
    kernels, width, _, _ = create_cqt_kernels(
        spec.quality,
        spec.sample_rate,
        spec.fmin,
        spec.n_bins,
        spec.bins_per_octave,
        norm=1,
        gamma=spec.offset * alpha / spec.alpha,
    )
    half = (spec.lengths[0] + 1) // 2  # nnAudio pads with zeros to a power of two
    kernels = kernels[:, width // 2 - half : width // 2 + half]
    return np.concatenate([kernels.real, kernels.imag]).astype(np.float32)


def magnitudes(spec: CqtSpec, wave: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the magnitudes of a spec in float64, from its definition.

    Parameters
    ----------
    wave : ndarray, shape (samples,)
        Mono audio at ``spec.sample_rate``.

    Returns
    -------
    ndarray, shape (n_bins, frames), float64
    """
    bins, frames = spec.row_shape(len(wave))
    reach = (spec.lengths[0] + 1) // 2
    wave = np.pad(wave.astype(np.float64), reach, mode=spec.pad_mode)
    rows = np.empty((bins, frames))
    for row, hertz, length in zip(rows, spec.frequencies, spec.lengths, strict=True):
        before = (length + 1) // 2
        phase = 2 * np.pi * hertz / spec.sample_rate * (np.arange(length) - before)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        wavelet = window / window.sum() * np.exp(-1j * phase)
        windows = np.lib.stride_tricks.sliding_window_view(wave[reach - before :], length)
        row[:] = math.sqrt(length) * np.abs(windows[:: spec.hop_length][:frames] @ wavelet)
    return rows
