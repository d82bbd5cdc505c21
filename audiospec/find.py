"""Find a view by what its rows are, its chunk length and its name; and the store to read from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiospec.errors import StoreError
from audiospec.stores.base import FeatureStore, open_store, stores
from audiospec.stores.layout.view import View

#: What rows may be → how a message calls a view of them, and how one is made.
_WORDS = {
    "table": (
        "a table of features",
        "`audiospec featurize --features tabular`, or `audiospec table import`",
    ),
    "spectrogram": ("a spectrogram", "`audiospec featurize --features mel`"),
}


def matching(views: Sequence[View], chunk: float | None = None, name: str | None = None) -> list[View]:
    """Those of some views that have chunks of `chunk` seconds and the name `name`, or begin with it."""
    found = [view for view in views if chunk is None or view.chunking.seconds == chunk]
    if name is None:
        return found
    exact = [view for view in found if view.name == name]
    return exact or [view for view in found if view.name.startswith(name)]


def choices(views: Sequence[View]) -> str:
    """The parameters that choose each of some views, for a message."""
    return "; ".join(_parameters(view.chunking.seconds, view.name) for view in views)


def _parameters(chunk: float | None, view: str | None) -> str:
    given = [] if chunk is None else [f"`chunk={chunk:g}`"]
    return " ".join(given if view is None else [*given, f'`view="{view}"`'])


def find_view(
    store: FeatureStore,
    chunk: float | None = None,
    view: str | None = None,
    what: str = "table",
    reader: str | None = None,
) -> View:
    """The one view of a store whose rows are of a kind, or of a feature.

    Parameters
    ----------
    store : FeatureStore
    chunk : float or None
        Its chunks' length in seconds.
    view : str or None
        Its name, or how it begins.
    what : str
        What its rows are: a kind, ``"table"`` or ``"spectrogram"``, or a feature's name. See
        `FeatureSpec.is_of`; ``Model.input`` is such a word.
    reader : str or None
        Who is to read it, such as a model's name, for messages.

    Returns
    -------
    View

    Raises
    ------
    StoreError
        No such view, or several; says which parameters choose, or how to make one.

    Examples
    --------
    >>> store = audiospec.open_store("gtzan.zarr")  # doctest: +SKIP
    >>> find_view(store, chunk=3, what="spectrogram").name  # doctest: +SKIP
    'mel-3s-3f9a1c'
    """
    thing, make = _WORDS.get(what, (f"a view of {what}", f"`audiospec featurize --features {what}`"))
    expected = f"expected {thing}" if reader is None else f"{reader} reads {thing}"
    suitable = [each for each in store.views() if each.spec.is_of(what)]
    if not suitable:
        raise StoreError(f"{expected}; {store.path} has none", f"make one with {make}")
    found = matching(suitable, chunk, view)
    if len(found) == 1:
        return found[0]
    hint = f"choose one by {choices(found or suitable)}"
    if view is not None and not matching(suitable, None, view):
        other = store.view(view)  # raises where there is none, or several
        rows = (
            f"view {other.name} of feature {other.spec.feature!r} has rows of ({', '.join(other.spec.dims)})"
        )
        raise StoreError(f"{expected}; {rows}", hint)
    asked = _parameters(chunk, view)
    asked = f" that go with {asked}" if asked else ""
    raise StoreError(f"{expected}; {store.path} has {len(found) or 'none'}{asked}", hint)


def find_store(folder: Path) -> FeatureStore:
    """The one store in a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    FeatureStore

    Raises
    ------
    StoreError
        None, or several.
    """
    suffixes = {suffix for kind in stores for suffix in stores[kind].suffixes}
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    except OSError as error:
        raise StoreError(f"cannot look for a store in {folder}: {error.strerror}") from error
    if len(found) != 1:
        there = f" (there are {', '.join(path.name for path in found)})" if found else ""
        raise StoreError(f"expected one store in {folder}{there}", "choose one with `store`")
    return open_store(found[0])
