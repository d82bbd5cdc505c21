"""Recurrent layers over time: the last layers of the study's networks."""

from __future__ import annotations

from torch import Tensor, nn


class Recurrent(nn.Module):
    """Maps the output of convolutions (B, channels, mel, time) to logits (B, classes).

    Two GRU layers over time, dropout 0.3 of the last state, and a dense layer.

    Parameters
    ----------
    height : int
        Channels × mel.
    classes : int
    units : int
        Units of each GRU layer.
    """

    def __init__(self, height: int, classes: int, units: int = 32) -> None:
        super().__init__()
        self.gru = nn.GRU(height, units, num_layers=2, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.dense = nn.Linear(units, classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (B, classes) of maps (B, channels, mel, time)."""
        sequence, _ = self.gru(maps.permute(0, 3, 1, 2).flatten(2))
        logits: Tensor = self.dense(self.dropout(sequence[:, -1]))
        return logits
