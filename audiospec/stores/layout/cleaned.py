"""Cleaned: what cleaning a store removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cleaned:
    """What a cleaning removed, or would remove.

    Attributes
    ----------
    groups : mapping
        Group that the store does not name any more → its bytes.
    files : int
        In all of them.
    """

    groups: Mapping[str, int] = field(default_factory=dict)
    files: int = 0

    @property
    def bytes(self) -> int:
        """Bytes of all of them."""
        return sum(self.groups.values())
