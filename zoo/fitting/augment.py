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
        if share and (hidden := bands(rows, share, axis)) is not None:
            rows = hide(rows, hidden, axis)
            if axis == 2 and targets.ndim == 3:
                targets = ignore(targets, hidden)
    if settings.mixup and len(rows) > 1:
        rows, targets = mix(rows, targets, settings.mixup)
    return rows, targets


def bands(rows: Tensor, share: float, axis: int) -> Tensor | None:
    """Draw a band of each row to hide (D. S. Park et al., *SpecAugment*, Interspeech 2019).

    Parameters
    ----------
    rows : Tensor, shape (B, mel, frame)
    share : float
        Largest share of the axis that is hidden, 0 to 1; the band's width and place are random.
    axis : int
        1: mel bins. 2: frames.

    Returns
    -------
    Tensor of bool, shape (B, mel) or (B, frame), or None
        Whether each bin or frame is hidden. None: the share is less than half of one.
    """
    count = rows.shape[axis]
    widest = round(share * count)
    if not widest:
        return None
    # The draws, their order and their type are those of torchaudio's `mask_along_axis_iid`. Any other would
    # train other weights from the same seed.
    width = torch.rand((len(rows), 1), device=rows.device, dtype=rows.dtype) * widest
    first = torch.rand((len(rows), 1), device=rows.device, dtype=rows.dtype) * (count - width)
    start = first.long()
    index = torch.arange(count, device=rows.device, dtype=rows.dtype)
    return (index >= start) & (index < start + width.long())


def hide(rows: Tensor, hidden: Tensor, axis: int) -> Tensor:
    """Hide bands of rows, which `bands` drew for the axis.

    Hidden values become the mean of all rows, not 0: in decibels, 0 is the loudest sound.
    """
    return torch.where(hidden.unsqueeze(3 - axis), rows.mean(), rows)


def ignore(targets: Tensor, hidden: Tensor) -> Tensor:
    """Let the targets of hidden frames not count.

    A network that had to predict an event which it cannot hear would learn to predict events in silence.

    Parameters
    ----------
    targets : Tensor of float32, shape (B, frames, classes)
        Of a network's output, which may have fewer frames than the rows.
    hidden : Tensor of bool, shape (B, frame)

    Returns
    -------
    Tensor
        The targets, NaN where more than half of an output's frame is hidden.
    """
    shares = torch.nn.functional.adaptive_avg_pool1d(hidden.float(), targets.shape[1])
    return targets.masked_fill((shares > 0.5).unsqueeze(2), float("nan"))


def mix(rows: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Mix each row and its target with those of another row (H. Zhang et al., *mixup*, ICLR 2018).

    Parameters
    ----------
    rows : Tensor, shape (B, mel, frame)
    targets : Tensor, shape (B, classes) or (B, frames, classes)
        What is NaN in one of two targets is NaN in their mixture.
    alpha : float
        The other row's share is drawn from Beta(alpha, alpha), once per batch.
    """
    # Drawn on the CPU, so that the same seed gives the same draws on every device.
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(rows)).to(rows.device)
    return rows.lerp(rows[other], share), targets.lerp(targets[other], share)
