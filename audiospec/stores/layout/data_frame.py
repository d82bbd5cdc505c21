"""Rows that are a table, as a data frame of pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.table import RowTargets
from audiospec.errors import StoreError

if TYPE_CHECKING:
    import pandas

#: Before the name of a label, or of the column of a number, in the name of a column of targets.
TARGET = "target:"


def data_frame(
    facts: Mapping[str, NDArray[Any]],
    targets: RowTargets | None,
    names: Sequence[str],
    read: Callable[[], NDArray[Any]],
) -> pandas.DataFrame:
    """Return rows as a data frame: facts, then targets, then features (float32).

    Parameters
    ----------
    facts : mapping
        Name → values of the rows, of which there is at least one.
    targets : RowTargets or None
        A column ``target:NAME`` for each label (bool), or for the number (float64, NaN for a row without).
    names : sequence of str
        Of the features; a fact or target of such a name is left out.
    read : callable
        Returns the features, shape (rows, len(names)).

    Raises
    ------
    StoreError
        pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise StoreError("to_pandas needs pandas", "pip install 'audiospec[table]'") from error
    rows = len(next(iter(facts.values())))
    # A table that an earlier version imported may have a feature called "cluster".
    before = {**facts, **_columns(targets, rows)}
    before = {name: values for name, values in before.items() if name not in names}
    features = pandas.DataFrame(read().astype(np.float32, copy=False), columns=list(names))
    return pandas.concat([pandas.DataFrame(before), features], axis=1)


def _columns(targets: RowTargets | None, rows: int) -> dict[str, NDArray[Any]]:
    if targets is None:
        return {}
    numbers = np.arange(rows)
    if not np.isnan(targets.value).all():
        return {f"{TARGET}{targets.names[0]}": targets.numbers(numbers, rows)}
    table = targets.indicators(numbers, rows, targets.names)
    return {f"{TARGET}{name}": table[:, place] for place, name in enumerate(targets.names)}
