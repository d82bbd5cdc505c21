"""Facts about a view that several commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View


def described(view: View) -> dict[str, Any]:
    """Return the facts about a view that ``--json`` prints."""
    return {
        "name": view.name,
        "rows": len(view),
        "shape": view.shape,
        "dtype": view.spec.dtype,
        "tracks": tracks_of(view),
        "bytes": view.bytes_on_disk(),
    }


def tracks_of(view: View) -> int:
    """Return the number of tracks that have rows in a view."""
    return len(set(view.rows["track"].tolist()))
