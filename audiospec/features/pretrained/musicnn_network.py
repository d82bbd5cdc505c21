"""musicnn, the network: musically motivated convolutions, dense connections, pools over time, tags.

Source: J. Pons and X. Serra, *musicnn: pre-trained convolutional neural networks for music audio tagging*,
2019, arXiv:1909.06654, and the layers of version 0.1.0 as published. Batch normalisation follows ReLU.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import batch_norm, pad

from audiospec.specs.musicnn import PENULTIMATE

#: TensorFlow's constant in the denominator of batch normalisation.
EPSILON = 1e-3
#: Kernels in frames of the convolutions over time, and filters of all layers of the front.
TEMPORAL, TIMBRAL_FILTERS, TEMPORAL_FILTERS = (128, 64, 32), 204, 51
MIDDLE_FILTERS = 64


class Musicnn(nn.Module):
    """Maps rows (B, mel, frame) to the output of the layer before the last (B, 200).

    The number of frames is free, because the network pools over time. Tags are logits of a dense layer after
    it.

    Parameters
    ----------
    mels : int
        Bins of a row; the pretrained weights are for 96.
    """

    def __init__(self, mels: int = 96) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=EPSILON)
        heights = [max(1, int(share * mels)) for share in (0.4, 0.7)]
        self.timbral = nn.ModuleList(_Front((height, 7), TIMBRAL_FILTERS) for height in heights)
        self.temporal = nn.ModuleList(_Front((1, frames), TEMPORAL_FILTERS) for frames in TEMPORAL)
        width = 2 * TIMBRAL_FILTERS + len(TEMPORAL) * TEMPORAL_FILTERS
        self.middle = nn.ModuleList(_Middle(rows) for rows in (width, MIDDLE_FILTERS, MIDDLE_FILTERS))
        pooled = 2 * (width + len(self.middle) * MIDDLE_FILTERS)
        self.pooled_norm = _RowNorm(pooled, eps=EPSILON)
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(pooled, PENULTIMATE)
        self.dense_norm = _RowNorm(PENULTIMATE, eps=EPSILON)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the embeddings (B, 200) of rows (B, mel, frame)."""
        maps = self.norm(rows.unsqueeze(1))
        front = torch.cat([layer(maps) for layer in (*self.timbral, *self.temporal)], dim=1)
        first, second, third = self.middle
        one = first(front)
        two = one + second(one)
        three = two + third(two)
        layers = torch.cat([front, one, two, three], dim=1)
        pooled = torch.stack([layers.amax(2), layers.mean(2)], dim=2).flatten(1)  # maximum, mean, maximum, …
        embeddings: Tensor = self.dense_norm(self.dense(self.dropout(self.pooled_norm(pooled))).relu())
        return embeddings


class _Front(nn.Module):
    """Maps (B, 1, mel, frame) to (B, filters, frame): a convolution, then its maximum over mel."""

    def __init__(self, kernel: tuple[int, int], filters: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, filters, kernel)
        self.norm = nn.BatchNorm2d(filters, eps=EPSILON)
        # Frames stay as many; an even kernel pads one more after them.
        self.padding = ((kernel[1] - 1) // 2, kernel[1] // 2)

    def forward(self, maps: Tensor) -> Tensor:
        highest: Tensor = self.norm(self.convolution(pad(maps, self.padding)).relu()).amax(2)
        return highest


class _Middle(nn.Module):
    """Maps (B, rows, frame) to (B, 64, frame): a convolution over all rows and seven frames."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(rows, MIDDLE_FILTERS, 7, padding=3)
        self.norm = nn.BatchNorm1d(MIDDLE_FILTERS, eps=EPSILON)

    def forward(self, rows: Tensor) -> Tensor:
        normal: Tensor = self.norm(self.convolution(rows).relu())
        return normal


class _RowNorm(nn.BatchNorm1d):
    """Batch normalisation of (B, values); in training, a batch of one row has no variance of its own."""

    def forward(self, rows: Tensor) -> Tensor:
        if not self.training or len(rows) > 1:
            return super().forward(rows)
        return batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def tensors(weights: Mapping[str, NDArray[np.float32]], prefix: str = "") -> dict[str, Tensor]:
    """Return weights as a state_dict: those whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): torch.from_numpy(values.copy())
        for name, values in weights.items()
        if name.startswith(prefix)
    }
