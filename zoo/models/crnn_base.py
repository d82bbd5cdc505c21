"""crnn-base: four convolutions of 64 to 128 filters and two GRU layers (the study's base CRNN)."""

from __future__ import annotations

from audiospec.zoo.base import models
from audiospec.zoo.models._crnn import Block, CrnnModel


@models.register
class CrnnBase(CrnnModel):
    """The study's base CRNN: filters 64, 128, 128, 128; pools (mel, time) of (2, 2) and three of (4, 2)."""

    blocks = (Block(64, (2, 2)), Block(128, (4, 2)), Block(128, (4, 2)), Block(128, (4, 2)))
