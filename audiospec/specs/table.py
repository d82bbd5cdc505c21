"""TableSpec: the columns of an imported table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from audiospec.specs.base import FeatureSpec, Kind, require, require_samples


@dataclass(frozen=True, kw_only=True)
class TableSpec(FeatureSpec, feature="table"):
    """The columns of an imported table of features (`import_table`).

    No frontend computes it: the values are those of the table.

    Parameters
    ----------
    columns : tuple of str
        Their names, in order; at least one, without duplicates.
    sha256 : str
        SHA-256 of the table's file, so that two tables never share a view.

    Raises
    ------
    SpecError
        No columns, or a duplicate.
    """

    kind: ClassVar[Kind] = "table"

    dtype: Literal["float16", "float32", "uint8"] = "float32"
    columns: tuple[str, ...] = ()
    sha256: str = ""

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        require(self.channel == "mix", "channel", "mix for a table, which has no audio", self.channel)
        require(len(self.columns) > 0, "columns", "at least one name", self.columns)
        require(len(set(self.columns)) == len(self.columns), "columns", "different names", self.columns)

    @property
    def dims(self) -> tuple[str, ...]:
        """``("feature",)``."""
        return ("feature",)

    @property
    def unit(self) -> str:
        """``""``: an imported table does not state its units."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(number of columns,)``."""
        require_samples(samples, 1)
        return (len(self.columns),)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the names of the columns."""
        return {"feature": (list(self.columns), "")}
