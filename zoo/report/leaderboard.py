"""Leaderboards: runs ranked among those that they can be compared with, and what leakage would have claimed.

Runs of one task (dataset and classes) and one split strategy make a board. Runs of one configuration (model,
settings, view, shares) are one entry of it, whatever their seeds. Leaky runs have a board of their own,
without ranks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from audiospec.digests import digest
from audiospec.zoo.runs.info import comparable_settings
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import MAIN
from audiospec.zoo.splits import displayed_strategy, is_leaky

#: What all folds of a dataset are called together.
FOLDS = "fold-K"


class Measure(NamedTuple):
    """A score of an entry: means over its runs, of the score and of its interval's ends."""

    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class Entry:
    """The runs of one configuration, by seed.

    Attributes
    ----------
    runs : list of Run
        At least one; they differ in seed, or in the fold that tests.
    """

    runs: list[Run]

    @property
    def first(self) -> Run:
        """The run that stands for what all runs have alike."""
        return self.runs[0]

    @property
    def repeats(self) -> list[str]:
        """What tells the runs apart: seeds, or folds."""
        if strategy_of(self.first) == FOLDS:
            return [run.info.split["strategy"] for run in self.runs]
        return [str(run.info.seed) for run in self.runs]

    @property
    def tested(self) -> list[int]:
        """Numbers of test tracks that its runs have, each once."""
        return sorted({run.metrics["test"]["track"]["count"] for run in self.runs})

    def tables(self, level: str) -> list[dict[str, Any]]:
        """Each run's scores of the test rows, as they are stored."""
        return [run.metrics["test"][level] for run in self.runs]

    def has(self, level: str, key: str) -> bool:
        """Whether all runs have a score."""
        return all(key in table for table in self.tables(level))

    def measure(self, level: str, key: str = MAIN) -> Measure:
        """A score of the test rows.

        Parameters
        ----------
        level : "chunk" or "track"
        key : str
            Of the score.

        Raises
        ------
        KeyError
            A run has no such score.
        """
        tables = self.tables(level)
        values = [table[key] for table in tables]
        low, high = (fmean(table[f"{key}_interval"][end] for table in tables) for end in (0, 1))
        return Measure(fmean(values), pstdev(values), low, high)


@dataclass(frozen=True)
class Board:
    """The entries of one task and one split strategy, best first.

    Attributes
    ----------
    strategy : str
        As it is to be shown.
    leaky : bool
    entries : list of Entry
        The highest main score by track first.
    one_test : bool
        Whether all runs were tested on the same tracks, as far as their splits tell.
    """

    strategy: str
    leaky: bool
    entries: list[Entry]
    one_test: bool

    @property
    def ranks(self) -> list[int]:
        """Place of each entry; entries with the same score have the same."""
        scores = [_shown(entry) for entry in self.entries]
        return [1 + sum(other > score for other in scores) for score in scores]

    @property
    def tied(self) -> list[bool]:
        """For each entry but the first: whether its interval overlaps with the first's."""
        best, *others = (entry.measure("track") for entry in self.entries)
        return [False, *(best.low <= other.high and other.low <= best.high for other in others)]


class Gap(NamedTuple):
    """One configuration by an honest and by a leaky split of the same view."""

    honest: Entry
    leaky: Entry

    @property
    def points(self) -> float:
        """Main score by chunk that the leaky split claims more, in points of a hundred."""
        claimed, worth = (entry.measure("chunk").mean for entry in (self.leaky, self.honest))
        return 100 * (claimed - worth)

    @property
    def clear(self) -> bool:
        """Whether the intervals of the two do not overlap."""
        claimed, worth = (entry.measure("chunk") for entry in (self.leaky, self.honest))
        return claimed.low > worth.high or worth.low > claimed.high

    @property
    def possible(self) -> bool:
        """Whether anything can leak: not where each track is one chunk."""
        sides = self.honest.first.info.split["sides"].values()
        return any(side["rows"] > side["tracks"] for side in sides)


@dataclass(frozen=True)
class Task:
    """Runs that tell the same classes of the same dataset apart.

    Attributes
    ----------
    dataset : str
    classes : tuple of str
    boards : list of Board
        One a split strategy; leaky ones last.
    gaps : list of Gap
        The widest first.
    """

    dataset: str
    classes: tuple[str, ...]
    boards: list[Board]
    gaps: list[Gap]


