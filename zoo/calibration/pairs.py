"""From the margins of pairs of classes, as a support vector machine has them, to votes and probabilities.

Pairs are (0, 1), (0, 2), … (1, 2), …: those of
`numpy.triu_indices`. A positive margin is for the first class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: A probability of a pair is at least this, as in libsvm; else the equations of the coupling may be singular.
LEAST = 1e-7
#: Slopes that `fit_slope` looks at.
SLOPES = (1e-2, 1e3)
#: Largest number of bytes of the coupling's equations at a time.
MEMORY = 1 << 26


def vote(margins: NDArray[np.float64], classes: int) -> NDArray[np.int64]:
    """Return the class (n,) that wins most pairs (n, pairs); of equals the first, as in libsvm."""
    first, second = np.triu_indices(classes, 1)
    winners = np.where(margins > 0, first, second)
    votes = np.zeros((len(margins), classes), np.int64)
    np.add.at(votes, (np.arange(len(margins))[:, None], winners), 1)
    return np.asarray(votes.argmax(1))


def margins_of_truth(
    margins: NDArray[np.float64], targets: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Return the margins by which rows' true classes win their pairs, as one list.

    Parameters
    ----------
    margins : ndarray, shape (n, pairs)
    targets : ndarray of int64, shape (n,)
    classes : int

    Returns
    -------
    ndarray of float64, shape (n · (classes − 1),)
    """
    first, second = np.triu_indices(classes, 1)
    truth = targets[:, None]
    return np.concatenate([margins[first == truth], -margins[second == truth]])


def fit_slope(margins: NDArray[np.float64], rows_per_class: float) -> float:
    """Return the slope for which the logistic function of the margins is most likely.

    Platt (1999) fits a slope and an offset to each pair of classes. One slope for all pairs has the same
    log-loss on ten classes of 80 rows, a lower calibration error, and can be had where a class has one unit.

    Parameters
    ----------
    margins : ndarray of float64
        Of rows that the machine did not learn from: positive on the right side, negative on the wrong one.
    rows_per_class : float
        The share of wrong sides is taken to be at least 1 / (rows + 2), as by Platt; so the slope is finite.

    Returns
    -------
    float
        Within `SLOPES`; 1 if there are no margins.
    """
    from scipy.optimize import minimize_scalar

    if not len(margins):
        return 1.0
    doubt = 1 / (rows_per_class + 2)

    def loss(log_slope: float) -> float:
        values = np.exp(log_slope) * margins
        return float(((1 - doubt) * np.logaddexp(0, -values) + doubt * np.logaddexp(0, values)).mean())

    low, high = np.log(SLOPES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def couple(margins: NDArray[np.float64], slope: float, classes: int) -> NDArray[np.float64]:
    """Return the probabilities of the classes that agree best with those of all pairs.

    It is the second method of Wu, Lin and Weng (2004), "Probability estimates for multi-class classification
    by pairwise coupling", which is libsvm's.

    Parameters
    ----------
    margins : ndarray, shape (n, pairs)
    slope : float
        The logistic function of slope · margin is the probability of the pair's first class.
    classes : int

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Each row adds up to 1.
    """
    blocks = [np.zeros((0, classes))]
    step = max(1, MEMORY // (8 * (classes + 1) ** 2))
    for first in range(0, len(margins), step):
        blocks.append(_couple(margins[first : first + step], slope, classes))
    return np.concatenate(blocks)


def _couple(margins: NDArray[np.float64], slope: float, classes: int) -> NDArray[np.float64]:
    from scipy.special import expit

    first, second = np.triu_indices(classes, 1)
    wins = np.zeros((len(margins), classes, classes))  # of the row's class against the column's
    wins[:, first, second] = np.clip(expit(slope * margins), LEAST, 1 - LEAST)
    wins[:, second, first] = 1 - wins[:, first, second]
    # The smallest sum of (wins_ji · p_i - wins_ij · p_j)², for probabilities p that add up to 1.
    equations = np.ones((len(margins), classes + 1, classes + 1))
    equations[:, :classes, :classes] = -wins * wins.transpose(0, 2, 1)
    diagonal = np.arange(classes)
    equations[:, diagonal, diagonal] = (wins**2).sum(1)
    equations[:, classes, classes] = 0
    right = np.zeros((len(margins), classes + 1, 1))
    right[:, classes] = 1
    shares = np.maximum(np.linalg.solve(equations, right)[:, :classes, 0], 0)
    return np.asarray(shares / shares.sum(1, keepdims=True))
