"""Probabilities from margins of pairs, and calibrators: as in `zoo.calibration`, in operations of torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from audiospec.zoo.calibration.calibrators import Calibrator, Isotonic, Sigmoid, Temperature
from audiospec.zoo.calibration.pairs import LEAST
from audiospec.zoo.calibration.winners import MORE
from audiospec.zoo.scores.measuring.chunks import LEAST_PROBABILITY


def keep_winners(probabilities: Tensor, winners: Tensor) -> Tensor:
    """Return the nearest probabilities of which those of the winners are the largest; see `winners`.

    Parameters
    ----------
    probabilities : Tensor, shape (B, classes), float64
        Each row adds up to 1.
    winners : Tensor of int64, shape (B,)

    Returns
    -------
    Tensor, shape (B, classes)
    """
    classes = probabilities.shape[1]
    is_winner = torch.arange(classes) == winners[:, None]
    own = (probabilities * is_winner).sum(1, keepdim=True)
    others = torch.where(is_winner, -1.0, probabilities).topk(classes, dim=1).values[:, :-1]
    means = (own + others.cumsum(1)) / torch.arange(2, classes + 1, dtype=torch.float64)
    following = torch.cat([others[:, 1:], torch.full_like(own, -1.0)], dim=1)
    first = (following <= means).to(torch.int64).argmax(1, keepdim=True)
    level = means.gather(1, first)
    values = torch.where(is_winner, level * MORE, torch.minimum(probabilities, level))
    values = values / values.sum(1, keepdim=True)
    is_right = probabilities.argmax(1) == winners
    return torch.where(is_right[:, None], probabilities, values)


def vote(margins: Tensor, classes: int) -> Tensor:
    """Return the class (B,) that wins most pairs (B, pairs); of equals the first."""
    first, second = np.triu_indices(classes, 1)
    of_first, of_second = (torch.from_numpy(np.eye(classes)[one]) for one in (first, second))
    won = (margins > 0).double()
    return (won @ of_first + (1 - won) @ of_second).argmax(1)


def couple(margins: Tensor, slope: float, classes: int) -> Tensor:
    """Return the probabilities (B, classes) that agree best with those of all pairs; see `pairs.couple`.

    The equations are those of `pairs`, Q p + b 1 = 0 with Σ p = 1. Adding Σ p = 1 to each gives
    (Q + 1 1ᵀ) p = (1 - b) 1, whose matrix is positive definite; so elimination needs no pivots, and p is its
    solution for 1 on the right, in shares of the sum.
    """
    first, second = np.triu_indices(classes, 1)
    pair = np.zeros((classes, classes), np.int64)
    pair[first, second] = pair[second, first] = np.arange(len(first))
    above = torch.from_numpy(np.triu(np.ones((classes, classes), bool), 1))
    off = torch.from_numpy(1 - np.eye(classes))
    wins = torch.sigmoid(slope * margins).clamp(LEAST, 1 - LEAST)[:, torch.from_numpy(pair)]
    wins = torch.where(above, wins, 1 - wins) * off  # of the row's class against the column's
    equations = 1 - wins * wins.transpose(1, 2)
    equations = equations + torch.eye(classes, dtype=torch.float64) * wins.square().sum(1)[:, None]
    shares = solve(equations, torch.ones_like(margins[:, :1]).expand(-1, classes)).clamp(min=0)
    return shares / shares.sum(1, keepdim=True)


def solve(matrices: Tensor, right: Tensor) -> Tensor:
    """Solve symmetric positive definite equations (B, n, n) for right sides (B, n), by elimination.

    ONNX has no solver; n steps of a row each are a graph of any batch.
    """
    size = matrices.shape[1]
    rows = torch.cat([matrices, right[:, :, None]], dim=2)
    for number in range(size):
        row = rows[:, number : number + 1] / rows[:, number : number + 1, number : number + 1]
        this = torch.arange(size)[:, None] == number
        rows = torch.where(this, row, rows - rows[:, :, number : number + 1] * row)
    return rows[:, :, size]


def calibration_module(calibrator: Calibrator) -> nn.Module:
    """Return a calibrator as a module: probabilities (B, classes) → calibrated ones, float64.

    Raises
    ------
    TypeError
        It is of another kind.
    """
    if isinstance(calibrator, Temperature):
        return _Tempered(calibrator.temperature)
    if isinstance(calibrator, Sigmoid):
        return _Logistic(calibrator)
    if isinstance(calibrator, Isotonic):
        return _Interpolated(calibrator)
    raise TypeError(f"calibrator {calibrator.method!r}")


class _Tempered(nn.Module):
    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, probabilities: Tensor) -> Tensor:
        values = probabilities.clamp(min=LEAST_PROBABILITY).log() / self.temperature
        return keep_winners(values.softmax(1), probabilities.argmax(1))


class _Logistic(nn.Module):
    slopes: Tensor
    offsets: Tensor

    def __init__(self, calibrator: Sigmoid) -> None:
        super().__init__()
        self.register_buffer("slopes", torch.from_numpy(calibrator.slopes))
        self.register_buffer("offsets", torch.from_numpy(calibrator.offsets))

    def forward(self, probabilities: Tensor) -> Tensor:
        values = probabilities.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        odds = values.log() - (-values).log1p()
        shares = torch.sigmoid(self.slopes * odds + self.offsets).clamp(min=LEAST_PROBABILITY)
        return keep_winners(shares / shares.sum(1, keepdim=True), probabilities.argmax(1))


class _Interpolated(nn.Module):
    def __init__(self, calibrator: Isotonic) -> None:
        super().__init__()
        for number, (x, y) in enumerate(calibrator.points):
            self.register_buffer(f"x{number}", torch.from_numpy(x))
            self.register_buffer(f"y{number}", torch.from_numpy(y))

    def forward(self, probabilities: Tensor) -> Tensor:
        columns = [self._column(column, number) for number, column in enumerate(probabilities.unbind(1))]
        shares = torch.stack(columns, dim=1).clamp(min=LEAST_PROBABILITY)
        return keep_winners(shares / shares.sum(1, keepdim=True), probabilities.argmax(1))

    def _column(self, values: Tensor, number: int) -> Tensor:
        """Return the straight lines between a class's points at values (B,); beyond its ends, the ends."""
        x, y = self.get_buffer(f"x{number}"), self.get_buffer(f"y{number}")
        if len(x) == 1:
            return y.expand(values.shape[0])
        values = torch.minimum(torch.maximum(values, x[0]), x[-1])
        place = ((values[:, None] >= x).sum(1) - 1).clamp(max=len(x) - 2)
        share = (values - x[place]) / (x[place + 1] - x[place])
        return y[place] + share * (y[place + 1] - y[place])
