"""The labels of a view's rows: the targets of its store, or a free column of its tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import SplitError, nearest

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View


def row_labels(view: View, column: str | None = None) -> NDArray[np.str_]:
    """Return the label of each row: the store's, or the text of its track in a free column.

    Parameters
    ----------
    view : View
    column : str or None
        Name of a free column of the tracks. None, or the column that the store's targets are from: the
        store's labels.

    Returns
    -------
    ndarray of str, shape (rows,)
        ``""`` for a row without a label.

    Raises
    ------
    SplitError
        The tracks have no such column, or it has no text.
    """
    column = free_column(view, column)
    labels: NDArray[np.str_] = (
        view.store.tracks[column][view.rows["track"]] if column else view.labels
    ).astype(str)
    return labels


def free_column(view: View, column: str | None) -> str:
    """Return the name of a free column of a view's tracks; ``""`` for the store's own labels or targets.

    Raises
    ------
    SplitError
        As from `row_labels`.
    """
    if column is None or column == view.store.labelling.column:
        return ""
    tracks = view.store.tracks
    if column not in tracks.free:
        known = [view.store.labelling.column, *tracks.free]
        raise SplitError(
            f"the tracks of {view.store.path} have no column {column!r}{nearest(column, known)}",
            f"choose `label_column` of {', '.join(known)}, or keep more columns with `audiospec featurize`",
        )
    if not (tracks[column][np.unique(view.rows["track"])] != "").any():
        raise SplitError(
            f"column {column!r} of the tracks of {view.store.path} has no text in view {view.name}",
            "choose another `label_column`",
        )
    return column
