"""From mel bins to the scale of a spec, in torch: logarithms, PCEN, limits, constants, normalisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from audiospec.features.kernels.decibels import relative
from audiospec.specs.mel import MelSpec
from audiospec.specs.mel_rules import LEAST_DEVIATION, PER_DECIBEL

#: Frames that the low-pass filter of PCEN smooths in one matrix product.
_BLOCK = 128


def to_scale(spec: MelSpec, mel: Tensor) -> Tensor:
    """Return mel bins on the scale of a spec; in place unless a gradient is needed.

    Parameters
    ----------
    mel : Tensor, shape (B, n_mels, frames)
        Overwritten if no gradient is needed.

    Returns
    -------
    Tensor, shape (B, n_mels, frames)
    """
    if _one_by_one(spec, mel) and len(mel) > 1:
        return torch.cat([to_scale(spec, row) for row in torch.split(mel, 1)])
    if spec.scale == "pcen":
        return finish(spec, _pcen(spec, mel))
    if spec.log_gain != 1:
        mel = mel * spec.log_gain
    if spec.scale == "log1p":
        return finish(spec, mel.log1p())
    if spec.log_offset:
        mel = mel + spec.log_offset
    if spec.scale == "linear":
        return finish(spec, mel)
    if spec.scale == "ln":
        return finish(spec, mel.clamp(min=spec.amin).log())
    logarithm = mel.clamp(min=spec.amin).log10() if mel.requires_grad else mel.clamp_(min=spec.amin).log10_()
    if spec.scale == "log10":
        return finish(spec, logarithm)
    return finish(spec, 10 * logarithm if mel.requires_grad else logarithm.mul_(10))


def _one_by_one(spec: MelSpec, mel: Tensor) -> bool:
    """Whether rows are computed one by one: the rounding of sums depends on the batch, and rows must not."""
    sums = spec.scale == "pcen" or spec.normalise != "none"
    return sums and mel.device.type == "cpu" and not torch.compiler.is_compiling()


def finish(spec: MelSpec, rows: Tensor) -> Tensor:
    """Return rows on a spec's scale, relative to 1, after `top_db`, `ref`, constants and normalisation."""
    if spec.scale in PER_DECIBEL:
        top = None if spec.top_db is None else spec.top_db * PER_DECIBEL[spec.scale]
        rows = relative(rows, spec.amin, spec.ref, top)
    if spec.mean != 0 or spec.std != 1:
        rows = (rows - spec.mean) / spec.std
    if spec.normalise != "none":
        axes = (1, 2) if spec.normalise == "row" else (2,)
        deviation = rows.std(axes, correction=0, keepdim=True).clamp(min=LEAST_DEVIATION)
        rows = (rows - rows.mean(axes, keepdim=True)) / deviation
    return rows


def _pcen(spec: MelSpec, mel: Tensor) -> Tensor:
    """Per-channel energy normalisation of mel bins, as librosa's `pcen` computes it."""
    smooth = _smoothed(mel, spec.pcen_weight)
    gain = torch.exp(-spec.pcen_gain * (math.log(spec.pcen_eps) + torch.log1p(smooth / spec.pcen_eps)))
    power = spec.pcen_power
    rows: Tensor = spec.pcen_bias**power * torch.expm1(power * torch.log1p(mel * gain / spec.pcen_bias))
    return rows


def _smoothed(mel: Tensor, weight: float) -> Tensor:
    """Return M[t] = (1 - weight) M[t - 1] + weight mel[t] along frames, with M[-1] = 1.

    A block of frames is one product with a triangular matrix: a loop over frames would be as many kernels.
    """
    # An exported graph has any number of frames, and no loop over blocks of them.
    size = mel.shape[2] if torch.compiler.is_compiling() else min(_BLOCK, mel.shape[2])
    steps = torch.arange(size, device=mel.device)
    keep = torch.tensor(1 - weight, dtype=torch.float64, device=mel.device)
    lags = steps[:, None] - steps
    past = torch.where(lags >= 0, weight * keep ** lags.clamp(min=0), 0.0).to(mel.dtype)
    before = (keep ** (steps + 1)).to(mel.dtype)
    if torch.compiler.is_compiling():
        return mel @ past.T + before
    state = mel.new_ones(*mel.shape[:2], 1)
    blocks = []
    for block in torch.split(mel, _BLOCK, dim=2):
        count = block.shape[2]
        blocks.append(block @ past[:count, :count].T + state * before[:count])
        state = blocks[-1][:, :, -1:]
    return torch.cat(blocks, dim=2)
