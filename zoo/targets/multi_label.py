"""multi-label: any number of labels a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.label_items import LabelItems
from audiospec.zoo.scores.measuring.labels import choose_thresholds, label_items, score_labels
from audiospec.zoo.scores.measuring.tables import Evaluation
from audiospec.zoo.targets.base import Target, TargetRows, targets

if TYPE_CHECKING:
    from torch import Tensor

    from audiospec.stores.layout.view import View

#: Joins the labels of a row in text.
JOIN = ";"
#: Largest weight of a rare class's positives.
MOST_WEIGHT = 100.0


@targets.register(name="multi-label")
class MultiLabel(Target):
    """Any number of labels a row, also none; outputs are a probability for each.

    Parameters
    ----------
    classes : sequence of str
    thresholds : sequence of float or None
        Probability of each class from which it counts as predicted, 0 to 1. None: 0.5 for each.
    """

    name = "multi-label"
    loss = "binary-cross-entropy"
    epoch_columns = ("f1",)
    picture = "labels.png"
    epoch_score = "f1"

    def __init__(self, classes: Sequence[str], thresholds: Sequence[float] | None = None) -> None:
        super().__init__(classes)
        self.thresholds = (
            np.full(len(self.classes), 0.5) if thresholds is None else np.array(thresholds, float)
        )
        if (
            self.thresholds.shape != (len(self.classes),)
            or not ((self.thresholds >= 0) & (self.thresholds <= 1)).all()
        ):
            raise ValueError(f"expected a threshold from 0 to 1 for each of {len(self.classes)} classes")

    @classmethod
    def of_rows(
        cls, view: View, numbers: NDArray[np.int64], classes: Sequence[str] | None = None, column: str = ""
    ) -> Self:
        """Return the target of the labels that some rows have."""
        stated = view.targets
        names = () if stated is None else stated.names
        wanted = [name for name in names if classes is None or name in set(classes)]
        present = np.flatnonzero(cls(wanted).encode(view, numbers).any(0))
        return cls([wanted[number] for number in present])

    def usable(self, view: View) -> NDArray[np.bool_]:
        """Return that every row can be used: one without labels has none of the classes."""
        return np.ones(len(view), bool)

    def encode(self, view: View, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each row has each label: (n, classes)."""
        if view.targets is None:
            raise ModelError(f"view {view.name} has no annotations", "featurize it again")
        return view.targets.indicators(numbers, len(view), self.classes)

    def texts(self, encoded: NDArray[Any]) -> list[str]:
        """Return the labels of each row, joined by ``;``."""
        return [
            JOIN.join(name for name, has in zip(self.classes, row, strict=True) if has)
            for row in encoded.tolist()
        ]

    def parse(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return the indicators of joined labels: (n, classes)."""
        place = {name: number for number, name in enumerate(self.classes)}
        encoded = np.zeros((len(texts), len(self.classes)), bool)
        for row, text in zip(encoded, texts, strict=True):
            names = text.split(JOIN) if text else []
            if any(name not in place for name in names):
                raise ValueError("it has other classes than the run")
            row[[place[name] for name in names]] = True
        return encoded

    def dense(self, encoded: NDArray[Any]) -> NDArray[np.float32]:
        """Return 0 and 1: (n, classes)."""
        return np.asarray(encoded, np.float32)

    def class_weights(self, encoded: NDArray[Any]) -> NDArray[np.float64]:
        """Return the weight of each class's positives: its negatives over its positives, at most 100."""
        positives = encoded.reshape(-1, len(self.classes)).sum(0, dtype=np.float64)
        count = encoded.size // len(self.classes)
        ratios = (count - positives) / np.maximum(positives, 1)
        weights: NDArray[np.float64] = np.clip(ratios, 1 / MOST_WEIGHT, MOST_WEIGHT)
        return weights

    def tally(self, logits: Tensor, dense: Tensor) -> Tensor:
        """Return true positives, predicted and actual positives at probability 0.5: (3 × classes,)."""
        import torch

        counted = ~dense.isnan()
        truth = dense.nan_to_num() > 0.5
        predicted = (logits > 0) & counted
        axes = tuple(range(dense.ndim - 1))
        return torch.cat([one.sum(axes) for one in (truth & predicted, predicted, truth)]).double()

    def epoch_scores(self, tally: NDArray[np.float64]) -> dict[str, float]:
        """Return the macro F1 at probability 0.5, over the classes that occur or are predicted."""
        right, predicted, actual = tally.reshape(3, -1)
        sums = predicted + actual
        f1 = np.divide(2 * right, sums, out=np.zeros_like(sums), where=sums > 0)
        return {"f1": float(f1.sum() / max(1, np.count_nonzero(sums)))}

    def tuned(self, outputs: NDArray[np.float64], rows: TargetRows) -> MultiLabel:
        """Return the target with the thresholds that have the highest F1 of each class on validation rows."""
        return type(self)(self.classes, choose_thresholds(rows.targets, outputs).tolist())

    def score(self, outputs: NDArray[np.float64], rows: TargetRows, seed: int = 0) -> Evaluation:
        """Score probabilities by every registered score of several labels a row."""
        return self._score(outputs, rows, self.thresholds, seed)

    def score_parts(
        self,
        parts: Sequence[tuple[NDArray[np.float64], TargetRows]],
        rows: TargetRows,
        seed: int = 0,
    ) -> Evaluation:
        """Score the probabilities of several models together, each with its own thresholds."""
        thresholds = [np.tile(_thresholds(of.target), (len(outputs), 1)) for outputs, of in parts]
        outputs = np.concatenate([outputs for outputs, _ in parts])
        return self._score(outputs, rows, np.concatenate(thresholds), seed)

    def _score(
        self, outputs: NDArray[np.float64], rows: TargetRows, thresholds: NDArray[np.float64], seed: int
    ) -> Evaluation:
        return score_labels(
            outputs,
            rows.targets,
            rows.tracks,
            self.classes,
            thresholds=thresholds,
            units=rows.units,
            seed=seed,
        )

    def items(
        self, outputs: NDArray[np.float64], truth: NDArray[Any], grouping: Grouping
    ) -> tuple[LabelItems, LabelItems]:
        """Return rows and tracks of any number of labels each."""
        return label_items(outputs, truth, grouping, np.broadcast_to(self.thresholds, outputs.shape))

    def decode(self, outputs: NDArray[np.float64]) -> list[str]:
        """Return the labels whose probability reaches their threshold, joined by ``;``."""
        return self.texts(outputs >= self.thresholds)

    def parameters(self) -> dict[str, Any]:
        """Return the thresholds."""
        return {"thresholds": self.thresholds.tolist()}


def _thresholds(target: Target) -> NDArray[np.float64]:
    assert isinstance(target, MultiLabel), "parts are of one target"
    return target.thresholds
