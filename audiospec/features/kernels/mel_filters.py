"""The mel filters of a log-mel spectrogram, in numpy: what every backend computes with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiospec.specs.mel import MelSpec

#: The mel scale of the Auditory Toolbox (M. Slaney, 1998): linear up to 1000 Hz, 15 mel; then logarithmic.
_LINEAR, _CORNER_HZ, _LOG_STEP = 200.0 / 3, 1000.0, np.log(6.4) / 27.0
_CORNER_MEL = _CORNER_HZ / _LINEAR


def mel_filters(spec: MelSpec) -> NDArray[np.float32]:
    """Return the mel filters of a spec: the weight of each Fourier bin in each mel bin.

    Those with straight sides over Hz are nnAudio's and librosa's, to the last bit: the order of operations is
    theirs.

    Returns
    -------
    ndarray, shape (n_mels, bins), float32
    """
    # Their last bin is at half the sampling rate; for an odd n_fft it is half a bin lower.
    rate = spec.sample_rate * (1 if spec.n_fft % 2 == 0 else 1 - 1 / spec.n_fft)
    hertz = np.linspace(0, rate / 2, 1 + spec.n_fft // 2)
    edges = _edges(spec)
    height = 2.0 / (edges[2:] - edges[:-2]) if spec.norm == "slaney" else None
    if spec.filter_domain == "mel":
        edges, hertz = _to_mel(edges, spec.mel_scale), _to_mel(hertz, spec.mel_scale)
    steps = np.diff(edges)
    filters = np.empty((spec.n_mels, len(hertz)), np.float32)
    for number, row in enumerate(filters):
        low, _, high = edges[number : number + 3]
        rising, falling = (hertz - low) / steps[number], (high - hertz) / steps[number + 1]
        row[:] = np.maximum(0, np.minimum(rising, falling))
    if height is not None:
        filters *= height[:, None]
    return filters


def _edges(spec: MelSpec) -> NDArray[np.float64]:
    """Return the n_mels + 2 corner frequencies in Hz; `MelSpec.mel_edges` without its rounding."""
    low, high = (float(_to_mel(np.asarray(hertz), spec.mel_scale)) for hertz in (spec.fmin, spec.fmax))
    mel = np.linspace(low, high, spec.n_mels + 2)
    hertz: NDArray[np.float64]
    if spec.mel_scale == "htk":
        hertz = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    else:
        hertz = _LINEAR * mel
        above = mel >= _CORNER_MEL
        hertz[above] = _CORNER_HZ * np.exp(_LOG_STEP * (mel[above] - _CORNER_MEL))
    return hertz


def _to_mel(hertz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))
    above = _CORNER_MEL + np.log(np.maximum(hertz, _CORNER_HZ) / _CORNER_HZ) / _LOG_STEP
    return np.where(hertz < _CORNER_HZ, hertz / _LINEAR, above)


@dataclass(frozen=True, eq=False)
class SparseFilters:
    """Filters without the zeros around their weights.

    Attributes
    ----------
    starts, counts : ndarray, shape (n_mels,), int32
        First bin with a weight in each filter, and number of bins up to the last with one; at least 1.
    weights : ndarray, shape (counts.sum(),), float32
        The weights of those bins, filter after filter.
    """

    starts: NDArray[np.int32]
    counts: NDArray[np.int32]
    weights: NDArray[np.float32]


def sparse(filters: NDArray[np.float32]) -> SparseFilters:
    """Return filters, shape (n_mels, bins), without the zeros around their weights."""
    used = filters != 0
    starts = used.argmax(1)
    ends = filters.shape[1] - used[:, ::-1].argmax(1)
    ends = np.where(used.any(1), ends, starts + 1)
    weights = [row[start:end] for row, start, end in zip(filters, starts, ends, strict=True)]
    return SparseFilters(starts.astype(np.int32), (ends - starts).astype(np.int32), np.concatenate(weights))
