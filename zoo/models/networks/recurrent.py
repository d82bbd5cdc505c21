"""Recurrent layers over time: how the study's networks end."""

from __future__ import annotations

from torch import Tensor, nn


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
