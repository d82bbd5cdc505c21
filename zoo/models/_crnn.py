"""Convolutions over mel and time, then recurrent layers over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Block:
    """One convolution: its filters, and what is pooled after it, over mel and over time."""

    filters: int
    pool: tuple[int, int]


class Crnn(nn.Module):
    """Rows (B, mel, frame) → logits (B, classes).

    Batch normalisation over the mel bins; blocks of convolution 3 × 3, ELU, batch normalisation, max pooling,
    dropout; then two GRU layers of 32 units, dropout 0.3, and a dense layer. K. Nasrullah and Y. Zhao, *Music
    artist classification with convolutional recurrent neural networks*, IJCNN 2019.

    Pools keep what is left over at the end, so any number of mel bins and frames will do: of 192 bins, the
    paper's four pools leave one and a half rows, and the half, bins 128 to 191, counts.
    """

    def __init__(
        self, mels: int, blocks: Sequence[Block], classes: int, *, dropout: float, units: int = 32
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(mels)
        layers: list[nn.Module] = []
        channels = 1
        for block in blocks:
            layers += [
                nn.Conv2d(channels, block.filters, 3, padding=1),
                nn.ELU(),
                nn.BatchNorm2d(block.filters),
                nn.MaxPool2d(block.pool, ceil_mode=True),
                nn.Dropout(dropout),
            ]
            channels = block.filters
            mels = -(-mels // block.pool[0])
        self.convolutions = nn.Sequential(*layers)
        self.recurrent = nn.GRU(channels * mels, units, num_layers=2, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(units, classes))

    def forward(self, rows: Tensor) -> Tensor:
        """Logits of rows."""
        found = self.convolutions(self.norm(rows).unsqueeze(1))  # (B, filters, mel, time)
        sequence, _ = self.recurrent(found.permute(0, 3, 1, 2).flatten(2))
        logits: Tensor = self.head(sequence[:, -1])
        return logits
