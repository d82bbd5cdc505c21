"""Splits of a view whose labels were corrected after the split was made."""

from __future__ import annotations

import dataclasses

import numpy as np

from audiospec.corrections.view import CorrectedView
from audiospec.zoo.splits.folds import Folds
from audiospec.zoo.splits.of_view import ViewStrata, strata_of
from audiospec.zoo.splits.split import SIDES, Split, make_split


def with_corrected_labels(made: Split | Folds, view: CorrectedView) -> Split | Folds:
    """Return a split or folds whose rows have their corrected labels; excluded rows are on no side.

    Parameters
    ----------
    made : Split or Folds
        Of the view, or of the view without corrections; the former is returned as it is.
    view : CorrectedView

    Raises
    ------
    SplitError
        A class is tested but has no training rows any more, or a side has no rows.
    """
    before, column = made.strata, made.strata.column
    is_whole = before.names in (sorted(map(str, view.uncorrected.classes)), view.classes)
    names = None if column or is_whole else [name for name in before.names if name in view.classes]
    strata = strata_of(view, names, column or None)
    if _are_same(before, strata):
        return made
    if isinstance(made, Split):
        return _relabelled(made, view, strata)
    folds = [fold._replace(split=_relabelled(fold.split, view, strata)) for fold in made.folds]
    return dataclasses.replace(made, folds=folds)


def _are_same(a: ViewStrata, b: ViewStrata) -> bool:
    return (
        a.names == b.names
        and np.array_equal(a.rows.item, b.rows.item)
        and np.array_equal(a.rows.name, b.rows.name)
    )


def _relabelled(made: Split, view: CorrectedView, strata: ViewStrata) -> Split:
    sides = [getattr(made, side) for side in SIDES]
    return make_split(
        view,
        made.strategy,
        [rows[strata.used_rows[rows]] for rows in sides],
        seed=made.seed,
        shares=made.shares,
        reason=made.reason,
        left_out=made.left_out[strata.used_rows[made.left_out]],
        strata=strata,
    )
