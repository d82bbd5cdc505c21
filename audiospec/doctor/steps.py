"""Progress of what takes long."""

from __future__ import annotations

from collections.abc import Callable

#: Called as work advances: what is done, how much of it, and the total.
Tell = Callable[[str, int, int], None]


def tell_nobody(what: str, done: int, total: int) -> None:
    """Ignore progress."""
