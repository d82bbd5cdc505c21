"""Chroma filters for any tuning, as librosa computes them."""

from __future__ import annotations

import torch
from torch import Tensor

from audiospec.specs.tabular import TabularSpec

#: Number of tunings that have chroma filters, from -0.5 to 0.49 pitch classes.
TUNINGS = 100


def chroma_filters(spec: TabularSpec) -> Tensor:
    """Return a spec's chroma filters for each tuning.

    They follow D. Ellis, *Chroma feature analysis and synthesis*, 2007: Gaussians over the pitch of a Fourier
    bin, in pitch classes from A. A bin's weights have norm 1, times a Gaussian over octaves that favours the
    middle of the keyboard. The first filter is C.

    Returns
    -------
    Tensor, shape (TUNINGS, n_chroma, bins), float32
    """
    count, bins = spec.n_chroma, spec.n_fft // 2 + 1
    tuning = torch.arange(TUNINGS, dtype=torch.float64)[:, None] / TUNINGS - 0.5
    a0 = 440 / 16 * 2 ** (tuning / count)
    hertz = torch.arange(1, bins + 1, dtype=torch.float64) * spec.sample_rate / spec.n_fft
    pitch = count * (hertz / a0).log2()
    # 0 Hz gets a pitch far below the others, and so a wide bin.
    pitch = torch.cat([pitch[:, :1] - 1.5 * count, pitch], dim=1)
    width = pitch.diff(dim=1).clamp(min=1)[:, None]
    pitch = pitch[:, None, :bins]
    half = round(count / 2)
    away = (pitch - torch.arange(count, dtype=torch.float64)[:, None] + half).remainder(count) - half
    weights = torch.exp(-0.5 * (2 * away / width).square())
    weights /= weights.square().sum(1, keepdim=True).sqrt()
    weights *= torch.exp(-0.5 * ((pitch / count - 5) / 2).square())
    return weights.roll(-3 * (count // 12), dims=1).float()
