"""Reading: what a run does with files that are cut short or damaged, and with silent ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audiospec.errors import SpecError

#: What `Reading.truncated` may be.
TRUNCATED = ("refuse", "keep")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What to do with a file of which a part is missing, and with a silent one.

    It decides which tracks get rows, not what is in them, so it is no part of a spec.

    Parameters
    ----------
    truncated : "refuse" or "keep"
        A file that is cut short or damaged is refused, naming how much of it is there, or its sound up to
        that place is kept, which the track's note records.
    keep_silent : bool
        Whether a silent file gets rows, for classes that are silence. The track's note says that it is
        silent.

    Raises
    ------
    SpecError
        `truncated` is something else.
    """

    truncated: str = "refuse"
    keep_silent: bool = False

    def __post_init__(self) -> None:
        if self.truncated not in TRUNCATED:
            raise SpecError(f"parameter truncated must be 'refuse' or 'keep'; got {self.truncated!r}")

    def allows(self, problem: str) -> bool:
        """Whether a file that was refused with `problem` before may be used now."""
        if problem.startswith(("truncated:", "damaged:")):
            return self.truncated == "keep"
        return self.keep_silent and problem.startswith("silent:")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return {"truncated": self.truncated, "keep_silent": self.keep_silent}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reading:
        """Read what `to_json` returned."""
        return cls(**value)


#: Only files that are whole and not silent.
STRICT = Reading()