def tasks(runs: Sequence[Run]) -> list[Task]:
    """Group, fold and rank runs; the order in which they come does not matter.

    Parameters
    ----------
    runs : sequence of Run

    Returns
    -------
    list of Task
        By name of the dataset, then by number of classes.
    """
    by_task: defaultdict[tuple[str, tuple[str, ...]], list[Run]] = defaultdict(list)
    for run in runs:
        by_task[run.info.dataset, tuple(run.info.classes)].append(run)
    found = []
    for (dataset, classes), mine in by_task.items():
        entries = _folded(mine)
        found.append(Task(dataset, classes, _boards(entries), _gaps(entries)))
    return sorted(found, key=lambda task: (task.dataset, len(task.classes), task.classes))


def leaky(run: Run) -> bool:
    """Whether one track may be on two sides of a run's split."""
    return bool(run.info.split["leaky"]) or is_leaky(run.info.split["strategy"])


def strategy_of(run: Run) -> str:
    """A run's split strategy, as it is to be shown; all folds of a dataset are one."""
    fold = run.info.split["strategy"].startswith("fold-") and not leaky(run)
    return FOLDS if fold else shown_split(run)


def shown_split(run: Run) -> str:
    """A run's split strategy as it is to be shown: nothing leaky goes without the word."""
    strategy: str = run.info.split["strategy"]
    shown = displayed_strategy(strategy)
    # Whoever wrote the run may know of a leak that the strategy's name does not tell.
    return f"{shown} (leaky)" if leaky(run) and not is_leaky(strategy) else shown


def _configuration(run: Run) -> str:
    """What runs have alike that differ in their split strategy and seed alone."""
    info = run.info
    settings = comparable_settings(info.settings)
    return digest([info.model, settings, info.view, info.spec, info.chunking, info.split["shares"]])


def _folded(runs: Sequence[Run]) -> list[Entry]:
    together: defaultdict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        together[_configuration(run), strategy_of(run)].append(run)
    return [Entry(sorted(alike, key=_repeat)) for alike in together.values()]


def _repeat(run: Run) -> tuple[str, int, str]:
    return run.info.split["strategy"], run.info.seed, str(run.path)


def _boards(entries: Sequence[Entry]) -> list[Board]:
    by_strategy: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_strategy[strategy_of(entry.first)].append(entry)
    boards = []
    for strategy, mine in by_strategy.items():
        # Runs of several seeds are tested on several sets of tracks, but all entries on the same ones.
        tests = {frozenset(map(_tested_on, entry.runs)) for entry in mine}
        ordered = sorted(mine, key=_order)
        boards.append(Board(strategy, leaky(ordered[0].first), ordered, len(tests) == 1))
    return sorted(boards, key=lambda board: (board.leaky, board.strategy))


def _tested_on(run: Run) -> str:
    """What says which tracks test a run: equal for equal tracks, in any view of one dataset."""
    split = run.info.split
    drawn = split["strategy"] != "filtered" and strategy_of(run) != FOLDS
    tracks = [split["sides"][side]["tracks"] for side in ("train", "valid", "test")]
    return digest([split["strategy"], [run.info.seed, split["shares"], tracks] if drawn else tracks[-1]])


def _gaps(entries: Sequence[Entry]) -> list[Gap]:
    of = {(_configuration(entry.first), leaky(entry.first)): entry for entry in entries}
    pairs = [
        Gap(entry, of[_configuration(entry.first), True])
        for entry in entries
        if not leaky(entry.first) and (_configuration(entry.first), True) in of
    ]
    return sorted(pairs, key=lambda gap: (-round(gap.points, 9), *_order(gap.honest)))


def _shown(entry: Entry, level: str = "track") -> float:
    """The score that ranks, without the last bits of a mean."""
    return round(entry.measure(level).mean, 9)


def _order(entry: Entry) -> tuple[float, float, str, str, str]:
    run = entry.first
    return -_shown(entry), -_shown(entry, "chunk"), run.info.model, run.info.view, str(run.path)
