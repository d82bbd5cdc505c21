"""Compare runs that were tested on the same items: differences, with intervals and tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError, RunError
from audiospec.zoo.comparison.configurations import is_leaky, names_of
from audiospec.zoo.comparison.difference import corrected_t, holm, paired_bootstrap
from audiospec.zoo.comparison.mcnemar import McNemar, mcnemar
from audiospec.zoo.comparison.tested import LEVELS, Configuration, RunTest, check_same, units_of_tracks
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import Items, Score, key_of, main_key, scores
from audiospec.zoo.scores.measuring.units import ScoredItems

#: A difference is shown if its p-value is below this.
LEVEL_OF_SIGNIFICANCE = 0.05
#: One run, or the runs of one configuration.
Runs = Run | Sequence[Run] | Configuration
UNITS, SPLITS = "paired bootstrap over units", "corrected resampled t over splits"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The difference between two configurations on the same test items.

    Attributes
    ----------
    a, b : str
        Names of the configurations.
    level : str
        ``"track"`` or ``"chunk"``.
    score : str
        Name of the score in the registry.
    scores : (float, float)
        The mean score of a and of b.
    difference : float
        Score of a minus score of b.
    interval : (float, float)
        95 % interval of the difference.
    p : float
        Two-sided p-value of no difference.
    adjusted : float
        `p`, adjusted by Holm's method if several comparisons were made; the verdict is by this.
    method : str
        Where the interval and the p-value are from: `UNITS` for one test set, `SPLITS` for several.
    differences : tuple of float
        The difference on each test set.
    runs : (int, int)
        Numbers of runs of a and of b on these test sets.
    left_out : (int, int)
        Numbers of other runs of a and of b, which were tested on other tracks.
    items, units : int
        Numbers of distinct test items (tracks or chunks), and of the units that they are of.
    mcnemar : McNemar or None
        McNemar's test over units. None: several runs were tested on the same units.
    leaky : bool
        Whether the split of a run leaks.
    """

    a: str
    b: str
    level: str
    score: str
    scores: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    p: float
    adjusted: float
    method: str
    differences: tuple[float, ...]
    runs: tuple[int, int]
    left_out: tuple[int, int]
    items: int
    units: int
    mcnemar: McNemar | None
    leaky: bool

    @property
    def better(self) -> str:
        """The name of the better configuration; ``""`` if no difference is shown."""
        if self.adjusted >= LEVEL_OF_SIGNIFICANCE:
            return ""
        higher = scores[self.score].higher_is_better
        return self.a if (self.difference > 0) == higher else self.b

    @property
    def verdict(self) -> str:
        """What the comparison shows, in words."""
        leaky = "; leaky: what the models remember counts, too" if self.leaky else ""
        if not self.better:
            return f"no difference shown between {self.a} and {self.b} by {self.level}{leaky}"
        other = self.b if self.better == self.a else self.a
        score = scores[self.score]()
        size = show_difference(score, abs(self.difference)).lstrip("+")
        points = " points" if score.percent else ""
        return f"{self.better} is better than {other}: {size}{points} of {score.title} by {self.level}{leaky}"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        return {
            **dataclasses.asdict(self),
            "mcnemar": None if self.mcnemar is None else self.mcnemar._asdict(),
            "better": self.better,
            "verdict": self.verdict,
        }


def show_difference(score: Score, value: float) -> str:
    """Return a difference with its sign as text: of a share in points, such as ``"+3.1"``."""
    text = f"{100 * value:+.1f}" if score.percent else f"{value:+.3f}"
    return text.replace("-", "−")


