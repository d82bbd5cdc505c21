"""Chroma filters for any tuning, and the tuning of a chunk, as librosa computes them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from audiospec.specs.tabular import TabularSpec

#: Number of tunings that have chroma filters, from -0.5 to 0.49 pitch classes.
TUNINGS = 100
#: Peaks that determine a chunk's tuning: their range in Hz; their least share of the frame's strongest bin.
PITCHES, PEAK_THRESHOLD = (150.0, 4000.0), 0.1


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


def peak_bins(spec: TabularSpec) -> tuple[int, int]:
    """Return the first bin whose peaks determine a chunk's tuning, and the end; equal if there is none."""
    spacing = spec.sample_rate / spec.n_fft
    low = max(1, math.ceil(PITCHES[0] / spacing))
    high = min(math.ceil(PITCHES[1] / spacing), spec.n_fft // 2)
    return (low, high) if low < high else (1, 1)


def tunings(spec: TabularSpec, chunks: int, row: Tensor, height: Tensor, pitch: Tensor) -> Tensor:
    """Return where in a semitone most spectral peaks of each chunk are.

    Parameters
    ----------
    spec : TabularSpec
    chunks : int
    row, height, pitch : Tensor, shape (peaks,)
        Of each peak the number of its chunk, its height, and its pitch in Hz.

    Returns
    -------
    Tensor, shape (chunks,)
        0 to `TUNINGS` - 1.
    """
    # Keep the peaks that are at least as high as the median of their chunk's peaks.
    order = height.argsort()
    order = order[row[order].argsort(stable=True)]
    counts = row.bincount(minlength=chunks)
    middle = (counts.cumsum(0) - counts)[None] + torch.stack([(counts - 1).clamp(min=0), counts]) // 2
    sorted_heights = pad(height[order], (0, 1))  # a chunk without a peak reads this 0
    median = sorted_heights[middle.clamp(max=len(height))].mean(0)
    high_enough = height >= median[row]
    row, pitch = row[high_enough], pitch[high_enough]
    # The deviation from a pitch class, -0.5 to 0.5, and the mode of its histogram in hundredths.
    away = (spec.n_chroma * (pitch / (440 / 16)).log2()).remainder(1)
    away = torch.where(away >= 0.5, away - 1, away)
    edges = torch.linspace(-0.5, 0.5, TUNINGS + 1, dtype=torch.float64, device=pitch.device)
    place = torch.bucketize(away.double(), edges, right=True).sub_(1).clamp_(0, TUNINGS - 1)
    counts = (row * TUNINGS + place).bincount(minlength=chunks * TUNINGS).view(chunks, TUNINGS)
    return torch.where(counts.any(-1), counts.argmax(-1), TUNINGS // 2)
