"""Scores of the predictions of one number a chunk: by chunk and by track."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.base import all_scores
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.number_items import NumberItems
from audiospec.zoo.scores.measuring.resamples import score_values
from audiospec.zoo.scores.measuring.tables import Evaluation, ScoreTable


def score_numbers(
    values: ArrayLike,
    truth: ArrayLike,
    tracks: ArrayLike,
    name: str,
    *,
    units: ArrayLike | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score the predicted numbers of some chunks by every registered score of the target number.

    Chunks whose true number is NaN are not scored. The true and the predicted number of a track are the means
    over its other chunks.

    Parameters
    ----------
    values : array of float, shape (chunks,) or (chunks, 1)
        The predicted numbers.
    truth : array of float, shape (chunks,)
    tracks : array, shape (chunks,)
        Id or number of each chunk's track.
    name : str
        What the number is, such as the dataset's column; for messages.
    units : array, shape (chunks,), or None
        Name or number of each chunk's unit. Only units are independent of each other, so intervals are over
        them. All chunks of a track have one unit. None: each track is a unit.
    seed : int
        Seed of the bootstrap, for the scores that have their intervals from it.

    Raises
    ------
    ModelError
        There are no chunks with a true number, the shapes do not fit, a track has several units, or a number
        or a score is not finite.
    """
    predicted, numbers = np.asarray(values, np.float64), np.asarray(truth, np.float64)
    if predicted.shape == (len(numbers), 1):
        predicted = predicted[:, 0]
    grouping = Grouping.of(tracks, units)
    lengths = (len(grouping.track_of), len(grouping.unit_of))
    if numbers.ndim != 1 or predicted.shape != numbers.shape or lengths != (len(numbers),) * 2:
        raise ModelError(
            f"expected a predicted and a true number ({name}), a track and a unit for each chunk; got "
            f"{predicted.shape}, {numbers.shape}, {grouping.shapes}"
        )
    grouping.unit_of_tracks()
    scored = ~np.isnan(numbers)
    if not np.isfinite(predicted).all() or not np.isfinite(numbers[scored]).all():
        raise ModelError(f"expected finite numbers ({name}); got some that are not")
    if not scored.any():
        raise ModelError(f"expected chunks with a true number ({name}); got {len(numbers)} without")
    grouping = Grouping.of(grouping.track_of[scored], grouping.unit_of[scored])
    predicted, numbers = predicted[scored], numbers[scored]
    items_of_both = number_items(predicted, numbers, grouping)
    scores = all_scores("number")
    return Evaluation(
        *(ScoreTable(len(items), score_values(items, scores, seed), {}, []) for items in items_of_both)
    )


def number_items(
    predicted: NDArray[np.float64], truth: NDArray[np.float64], grouping: Grouping
) -> tuple[NumberItems, NumberItems]:
    """Return the chunks and the tracks to score, as `score_numbers` scores them.

    Parameters
    ----------
    predicted, truth : ndarray of float64, shape (chunks,)
        Finite.
    grouping : Grouping

    Raises
    ------
    ModelError
        A track has several units.
    """
    chunks = NumberItems(truth, predicted, grouping.unit_of, grouping.units)
    means = grouping.means(truth), grouping.means(predicted)
    return chunks, NumberItems(*means, grouping.unit_of_tracks(), grouping.units)
