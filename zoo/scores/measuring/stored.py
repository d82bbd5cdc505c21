"""Stored scores: which a table has, and how each is displayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Sample, Score, key_of, main_key, scores

#: Displayed where a run does not have a score.
MISSING = "–"


class UnknownScore(Score):
    """A score of a package that is not installed; it is displayed under the key that it is stored under.

    Parameters
    ----------
    key : str
    """

    percent = False

    def __init__(self, key: str) -> None:
        self.title = key

    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Raise `NotImplementedError`, because the score's code is not installed."""
        raise NotImplementedError(f"score {self.title!r} is not installed")


def main_score(target: str = "single") -> Score:
    """Return the score that leaderboards rank runs of a target by."""
    return _score(main_key(target), _names())


def stored_scores(tables: Iterable[Mapping[str, Any]]) -> dict[str, Score]:
    """Return every score that at least one of the stored tables has.

    Parameters
    ----------
    tables : iterable of mapping
        As from `ScoreTable.to_dict`. Tables may have different scores, also ones that are not installed.

    Returns
    -------
    dict
        Key → score, sorted by key.
    """
    keys = {key for table in tables for key in table if f"{key}_interval" in table}
    names = _names()
    return {key: _score(key, names) for key in sorted(keys)}


def main_first(by_key: Mapping[str, Score], target: str = "single") -> dict[str, Score]:
    """Return the scores with the target's main score first; it is added if it is missing."""
    return {main_key(target): main_score(target), **by_key}


def show_stored(table: Mapping[str, Any], key: str, score: Score) -> str:
    """Return a stored score and its interval as text, or `MISSING`."""
    return score.show_interval(table[key], table[f"{key}_interval"]) if key in table else MISSING


def describe(key: str) -> str:
    """Return the summary of the score that is stored under a key, in one line."""
    name = _names().get(key)
    return scores.summary(name) if name else "a score of a package that is not installed"


def _score(key: str, names: Mapping[str, str]) -> Score:
    name = names.get(key)
    return scores[name]() if name else UnknownScore(key)


def _names() -> dict[str, str]:
    return {key_of(name): name for name in scores}
