"""Choose a split or folds: given, in a file, or made by a strategy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiospec.errors import SplitError
from audiospec.zoo.splits.folds import FOLD_STRATEGIES, Folds, make_folds
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
    label_column: str | None = None,
) -> Split:
    """Return a split of a view.

    Parameters
    ----------
    view : View
    strategy : str, path, Split or None
        The name of a strategy, a split file (a path, or text that ends in ``.json``), or a split of the view,
        which is returned. None: ``"strongest"``.
    seed, shares, classes, label_column
        As for `split`; not used for a split that is given, and `seed` and `shares` not for a file.

    Raises
    ------
    SplitError
        The split cannot be made or read, or it is of another view.
    """
    if isinstance(strategy, Split):
        _check_same_rows(view, strategy)
        return strategy
    if isinstance(strategy, Path) or (strategy is not None and strategy.endswith(SUFFIX)):
        return read_split(strategy, view, classes, label_column)
    return split(view, strategy, seed=seed, shares=shares, classes=classes, label_column=label_column)


def choose(
    view: View,
    strategy: str | Path | Split | Folds | None,
    *,
    folds: int | None = None,
    repeats: int = 1,
    seed: int,
    shares: Sequence[float],
    classes: Sequence[str] | None = None,
    label_column: str | None = None,
) -> Split | Folds:
    """Return a split of a view, or the folds of a cross-validation.

    Parameters
    ----------
    view : View
    strategy : str, path, Split, Folds or None
        As for `choose_split`; folds of the view are returned as they are; ``"folds"`` and
        ``"leave-one-group-out"`` make folds.
    folds : int or None
        Number of folds to draw. None: none, unless the strategy makes some.
    repeats : int
        How often to draw them.
    seed, shares, classes, label_column
        As for `choose_split`.

    Raises
    ------
    SplitError
        The split or the folds cannot be made, or are of another view; or a split that is given is to be
        divided into folds.
    """
    if isinstance(strategy, Folds):
        _check_same_rows(view, strategy)
    given = isinstance(strategy, Split | Folds | Path) or bool(strategy and strategy.endswith(SUFFIX))
    if given and (folds is not None or repeats != 1):
        raise SplitError(
            "expected folds to be drawn from the whole view; got a split that is given",
            "leave out `folds` and `repeats`, or `strategy`",
        )
    if isinstance(strategy, Folds):
        return strategy
    if given or (folds is None and repeats == 1 and strategy not in FOLD_STRATEGIES):
        return choose_split(
            view, strategy, seed=seed, shares=shares, classes=classes, label_column=label_column
        )
    assert not isinstance(strategy, Split | Path)
    return make_folds(
        view,
        strategy,
        folds=folds,
        repeats=repeats,
        seed=seed,
        shares=shares,
        classes=classes,
        label_column=label_column,
    )


def _check_same_rows(view: View, made: Split | Folds) -> None:
    """Raise `SplitError` if a split or folds are of other rows than the view's."""
    if made.rows != (view.ids.astype(str).tolist(), view.rows["start"].tolist()):
        raise SplitError(
            f"expected a split of view {view.name}; got one of other rows",
            "make it with `split`, or read it with `read_split`, for this view",
        )
