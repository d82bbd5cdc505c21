"""CRNNs: convolutions over mel and time, then recurrent layers over time; two sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.zoo.base import models
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.models.networks.recurrent import Recurrent
from audiospec.zoo.network import NetworkModel


@dataclass(frozen=True)
class Block:
    """One convolution: number of filters, and size of the pool after it, over mel and over time."""

    filters: int
    pool: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class CrnnSettings(NetworkSettings):
    """How a CRNN is made and trained.

    Parameters
    ----------
    dropout : float
        Share of values that each block drops in training, 0 to below 1.
    """

    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise ModelError(f"parameter dropout must be from 0 to below 1; got {self.dropout!r}")


class CrnnModel(NetworkModel):
    """Base class of the CRNNs: a `Crnn` of the class's blocks.

    For the target frames, pools after the first two keep all frames, so an output is of 4 frames of the row.
    """

    serves: ClassVar[tuple[str, ...]] = (*NetworkModel.serves, "frames")
    Settings = CrnnSettings

    blocks: ClassVar[Sequence[Block]]

    def network(self) -> nn.Module:
        """Return a new network with random weights."""
        frames = len(self.target.output_shape) == 2
        blocks = [
            Block(block.filters, (block.pool[0], 1)) if frames and number > 1 else block
            for number, block in enumerate(self.blocks)
        ]
        return Crnn(
            self.row_shape[0], blocks, len(self.classes), dropout=self.settings.dropout, frames=frames
        )


class Crnn(nn.Module):
    """Maps rows (B, mel, frame) to logits (B, classes), or with `frames` (B, output frames, classes).

    Batch normalisation over the mel bins; blocks of convolution 3 × 3, ELU, batch normalisation, max pooling,
    dropout; then `Recurrent`. K. Nasrullah and Y. Zhao, *Music artist classification with convolutional
    recurrent neural networks*, IJCNN 2019.

    A pool keeps an incomplete window at the end, so any number of mel bins and frames is possible: the
    paper's four pools reduce 192 bins to one and a half rows, and the half, bins 128 to 191, is kept.
    """

    def __init__(
        self, mels: int, blocks: Sequence[Block], classes: int, *, dropout: float, frames: bool = False
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
        self.recurrent = Recurrent(channels * mels, classes, frames=frames)

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits of rows (B, mel, frame)."""
        logits: Tensor = self.recurrent(self.convolutions(self.norm(rows).unsqueeze(1)))
        return logits


@models.register(name="crnn-base")
class CrnnBase(CrnnModel):
    """crnn-base: four convolutions of 64 to 128 filters and two GRU layers (the study's base CRNN).

    Filters 64, 128, 128, 128; pools (mel, time) of (2, 2) and three of (4, 2).
    """

    blocks = (Block(64, (2, 2)), Block(128, (4, 2)), Block(128, (4, 2)), Block(128, (4, 2)))


@models.register(name="crnn-large")
class CrnnLarge(CrnnModel):
    """crnn-large: five convolutions of 64 to 512 filters and two GRU layers (the study's extended CRNN).

    Filters 64, 128, 256, 512, 512; pools (mel, time) of three (2, 2), then (4, 1) twice.
    """

    blocks = (
        Block(64, (2, 2)),
        Block(128, (2, 2)),
        Block(256, (2, 2)),
        Block(512, (4, 1)),
        Block(512, (4, 1)),
    )
