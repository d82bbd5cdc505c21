"""The gap: the difference of two accuracies on the same test rows, and its interval.

The interval is for the population that the units are from: other recordings, tracks or speakers. Its standard
error has two parts: that of the units (a jackknife that leaves out one unit with all its rows of all seeds)
and that of the seeds. Seeds alone do not show how much depends on single recordings: all seeds have the same
ones. ``python -m benchmarks.studies.paired`` measures the coverage of both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Coverage of the intervals.
COVERAGE = 0.95


class Outcome(NamedTuple):
    """The predictions of one seed's test rows, each with and without what leaks.

    Attributes
    ----------
    units : ndarray of str, shape (tests,)
        Name of each row's unit.
    with_leak, without : ndarray of bool, shape (tests,)
        Whether each row is predicted correctly.
    """

    units: NDArray[np.str_]
    with_leak: NDArray[np.bool_]
    without: NDArray[np.bool_]


@dataclass(frozen=True)
class Gap:
    """The difference that a leak makes to the accuracy of the rows that leak.

    Attributes
    ----------
    with_leak, without : float
        Accuracy by chunk, from 0 to 1, over the test rows of all seeds.
    low, high : float
        Ends of the 95 % interval of the difference, for other units than these.
    seeds_low, seeds_high : float
        Ends of the 95 % interval of the difference over seeds, for these units alone.
    seeds, units, rows : int
        Numbers of seeds, of different units that were tested, and of predictions of all seeds.
    changed : int
        Number of units whose accuracy is not the same with and without.
    """

    with_leak: float
    without: float
    low: float
    high: float
    seeds_low: float
    seeds_high: float
    seeds: int
    units: int
    rows: int
    changed: int

    @property
    def difference(self) -> float:
        """How much higher the accuracy is with what leaks, from -1 to 1."""
        return self.with_leak - self.without

    def words(self, noun: str) -> str:
        """Return the difference in percentage points, its interval, and what it shows.

        Parameters
        ----------
        noun : str
            What the units are, in the plural, such as ``"recordings"``.
        """
        points = f"{100 * self.difference:+z.1f} points {_interval(self.low, self.high)}"
        tested = f"{points} over {self.seeds} seeds and {self.units} {noun}"
        if self.low > 0 or self.high < 0:
            return tested
        if self.seeds_low > 0 or self.seeds_high < 0:
            return (
                f"{tested}: no difference shown for other {noun}; for these alone "
                f"{_interval(self.seeds_low, self.seeds_high)}, and {self.changed} of them change"
            )
        return f"no difference shown: {tested}"


def paired_gap(outcomes: Sequence[Outcome]) -> Gap:
    """Return the gap of the outcomes of at least two seeds and two units.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One for each seed; with at least one row.
    """
    from scipy.stats import t

    names, unit_of = np.unique(np.concatenate([one.units for one in outcomes]), return_inverse=True)
    right = np.concatenate([one.with_leak for one in outcomes])
    without = np.concatenate([one.without for one in outcomes])
    changes = right.astype(np.float64) - without
    sums, counts = np.bincount(unit_of, changes), np.bincount(unit_of)
    difference = float(changes.mean())
    left_out = (sums.sum() - sums) / (counts.sum() - counts)
    # Without the factor (units - 1) / units, which makes intervals of few units too short.
    of_units = float(((left_out - left_out.mean()) ** 2).sum())
    by_seed = np.array([one.with_leak.mean() - one.without.mean() for one in outcomes])
    of_seeds = float(by_seed.var(ddof=1)) / len(by_seed)
    tail = (1 + COVERAGE) / 2
    half = float(t.ppf(tail, len(names) - 1)) * math.sqrt(of_units + of_seeds)
    seeds_half = float(t.ppf(tail, len(by_seed) - 1)) * math.sqrt(of_seeds)
    return Gap(
        float(right.mean()),
        float(without.mean()),
        max(-1.0, difference - half),
        min(1.0, difference + half),
        max(-1.0, difference - seeds_half),
        min(1.0, difference + seeds_half),
        len(outcomes),
        len(names),
        len(changes),
        int((np.abs(sums) > 0).sum()),
    )


def _interval(low: float, high: float) -> str:
    """Return the ends of an interval in percentage points, such as ``"[2.9, 5.5]"``."""
    return f"[{100 * low:z.1f}, {100 * high:z.1f}]"
