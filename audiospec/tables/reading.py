"""Read a table of features from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from audiospec.datasets.own.tables import cell as text_of
from audiospec.errors import DatasetError, nearest
from audiospec.files import open_plain
from audiospec.specs.tabular import TabularSpec
from audiospec.stores.layout.schema import VIEW_COLUMNS
from audiospec.tables.cells import NumberedRows, read_features, read_length, read_text, refuse_cell
from audiospec.tables.csv_file import read_csv
from audiospec.tables.names import CLUSTER, FILENAME, LABEL, LENGTH, NOT_FEATURES
from audiospec.tables.parquet_file import read_parquet
from audiospec.text import printable


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """A table of features whose cells have been checked; see `read_table`.

    Attributes
    ----------
    file : Path
    sha256 : str
        Of the file.
    columns : tuple of str
        Names of the features.
    left_out : tuple of str
        Columns of the file that are not among `columns`.
    numbers : list of int
        Number of each row in the file, as in a spreadsheet: the header is row 1.
    filenames : list of str
    lengths : ndarray of int64, or None
        Length of each row in samples; None if the table has no such column.
    labels : list of str, or None
    values : ndarray of float32, shape (rows, columns)
    clusters : list of str, or None
        Cluster of near-duplicates of each row's track, ``""`` if unknown; None if the table has no such
        column.
    """

    file: Path
    sha256: str
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    numbers: list[int]
    filenames: list[str]
    lengths: NDArray[np.int64] | None
    labels: list[str] | None
    values: NDArray[np.float32]
    clusters: list[str] | None = None

    def refuse(self, row: int, column: str, problem: str) -> NoReturn:
        """Raise `DatasetError` for a cell; `row` is an index from 0."""
        refuse_cell(self.file, self.numbers[row], column, problem)


def read_table(file: Path | str, columns: str | Sequence[str] = "published") -> FeatureTable:
    """Read a table of features and check every cell.

    Numbers are rounded to float32, with a relative error of at most 6e-8 (larger below 1.2e-38).

    Parameters
    ----------
    file : path
        ``.csv`` (UTF-8; cells separated by commas, semicolons or tabs) or ``.parquet``.
    columns : "published", "all", or names
        The features to read: those of the published GTZAN tables (``TabularSpec().columns``), all columns
        except ``filename``, ``length``, ``cluster`` and ``label``, or columns by name. Text is split at
        commas.
        ``length`` is a feature only if it is named: it depends on how the audio was cut, and may reveal the
        class.

    Returns
    -------
    FeatureTable

    Raises
    ------
    DatasetError
        The file or a column does not exist, or a cell is invalid; the message names file, row and column.
    StoreError
        The file is Parquet and pyarrow is not installed.
    """
    file = Path(file)
    read = _reader(file)
    try:
        with open_plain(file) as opened:
            raw = opened.read()
    except OSError as error:
        raise DatasetError(f"cannot read table {file}: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"cannot read table {file}: {error}") from error
    if not raw:
        raise DatasetError(f"table {file} is empty; expected a header and a row for each track or piece")
    header, rows = read(file, raw)
    for name in header:
        if header.count(name) > 1:
            columns_of_name = [str(number) for number, other in enumerate(header, 1) if other == name]
            raise DatasetError(
                f"{file}, row 1: columns {' and '.join(columns_of_name)} have the same name {name!r}",
                "keep one",
            )
    chosen = _choose(file, header, columns)
    if not rows:
        raise DatasetError(f"table {file} has no row below its header; expected one for each track or piece")
    indices = [header.index(name) for name in chosen]
    values = np.empty((len(rows), len(chosen)), np.float32)
    filenames: list[str] = []
    lengths: list[int] = []
    labels: list[str] = []
    clusters: list[str] = []
    for row, (number, cells) in enumerate(rows):
        filenames.append(read_text(file, number, FILENAME, cells[header.index(FILENAME)]))
        if LENGTH in header:
            lengths.append(read_length(file, number, cells[header.index(LENGTH)]))
        if LABEL in header:
            labels.append(read_text(file, number, LABEL, cells[header.index(LABEL)]))
        if CLUSTER in header:
            clusters.append(printable(text_of(cells[header.index(CLUSTER)])))
        values[row] = read_features(file, number, chosen, [cells[index] for index in indices])
    return FeatureTable(
        file=file,
        sha256=hashlib.sha256(raw).hexdigest(),
        columns=chosen,
        left_out=tuple(name for name in header if name not in (*NOT_FEATURES, *chosen)),
        numbers=[number for number, _ in rows],
        filenames=filenames,
        lengths=np.array(lengths, np.int64) if lengths else None,
        labels=labels or None,
        values=values,
        clusters=clusters or None,
    )


def _reader(file: Path) -> Callable[[Path, bytes], tuple[list[str], NumberedRows]]:
    """Return the function that reads files of this suffix."""
    readers = {".csv": read_csv, ".parquet": read_parquet}
    if file.suffix.lower() not in readers:
        raise DatasetError(f"table {file} is neither CSV nor Parquet; expected a name in .csv or .parquet")
    return readers[file.suffix.lower()]


def _choose(file: Path, header: list[str], columns: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of the features to read."""
    if columns == "all":
        wanted = [name for name in header if name not in NOT_FEATURES]
    elif columns == "published":
        wanted = list(TabularSpec().columns)
    else:
        names = columns.split(",") if isinstance(columns, str) else columns
        wanted = [name.strip() for name in names]
    if not wanted:
        raise DatasetError(
            f"{file}, row 1: has no column of features; expected some besides {', '.join(NOT_FEATURES)}; "
            f"got {', '.join(header) or 'none'}"
        )
    for index, name in enumerate(wanted):
        if name in (FILENAME, LABEL, *VIEW_COLUMNS):
            raise DatasetError(
                f"column {name!r} of {file} cannot be a feature, as every view has a column of that name",
                "choose others with `columns`",
            )
        if name in wanted[:index]:
            raise DatasetError(f"`columns` has {name!r} twice", "name it once")
        if not name:
            number = 1 + (header.index(name) if name in header else index)
            raise DatasetError(f"{file}, row 1: column {number} has no name", "name it, or choose others")
    missing = [name for name in (FILENAME, *wanted) if name not in header]
    if missing:
        more = f" (nor {len(missing) - 1} other{'s' * (len(missing) > 2)})" if len(missing) > 1 else ""
        similar = nearest(missing[0], [name for name in header if name not in wanted])
        raise DatasetError(
            f"{file}, row 1: there is no column {missing[0]!r}{more}{similar}",
            "choose others with `columns`" if columns == "published" and missing[0] != FILENAME else "",
        )
    return tuple(wanted)
