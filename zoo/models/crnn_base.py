"""crnn-base: four convolutions of 64 to 128 filters and two GRU layers (Nasrullah and Zhao 2019)."""

from __future__ import annotations

from torch import nn

from audiospec.zoo.base import models
from audiospec.zoo.models._crnn import Block, Crnn
from audiospec.zoo.models._network import NetworkModel

BLOCKS = (Block(64, (2, 2)), Block(128, (4, 2)), Block(128, (4, 2)), Block(128, (4, 2)))


@models.register
class CrnnBase(NetworkModel):
    """The study's base CRNN: filters 64, 128, 128, 128; pools (mel, time) of (2, 2) and three of (4, 2)."""

    def network(self) -> nn.Module:
        """Make the network."""
        return Crnn(self.row_shape[0], BLOCKS, len(self.classes), dropout=self.settings.dropout)
