"""Windows of frames, and the noise of dithering, in numpy: what every backend computes with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiospec.specs.mel import MelSpec

#: Transforms that the kernel of backend `fused` computes, in samples. Longer ones do not fit in registers.
FUSED_SIZES = (64, 128, 256, 512, 1024, 2048, 4096)


def hann_window(samples: int) -> NDArray[np.float64]:
    """Return the periodic Hann window.

    Returns
    -------
    ndarray, shape (samples,), float64
    """
    return _cosines(samples, samples, 0.5, 0.5, 0.0)


def analysis_window(spec: MelSpec) -> NDArray[np.float64]:
    """Return the window of a spec, multiplied by its `gain`.

    Returns
    -------
    ndarray, shape (spec.window_samples,), float64
    """
    samples = spec.window_samples
    period = samples if spec.periodic else samples - 1
    if spec.window == "rectangular":
        window = np.ones(samples)
    elif spec.window == "hamming":
        window = _cosines(samples, period, 0.54, 0.46, 0.0)
    elif spec.window == "blackman":
        window = _cosines(samples, period, 0.42, 0.5, 0.08)
    else:
        window = _cosines(samples, period, 0.5, 0.5, 0.0)
        if spec.window == "povey":
            window = np.maximum(window, 0) ** 0.85
    return window * spec.gain


def centred_window(spec: MelSpec) -> NDArray[np.float64]:
    """Return `analysis_window` in the middle of zeros.

    Returns
    -------
    ndarray, shape (spec.n_fft,), float64
    """
    window = np.zeros(spec.n_fft)
    before = window_start(spec)
    window[before : before + spec.window_samples] = analysis_window(spec)
    return window


def window_start(spec: MelSpec) -> int:
    """Return how many of the `n_fft` samples of a frame are before its window: as in librosa and torch."""
    return (spec.n_fft - spec.window_samples) // 2 if spec.center else 0


def dither(spec: MelSpec, samples: int) -> NDArray[np.float32]:
    """Return the noise that is added to a chunk before it is multiplied by `gain`.

    Returns
    -------
    ndarray, shape (samples,), float32
    """
    # The only generator of numpy whose numbers are the same in every version.
    noise = np.random.RandomState(0).standard_normal(samples)
    dithering: NDArray[np.float32] = (noise * (spec.dither / spec.gain)).astype(np.float32)
    return dithering


def _cosines(samples: int, period: int, first: float, second: float, third: float) -> NDArray[np.float64]:
    """Return a sum of cosines: first - second cos(2πn / period) + third cos(4πn / period)."""
    phase = 2 * np.pi * np.arange(samples) / period
    window: NDArray[np.float64] = first - second * np.cos(phase)
    if third:
        window += third * np.cos(2 * phase)
    return window


def reason_not_plain(spec: MelSpec) -> str:
    """Return why a spec is more than window, transform, filters and decibels, such as a field; ``""`` if not.

    The backends `native` and `fused` compute those alone; the window, its length in the middle of a frame,
    the `gain` and the filters are tables that they take.
    """
    plain = {
        "dither": 0,
        "remove_dc": False,
        "preemphasis": 0,
        "log_gain": 1,
        "log_offset": 0,
        "drop_last": False,
        "mean": 0,
        "std": 1,
        "normalise": "none",
    }
    if spec.scale not in ("db", "linear"):
        return f"scale must be db or linear; got {spec.scale}"
    if not spec.center and spec.window_samples != spec.n_fft:
        return f"win_length must be n_fft if center=False; got {spec.window_samples}"
    for name, value in plain.items():
        if getattr(spec, name) != value:
            return f"{name} must be {value}; got {getattr(spec, name)}"
    return ""


def reason_not_fused(spec: MelSpec) -> str:
    """Return why the kernel of backend `fused` cannot compute a spec on any machine; ``""`` if it can."""
    if spec.n_fft not in FUSED_SIZES:
        return f"n_fft must be a power of 2 from {FUSED_SIZES[0]} to {FUSED_SIZES[-1]}; got {spec.n_fft}"
    return reason_not_plain(spec)
