"""Find a view of a store by its name."""

from __future__ import annotations

from collections.abc import Sequence

from audiospec.errors import StoreError
from audiospec.storage.location import Location


def matching_view(names: Sequence[str], name: str | None, store: Location) -> str:
    """Return the name of the view that is meant.

    Parameters
    ----------
    names : sequence of str
        The views of the store.
    name : str or None
        A name, or a beginning that no other has. None: the only one.
    store : Location
        For messages.

    Raises
    ------
    StoreError
        No view matches, or several do; lists the names.
    """
    if not names:
        raise StoreError(f"{store} has no view yet", "run `audiospec featurize` first")
    matches = [name] if name in names else [each for each in names if each.startswith(name or "")]
    if len(matches) != 1:
        mismatch = f"has no view {name!r}"
        if matches:
            mismatch = f"has {len(matches)} views" + (f" that begin with {name!r}" if name else "")
        raise StoreError(f"{store} {mismatch}", f"choose one of {', '.join(names)}")
    return str(matches[0])
