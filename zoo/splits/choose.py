"""Choose a split: one that is given, in a file, or made by a strategy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiospec.errors import SplitError
from audiospec.zoo.splits.split import Split
from audiospec.zoo.splits.split_file import SUFFIX, read_split
from audiospec.zoo.splits.strategies import split

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View


def choose_split(
    view: View,
    strategy: str | Path | Split | None,
    *,
    seed: int,
    shares: Sequence[float],
    classes: Sequence[str] | None = None,
) -> Split:
    """Return a split of a view.

    Parameters
    ----------
    view : View
    strategy : str, path, Split or None
        The name of a strategy, a split file (a path, or text that ends in ``.json``), or a split of the view,
        which is returned. None: ``"strongest"``.
    seed, shares, classes
        As for `split`; not used for a split that is given, and `seed` and `shares` not for a file.

    Raises
    ------
    SplitError
        The split cannot be made or read, or it is of another view.
    """
    if isinstance(strategy, Split):
        if strategy.rows != (view.ids.astype(str).tolist(), view.rows["start"].tolist()):
            raise SplitError(
                f"expected a split of view {view.name}; got one of other rows",
                "make it with `split`, or read it with `read_split`, for this view",
            )
        return strategy
    if isinstance(strategy, Path) or (strategy is not None and strategy.endswith(SUFFIX)):
        return read_split(strategy, view, classes)
    return split(view, strategy, seed=seed, shares=shares, classes=classes)
