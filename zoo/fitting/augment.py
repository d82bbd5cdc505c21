"""Augmentation of batches: SpecAugment masks and mixup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from audiospec.zoo.fitting.settings import NetworkSettings


def augment(rows: Tensor, targets: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    """SpecAugment's masks, then mixup."""
    for share, axis in ((settings.mask_mel, 1), (settings.mask_time, 2)):
        if share:
            rows = mask(rows, share, axis)
    if settings.mixup and len(rows) > 1:
        rows, targets = mix(rows, targets, settings.mixup)
    return rows, targets


def mask(rows: Tensor, share: float, axis: int) -> Tensor:
    """Hide a band of each row: D. S. Park et al., *SpecAugment*, Interspeech 2019.

    Parameters
    ----------
    rows : Tensor, shape (B, mel, frame)
    share : float
        Largest share of the axis that is hidden, 0 to 1; how much, and where, is random.
    axis : int
        1: mel bins. 2: frames.

    Returns
    -------
    Tensor
        With the mean of the rows where something is hidden: 0 dB would be the loudest of sounds.
    """
    count = rows.shape[axis]
    widest = round(share * count)
    if not widest:
        return rows
    # The draws, their order and their type are those of torchaudio's `mask_along_axis_iid`: other ones would
    # train other weights from the same seed.
    width = torch.rand((len(rows), 1), device=rows.device, dtype=rows.dtype) * widest
    first = torch.rand((len(rows), 1), device=rows.device, dtype=rows.dtype) * (count - width)
    start = first.long()
    place = torch.arange(count, device=rows.device, dtype=rows.dtype)
    hidden = (place >= start) & (place < start + width.long())
    return torch.where(hidden.unsqueeze(3 - axis), rows.mean(), rows)


def mix(rows: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Mix each row, and its target, with another's: H. Zhang et al., *mixup*, ICLR 2018.

    Parameters
    ----------
    rows : Tensor, shape (B, mel, frame)
    targets : Tensor, shape (B, classes)
    alpha : float
        The share is drawn from Beta(alpha, alpha), once a batch.
    """
    # Drawn on the CPU, so that it follows from the seed on every device.
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(rows)).to(rows.device)
    return rows.lerp(rows[other], share), targets.lerp(targets[other], share)
