"""What was measured of tracks while they were decoded, for the checks of the sound's quality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.errors import NotCheckedError

#: Bins of a histogram.
BINS = 20
#: Fewest tracks among which one may be an outlier.
LEAST_TRACKS = 8
#: A normal distribution's median absolute deviation, in standard deviations.
MAD_OF_NORMAL = 0.6745

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]


def measured(examined: Examined, column: str) -> Values:
    """Return a column of what was measured, for all tracks; NaN where there is none.

    Raises
    ------
    NotCheckedError
        No track of the store was measured.
    """
    tracks = examined.tracks
    if not (tracks["samples_hash"] != "").any():
        raise NotCheckedError(
            "no track of this store was measured: it is of a version that did not measure them",
            "featurize into a new store, or add a view to this one, which decodes and measures them",
        )
    values: Values = tracks[column].astype(np.float64)
    return values


def found(
    check: str,
    severity: str,
    chosen: NDArray[np.bool_],
    worst: Values,
    title: Callable[[str], str],
    advice: str,
    detail: Callable[[int], str],
    histogram: dict[str, Any],
) -> list[Finding]:
    """Return a finding of the chosen tracks; none if no track was chosen.

    Parameters
    ----------
    check, severity, advice : str
        See `Finding`.
    chosen : ndarray of bool, shape (tracks,)
    worst : ndarray of float64, shape (tracks,)
        Tracks with the largest values come first.
    title : callable
        From a count, such as ``"3 of 40 tracks"``, to the title.
    detail : callable
        From the number of a track to its line.
    histogram : dict
        See `histogram`.
    """
    numbers = np.flatnonzero(chosen)
    if not len(numbers):
        return []
    order = numbers[np.argsort(-worst[numbers], kind="stable")].tolist()
    total = len(chosen)
    count = f"{len(order):,} of {total:,} track{'' if total == 1 else 's'}"
    return [
        Finding(
            check=check,
            severity=severity,
            title=title(count),
            advice=advice,
            tracks=tuple(order),
            details=tuple(map(detail, order)),
            figures={"histogram": histogram},
        )
    ]


def histogram(values: Values, column: str, unit: str) -> dict[str, Any]:
    """Return the histogram of a column, as the figures of a finding hold it.

    Returns
    -------
    dict
        ``column``, ``unit``, and the ``edges`` and ``counts`` of at most `BINS` bins; tracks without a value
        are left out.
    """
    known = values[np.isfinite(values)]
    counts, edges = np.histogram(known, BINS) if len(known) else (np.zeros(0, np.int64), np.zeros(0))
    return {"column": column, "unit": unit, "edges": edges.tolist(), "counts": counts.tolist()}


def deviations(values: Values, least: float) -> Values:
    """Return how far values are from their median, in robust standard deviations: modified z-scores.

    Half of the tracks are within the median absolute deviation (Iglewicz and Hoaglin 1993: How to Detect and
    Handle Outliers). If there are fewer than `LEAST_TRACKS`, none is far.

    Parameters
    ----------
    values : ndarray of float64
        NaN where there is none, as in the result.
    least : float
        The least median absolute deviation that is assumed: tracks that are all alike have outliers, too.
    """
    known = values[np.isfinite(values)]
    if len(known) < LEAST_TRACKS:
        return np.where(np.isfinite(values), 0.0, np.nan)
    middle = np.median(known)
    spread = max(float(np.median(np.abs(known - middle))), least)
    result: Values = MAD_OF_NORMAL * (values - middle) / spread
    return result
