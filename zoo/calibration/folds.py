"""Folds inside the training rows: predictions of rows that the predicting model did not learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def grouped_folds(
    targets: NDArray[np.int64], units: NDArray[np.str_], folds: int, seed: int = 0
) -> NDArray[np.int64]:
    """Divide rows into folds; a unit is in one fold, and the units of each class are spread over all folds.

    scikit-learn's `StratifiedGroupKFold` takes 0.25 s for 800 units, three times as long as training an svm
    on them; this takes a millisecond.

    Parameters
    ----------
    targets : ndarray of int64, shape (n,)
        Class number of each row.
    units : ndarray of str, shape (n,)
        Name of each row's unit.
    folds : int
        Largest number of folds; there are no more than units.
    seed : int
        Seed of the order in which units are dealt.

    Returns
    -------
    ndarray of int64, shape (n,)
        Number of each row's fold, from 0.
    """
    names, unit_of = np.unique(units, return_inverse=True)
    counts = np.zeros((len(names), int(targets.max(initial=0)) + 1))
    np.add.at(counts, (unit_of, targets), 1)
    order = np.random.default_rng(seed).permutation(len(names))
    # Dealt class by class, and the large units of a class first.
    order = order[np.lexsort((-counts.sum(1)[order], counts.argmax(1)[order]))]
    fold_of = np.empty(len(names), np.int64)
    fold_of[order] = np.arange(len(names)) % max(1, min(folds, len(names)))
    return fold_of[unit_of]
