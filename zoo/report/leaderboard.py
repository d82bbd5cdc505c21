"""Leaderboards: comparable runs, ranked.

A board has the runs of one task (dataset, target and classes) and one split strategy that were tested on
the same tracks, or on some of the same. Runs that differ only in seed or fold (same model, settings, view
and shares) are one entry of it. Leaky runs have separate boards, without ranks, of any test tracks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audiospec.errors import ModelError, RunError
from audiospec.zoo.comparison.compare import LEVEL_OF_SIGNIFICANCE, compare
from audiospec.zoo.comparison.configurations import (
    FOLDS,
    group_runs,
    shown_strategy,
    strategy_of,
)
from audiospec.zoo.comparison.difference import holm
from audiospec.zoo.report.entry import Entry, over_splits
from audiospec.zoo.runs.corrected import corrections_in_words
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.stored import main_score
from audiospec.zoo.splits.units import joined


@dataclass(frozen=True, eq=False)
class Board:
    """The entries of one task and one split strategy with test tracks in common, best first.

    Attributes
    ----------
    entries : list of Entry
        The highest main score by track first.
    """

    entries: list[Entry]

    @property
    def runs(self) -> list[Run]:
        """The runs of all entries, in their order."""
        return [run for entry in self.entries for run in entry.runs]

    @cached_property
    def strategy(self) -> str:
        """The split strategy as it is displayed, with what leaks in any of the runs."""
        return shown_strategy(self.runs)

    @property
    def leaky(self) -> bool:
        """Whether the split of any of the runs leaks."""
        return any(entry.leaky for entry in self.entries)

    @property
    def one_test(self) -> bool:
        """Whether all entries were tested on the same tracks."""
        return len({frozenset(entry.tests) for entry in self.entries}) == 1

    @property
    def splits(self) -> list[str]:
        """The seeds of the splits, or the folds, ascending."""
        splits = [run.info.split for run in self.runs]
        if strategy_of(self.runs[0]) == FOLDS:
            return sorted({split["strategy"] for split in splits})
        seeds = {split.get("seed", run.info.seed) for split, run in zip(splits, self.runs, strict=True)}
        return list(map(str, sorted(seeds)))

    @property
    def ranks(self) -> list[int]:
        """Rank of each entry, from 1; entries with equal scores have equal ranks."""
        scores = [_ranking_score(entry) for entry in self.entries]
        return [1 + sum(other > score for other in scores) for score in scores]

    @cached_property
    def p(self) -> list[float | None]:
        """For each entry, the p-value of its paired difference from the first, adjusted by Holm's method.

        None: the entry cannot be compared with the first; or it is the first.
        """
        best, *others = self.entries
        raw = [_paired_p(best, other) for other in others]
        adjusted = iter(holm([p for p in raw if p is not None]).tolist())
        return [None, *(None if p is None else next(adjusted) for p in raw)]

    @property
    def tied(self) -> list[bool]:
        """For each entry, whether no paired difference from the first is shown; False for the first."""
        return [p is not None and p >= LEVEL_OF_SIGNIFICANCE for p in self.p]

    @property
    def uncompared(self) -> list[bool]:
        """For each entry, whether it cannot be compared with the first; False for the first."""
        return [number > 0 and p is None for number, p in enumerate(self.p)]


@dataclass(frozen=True)
class Task:
    """Runs on the same target and classes of the same dataset, with the same corrections of labels.

    Attributes
    ----------
    dataset : str
    target : str
        Name of the target.
    classes : tuple of str
    corrections : str
        What was corrected of the labels, in words; ``""`` if nothing was.
    boards : list of Board
        One for each split strategy and what was tested on, or for each strategy that leaks; these are last.
    """

    dataset: str
    target: str
    classes: tuple[str, ...]
    corrections: str
    boards: list[Board]


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
    by_task: defaultdict[tuple[str, str, tuple[str, ...], str], list[Run]] = defaultdict(list)
    for run in runs:
        corrections = str(run.info.corrections.get("digest", ""))
        by_task[run.info.dataset, run.target.name, tuple(run.info.classes), corrections].append(run)
    all_tasks = []
    for (dataset, target, classes, _), task_runs in sorted(by_task.items()):
        entries = [Entry(group) for group in group_runs(task_runs)]
        words = corrections_in_words(task_runs[0].info)
        all_tasks.append(Task(dataset, target, classes, words, _boards(entries)))
    return sorted(all_tasks, key=lambda task: (task.dataset, len(task.classes), task.classes, task.target))


def _boards(entries: Sequence[Entry]) -> list[Board]:
    by_strategy: defaultdict[tuple[str, bool], list[Entry]] = defaultdict(list)
    for entry in entries:
        by_strategy[strategy_of(entry.first), entry.leaky].append(entry)
    boards = []
    for (_, leaky), of_strategy in by_strategy.items():
        if leaky:  # they are not ranked, so that what they were tested on may differ
            boards.append(Board(sorted(of_strategy, key=_board_order)))
            continue
        of_tests: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry, first in zip(of_strategy, _with_common_tests(of_strategy), strict=True):
            of_tests[first].append(entry)
        boards += [Board(sorted(group, key=_board_order)) for group in of_tests.values()]
    return sorted(boards, key=lambda board: (board.leaky, board.strategy, _board_order(board.entries[0])))


def _with_common_tests(entries: Sequence[Entry]) -> list[int]:
    """Return for each entry the first that it has tests in common with, directly or through others."""
    pairs = [(number, test) for number, entry in enumerate(entries) for test in entry.tests]
    owners, tests = ([str(pair[at]) for pair in pairs] for at in (0, 1))
    first = joined([np.array(owners), np.array(tests)])
    group_of = {int(owner): int(owners[place]) for owner, place in zip(owners, first, strict=True)}
    return [group_of[number] for number in range(len(entries))]


def _paired_p(best: Entry, other: Entry) -> float | None:
    """Return the p-value of the difference in main score by track; None if the entries cannot be compared.

    Entries with several test sets in common are compared by the stored scores on each, and with one by the
    predictions of its tracks, which runs of older versions do not have.
    """
    common = [test for test in best.tests if test in other.tests]
    if len(common) > 1:
        differences = [best.on(test) - other.on(test) for test in common]
        share = main_score(best.first.target.name).percent
        return over_splits(differences, [best, other], common, share=share).p
    try:
        return compare(best.runs, other.runs).p
    except (RunError, ModelError):  # other labels or files, or one unit
        return None


def _ranking_score(entry: Entry, level: str = "track") -> float:
    """Return the main score, rounded, so that the last bits of a mean do not rank."""
    return round(entry.mean(level), 9)


def _board_order(entry: Entry) -> tuple[float, float, str, str, str]:
    info, path = entry.first.info, str(entry.first.path)
    return -_ranking_score(entry), -_ranking_score(entry, "chunk"), info.model, info.view, path
