"""Scores that are stored: which there are, and how each is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import MAIN, Sample, Score, key_of, scores

#: What is shown where a run has no such score.
MISSING = "–"


class UnknownScore(Score):
    """A score of a package that is not installed: shown by the key that it is stored under.

    Parameters
    ----------
    key : str
    """

    percent = False

    def __init__(self, key: str) -> None:
        self.title = key

    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Raise `NotImplementedError`: what it computes is not known here."""
        raise NotImplementedError(f"score {self.title!r} is not installed")


def main_score() -> Score:
    """The score that leaderboards rank by."""
    return _score(MAIN, _names())


def stored_scores(tables: Iterable[Mapping[str, Any]]) -> dict[str, Score]:
    """Every score that some of the stored tables have, by its key.

    Parameters
    ----------
    tables : iterable of mapping
        As `ScoreTable.to_dict`; older ones may lack scores, others have scores that are not installed.

    Returns
    -------
    dict
        Sorted by key.
    """
    keys = {key for table in tables for key in table if f"{key}_interval" in table}
    names = _names()
    return {key: _score(key, names) for key in sorted(keys)}


def main_first(found: Mapping[str, Score]) -> dict[str, Score]:
    """The same scores, the main one first, even if it is missing."""
    return {MAIN: main_score(), **found}


def show_stored(table: Mapping[str, Any], key: str, score: Score) -> str:
    """A stored score and its interval in words, or `MISSING`."""
    return score.show_interval(table[key], table[f"{key}_interval"]) if key in table else MISSING


def describe(key: str) -> str:
    """One line of what a score is."""
    name = _names().get(key)
    return scores.summary(name) if name else "a score of a package that is not installed"


def _score(key: str, names: Mapping[str, str]) -> Score:
    name = names.get(key)
    return scores[name]() if name else UnknownScore(key)


def _names() -> dict[str, str]:
    return {key_of(name): name for name in scores}