def compare(
    a: Runs,
    b: Runs,
    *,
    score: str | None = None,
    level: str = "track",
    seed: int = 0,
) -> Comparison:
    """Compare two runs, or two configurations of several seeds or folds each, on the same test items.

    Runs are paired by their test tracks. With one test set in common, the interval and the p-value are of the
    paired bootstrap over units; several runs on it are averaged, and the variance of their mean is added.
    With several test sets, they are of the corrected resampled t over these. `difference.py` has both.

    Parameters
    ----------
    a, b : Run, sequence of Run or Configuration
        Runs that keep their predictions.
    score : str or None
        Name of a registered score of the runs' target. None: its main score, for one class a row macro-f1.
    level : str
        ``"track"`` or ``"chunk"``.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Comparison
        Its differences are a minus b.

    Raises
    ------
    RunError
        A run keeps no predictions, or the runs have no test tracks, labels or chunks in common.
    ModelError
        The level is unknown, or there is only one unit.
    RegistryError
        The score is unknown.
    """
    if level not in LEVELS:
        raise ModelError(f"expected a level of {' or '.join(LEVELS)}; got {level!r}")
    one, other = _configuration(a), _configuration(b)
    score = _score_of(one, score)
    measure = scores[score]()
    common, of_a, of_b = one.common(other), one.tests, other.tests
    units = units_of_tracks(one for test in common for of in (of_a, of_b) for one in of[test])
    pairs = [_paired(of_a[test], of_b[test], level, units) for test in common]
    means = np.array([[_mean(measure, runs) for runs in (pair.a, pair.b)] for pair in pairs])
    differences = means[:, 0] - means[:, 1]
    if len(pairs) == 1:
        found, method = paired_bootstrap(measure, pairs[0].a, pairs[0].b, seed=seed), UNITS
    else:
        trained, tested = ([getattr(pair, name) for pair in pairs] for name in ("trained", "tested"))
        step = 1 / min(len(pair.items) for pair in pairs) if measure.percent else 0.0
        found, method = corrected_t(differences, trained, tested, step=step), SPLITS
    runs_a, runs_b = (
        list(dict.fromkeys(tested.run for test in common for tested in of[test])) for of in (of_a, of_b)
    )
    name_a, name_b = names_of([runs_a, runs_b])
    return Comparison(
        a=name_a,
        b=name_b,
        level=level,
        score=score,
        scores=(float(means[:, 0].mean()), float(means[:, 1].mean())),
        difference=found.value,
        interval=(found.low, found.high),
        p=found.p,
        adjusted=found.p,
        method=method,
        differences=tuple(differences.tolist()),
        runs=(len(runs_a), len(runs_b)),
        left_out=(len(one.runs) - len(runs_a), len(other.runs) - len(runs_b)),
        items=len({item for pair in pairs for item in pair.items}),
        units=len({unit for pair in pairs for unit in pair.units.tolist()}),
        mcnemar=_mcnemar(pairs),
        leaky=any(map(is_leaky, (*runs_a, *runs_b))),
    )


