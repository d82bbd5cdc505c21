"""TableSpec: the columns of an imported table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from audiospec.specs.base import FeatureSpec, Kind, require, require_samples


@dataclass(frozen=True, kw_only=True)
class TableSpec(FeatureSpec, feature="table"):
    """Columns that somebody else computed, taken over from a table (`audiospec table import`).

    It cannot be computed: there is no frontend for it.

    Parameters
    ----------
    columns : tuple of str
        Their names, in order; at least one, each once.
    sha256 : str
        SHA-256 of the table's file, so that two tables are never one view.

    Raises
    ------
    SpecError
        No column, or one that is there twice.
    """

    kind: ClassVar[Kind] = "table"

    dtype: Literal["float16", "float32", "uint8"] = "float32"
    columns: tuple[str, ...] = ()
    sha256: str = ""

    def validate(self) -> None:
        """Raise `SpecError` if the values cannot work together."""
        require(len(self.columns) > 0, "columns", "at least one name", self.columns)
        require(len(set(self.columns)) == len(self.columns), "columns", "names that differ", self.columns)

    @property
    def dims(self) -> tuple[str, ...]:
        """``("feature",)``."""
        return ("feature",)

    @property
    def unit(self) -> str:
        """``""``: whoever made the table knows."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """``(number of columns,)``."""
        require_samples(samples, 1)
        return (len(self.columns),)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """The columns' names."""
        return {"feature": (list(self.columns), "")}
