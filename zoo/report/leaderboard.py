"""Leaderboards: comparable runs, ranked; and leakage gaps: how much better a leaky split would look.

A board has the runs of one task (dataset and classes) and one split strategy. Runs that differ only in seed
(same model, settings, view and shares) are one entry of it. Leaky runs have a separate board, without ranks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from audiospec.digests import digest
from audiospec.zoo.runs.info import comparable_settings, split_name
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import MAIN

#: The displayed strategy of all folds of a dataset together.
FOLDS = "fold-K"


class Measure(NamedTuple):
    """A score of an entry: the mean and deviation over its runs, and the means of the interval's ends."""

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
        At least one; they differ in seed, or in the fold that they are tested on.
    """

    runs: list[Run]

    @property
    def first(self) -> Run:
        """The first run, for everything that is the same in all runs."""
        return self.runs[0]

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

    def tables(self, level: str) -> list[dict[str, Any]]:
        """Return each run's stored table of scores of the test rows; `level` is "chunk" or "track"."""
        return [run.metrics["test"][level] for run in self.runs]

    def has(self, level: str, key: str) -> bool:
        """Return whether all runs have a score."""
        return all(key in table for table in self.tables(level))

    def measure(self, level: str, key: str = MAIN) -> Measure:
        """Return a score of the test rows.

        Parameters
        ----------
        level : "chunk" or "track"
        key : str
            Key that the score is stored under.

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
        As it is displayed.
    leaky : bool
    entries : list of Entry
        The highest main score by track first.
    one_test : bool
        Whether all entries were tested on the same tracks, as far as their splits show.
    """

    strategy: str
    leaky: bool
    entries: list[Entry]
    one_test: bool

    @property
    def ranks(self) -> list[int]:
        """Rank of each entry, from 1; entries with equal scores have equal ranks."""
        scores = [_ranking_score(entry) for entry in self.entries]
        return [1 + sum(other > score for other in scores) for score in scores]

    @property
    def tied(self) -> list[bool]:
        """For each entry, whether its interval overlaps with the first's; False for the first."""
        best, *others = (entry.measure("track") for entry in self.entries)
        return [False, *(best.low <= other.high and other.low <= best.high for other in others)]


class Gap(NamedTuple):
    """One configuration with an honest and with a leaky split of the same view."""

    honest: Entry
    leaky: Entry

    @property
    def points(self) -> float:
        """How much more main score by chunk the leaky split claims, in percentage points."""
        claimed, worth = (entry.measure("chunk").mean for entry in (self.leaky, self.honest))
        return 100 * (claimed - worth)

    @property
    def clear(self) -> bool:
        """Whether the two intervals do not overlap."""
        claimed, worth = (entry.measure("chunk") for entry in (self.leaky, self.honest))
        return claimed.low > worth.high or worth.low > claimed.high

    @property
    def possible(self) -> bool:
        """Whether anything can leak: some track has several chunks."""
        sides = self.honest.first.info.split["sides"].values()
        return any(side["rows"] > side["tracks"] for side in sides)


@dataclass(frozen=True)
class Task:
    """Runs on the same classes of the same dataset.

    Attributes
    ----------
    dataset : str
    classes : tuple of str
    boards : list of Board
        One per split strategy; leaky ones last.
    gaps : list of Gap
        The largest first.
    """

    dataset: str
    classes: tuple[str, ...]
    boards: list[Board]
    gaps: list[Gap]


def tasks(runs: Sequence[Run]) -> list[Task]:
    """Group and rank runs; the result does not depend on their order.

    Parameters
    ----------
    runs : sequence of Run

    Returns
    -------
    list of Task
        Sorted by name of the dataset, then by number of classes.
    """
    by_task: defaultdict[tuple[str, tuple[str, ...]], list[Run]] = defaultdict(list)
    for run in runs:
        by_task[run.info.dataset, tuple(run.info.classes)].append(run)
    all_tasks = []
    for (dataset, classes), task_runs in by_task.items():
        entries = _entries(task_runs)
        all_tasks.append(Task(dataset, classes, _boards(entries), _gaps(entries)))
    return sorted(all_tasks, key=lambda task: (task.dataset, len(task.classes), task.classes))


def leaky(run: Run) -> bool:
    """Return whether a test row of a run shares a recording or a group with what it learnt from."""
    return bool(run.info.split["leaky"])


def strategy_of(run: Run) -> str:
    """Return a run's split strategy as a board displays it; all folds of a dataset have one name."""
    fold = run.info.split["strategy"].startswith("fold-") and not leaky(run)
    return FOLDS if fold else shown_split(run)


def shown_split(run: Run) -> str:
    """Return a run's split strategy as it is displayed: a leaky one has the word "leaky"."""
    return split_name(run.info.split)


def _configuration(run: Run) -> str:
    """Return a digest of a run without split strategy and seed: equal for the runs of one configuration."""
    info = run.info
    settings = comparable_settings(info.settings)
    return digest([info.model, settings, info.view, info.spec, info.chunking, info.split["shares"]])


def _entries(runs: Sequence[Run]) -> list[Entry]:
    groups: defaultdict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[_configuration(run), strategy_of(run)].append(run)
    return [Entry(sorted(group, key=_entry_order)) for group in groups.values()]


def _entry_order(run: Run) -> tuple[str, int, str]:
    return run.info.split["strategy"], run.info.seed, str(run.path)


def _boards(entries: Sequence[Entry]) -> list[Board]:
    by_strategy: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_strategy[strategy_of(entry.first)].append(entry)
    boards = []
    for strategy, strategy_entries in by_strategy.items():
        # Each seed has other test tracks, so entries are compared by the set of their runs' tests.
        tests = {frozenset(map(_test_digest, entry.runs)) for entry in strategy_entries}
        ranked = sorted(strategy_entries, key=_board_order)
        boards.append(Board(strategy, leaky(ranked[0].first), ranked, len(tests) == 1))
    return sorted(boards, key=lambda board: (board.leaky, board.strategy))


def _test_digest(run: Run) -> str:
    """Return a digest that is equal for runs tested on the same tracks, in any view of one dataset."""
    split = run.info.split
    depends_on_seed = split["strategy"] != "filtered" and strategy_of(run) != FOLDS
    tracks = [split["sides"][side]["tracks"] for side in ("train", "valid", "test")]
    drawn_from = [run.info.seed, split["shares"], tracks] if depends_on_seed else tracks[-1]
    return digest([split["strategy"], drawn_from])


def _gaps(entries: Sequence[Entry]) -> list[Gap]:
    by_configuration = {(_configuration(entry.first), leaky(entry.first)): entry for entry in entries}
    gaps = []
    for entry in entries:
        counterpart = by_configuration.get((_configuration(entry.first), True))
        if counterpart is not None and not leaky(entry.first):
            gaps.append(Gap(entry, counterpart))
    return sorted(gaps, key=lambda gap: (-round(gap.points, 9), *_board_order(gap.honest)))


def _ranking_score(entry: Entry, level: str = "track") -> float:
    """Return the main score, rounded, so that the last bits of a mean do not rank."""
    return round(entry.measure(level).mean, 9)


def _board_order(entry: Entry) -> tuple[float, float, str, str, str]:
    info, path = entry.first.info, str(entry.first.path)
    return -_ranking_score(entry), -_ranking_score(entry, "chunk"), info.model, info.view, path
