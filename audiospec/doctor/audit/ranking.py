"""How plausible labels are, given probabilities by models that did not learn from them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError, nearest

#: Method → how it decides which labels are likely wrong.
METHODS = {
    "cleanlab": "confident learning by cleanlab: as many as it estimates to be wrong between two labels",
    "thresholds": "another label is as probable as is usual for its tracks; needs no other package",
}


class Ranking(NamedTuple):
    """How plausible the labels of some items are.

    Attributes
    ----------
    quality : ndarray of float64, shape (items,)
        0 to 1; the lower, the less plausible.
    suggestion : ndarray of int64, shape (items,)
        Number of the most probable other class.
    is_likely_wrong : ndarray of bool, shape (items,)
    thresholds : ndarray of float64, shape (classes,)
        Mean probability of each class for the items that have it.
    """

    quality: NDArray[np.float64]
    suggestion: NDArray[np.int64]
    is_likely_wrong: NDArray[np.bool_]
    thresholds: NDArray[np.float64]


def rank(labels: NDArray[np.int64], probabilities: NDArray[np.float64], method: str = "cleanlab") -> Ranking:
    """Return how plausible labels are.

    The quality of a label is its probability. It finds as many wrong labels as an entropy does, and more than
    a margin does, unless classes are confused with one other (``benchmarks/results/label-flips.md``). Which
    labels are likely wrong is decided by confident learning (Northcutt, Jiang and Chuang, "Confident
    Learning", JAIR 70, 2021).

    Parameters
    ----------
    labels : ndarray of int64, shape (items,)
        Class numbers; each class occurs.
    probabilities : ndarray of float64, shape (items, classes)
        Rows add up to 1.
    method : str
        One of `METHODS`.

    Raises
    ------
    ModelError
        There is no such method, or cleanlab is not installed.
    """
    check_method(method)
    items, classes = np.arange(len(labels)), probabilities.shape[1]
    quality = probabilities[items, labels]
    thresholds = np.bincount(labels, quality, classes) / np.maximum(1, np.bincount(labels, minlength=classes))
    others = probabilities.copy()
    others[items, labels] = -1.0
    suggestion = others.argmax(1)
    if method == "cleanlab":
        likely = _cleanlab(labels, probabilities)
    else:
        usual = np.where(probabilities >= thresholds, probabilities, -1.0)
        likely = (usual.max(1) >= 0) & (usual.argmax(1) != labels)
    return Ranking(quality, suggestion, likely, thresholds)


def check_method(method: str) -> None:
    """Raise `ModelError` if there is no such method, or the package that it needs is not installed."""
    if method not in METHODS:
        raise ModelError(
            f"no method of an audit is called {method!r}{nearest(method, METHODS)}",
            f"choose `method` of {', '.join(METHODS)}",
        )
    if method == "cleanlab" and find_spec("cleanlab") is None:
        raise ModelError(
            "the audit of labels needs cleanlab",
            "pip install 'audiospec[audit]', or use `method=\"thresholds\"`",
        )


def _cleanlab(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    from cleanlab.filter import find_label_issues

    likely: NDArray[np.bool_] = find_label_issues(labels, probabilities, n_jobs=1)
    return likely
