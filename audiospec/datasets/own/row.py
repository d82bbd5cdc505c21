"""Row: a file of a listing, and the track that it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from audiospec.annotations.annotation import Annotation
from audiospec.manifest import Track
from audiospec.text import printable


@dataclass(frozen=True, slots=True)
class Row:
    """A file of a listing.

    Attributes
    ----------
    number : int
        Number of its first row in the table.
    file : str
        Absolute path, or a URL.
    path : str
        As written, with forward slashes.
    label : str
        ``""`` if the file has annotations, or none at all.
    id, group, fold, cluster : str
        ``""`` if the table has none.
    annotations : tuple of Annotation
    columns : mapping of str to str
        Name → text of the columns without a role.
    """

    number: int
    file: str
    path: str
    label: str = ""
    id: str = ""
    group: str = ""
    fold: str = ""
    cluster: str = ""
    annotations: tuple[Annotation, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    def track(self, id: str, path: str, fold: str = "") -> Track:
        """Return the file as a track; `fold` is that of its folder, which counts if the row has none."""
        return Track(
            id=printable(id),
            path=path,
            label=printable(self.label),
            group=printable(self.group),
            fold=printable(self.fold or fold),
            cluster=printable(self.cluster),
            annotations=self.annotations,
            columns=tuple(sorted((name, printable(text)) for name, text in self.columns.items())),
        )


def same_column(columns: Sequence[str], rows: Iterable[Row]) -> tuple[str, list[Row]]:
    """Return the column that annotations of several tables are from, and the rows with it.

    If the tables differ, it is ``"label"``.
    """
    if len({*columns}) == 1:
        return columns[0], list(rows)
    return "label", [
        replace(row, annotations=tuple(replace(one, column="label") for one in row.annotations))
        for row in rows
    ]
