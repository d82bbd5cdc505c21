"""Coverage and width of the intervals of scores: how often a 95 % interval contains the true score.

Test sets are drawn from a model whose true scores are known, and scored as a run is. An item's logits are
normal, with a higher mean for its class; some classes are easier than others. Accuracies are .6, .8 and .93,
and there are 20, 80 or 300 items of 2, 3 or 10 classes. Units of items:

    track    each item is its own unit
    unequal  the same, with classes of unequal size
    chunks   five chunks a track, of one class, whose noise has a correlation of 0.5
    groups   five tracks a speaker, of several classes, whose noise has a correlation of 0.3

Probabilities are calibrated, or over-confident: the logits are multiplied by 2.5.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.benchmarks.studies.result import save
from audiospec.zoo.scores.base import Items, Sample, Score, all_scores
from audiospec.zoo.scores.measuring.bootstrap import draw_tracks
from audiospec.zoo.scores.measuring.bootstrap import interval as percentile

ITEMS, CLASSES, ACCURACIES = (20, 80, 300), (2, 3, 10), (0.6, 0.8, 0.93)
#: Units → items a unit, correlation of their noise.
UNITS = {"track": (1, 0.0), "unequal": (1, 0.0), "chunks": (5, 0.5), "groups": (5, 0.3)}
#: Scores that depend on predictions only, and those that depend on how sure they are.
OF_PREDICTIONS, OF_CONFIDENCE = ("accuracy", "macro_f1"), ("ece", "nll")
OF_PROBABILITIES = (*OF_CONFIDENCE, "pr_auc", "roc_auc")
#: Number of items that the true scores are of.
POPULATION = 100_000
OVER_CONFIDENT = 2.5
#: Methods that resample, for comparison: that of scores without their own, and the one before.
RESAMPLED = ("resampled", "percentile")


@dataclass(frozen=True)
class Cell:
    """Test sets of one kind, and the scores whose intervals are measured on them."""

    units: str
    items: int
    classes: int
    accuracy: float
    scores: tuple[str, ...]
    confidence: float = 1.0

    @property
    def truth(self) -> NDArray[np.int64]:
        """The class of each item."""
        size, _ = UNITS[self.units]
        numbers = np.arange(self.items)
        if self.units == "unequal":
            shares = np.cumsum(_shares(self.classes))
            return np.searchsorted(shares, (numbers + 0.5) / self.items).astype(np.int64)
        return (numbers // size if self.units == "chunks" else numbers) % self.classes

    @property
    def unit_of(self) -> NDArray[np.int64]:
        """The unit of each item."""
        return np.arange(self.items) // UNITS[self.units][0]


@dataclass(frozen=True)
class Result:
    """The measured coverage and mean width of the intervals of one score in one cell.

    Attributes
    ----------
    score : str
        Key of the score.
    method : str
        ``"own"``: the score's; else one of `RESAMPLED`.
    true : float
        The true score.
    """

    units: str
    items: int
    classes: int
    accuracy: float
    confidence: float
    score: str
    method: str
    simulations: int
    true: float
    coverage: float
    width: float


def cells() -> Iterator[tuple[Cell, bool]]:
    """Yield all cells, and whether their scores are of predictions only (which are cheap)."""
    for units in UNITS:
        for items in ITEMS:
            for classes in CLASSES:
                too_few = items // UNITS[units][0] < 2 * classes
                if (units == "chunks" and too_few) or (units == "unequal" and (items == 20 or classes == 2)):
                    continue
                for accuracy in ACCURACIES:
                    kind = units, items, classes, accuracy
                    yield Cell(*kind, OF_PREDICTIONS), True
                    yield Cell(*kind, OF_PROBABILITIES), False
                    yield Cell(*kind, OF_CONFIDENCE, OVER_CONFIDENT), False


def measure(cell: Cell, simulations: int, seed: int = 0, methods: tuple[str, ...] = ("own",)) -> list[Result]:
    """Return the coverage and width of the intervals of a cell's scores.

    Parameters
    ----------
    cell : Cell
    simulations : int
        Number of test sets.
    seed : int
    methods : tuple of str
        ``"own"`` and `RESAMPLED`.
    """
    random = np.random.default_rng([seed, cell.items, cell.classes, round(100 * cell.accuracy)])
    registered = all_scores()
    scores = {key: registered[key] for key in cell.scores}
    true = _true_scores(cell.classes, cell.accuracy, cell.units == "unequal", cell.confidence)
    ends = np.empty((len(scores), len(methods), simulations, 2))
    truth, unit_of = cell.truth, cell.unit_of
    for simulation in range(simulations):
        probabilities = _probabilities(cell, truth, random)
        items = Items(truth, probabilities.argmax(1), probabilities, unit_of, int(unit_of[-1]) + 1)
        for number, score in enumerate(scores.values()):
            value = float(score.compute(Sample(items))[0])
            for place, method in enumerate(methods):
                ends[number, place, simulation] = _interval(method, score, items, value, simulation)
    low, high = ends[..., 0], ends[..., 1]
    kind = cell.units, cell.items, cell.classes, cell.accuracy, cell.confidence
    return [
        Result(
            *kind, key, method, simulations, true[key],
            float(((low <= true[key]) & (true[key] <= high))[number, place].mean()),
            float((high - low)[number, place].mean()),
        )
        for number, key in enumerate(scores)
        for place, method in enumerate(methods)
    ]  # fmt: skip


def _interval(method: str, score: Score, items: Items, value: float, seed: int) -> tuple[float, float]:
    def resampled() -> NDArray[np.float64]:
        return score.compute(Sample(items, draw_tracks(items.units, seed)))

    if method == "own":
        return score.interval(items, value, resampled)
    # `Score.interval` is the method of scores that have no other.
    return (
        Score.interval(score, items, value, resampled) if method == "resampled" else percentile(resampled())
    )


def _probabilities(cell: Cell, truth: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return a test set's probabilities: (items, classes)."""
    size, correlation = UNITS[cell.units]
    noise = random.standard_normal((cell.items, cell.classes))
    if correlation:
        shared = random.standard_normal((cell.items // size, cell.classes)).repeat(size, 0)
        noise = np.sqrt(1 - correlation) * noise + np.sqrt(correlation) * shared
    means = _means(cell.classes, cell.accuracy)
    return _softmax(noise, means, truth, cell.confidence)


def _softmax(
    noise: NDArray[np.float64], means: NDArray[np.float64], truth: NDArray[np.int64], confidence: float
) -> NDArray[np.float64]:
    values = noise.copy()
    values[np.arange(len(truth)), truth] += means[truth]
    # Logits whose slope is the mean of the class are calibrated if all classes are as easy.
    values = values * (confidence * means.mean())
    values = np.exp(values - values.max(1, keepdims=True))
    shares: NDArray[np.float64] = values / values.sum(1, keepdims=True)
    return shares


def _shares(classes: int) -> NDArray[np.float64]:
    """Return classes of unequal size: the largest is four times as large as the smallest."""
    sizes = np.linspace(1, 4, classes)
    shares: NDArray[np.float64] = sizes / sizes.sum()
    return shares


@cache
def _means(classes: int, accuracy: float) -> NDArray[np.float64]:
    """Return by how much the logit of each class is higher for its items, so that the accuracy is right."""
    noise = np.random.default_rng(0).standard_normal((20_000, classes))
    spread = np.linspace(1.25, 0.75, classes)

    def reached(scale: float) -> float:
        right = [noise[:, 0] + scale * of_class > noise[:, 1:].max(1) for of_class in spread]
        return float(np.mean(right))

    low, high = 0.0, 12.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < accuracy else (low, middle)
    return low * spread


@cache
def _true_scores(classes: int, accuracy: float, unequal: bool, confidence: float) -> dict[str, float]:
    """Return the scores of very many items."""
    cell = Cell("unequal" if unequal else "track", POPULATION, classes, accuracy, (), confidence)
    truth = cell.truth
    probabilities = _probabilities(cell, truth, np.random.default_rng(1))
    items = Items(truth, probabilities.argmax(1), probabilities, cell.unit_of, POPULATION)
    registered = all_scores()
    keys = {*OF_PREDICTIONS, *OF_PROBABILITIES}
    return {key: float(registered[key].compute(Sample(items))[0]) for key in sorted(keys)}


def main() -> None:
    """Measure all cells, print the table and save the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--save", type=Path, help="folder for coverage.json and coverage.md")
    parser.add_argument("--simulations", type=int, default=2000, help="test sets a cell (2000)")
    options = parser.parse_args()
    began = time.process_time()
    results = []
    for cell, cheap in cells():
        results += measure(cell, options.simulations if cheap else options.simulations // 5)
    for units in ("track", "groups"):
        for items in ITEMS[:2]:
            for accuracy in ACCURACIES:
                cell = Cell(units, items, 3, accuracy, OF_PREDICTIONS)
                results += measure(cell, options.simulations // 10, methods=RESAMPLED)
    text = markdown(results)
    print(text)
    print(f"{time.process_time() - began:.0f} s of one core")
    if options.save:
        figures: dict[str, Any] = {"cells": [dataclasses.asdict(result) for result in results]}
        print(f"saved to {save('coverage', figures, options.save, page=text)}")


def markdown(results: list[Result]) -> str:
    """Return the results as a page: a row for each score, method, kind of units and number of items."""
    counts = ", ".join(map(str, sorted({result.simulations for result in results}, reverse=True)))
    lines = [
        "# Coverage of the intervals of scores",
        "",
        "How often a 95 % interval contains the true score, in %: the lowest and the mean over 2, 3 and 10",
        "classes and accuracies of .6, .8 and .93. The width is the mean, in points (NLL: in nats). Made by",
        "`python -m benchmarks.studies.coverage --save benchmarks/results`; `coverage.json` has each cell.",
        "",
        "Units: *track*, each item is its own; *unequal*, the same with classes of unequal size; *chunks*,",
        "five chunks a track; *groups*, five tracks a speaker. Method: *own*, the score's; *resampled*, that",
        "of scores without their own (Wilson's interval with the variance of a bootstrap); *percentile*, the",
        "bootstrap's percentiles, which are used for plain numbers of other packages only.",
        "",
        f"Test sets a cell: {counts} (accuracy and macro F1; scores of probabilities; resampled).",
        "",
        "| score | method | units | items | cells | lowest coverage | mean coverage | width |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows: dict[tuple[str, str, str, int], list[Result]] = {}
    for result in results:
        key = result.score, result.method, result.units, result.items
        rows.setdefault(key, []).append(result)
    order = ("own", *RESAMPLED)
    for key in sorted(rows, key=lambda key: (order.index(key[1]), key[0], list(UNITS).index(key[2]), key[3])):
        score, method, units, items = key
        covered = [result.coverage for result in rows[key]]
        width = float(np.mean([result.width for result in rows[key]]))
        shown = f"{width:.2f}" if score == "nll" else f"{100 * width:.1f}"
        lines.append(
            f"| {score} | {method} | {units} | {items} | {len(covered)} | {100 * min(covered):.1f} | "
            f"{100 * float(np.mean(covered)):.1f} | {shown} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
