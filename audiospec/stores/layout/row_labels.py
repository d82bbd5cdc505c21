"""The labels of rows that have targets of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Labelling
from audiospec.annotations.overlap import joined
from audiospec.annotations.table import RowTargets

#: Between the labels of a row that has several.
SEPARATOR = ";"


def row_labels(labels: NDArray[Any], targets: RowTargets, labelling: Labelling) -> NDArray[Any]:
    """Return the label of each row, text.

    Parameters
    ----------
    labels : ndarray of str objects, shape (n,)
        The label of each row's track; ``""`` if the track has annotations.
    targets : RowTargets
    labelling : Labelling

    Returns
    -------
    ndarray of str objects, shape (n,)
        The row's own label, several joined by ``;``; else its track's; else ``""``, or the class of the
        background if that is one.
    """
    labels = labels.astype(object)
    if labelling.background == "class":
        labels[labels == ""] = labelling.background_class
    named = np.isnan(targets.value)
    row, label = targets.row[named], targets.label[named]
    if not len(row):
        return labels
    names = np.array(targets.names, dtype=object)[label]
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    if len(starts) == len(row):
        labels[row] = names
        return labels
    stops = [*starts[1:].tolist(), len(row)]
    joined = [SEPARATOR.join(names[first:stop]) for first, stop in zip(starts.tolist(), stops, strict=True)]
    labels[row[starts]] = joined
    return labels


def row_classes(labels: NDArray[Any], targets: RowTargets, labelling: Labelling) -> list[str]:
    """Return the labels that rows have, sorted, each once; for the parameters see `row_labels`.

    Rows without a label add ``""`` only if each row has one label; numbers have none.
    """
    if labelling.target == "number":
        return []
    if labelling.target == "single":
        return sorted(set(row_labels(labels, targets, labelling).tolist()))
    own = {targets.names[number] for number in np.unique(targets.label[np.isnan(targets.value)]).tolist()}
    others = np.ones(len(labels), bool)
    others[targets.row] = False
    return sorted(own | set(labels[others].tolist()) - {""})


def with_targets(crc: int, targets: RowTargets | None) -> int:
    """Return the checksum of a row table and the targets of its rows."""
    if targets is None:
        return crc
    columns = (targets.row, targets.label, targets.share, targets.value)
    for content in (*(column.tobytes() for column in columns), "\0".join(targets.names).encode()):
        crc = int(google_crc32c.extend(crc, content))
    return crc


def joined_targets(parts: Sequence[tuple[RowTargets | None, int]]) -> RowTargets | None:
    """Return the targets of the rows of several views, one after another; None if no view has any.

    Parameters
    ----------
    parts : sequence of (RowTargets or None, int)
        Of each view, its targets and the number of its first row.
    """
    own = [(first, targets) for targets, first in parts if targets is not None]
    return joined(own) if own else None
