"""number: a number a row, such as valence or age."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.number_items import NumberItems
from audiospec.zoo.scores.measuring.numbers import number_items, score_numbers
from audiospec.zoo.scores.measuring.tables import Evaluation
from audiospec.zoo.targets.base import Target, TargetRows, targets

if TYPE_CHECKING:
    from torch import Tensor

    from audiospec.stores.layout.view import View


@targets.register
class Number(Target):
    """A number a row; the output is the number that a model expects.

    Parameters
    ----------
    classes : sequence of str
        The name of the number's column.
    mean, deviation : float
        Of the training rows: networks and machines learn numbers with mean 0 and deviation 1.
    """

    name = "number"
    loss = "mse"
    output_prefix = "value:"
    epoch_columns = ("mae",)
    picture = "numbers.png"
    epoch_score = "mae"
    has_probabilities = False

    def __init__(self, classes: Sequence[str], mean: float = 0.0, deviation: float = 1.0) -> None:
        super().__init__(classes)
        if len(self.classes) != 1:
            raise ValueError(f"a number has one name; got {len(self.classes)}")
        if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
            raise ValueError(f"mean and deviation must be finite; got {mean} and {deviation}")
        self.mean, self.deviation = float(mean), float(deviation)

    @classmethod
    def of_rows(
        cls, view: View, numbers: NDArray[np.int64], classes: Sequence[str] | None = None, column: str = ""
    ) -> Self:
        """Return the target of the numbers of some rows."""
        name = view.store.labelling.column
        if classes is not None and list(classes) != [name]:
            raise ModelError("numbers have no classes to choose from", "leave out `classes`")
        values = cls([name]).encode(view, numbers)
        values = values[np.isfinite(values)]
        if not len(values) or np.ptp(values) == 0:
            raise ModelError(
                f"the training rows of view {view.name} have {'no' if not len(values) else 'one'} value of "
                f"{name!r}: expected several",
                "check the dataset's column",
            )
        return cls([name], float(values.mean()), float(values.std()))

    def usable(self, view: View) -> NDArray[np.bool_]:
        """Return whether each row has a number."""
        known: NDArray[np.bool_] = np.isfinite(self.encode(view, np.arange(len(view))))
        return known

    def encode(self, view: View, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the number of each row: (n,)."""
        if view.targets is None:
            raise ModelError(f"view {view.name} has no annotations", "featurize it again")
        return view.targets.numbers(numbers, len(view))

    def texts(self, encoded: NDArray[Any]) -> list[str]:
        """Return the numbers, so that they are read to the bit."""
        return [repr(value) for value in encoded.tolist()]

    def parse(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the numbers of texts."""
        values = np.array(texts, np.float64)
        if not np.isfinite(values).all():
            raise ValueError("it has a number that is not finite")
        return values

    def dense(self, encoded: NDArray[Any]) -> NDArray[np.float32]:
        """Return the numbers with mean 0 and deviation 1: (n, 1)."""
        return ((encoded - self.mean) / self.deviation).astype(np.float32)[:, None]

    def undo(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return outputs in the units of the dataset."""
        return outputs * self.deviation + self.mean

    def class_weights(self, encoded: NDArray[Any]) -> NDArray[np.float64]:
        """Raise `ModelError`: numbers have no classes."""
        raise ModelError("numbers have no classes to weight", "leave out `class_weights`")

    def tally(self, logits: Tensor, dense: Tensor) -> Tensor:
        """Return the sum of the absolute errors and the number of rows: (2,)."""
        import torch

        counted = ~dense.isnan()
        errors = (logits.float() - dense.nan_to_num()).abs() * counted
        return torch.stack([errors.sum(), counted.sum()]).double()

    def epoch_scores(self, tally: NDArray[np.float64]) -> dict[str, float]:
        """Return the mean absolute error in the units of the dataset."""
        return {"mae": float(tally[0] / max(1.0, tally[1])) * self.deviation}

    def score(self, outputs: NDArray[np.float64], rows: TargetRows, seed: int = 0) -> Evaluation:
        """Score numbers by every registered score of them."""
        return score_numbers(
            outputs[:, 0], rows.targets, rows.tracks, self.classes[0], units=rows.units, seed=seed
        )

    def items(
        self, outputs: NDArray[np.float64], truth: NDArray[Any], grouping: Grouping
    ) -> tuple[NumberItems, NumberItems]:
        """Return rows and tracks of one number each."""
        return number_items(outputs[:, 0], truth, grouping)

    def decode(self, outputs: NDArray[np.float64]) -> list[str]:
        """Return each number with four significant digits."""
        return [f"{value:.4g}" for value in outputs[:, 0].tolist()]

    def parameters(self) -> dict[str, Any]:
        """Return mean and deviation of the training rows."""
        return {"mean": self.mean, "deviation": self.deviation}
