"""crnn-large: five convolutions of 64 to 512 filters and two GRU layers (the study's extended CRNN)."""

from __future__ import annotations

from audiospec.zoo.base import models
from audiospec.zoo.models._crnn import Block, CrnnModel


@models.register
class CrnnLarge(CrnnModel):
    """The study's large CRNN: filters 64, 128, 256, 512, 512; pools of three (2, 2), then (4, 1) twice."""

    blocks = (
        Block(64, (2, 2)),
        Block(128, (2, 2)),
        Block(256, (2, 2)),
        Block(512, (4, 1)),
        Block(512, (4, 1)),
    )
