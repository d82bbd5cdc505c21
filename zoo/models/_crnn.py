"""Convolutions over mel and time, then recurrent layers over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.network import NetworkModel


@dataclass(frozen=True)
class Block:
    """One convolution: its filters, and what is pooled after it, over mel and over time."""

    filters: int
    pool: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class CrnnSettings(NetworkSettings):
    """How a CRNN is made and trained.

    Parameters
    ----------
    dropout : float
        Share of values that each block drops while it learns, 0 to below 1.
    """

    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise ModelError(f"parameter dropout must be from 0 to below 1; got {self.dropout!r}")


class CrnnModel(NetworkModel):
    """A `Crnn` of some blocks."""

    Settings = CrnnSettings

    blocks: ClassVar[Sequence[Block]]

    def network(self) -> nn.Module:
        """Make the network, with random weights."""
        return Crnn(self.row_shape[0], self.blocks, len(self.classes), dropout=self.settings.dropout)


class Crnn(nn.Module):
    """Rows (B, mel, frame) → logits (B, classes).

    Batch normalisation over the mel bins; blocks of convolution 3 × 3, ELU, batch normalisation, max pooling,
    dropout; then `Recurrent`. K. Nasrullah and Y. Zhao, *Music artist classification with convolutional
    recurrent neural networks*, IJCNN 2019.

    Pools keep what is left over at the end, so any number of mel bins and frames will do: of 192 bins, the
    paper's four pools leave one and a half rows, and the half, bins 128 to 191, counts.
    """

    def __init__(self, mels: int, blocks: Sequence[Block], classes: int, *, dropout: float) -> None:
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
        self.recurrent = Recurrent(channels * mels, classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits of rows."""
        logits: Tensor = self.recurrent(self.convolutions(self.norm(rows).unsqueeze(1)))
        return logits


class Recurrent(nn.Module):
    """Maps (B, channels, mel, time) → logits (B, classes).

    Two GRU layers of 32 units over time, dropout 0.3 of the last state, and a dense layer.
    """

    def __init__(self, height: int, classes: int, units: int = 32) -> None:
        super().__init__()
        self.gru = nn.GRU(height, units, num_layers=2, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.dense = nn.Linear(units, classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits of what convolutions found; `height` is channels × mel."""
        sequence, _ = self.gru(maps.permute(0, 3, 1, 2).flatten(2))
        logits: Tensor = self.dense(self.dropout(sequence[:, -1]))
        return logits
