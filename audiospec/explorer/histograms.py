"""Histograms of the columns of numbers, with the tracks that are far out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Bins of a histogram, and outliers that are named.
BINS, MOST_OUTLIERS = 40, 20
#: A value is far out if it is beyond the quartiles by more than this many times their distance.
FAR = 3.0


def histogram(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return the histogram of values, as JSON values.

    Parameters
    ----------
    values : ndarray of float64, shape (tracks,)

    Returns
    -------
    dict
        ``edges`` (bins + 1), ``counts`` (bins), ``missing``, the number of values that are not finite, and
        ``outliers``: the numbers of tracks beyond the quartiles by three times their distance (Tukey's outer
        fences), farthest first.
    """
    finite = np.isfinite(values)
    known = values[finite]
    missing = int(len(values) - len(known))
    if not len(known):
        return {"edges": [], "counts": [], "missing": missing, "outliers": []}
    counts, edges = np.histogram(known, min(BINS, max(1, len(np.unique(known)))))
    low, high = np.quantile(known, (0.25, 0.75))
    beyond = np.full(len(values), -np.inf)
    beyond[finite] = np.maximum(low - known, known - high) - FAR * (high - low)
    order = np.argsort(-beyond, kind="stable")[:MOST_OUTLIERS]
    return {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "missing": missing,
        "outliers": order[beyond[order] > 0].tolist(),
    }
