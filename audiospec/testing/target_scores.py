"""LabelScoreContract, NumberScoreContract and EventScoreContract: the tests of the scores of other targets.

A score is tested by one subclass for each of its targets::

    class TestMine(LabelScoreContract):
        name = "mine"
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation
from audiospec.testing.scores import AnyScoreContract
from audiospec.zoo.scores.measuring.event_files import EventFile
from audiospec.zoo.scores.measuring.event_items import EventItems
from audiospec.zoo.scores.measuring.label_items import LabelItems
from audiospec.zoo.scores.measuring.number_items import NumberItems


class TargetScoreContract(AnyScoreContract):
    """Tests that every score of a target passes whose predictions can be right by any share."""

    def graded(self, wrong: float) -> Any:
        """Return predictions of 30 items of which a share is wrong; without any, they are perfect."""
        raise NotImplementedError

    def test_perfect_predictions_are_the_best(self) -> None:
        """Perfect predictions have the best score, and more wrong ones have a worse one."""
        score = self.make()
        sign = 1 if score.higher_is_better else -1
        values = [sign * self.value(self.graded(wrong)) for wrong in (0.0, 1 / 3, 2 / 3, 1.0)]
        assert sign * values[0] == pytest.approx(score.best, abs=1e-9)
        assert values[0] > values[1]
        assert values == sorted(values, reverse=True)


class LabelScoreContract(TargetScoreContract):
    """Tests that every score of several labels an item passes."""

    target = "multi-label"

    def made(self, tracks: int = 12, chunks: int = 3, seed: int = 0) -> LabelItems:
        """Return random predictions of four labels, one of which is rare."""
        random = np.random.default_rng(seed)
        unit_of = np.repeat(np.arange(tracks), chunks)
        truth = random.random((len(unit_of), 4)) < [0.5, 0.4, 0.3, 0.15]
        probabilities = np.round(0.3 * truth + 0.7 * random.random(truth.shape), 2)  # some are equal
        return LabelItems(truth, probabilities, np.full(truth.shape, 0.5), unit_of, tracks)

    def graded(self, wrong: float) -> LabelItems:
        """Return predictions of three labels; wrong ones are the contrary."""
        numbers = np.arange(30)
        truth = (numbers[:, None] + np.arange(3)) % 3 == 0
        turned = numbers < wrong * 30
        probabilities = np.where(truth != turned[:, None], 0.9, 0.1) + numbers[:, None] / 1000  # without ties
        return LabelItems(truth, probabilities, np.full(truth.shape, 0.5), numbers, 30)


class NumberScoreContract(TargetScoreContract):
    """Tests that every score of numbers passes."""

    target = "number"

    def made(self, tracks: int = 12, chunks: int = 3, seed: int = 0) -> NumberItems:
        """Return random predictions, with noise, a bias and a wrong scale."""
        random = np.random.default_rng(seed)
        unit_of = np.repeat(np.arange(tracks), chunks)
        truth = 3 + random.normal(size=len(unit_of))
        predicted = 1 + 0.8 * truth + 0.5 * random.normal(size=len(unit_of))
        return NumberItems(truth, predicted, unit_of, tracks)

    def graded(self, wrong: float) -> NumberItems:
        """Return predictions; wrong ones are off by ten."""
        numbers = np.arange(30)
        truth = numbers.astype(np.float64)
        # Wrong to both sides, so that a correlation shows them.
        error = np.where(numbers * 7 % 30 < wrong * 30, np.where(numbers * 11 % 30 < 15, 10, -10), 0)
        return NumberItems(truth, truth + error, numbers, 30)


class EventScoreContract(TargetScoreContract):
    """Tests that every score of events passes."""

    target = "frames"

    def made(self, tracks: int = 12, chunks: int = 3, seed: int = 0) -> EventItems:
        """Return files of 8 s with some events of two classes; their probabilities are of 20 frames."""
        random = np.random.default_rng(seed)
        unit_of = np.repeat(np.arange(tracks), chunks)
        return EventItems(
            [self._file(random, number) for number in range(len(unit_of))], ("bell", "dog"), unit_of, tracks
        )

    def graded(self, wrong: float) -> EventItems:
        """Return files of one event each; in wrong ones, the other class is found."""
        times = np.linspace(0, 8, 81)
        files = []
        for number in range(30):
            start, label = 1.0 + number % 3, ("bell", "dog")[number % 2]
            found = ("dog", "bell")[number % 2] if number < wrong * 30 else label
            inside = (times[:-1] >= start - 1e-9) & (times[:-1] < start + 2 - 1e-9)
            probabilities = np.stack([inside & (found == one) for one in ("bell", "dog")], 1)
            truth, predicted = ([Annotation(start=start, end=start + 2, label=one)] for one in (label, found))
            values: NDArray[np.float64] = 0.1 + 0.8 * probabilities.astype(np.float64)
            files.append(EventFile(str(number), 8.0, truth, predicted, values, times))
        return EventItems(files, ("bell", "dog"), np.arange(30), 30)

    def _file(self, random: np.random.Generator, number: int) -> EventFile:
        times = np.linspace(0, 8, 21)
        probabilities: NDArray[np.float64] = np.round(0.5 * random.random((20, 2)), 2)
        truth, predicted = [], []
        for place, label in enumerate(("bell", "dog")):
            for first in (0.4, 4.4):
                start = first + random.random()
                end = start + 0.5 + 2 * random.random()
                truth.append(Annotation(start=start, end=end, label=label))
                if random.random() < 0.7:
                    late = 0.1 * random.normal()
                    predicted.append(Annotation(start=start + late, end=end + late, label=label))
                    inside = (times[1:] > start + late) & (times[:-1] < end + late)
                    probabilities[inside, place] += 0.5
                elif random.random() < 0.5:
                    predicted.append(Annotation(start=first, end=first + 1, label=("dog", "bell")[place]))
        return EventFile(str(number), 8.0, truth, predicted, probabilities, times)
