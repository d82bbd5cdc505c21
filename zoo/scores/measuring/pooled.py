"""Scores of a cross-validation: pooled over folds, the mean over repeats, and the spread between folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev, variance
from typing import Any

import numpy as np

from audiospec.zoo.scores.measuring.tables import Evaluation, ScoreTable, ScoreValue


def mean_over_repeats(repeats: Sequence[Evaluation]) -> Evaluation:
    """Return the scores of a cross-validation from those of each repeat, in which each row is tested once.

    A score and the ends of its interval are means over the repeats: all repeats have the same units, so more
    of them do not make the interval narrower. Confusion matrices are sums.

    Parameters
    ----------
    repeats : sequence of Evaluation
        At least one; of the same rows.
    """
    if len(repeats) == 1:
        return repeats[0]
    return Evaluation(
        *(_mean_table([getattr(one, level) for one in repeats]) for level in ("chunk", "track"))
    )


def _mean_table(tables: Sequence[ScoreTable]) -> ScoreTable:
    first = tables[0]
    return ScoreTable(
        count=first.count,
        scores={
            key: ScoreValue(
                fmean(table.scores[key].value for table in tables),
                (
                    fmean(table.scores[key].interval[0] for table in tables),
                    fmean(table.scores[key].interval[1] for table in tables),
                ),
            )
            for key in first.scores
            if all(key in table.scores for table in tables)  # a constant prediction has no correlation
        },
        per_class={
            name: {
                key: value if key == "support" else fmean(table.per_class[name][key] for table in tables)
                for key, value in values.items()
            }
            for name, values in first.per_class.items()
        },
        confusion=np.sum([table.confusion for table in tables], axis=0).tolist(),
    )


def spread_of_folds(
    tables: Sequence[Mapping[str, Any]], trained: Sequence[int], tested: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Return mean, deviation and standard error of each score over folds.

    The folds have most of their training rows in common, so their scores are not independent. The standard
    error is that of Nadeau and Bengio (2003, Inference for the generalization error, Machine Learning 52):
    the root of (1 / folds + tested / trained) times the variance.

    Parameters
    ----------
    tables : sequence of mapping
        Stored scores of the test rows of each fold; two or more.
    trained, tested : sequence of int
        Number of training tracks, with those of validation, and of test tracks of each fold.

    Returns
    -------
    dict
        Key of a score that all tables have → ``"mean"``, ``"deviation"`` (of the sample) and ``"error"``.
    """
    keys = [key for key in tables[0] if all(f"{key}_interval" in table for table in tables)]
    ratio = 1 / len(tables) + sum(tested) / sum(trained)
    spread = {}
    for key in keys:
        values = [float(table[key]) for table in tables]
        spread[key] = {
            "mean": fmean(values),
            "deviation": stdev(values),
            "error": (ratio * variance(values)) ** 0.5,
        }
    return spread
