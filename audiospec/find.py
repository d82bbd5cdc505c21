"""Find a view by chunk length and name, and the store to read from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiospec.errors import ModelError, StoreError
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.view import View


def matching(views: Sequence[View], chunk: float | None = None, name: str | None = None) -> list[View]:
    """Those of some views that have chunks of `chunk` seconds and the name `name`, or begin with it."""
    found = [view for view in views if chunk is None or view.chunking.seconds == chunk]
    if name is None:
        return found
    exact = [view for view in found if view.name == name]
    return exact or [view for view in found if view.name.startswith(name)]


def choices(views: Sequence[View]) -> str:
    """The flags of the command line that choose each of some views, for a message."""
    return "; ".join(f"--chunk {view.chunking.seconds:g} --view {view.name}" for view in views)


def find_view(store: FeatureStore, chunk: float | None = None, name: str | None = None) -> View:
    """The one view of a store that can be exported as a table.

    Parameters
    ----------
    store : FeatureStore
    chunk : float or None
        Its chunks' length in seconds.
    name : str or None
        Its name, or how it begins.

    Raises
    ------
    StoreError
        No such view, or several; says which flags choose.
    """
    tables = [view for view in store.views() if view.spec.dims == ("feature",)]
    if not tables:
        raise StoreError(
            f"{store.path} has no view with one number a column: make one with `audiospec table import`, "
            "or `audiospec featurize --features tabular`"
        )
    found = matching(tables, chunk, name)
    if name is not None and not found:
        store.view(name).columns  # noqa: B018 (raises: no such view, or one of another shape)
    if len(found) == 1:
        return found[0]
    flags = f" --view {name}" if name is not None else ""
    flags += f" --chunk {chunk:g}" if chunk is not None else ""
    asked = f" that go with{flags}" if flags else ""
    raise StoreError(
        f"{store.path} has {len(found) or 'no'} tables{asked}: choose one by {choices(found or tables)}"
    )


def find_store(folder: Path) -> FeatureStore:
    """The one store in a folder.

    Raises
    ------
    ModelError
        None, or several; says which flag chooses.
    """
    try:
        stores = sorted(path for path in folder.iterdir() if path.suffix in (".zarr", ".h5", ".hdf5"))
    except OSError as error:
        raise ModelError(f"cannot look for a store in {folder}: {error.strerror}") from error
    if len(stores) != 1:
        there = f" (there are {', '.join(path.name for path in stores)})" if stores else ""
        raise ModelError(f"expected one store in {folder}{there}: choose one with --store")
    return open_store(stores[0])
