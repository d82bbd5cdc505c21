"""Score: what every score of predictions is; the registry of scores.

A score is one file of `audiospec.zoo.scores`, or of another package (entry point ``audiospec.scores``), under
``@scores.register``. All registered scores are computed, stored and shown wherever a model is scored.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import RegistryError
from audiospec.registry import Registry

scores: Registry[type[Score]] = Registry("score", "audiospec.zoo.scores", "audiospec.scores")

#: Key of the main score: leaderboards rank by it and leakage gaps are differences of it. It is a share, of
#: which more is better.
MAIN: Final = "macro_f1"
#: Column of a network's history → the score that it has of each epoch, by name in the registry.
EPOCH_SCORES: Final = {"accuracy": "accuracy", "f1": "macro-f1"}

#: What a stored table of scores has besides scores.
_RESERVED = ("count", "per_class", "confusion", "scores")


@dataclass(frozen=True, eq=False)
class Items:
    """What is scored: chunks or tracks, with the truth and what a model says.

    Attributes
    ----------
    truth, predicted : ndarray of int, shape (items,)
        Class numbers.
    probabilities : ndarray of float64, shape (items, classes)
        Each row adds up to 1.
    track_of : ndarray of int, shape (items,)
        Number of each item's track, which is what resamples draw.
    tracks : int
        How many tracks there are.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    track_of: NDArray[np.int64]
    tracks: int

    @cached_property
    def confusion_parts(self) -> NDArray[np.float64]:
        """What each track adds to the confusion matrix: (tracks, classes × classes)."""
        classes = self.probabilities.shape[1]
        # In float64, which holds such counts exactly, and whose products are many times as fast as integers'.
        parts = np.zeros((self.tracks, classes * classes))
        np.add.at(parts, (self.track_of, self.truth * classes + self.predicted), 1)
        return parts


class Sample:
    """Scored items, counted as often as each of `n` resamples drew their tracks.

    Parameters
    ----------
    items : Items
    draws : ndarray of float64, shape (n, tracks)
        How often each resample has each track. None: one resample that has each once.
    """

    def __init__(self, items: Items, draws: NDArray[np.float64] | None = None) -> None:
        self._items = items
        self._draws = np.ones((1, items.tracks)) if draws is None else draws

    def __len__(self) -> int:
        """Count of the resamples, n."""
        return len(self._draws)

    @property
    def truth(self) -> NDArray[np.int64]:
        """Class number of each item."""
        return self._items.truth

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Number of the class that each item is predicted to be."""
        return self._items.predicted

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities (items, classes); each row adds up to 1."""
        return self._items.probabilities

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """How often each resample counts each item: (n, items); `mean` and `total` do without it."""
        return self._draws[:, self._items.track_of]

    @cached_property
    def confusion(self) -> NDArray[np.float64]:
        """Confusion matrices (n, true class, predicted class): whole numbers."""
        classes = self.probabilities.shape[1]
        # A resample's matrix is a weighted sum of what each track adds.
        return (self._draws @ self._items.confusion_parts).reshape(-1, classes, classes)

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sums (n,) over the items of each resample, of a number an item (items,)."""
        parts = np.bincount(self._items.track_of, values, self._items.tracks)
        sums: NDArray[np.float64] = self._draws @ parts
        return sums

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Means (n,) over the items of each resample, of a number an item (items,)."""
        return self.total(values) / self.total(np.ones(len(values)))


class Score(ABC):
    """How right predictions are, as one number.

    Attributes
    ----------
    title : str
        As it is shown, such as ``"macro F1"``.
    percent : bool
        Whether it is a share of 0 to 1, which is shown in percent, or a plain number.
    higher_is_better : bool
    best : float
        Of predictions that are all right and sure.
    """

    title: str
    percent: bool = True
    higher_is_better: bool = True
    best: float = 1.0

    @abstractmethod
    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Score of each resample: (n,), finite."""

    def show(self, value: float) -> str:
        """A value in words: ``"91.6"`` of a share, ``"0.312"`` of a plain number.

        Raises
        ------
        ValueError
            It is no such score.
        """
        if self.percent:
            return share(value)
        if not math.isfinite(value):
            raise ValueError(f"a score is {value}")
        return f"{value:.3f}"

    def show_interval(self, value: float, interval: Sequence[float]) -> str:
        """A value and its interval in words, such as ``"91.6 (88.0 to 94.5)"``."""
        low, high = map(self.show, interval)
        return f"{self.show(value)} ({low} to {high})"


class ConfusionScore(Score):
    """A score that follows from the confusion matrix alone."""

    @abstractmethod
    def of_confusion(self, matrices: NDArray[Any]) -> NDArray[np.float64]:
        """Scores (n,) of confusion matrices (n, true class, predicted class)."""

    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Score of each resample."""
        return self.of_confusion(sample.confusion)


def share(value: float) -> str:
    """A share of 0 to 1 in percent, such as ``"91.6"``.

    Raises
    ------
    ValueError
        It is no such share.
    """
    if not -1e-9 <= value <= 1 + 1e-9:
        raise ValueError(f"a score is {value}")
    return f"{100 * value:.1f}"


def key_of(name: str) -> str:
    """Under which key a score is stored: its name in the registry, with underscores."""
    return name.replace("-", "_")


def all_scores() -> dict[str, Score]:
    """Every registered score by its key: what is computed wherever a model is scored.

    Raises
    ------
    RegistryError
        Two scores of other packages have one key, or one has a key that is taken.
    """
    names = {key_of(name): name for name in scores}
    if len(names) < len(scores.names()):
        raise RegistryError(
            f"two scores have one key (there are: {', '.join(scores)}): uninstall one of the two packages"
        )
    for key, name in names.items():
        if key in _RESERVED or key.endswith("_interval"):
            raise RegistryError(f"score {name!r} has a name that stored scores need: rename it")
    return {key: scores[name]() for key, name in names.items()}
