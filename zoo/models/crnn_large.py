"""crnn-large: five convolutions of 64 to 512 filters and two GRU layers (the study's extended CRNN)."""

from __future__ import annotations

from torch import nn

from audiospec.zoo.base import models
from audiospec.zoo.models._crnn import Block, Crnn
from audiospec.zoo.models._network import NetworkModel

BLOCKS = (
    Block(64, (2, 2)),
    Block(128, (2, 2)),
    Block(256, (2, 2)),
    Block(512, (4, 1)),
    Block(512, (4, 1)),
)


@models.register
class CrnnLarge(NetworkModel):
    """The study's large CRNN: filters 64, 128, 256, 512, 512; pools of three (2, 2), then (4, 1) twice."""

    def network(self) -> nn.Module:
        """Make the network."""
        return Crnn(self.row_shape[0], BLOCKS, len(self.classes), dropout=self.settings.dropout)
