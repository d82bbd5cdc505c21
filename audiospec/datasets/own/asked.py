"""Asked: which columns of a listing mean what, and what they are read as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audiospec.annotations.annotation import Labelling
from audiospec.errors import DatasetError

#: Targets of which a row may have several labels.
SEVERAL = ("multi-label", "frames")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a table is to be read.

    Parameters
    ----------
    columns : mapping of str to (str or None)
        Role → name of its column; None: the column is found by its name. Roles are those of `ROLES`, and
        ``start`` and ``end``.
    target : str
        One of `TARGETS`.
    label_columns : tuple of str
        Columns of which each is a label.
    separator : str or None
        What separates labels in a cell.
    has_labels : bool
        Whether labels are read at all; without, a table says what else is known of its files.

    Raises
    ------
    DatasetError
        The target is unknown, or an option is of another target.
    """

    columns: Mapping[str, str | None]
    target: str = "single"
    label_columns: tuple[str, ...] = ()
    separator: str | None = None
    has_labels: bool = True

    def __post_init__(self) -> None:
        Labelling(target=self.target)  # it refuses an unknown one
        for option, value in (("label_columns", self.label_columns), ("separator", self.separator)):
            if value and self.target not in SEVERAL:
                raise DatasetError(
                    f"parameter {option} is for several labels; the target is {self.target!r}",
                    'choose `target="multi-label"` or `target="frames"`',
                )
            if value and option == "label_columns" and self.columns.get("label") is not None:
                raise DatasetError(
                    "parameters label_columns and label_column are two ways to read labels", "give one"
                )
        if self.label_columns and self.separator is not None:
            raise DatasetError(
                "parameter separator is of labels in a cell; with label_columns there are none",
                "leave it out",
            )

    def __bool__(self) -> bool:
        """Whether a column was asked for."""
        return any(self.columns.values()) or bool(self.label_columns)


def names_in(given: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return names that are given one by one, or in a text with commas between them."""
    names = given.split(",") if isinstance(given, str) else given or ()
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
