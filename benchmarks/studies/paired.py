"""Coverage of the interval of `audiospec leakage`: simulated datasets whose gap is known.

Units (recordings, tracks, speakers) have an effect on their rows of a given size; with size 0 siblings tell a
model nothing, and the true gap is 0. A nearest neighbour is trained on both sides of the exchange, as
`audiospec leakage` does. The true gap of a case is the mean over all its simulated datasets.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.benchmarks.studies.result import save
from audiospec.zoo.leakage.exchange import Candidates, exchange
from audiospec.zoo.leakage.gap import Gap, Outcome, paired_gap

#: Columns of a row.
COLUMNS = 6
#: Deviation of the units' effects; that of the rows of a unit is 1.
EFFECTS = (0.0, 0.7, 1.5)


class Kind(NamedTuple):
    """A kind of dataset: classes, units of a class, rows of a unit, and whether a unit has all classes."""

    classes: int
    units: int
    sizes: tuple[int, ...]
    mixed: bool = False


KINDS = {
    "100 recordings of 1 to 3 clips, 5 classes": Kind(5, 20, (1, 1, 2, 2, 3)),
    "60 tracks of 10 chunks, 3 classes": Kind(3, 20, (10,)),
    "18 tracks of 8 chunks, 3 classes": Kind(3, 6, (8,)),
    "6 speakers of 12 clips of each of 4 classes": Kind(4, 6, (12,), mixed=True),
}


def simulate(kind: Kind, effect: float, seeds: int, random: np.random.Generator) -> Gap:
    """Draw a dataset, and measure its gap over seeds.

    Parameters
    ----------
    kind : Kind
    effect : float
        Deviation of the units' effects.
    seeds : int
    random : Generator
    """
    means = np.random.default_rng(0).normal(0, 1, (kind.classes, COLUMNS))
    rows, classes, units = [], [], []
    for unit in range(kind.units * (1 if kind.mixed else kind.classes)):
        shared = random.normal(0, effect, COLUMNS)
        for name in range(kind.classes) if kind.mixed else [unit % kind.classes]:
            size = int(random.choice(kind.sizes))
            own = shared / 2 + random.normal(0, effect, COLUMNS) if kind.mixed else shared
            rows.append(means[name] + own + random.normal(0, 1, (size, COLUMNS)))
            classes += [name] * size
            units += [unit] * size
    values, truth = np.concatenate(rows), np.array(classes)
    numbers = np.arange(len(truth))
    learn = Candidates(numbers, numbers, np.array(units), truth)
    outcomes = []
    for seed in range(seeds):
        made = exchange(learn, (seed,))
        assert made is not None
        right = [
            _nearest(values, truth, np.concatenate([made.common, part]), made.test) == truth[made.test]
            for part in (made.first, made.second)
        ]
        outcomes.append(
            Outcome(
                learn.units[made.test].astype(str),
                np.where(made.in_first, *right),
                np.where(made.in_first, *right[::-1]),
            )
        )
    return paired_gap(outcomes)


def _nearest(
    values: NDArray[np.float64], truth: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the class of the nearest training row of each test row."""
    squares = (values[train] ** 2).sum(1)
    nearest: NDArray[np.int64] = truth[train][(squares - 2 * values[test] @ values[train].T).argmin(1)]
    return nearest


def coverage(
    datasets: int, seeds: int, progress: Callable[[str], None] = lambda line: None
) -> list[dict[str, Any]]:
    """Return the coverage of both intervals for each kind of dataset and effect.

    Parameters
    ----------
    datasets : int
        Number of simulated datasets of a case.
    seeds : int
        Number of seeds of each.
    progress : callable
        Called with a line for each case.
    """
    cases = []
    for name, kind in KINDS.items():
        for effect in EFFECTS:
            gaps = [
                simulate(kind, effect, seeds, np.random.default_rng([7, number]))
                for number in range(datasets)
            ]
            true = 0.0 if not effect else float(np.mean([gap.difference for gap in gaps]))
            cases.append(
                {
                    "kind": name,
                    "effect": effect,
                    "true": true,
                    "units": float(np.mean([gap.units for gap in gaps])),
                    "covered": float(np.mean([gap.low <= true <= gap.high for gap in gaps])),
                    "width": float(np.mean([gap.high - gap.low for gap in gaps])),
                    "covered_by_seeds": float(
                        np.mean([gap.seeds_low <= true <= gap.seeds_high for gap in gaps])
                    ),
                }
            )
            progress(_line(cases[-1]))
    return cases


def markdown(cases: list[dict[str, Any]]) -> str:
    """Return the table of all cases."""
    lines = [
        "| units | effect | true gap | covered, over units | covered, over seeds alone |",
        "| --- | --- | --- | --- | --- |",
        *map(_line, cases),
    ]
    return "\n".join(lines) + "\n"


def _line(case: dict[str, Any]) -> str:
    shares = (case["covered"], case["covered_by_seeds"])
    covered = " | ".join(f"{100 * share:.1f} %" for share in shares)
    return f"| {case['kind']} | {case['effect']:g} | {100 * case['true']:.1f} | {covered} |"


def main() -> None:
    """Print and save the coverage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=400, help="simulated datasets of a case")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--save", type=Path, help="folder for paired.json")
    options = parser.parse_args()
    cases = coverage(options.datasets, options.seeds, lambda line: print(line, flush=True))
    if options.save:
        figures = {"datasets": options.datasets, "seeds": options.seeds, "cases": cases}
        print(f"saved to {save('paired', figures, options.save)}")


if __name__ == "__main__":
    main()
