"""single: one label a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import EPOCH_SCORES, MAIN, ConfusionScore, Items, Sample, all_scores, scores
from audiospec.zoo.scores.measuring.chunks import score_chunks, shares_of, track_log_probabilities
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.tables import Evaluation
from audiospec.zoo.splits.labels import row_labels
from audiospec.zoo.targets.base import Target, TargetRows, targets

if TYPE_CHECKING:
    from torch import Tensor

    from audiospec.stores.layout.view import View


@targets.register
class Single(Target):
    """One label a row, of two classes or more; outputs are probabilities that add up to 1.

    Parameters
    ----------
    classes : sequence of str
    column : str
        A free column of the tracks that the labels are from; ``""``: the store's labels.
    """

    name = "single"
    loss = "cross-entropy"
    epoch_columns = tuple(EPOCH_SCORES)
    picture = "confusion.png"
    epoch_score = "f1"
    least_classes = 2

    def __init__(self, classes: Sequence[str], column: str = "") -> None:
        super().__init__(classes)
        self.column = column

    @classmethod
    def of_rows(
        cls, view: View, numbers: NDArray[np.int64], classes: Sequence[str] | None = None, column: str = ""
    ) -> Self:
        """Return the target of the labels of some rows."""
        present = set(row_labels(view, column or None)[numbers].tolist())
        if view.targets is not None or column:
            present -= {""}  # background that is kept, or tracks without a text
        return cls(sorted(present if classes is None else present & set(classes)), column)

    def usable(self, view: View) -> NDArray[np.bool_]:
        """Return whether each row has one of the classes."""
        known: NDArray[np.bool_] = np.isin(row_labels(view, self.column or None), self.classes)
        return known

    def encode(self, view: View, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the class number of each row: (n,)."""
        return np.searchsorted(self.classes, row_labels(view, self.column or None)[numbers])

    def texts(self, encoded: NDArray[Any]) -> list[str]:
        """Return the labels."""
        labels: list[str] = np.asarray(self.classes)[encoded].tolist()
        return labels

    def parse(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return the class numbers of labels."""
        number = {name: i for i, name in enumerate(self.classes)}
        if any(text not in number for text in texts):
            raise ValueError("it has other classes than the run")
        return np.array([number[text] for text in texts], np.int64)

    def dense(self, encoded: NDArray[Any]) -> NDArray[np.float32]:
        """Return one-hot targets: (n, classes)."""
        one_hot: NDArray[np.float32] = np.eye(len(self.classes), dtype=np.float32)[encoded]
        return one_hot

    def class_weights(self, encoded: NDArray[Any]) -> NDArray[np.float64]:
        """Return rows ÷ (classes × rows of the class), so that all classes count alike."""
        counts = np.bincount(encoded, minlength=len(self.classes))
        return len(encoded) / (len(self.classes) * np.maximum(counts, 1))

    def tally(self, logits: Tensor, dense: Tensor) -> Tensor:
        """Return the confusion matrix: (classes × classes,)."""
        import torch

        predicted = torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1])
        return (dense.T @ predicted.to(dense)).double().flatten()

    def epoch_scores(self, tally: NDArray[np.float64]) -> dict[str, float]:
        """Return accuracy and macro F1."""
        matrix = tally.reshape(1, len(self.classes), len(self.classes))
        values = {}
        for column, name in EPOCH_SCORES.items():
            score = scores[name]()
            assert isinstance(score, ConfusionScore), "an epoch has only its confusion matrix"
            values[column] = float(score.of_confusion(matrix)[0])
        return values

    def score(self, outputs: NDArray[np.float64], rows: TargetRows, seed: int = 0) -> Evaluation:
        """Score probabilities by every registered score of one label a row."""
        return score_chunks(
            outputs, rows.targets, recordings(rows), self.classes, units=rows.units, seed=seed
        )

    def items(
        self, outputs: NDArray[np.float64], truth: NDArray[Any], grouping: Grouping
    ) -> tuple[Items, Items]:
        """Return rows and tracks of one class each."""
        tracks, units = len(grouping.tracks), grouping.units
        means = track_log_probabilities(outputs, grouping.track_of, tracks)
        first = np.unique(grouping.track_of, return_index=True)[1]
        return (
            Items(truth, outputs.argmax(1), outputs, grouping.unit_of, units),
            Items(truth[first], means.argmax(1), shares_of(means), grouping.unit_of_tracks(), units),
        )

    def main_score(self, outputs: NDArray[np.float64], rows: TargetRows) -> float:
        """Return the macro F1 by track, without its interval."""
        _, first, track_of = np.unique(recordings(rows), return_index=True, return_inverse=True)
        means = track_log_probabilities(outputs, track_of, len(first))
        numbers: NDArray[np.int64] = np.arange(len(first))
        items = Items(rows.targets[first], means.argmax(1), shares_of(means), numbers, len(first))
        return float(all_scores()[MAIN].compute(Sample(items))[0])

    def decode(self, outputs: NDArray[np.float64]) -> list[str]:
        """Return the most probable label of each row."""
        labels: list[str] = np.asarray(self.classes)[outputs.argmax(1)].tolist()
        return labels

    def parameters(self) -> dict[str, Any]:
        """Return the column, if the labels are not the store's."""
        return {"column": self.column} if self.column else {}


def recordings(rows: TargetRows) -> NDArray[np.str_]:
    """Return what the rows are scored by as tracks: track ids, with the label where a track has several.

    A track whose segments have several labels has no single truth, so it counts once for each label.
    """
    tracks = rows.tracks
    _, numbers = np.unique(tracks, return_inverse=True)
    pairs = np.unique(np.stack([numbers, rows.targets]), axis=1)[0]
    if len(np.unique(pairs)) == len(pairs):
        return tracks
    return np.array([f"{track}\0{label}" for track, label in zip(tracks, rows.targets, strict=True)])