def compare_all(
    configurations: Sequence[Runs],
    *,
    score: str | None = None,
    level: str = "track",
    reference: int | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """Compare one configuration with each other one; p-values are adjusted by Holm's method.

    Parameters
    ----------
    configurations : sequence
        Two or more; each as for `compare`.
    score, level, seed
        As for `compare`.
    reference : int or None
        Number of the configuration that the others are compared with. None: the first of two; of more, the
        one with the best mean score on its own test tracks.

    Returns
    -------
    list of Comparison
        One for each other configuration, in the order given; differences are reference minus other.

    Raises
    ------
    RunError
        There are fewer than two configurations, or as `compare`.
    ModelError, RegistryError
        As `compare`.
    """
    groups = [_configuration(one) for one in configurations]
    if groups:
        score = _score_of(groups[0], score)
    if len(groups) < 2:
        raise RunError(
            f"expected two configurations or more to compare; got {len(groups)}",
            "give the folder of another run",
        )
    assert score is not None
    if reference is None:
        reference = _best(groups, score, level) if len(groups) > 2 else 0
    names = names_of([group.runs for group in groups])
    found = [
        dataclasses.replace(
            compare(groups[reference], other, score=score, level=level, seed=seed),
            a=names[reference],
            b=names[number],
        )
        for number, other in enumerate(groups)
        if number != reference
    ]
    adjusted = holm([one.p for one in found]).tolist()
    return [dataclasses.replace(one, adjusted=p) for one, p in zip(found, adjusted, strict=True)]


@dataclass(frozen=True, eq=False)
class _Pair:
    """The predictions of two configurations on one test set.

    Attributes
    ----------
    a, b : sequence of Items, LabelItems or NumberItems
        Of each run.
    items : list of (str, float)
        Track and start of each item.
    units : ndarray of int64
        Number of each unit, among those of all test sets; `Items.unit_of` are places in it.
    trained, tested : int
        Numbers of training and of test tracks. Of several runs, the smallest number of training tracks.
    """

    a: Sequence[ScoredItems]
    b: Sequence[ScoredItems]
    items: list[tuple[str, float]]
    units: NDArray[np.int64]
    trained: int
    tested: int


def _paired(a: Sequence[RunTest], b: Sequence[RunTest], level: str, units: Mapping[str, int]) -> _Pair:
    """Check that all runs were tested on the same items, and return their predictions."""
    first = a[0]
    for other in (*a[1:], *b):
        check_same(first, other, level)
    numbers, unit_of = np.unique([units[track.track] for track in first.tracks], return_inverse=True)
    items_a, items_b = ([one.items(level, unit_of) for one in runs] for runs in (a, b))
    trained = [one.run.info.split["sides"]["train"]["tracks"] for one in (*a, *b)]
    return _Pair(items_a, items_b, first.names(level), numbers, min(trained), len(first.tracks))


def _mean(score: Score, runs: Sequence[ScoredItems]) -> float:
    """Return the mean score of runs on one test set."""
    return float(np.mean([score.compute(items.sample())[0] for items in runs]))


def _configuration(runs: Runs) -> Configuration:
    if isinstance(runs, Configuration):
        return runs
    return Configuration([runs] if isinstance(runs, Run) else runs)


def _score_of(configuration: Configuration, score: str | None) -> str:
    """Return the name of the score to compare by, after a check that it is one of the runs' target."""
    target = next(iter(configuration.tests.values()))[0].target.name
    if score is None:
        score = next(name for name in scores if key_of(name) == main_key(target))
    if target not in scores[score].targets:
        of_target = [name for name in scores if target in scores[name].targets]
        raise ModelError(
            f"score {score!r} is not one of the target {target!r} of run {configuration.runs[0].path}",
            f"choose one of {', '.join(of_target)}",
        )
    return score


def _best(groups: Sequence[Configuration], score: str, level: str) -> int:
    """Return the number of the configuration with the best mean of stored scores; of equals, the first."""
    key, sign = key_of(score), 1 if scores[score].higher_is_better else -1
    means = []
    for group in groups:
        tables = [run.metrics["test"][level] for run in group.runs]
        if not all(key in table for table in tables):
            raise RunError(
                f"expected runs that have the score {score!r}; run {group.runs[0].path} lacks it",
                "choose a score that all runs have, or train again",
            )
        means.append(sign * float(np.mean([table[key] for table in tables])))
    return int(np.argmax(np.round(means, 9)))


def _mcnemar(pairs: Sequence[_Pair]) -> McNemar | None:
    """Return McNemar's test on all test sets together.

    None if a unit was tested more than once, or if items are not right or wrong as a whole.
    """
    units = np.concatenate([pair.units for pair in pairs])
    if len(np.unique(units)) < len(units) or any(len(pair.a) > 1 or len(pair.b) > 1 for pair in pairs):
        return None
    right = []
    for one in ([pair.a[0] for pair in pairs], [pair.b[0] for pair in pairs]):
        of_class = [items for items in one if isinstance(items, Items)]
        if len(of_class) < len(one):
            return None
        right.append(np.concatenate([items.predicted == items.truth for items in of_class]))
    unit_of = np.concatenate([pair.units[pair.a[0].unit_of] for pair in pairs])
    return mcnemar(right[0], right[1], unit_of)
