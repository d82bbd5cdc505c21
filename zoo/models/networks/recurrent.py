"""Recurrent layers over time: the last layers of the study's networks."""

from __future__ import annotations

from torch import Tensor, nn


class Recurrent(nn.Module):
    """Maps the output of convolutions (B, channels, mel, time) to logits.

    Two GRU layers over time, dropout 0.3 of the last state, and a dense layer. For logits of each frame, the
    layers run in both directions, because the start of an event is known from what follows, and dropout and
    dense layer are of each frame's state.

    Parameters
    ----------
    height : int
        Channels × mel.
    classes : int
    units : int
        Units of each GRU layer, in each direction.
    frames : bool
        Whether to return logits of each frame.
    """

    def __init__(self, height: int, classes: int, units: int = 32, *, frames: bool = False) -> None:
        super().__init__()
        self.frames = frames
        self.gru = nn.GRU(height, units, num_layers=2, batch_first=True, bidirectional=frames)
        self.dropout = nn.Dropout(0.3)
        self.dense = nn.Linear(units * (2 if frames else 1), classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (B, classes), or (B, time, classes), of maps (B, channels, mel, time)."""
        sequence, _ = self.gru(maps.permute(0, 3, 1, 2).flatten(2))
        logits: Tensor = self.dense(self.dropout(sequence if self.frames else sequence[:, -1]))
        return logits
