"""Powers to decibels: in torch for frontends, in numpy to measure them by."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from audiospec.specs.decibel_scale import DecibelScale, reference_decibels


def decibels(power: Tensor, amin: float, ref: float | Literal["max"], top_db: float | None) -> Tensor:
    """Return 10 log10(max(power, amin) / ref), cut off at `top_db` below each row's peak.

    Parameters
    ----------
    power : Tensor, shape (B, bins, frames), at least 0
    amin, ref, top_db
        As in the specs of spectrograms. `amin` and `ref` are powers.

    Returns
    -------
    Tensor, shape (B, bins, frames), dB
        Differentiable: the gradient of values below `amin` is 0.
    """
    return relative(10 * power.clamp(min=amin).log10(), amin, ref, top_db)


def relative(values: Tensor, amin: float, ref: float | Literal["max"], top: float | None) -> Tensor:
    """Return logarithms cut off at `top` below each row's peak, relative to `ref`.

    Parameters
    ----------
    values : Tensor, shape (B, bins, frames)
        On a logarithmic scale; in dB unless `ref` is 1.
    amin, ref
        As in `decibels`.
    top : float or None
        In the unit of the values.

    Returns
    -------
    Tensor, shape (B, bins, frames)
    """
    if top is not None or ref == "max":
        peak = values.amax((1, 2), keepdim=True)
        if top is not None:
            values = values.maximum(peak - top)
    if ref == "max":
        return values - peak
    return values if ref == 1 else values - 10 * math.log10(max(ref, amin))


def noise_parity(
    spec: DecibelScale,
    samples: int,
    compute: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    reference: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    factor: int = 10,
) -> float:
    """Return the largest difference in dB from float64, over values within 80 dB of the peak, on noise.

    Parameters
    ----------
    samples : int
        Length of the noise.
    compute : callable
        Wave (samples,) → row, on the spec's scale.
    reference : callable
        Wave (samples,) → row in float64, on the linear scale.
    factor : int
        10 for rows that are powers, 20 for magnitudes.
    """
    noise = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    row: NDArray[Any] = compute(noise)
    exact = factor * np.log10(np.maximum(reference(noise), spec.amin))
    peak = exact.max()
    near = exact >= peak - 80
    if spec.scale == "linear":
        row = factor * np.log10(np.maximum(row, spec.amin))
    else:
        if spec.top_db is not None:
            exact = np.maximum(exact, peak - spec.top_db)
        exact = exact - (peak if spec.ref == "max" else reference_decibels(spec, factor))
    return float(np.abs(exact - row)[near].max())
