"""Augmentation of batches: SpecAugment masks and mixup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from audiospec.zoo.fitting.settings import NetworkSettings


def augment(rows: Tensor, targets: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    """Return a batch after SpecAugment's masks and mixup, as far as the settings choose them."""
    for share, axis in ((settings.mask_mel, 1), (settings.mask_time, 2)):
        if share:
            rows = mask(rows, share, axis)
    if settings.mixup and len(rows) > 1:
        rows, targets = mix(rows, targets, settings.mixup)
    return rows, targets


def mask(rows: Tensor, share: float, axis: int) -> Tensor:
    """Hide one band of each row (D. S. Park et al., *SpecAugment*, Interspeech 2019).

    Parameters
    ----------
    rows : Tensor, shape (B, mel, frame)
    share : float
        Largest share of the axis that is hidden, 0 to 1; the band's width and place are random.
    axis : int
        1: mel bins. 2: frames.

    Returns
    -------
    Tensor
        The rows. Hidden values are the mean of all rows, not 0: in decibels, 0 is the loudest sound.
    """
    count = rows.shape[axis]
    widest = round(share * count)
    if not widest:
        return rows
    # The draws, their order and their type are those of torchaudio's `mask_along_axis_iid`. Any other would
    # train other weights from the same seed.
    width = torch.rand((len(rows), 1), device=rows.device, dtype=rows.dtype) * widest
    first = torch.rand((len(rows), 1), device=rows.device, dtype=rows.dtype) * (count - width)
    start = first.long()
    index = torch.arange(count, device=rows.device, dtype=rows.dtype)
    hidden = (index >= start) & (index < start + width.long())
    return torch.where(hidden.unsqueeze(3 - axis), rows.mean(), rows)


def mix(rows: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Mix each row and its target with those of another row (H. Zhang et al., *mixup*, ICLR 2018).

    Parameters
    ----------
    rows : Tensor, shape (B, mel, frame)
    targets : Tensor, shape (B, classes)
    alpha : float
        The other row's share is drawn from Beta(alpha, alpha), once per batch.
    """
    # Drawn on the CPU, so that the same seed gives the same draws on every device.
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(rows)).to(rows.device)
    return rows.lerp(rows[other], share), targets.lerp(targets[other], share)
