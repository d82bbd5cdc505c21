"""Scores of predicted events: by track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from audiospec.errors import ModelError
from audiospec.zoo.scores.base import all_scores
from audiospec.zoo.scores.measuring.event_files import EventFile
from audiospec.zoo.scores.measuring.event_items import EventItems
from audiospec.zoo.scores.measuring.f1 import f1_of
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.resamples import score_values
from audiospec.zoo.scores.measuring.tables import Evaluation, ScoreTable


def score_events(
    files: Sequence[EventFile], classes: Sequence[str], *, units: ArrayLike | None = None, seed: int = 0
) -> Evaluation:
    """Score the predicted events of some tracks by every registered score of the target frames.

    Events are of whole tracks, whose chunks overlap or end within an event. So both tables of the result are
    the same, by track.

    Parameters
    ----------
    files : sequence of EventFile
        One for each track.
    classes : sequence of str
        Labels of the events that are scored; the columns of probabilities.
    units : array, shape (tracks,), or None
        Name or number of each track's unit. Only units are independent of each other, so intervals are over
        them. None: each track is a unit.
    seed : int
        Seed of the bootstrap, for the scores that have their intervals from it.

    Raises
    ------
    ModelError
        There are no tracks, two have one id, the numbers of units or of classes do not fit, or a score is not
        finite.
    """
    names = [file.track for file in files]
    grouping = Grouping.of(np.arange(len(files)), units)
    if not files or len(grouping.unit_of) != len(files) or len(set(names)) < len(files):
        raise ModelError(
            f"expected files of different tracks, and a unit for each; got {len(files)} of {len(set(names))} "
            f"tracks, and {len(grouping.unit_of)} units"
        )
    for file in files:
        if file.probabilities is not None and file.probabilities.shape[1:] != (len(classes),):
            raise ModelError(
                f"expected probabilities of {len(classes)} classes of track {file.track}; got some of shape "
                f"{file.probabilities.shape}"
            )
    items = EventItems(files, classes, grouping.unit_of, grouping.units)
    right, predicted, actual = items.events.sum(0)
    f1 = np.nan_to_num(f1_of(items.events.sum(0)[None])[0])
    per_class: dict[str, dict[str, float]] = {
        name: {
            "precision": float(right[i] / predicted[i]) if predicted[i] else 0.0,
            "recall": float(right[i] / actual[i]) if actual[i] else 0.0,
            "f1": float(f1[i]),
            "support": int(actual[i]),
        }
        for i, name in enumerate(classes)
    }
    table = ScoreTable(len(items), score_values(items, all_scores("frames"), seed), per_class, [])
    return Evaluation(table, table)
