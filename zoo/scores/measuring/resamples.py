"""The scores of items and their intervals, from resamples where a score needs them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.base import Score
from audiospec.zoo.scores.measuring.bootstrap import draw_tracks
from audiospec.zoo.scores.measuring.tables import ScoreValue
from audiospec.zoo.scores.measuring.units import UnitItems, UnitSample

#: Largest number of bytes of the weights of items in resamples at a time.
MEMORY = 1 << 28


def score_values(items: UnitItems, scores: Mapping[str, Score], seed: int) -> dict[str, ScoreValue]:
    """Return the scores of the items that are defined for them, and their intervals.

    Parameters
    ----------
    items : UnitItems
    scores : mapping
        Key → score of the items' target.
    seed : int
        Seed of the bootstrap, for the scores that have their intervals from it.

    Raises
    ------
    ModelError
        A score is not finite, or not of the right shape.
    """
    resamples = _Resamples(items, seed)
    once = items.sample()
    values = {}
    for key, score in scores.items():
        value = float(_compute(key, score, once)[0])
        if math.isnan(value):
            continue
        low, high = score.interval(items, value, partial(resamples.values, key, score))
        values[key] = ScoreValue(value, (float(low), float(high)))
    return values


class _Resamples:
    """Resamples of the units of items, drawn when the first score needs them."""

    def __init__(self, items: UnitItems, seed: int) -> None:
        self._items = items
        self._seed = seed

    @cached_property
    def _draws(self) -> NDArray[np.float64]:
        return draw_tracks(self._items.units, self._seed)

    def values(self, key: str, score: Score) -> NDArray[np.float64]:
        """Return a score of all resamples for which it is defined."""
        step = max(1, MEMORY // (8 * len(self._items)))
        blocks = (self._draws[first : first + step] for first in range(0, len(self._draws), step))
        values = np.concatenate([_compute(key, score, self._items.sample(block)) for block in blocks])
        defined: NDArray[np.float64] = values[~np.isnan(values)]
        return defined


def _compute(key: str, score: Score, sample: UnitSample) -> NDArray[np.float64]:
    """Return the values of a score, after checking them: NaN only where the score may be undefined."""
    values = score.compute(sample)
    shape = np.shape(values)
    fits = shape == (len(sample),)
    if not fits or not np.isfinite(values if score.always_defined else values[~np.isnan(values)]).all():
        got = "some that are not finite" if fits else shape
        raise ModelError(
            f"score {key} must be a finite number for each of {len(sample)} resamples; got {got}",
            "fix or uninstall the package that provides it",
        )
    return values
