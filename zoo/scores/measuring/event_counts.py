"""What a file adds to the scores of events: numbers of events and of segments, right and wrong.

The definitions are those of A. Mesaros, T. Heittola and T. Virtanen, Metrics for polyphonic sound event
detection, Applied Sciences 6, 2016, as sed_eval has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.event_files import EventFile, events_of

#: Largest difference of the starts of a true and a predicted event that match, in s.
COLLAR = 0.2
#: Largest difference of their ends, as a share of the length of the true event, if that is more than
#: `COLLAR`.
OF_LENGTH = 0.2
#: Length of a segment, in s.
SEGMENT = 1.0


class FileCounts(NamedTuple):
    """Numbers of a file.

    Attributes
    ----------
    events, segments : ndarray of float64, shape (3, classes)
        True positives, predicted ones and true ones.
    errors : ndarray of float64, shape (2,)
        Of segments: substitutions, deletions and insertions together; labels of all segments.
    """

    events: NDArray[np.float64]
    segments: NDArray[np.float64]
    errors: NDArray[np.float64]


def count_file(file: EventFile, classes: Sequence[str]) -> FileCounts:
    """Return the numbers of a file.

    An event is a true positive if it is matched with a true event of its class, by starts and ends that
    differ by little; no two are matched with the same one, and as many as possible are. A class is in a
    segment if one of its events is in a part of it. In a segment, a missing class and a wrong one are one
    substitution.
    """
    length = int(np.ceil(file.duration / SEGMENT))
    events = np.zeros((3, len(classes)))
    rolls = np.zeros((2, length, len(classes)), bool)
    for number, label in enumerate(classes):
        true, predicted = (events_of(of, label, file.duration) for of in (file.truth, file.predicted))
        events[:, number] = matches(true, predicted), len(predicted), len(true)
        for roll, of in zip(rolls, (true, predicted), strict=True):
            for first, stop in zip(
                np.floor(of[:, 0] / SEGMENT).astype(int), np.ceil(of[:, 1] / SEGMENT).astype(int), strict=True
            ):
                roll[first:stop, number] = True
    true_roll, predicted_roll = rolls
    both = true_roll & predicted_roll
    segments = np.stack([one.sum(0) for one in (both, predicted_roll, true_roll)]).astype(np.float64)
    # Substitutions and deletions, or substitutions and insertions: whichever are more.
    wrong = np.maximum(true_roll.sum(1), predicted_roll.sum(1)) - both.sum(1)
    return FileCounts(events, segments, np.array([wrong.sum(), true_roll.sum()], np.float64))


def matches(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> int:
    """Return the largest number of pairs of a true and a predicted event that match, each in one pair.

    Parameters
    ----------
    true, predicted : ndarray of float64, shape (events, 2)
        Starts and ends in s, sorted.
    """
    # Only events that start within the collar can match: more pairs than that would not fit into memory.
    first = np.searchsorted(true[:, 0], predicted[:, 0] - 2 * COLLAR)
    stop = np.searchsorted(true[:, 0], predicted[:, 0] + 2 * COLLAR)
    counts = stop - first
    of_predicted = np.repeat(np.arange(len(predicted)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    of_true = np.arange(len(of_predicted)) - before + np.repeat(first, counts)
    starts, ends = np.abs(true[of_true] - predicted[of_predicted]).T
    tolerance = np.maximum(COLLAR, OF_LENGTH * (true[of_true, 1] - true[of_true, 0]))
    hits = (starts <= COLLAR) & (ends <= tolerance)
    of_true, of_predicted = of_true[hits], of_predicted[hits]
    if len(np.unique(of_true)) == len(of_true) and len(np.unique(of_predicted)) == len(of_predicted):
        return len(of_true)
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    graph = csr_matrix(
        (np.ones(len(of_true), bool), (of_true, of_predicted)), shape=(len(true), len(predicted))
    )
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())
