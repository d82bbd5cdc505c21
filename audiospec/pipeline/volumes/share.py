"""Share: the volumes that one of several processes computes."""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.errors import DatasetError


@dataclass(frozen=True)
class Share:
    """The volumes that one of several processes computes: every `count`-th from `index` on.

    Raises
    ------
    DatasetError
        The index is not from 0 to `count` - 1.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise DatasetError(
                f"expected `part` I/N with I from 0 to N - 1; got {self.index}/{self.count}",
                "number the processes from 0, such as 0 to 3 of 4",
            )

    def has(self, volume: int) -> bool:
        """Whether a volume is in this share."""
        return volume % self.count == self.index
