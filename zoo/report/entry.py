"""Entries of leaderboards: the runs of one configuration, with their mean scores and intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import Any, NamedTuple

from audiospec.zoo.comparison.configurations import FOLDS, is_leaky, shown_strategy, strategy_of
from audiospec.zoo.comparison.difference import Estimate, corrected_t
from audiospec.zoo.comparison.tested import tested_on
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import main_key
from audiospec.zoo.scores.measuring.stored import stored_scores


class Measure(NamedTuple):
    """A score of an entry: the mean over its runs, the sample deviation, and the ends of the 95 % interval.

    The deviation is None for one run.
    """

    mean: float
    deviation: float | None
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Entry:
    """The runs of one configuration, by seed.

    Attributes
    ----------
    runs : list of Run
        At least one; they differ in seed, or in the fold that they are tested on.
    """

    runs: list[Run]

    @property
    def first(self) -> Run:
        """The first run, for everything that is the same in all runs."""
        return self.runs[0]

    @property
    def main(self) -> str:
        """Key of the main score of its target."""
        return main_key(self.first.target.name)

    @property
    def repeats(self) -> list[str]:
        """The runs' seeds, or their folds."""
        if strategy_of(self.first) == FOLDS:
            return [run.info.split["strategy"] for run in self.runs]
        return [str(run.info.seed) for run in self.runs]

    @property
    def tested(self) -> list[int]:
        """The distinct numbers of test tracks of its runs, ascending."""
        return sorted({run.metrics["test"]["track"]["count"] for run in self.runs})

    @property
    def strategy(self) -> str:
        """The split strategy as it is displayed, with what leaks in any of the runs."""
        return shown_strategy(self.runs)

    @property
    def leaky(self) -> bool:
        """Whether the split of any of the runs leaks."""
        return any(map(is_leaky, self.runs))

    @cached_property
    def tests(self) -> dict[str, list[Run]]:
        """The runs by their test tracks: digest → runs."""
        tests: dict[str, list[Run]] = {}
        for run in self.runs:
            tests.setdefault(tested_on(run), []).append(run)
        return tests

    def tables(self, level: str) -> list[dict[str, Any]]:
        """Return each run's stored table of scores of the test rows; `level` is "chunk" or "track"."""
        return [run.metrics["test"][level] for run in self.runs]

    def has(self, level: str, key: str) -> bool:
        """Return whether all runs have a score."""
        return all(key in table for table in self.tables(level))

    def on(self, test: str, level: str = "track", key: str | None = None) -> float:
        """Return the mean score of the runs that were tested on some tracks, given by their digest."""
        return fmean(run.metrics["test"][level][key or self.main] for run in self.tests[test])

    def mean(self, level: str, key: str | None = None) -> float:
        """Return the mean score over test sets, of the test rows."""
        return fmean(self.on(test, level, key) for test in self.tests)

    def measure(self, level: str, key: str | None = None) -> Measure:
        """Return a score of the test rows.

        The interval of runs on several splits is over splits, by the corrected resampled t. The interval of
        several runs on one test set is that of a run, widened by the standard error over the runs.

        Parameters
        ----------
        level : "chunk" or "track"
        key : str or None
            Key that the score is stored under. None: the main score.

        Raises
        ------
        KeyError
            A run has no such score.
        """
        tables, key = self.tables(level), key or self.main
        share = stored_scores(tables)[key].percent
        if len(self.tests) > 1:
            values = [self.on(test, level, key) for test in self.tests]
            found = over_splits(values, [self], list(self.tests), share=share)
            low, high = found.low, found.high
        else:
            values = [table[key] for table in tables]
            mean = fmean(values)
            low, high = (fmean(table[f"{key}_interval"][end] for table in tables) for end in (0, 1))
            if len(values) > 1:
                # The runs are independent given their test tracks, so Student's t has no correction.
                spread = corrected_t(values, math.inf, 1).high - mean
                low, high = mean - math.hypot(mean - low, spread), mean + math.hypot(high - mean, spread)
        if share:
            low, high = max(low, 0.0), min(high, 1.0)
        return Measure(fmean(values), stdev(values) if len(values) > 1 else None, low, high)


def over_splits(
    values: Sequence[float], entries: Sequence[Entry], tests: Sequence[str], *, share: bool
) -> Estimate:
    """Return the mean of scores, or of their differences, on several test sets, with its interval.

    Parameters
    ----------
    values : sequence of float
        One for each test set.
    entries : sequence of Entry
        Those that the values are of.
    tests : sequence of str
        Digests of the test sets.
    share : bool
        Whether the values are of a share, which takes few values if there are few test tracks.
    """
    runs = [[run for entry in entries for run in entry.tests[test]] for test in tests]
    trained, tested = (
        [min(max(1, run.info.split["sides"][side]["tracks"]) for run in of_test) for of_test in runs]
        for side in ("train", "test")
    )
    step = 1 / min(tested) if share else 0.0
    return corrected_t(values, trained, tested, step=step)
