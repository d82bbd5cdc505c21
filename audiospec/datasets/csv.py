"""csv: your own audio, listed in a CSV file with a path and a label in each row."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from audiospec.datasets.base import Dataset, datasets, not_found
from audiospec.errors import DatasetError, nearest
from audiospec.manifest import Manifest, Track
from audiospec.text import printable

REQUIRED = ("path", "label")
OPTIONAL = ("id", "group", "fold")


@datasets.register
class Csv(Dataset):
    """The rows of the CSV file at `data`.

    The columns ``path`` and ``label`` are required; ``id``, ``group`` and ``fold`` are optional.

    The first row names the columns, in any order and case; other columns are ignored. Cells are
    separated by commas, semicolons or tabs. Paths are relative to the CSV's folder, or absolute.
    The id is the path as written, unless the column ``id`` has one. A track whose file does not exist
    is kept, so that reading it reports it, but at least one file must exist. The text is UTF-8, with
    or without a byte order mark, or UTF-16 with one.
    """

    layout = "a CSV file with the columns path and label"

    def manifest(self) -> Manifest:
        """Read the rows and return their tracks sorted by id.

        The manifest's root is the CSV's folder, or the nearest folder above it that contains all
        files.

        Raises
        ------
        DatasetError
            `data` is not given, does not exist or has an invalid row; the message names the row (the
            header is row 1) and the column.
        """
        if self.data is None:
            raise DatasetError(
                "dataset 'csv' reads your own audio", "give the CSV file that lists it with `data=FILE.csv`"
            )
        if not os.path.isfile(self.data):
            raise DatasetError(f"dataset 'csv' expects {self.layout}: {not_found(self.data)}")
        rows = self._rows(_text(self.data))
        folder = os.path.dirname(_normal(str(self.data)))
        files = [_normal(os.path.join(folder, row["path"])) for _, row in rows]
        self._check(rows, files)
        try:
            root = os.path.commonpath([folder, *map(os.path.dirname, files)])
        except ValueError as error:
            raise DatasetError(
                f"{self.data} lists files on several drives: expected all on the drive of the CSV file"
            ) from error
        return self.ordered(
            Path(root),
            (
                Track(
                    id=printable(row["id"]),
                    path=Path(os.path.relpath(file, root)).as_posix(),
                    label=printable(row["label"]),
                    group=printable(row["group"]),
                    fold=printable(row["fold"]),
                )
                for (_, row), file in zip(rows, files, strict=True)
            ),
        )

    def _rows(self, text: str) -> list[tuple[int, dict[str, str]]]:
        """Return the number and the cells by column of each row that is not blank; missing cells are ""."""
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            lines = [(number, [cell.strip() for cell in line]) for number, line in enumerate(reader, 1)]
        except csv.Error as error:
            raise DatasetError(f"{self.data}, line {reader.line_num}: {error}") from error
        columns = [name.lower() for name in lines[0][1]] if lines else []
        for name in REQUIRED:
            if name not in columns:
                raise DatasetError(
                    f"{self.data} has no column {name!r}{nearest(name, columns)} "
                    f"(row 1 has: {', '.join(map(printable, columns)) or 'nothing'})"
                )
        for name in (*REQUIRED, *OPTIONAL):
            if columns.count(name) > 1:
                raise DatasetError(
                    f"{self.data} has {columns.count(name)} columns called {name!r}", "keep one"
                )
        rows = []
        for number, cells in lines[1:]:
            if not any(cells):
                continue
            if any(cells[len(columns) :]):
                raise DatasetError(
                    f"{self.data}, row {number}: {len(cells)} cells for {len(columns)} columns",
                    f"put a cell that contains {delimiter!r} in double quotes",
                )
            row = dict.fromkeys(OPTIONAL, "") | dict(zip(columns, cells, strict=False))
            for name in REQUIRED:
                if not row.get(name):
                    raise DatasetError(f"{self.data}, row {number}, column {name!r} is empty")
            row["id"] = row["id"] or Path(os.path.normpath(row["path"])).as_posix()
            rows.append((number, row))
        if not rows:
            raise DatasetError(f"{self.data} has no row after its header: expected one for each audio file")
        return rows

    def _check(self, rows: list[tuple[int, dict[str, str]]], files: list[str]) -> None:
        """Refuse an id or a file that is listed twice, and a list without any file that exists."""
        for column, values in (("id", [row["id"] for _, row in rows]), ("path", files)):
            first_rows: dict[str, int] = {}
            for (number, row), value in zip(rows, values, strict=True):
                if first_rows.setdefault(value, number) != number:
                    raise DatasetError(
                        f"{self.data}, row {number}, column {column!r}: {printable(row[column])!r} is "
                        f"already in row {first_rows[value]}"
                    )
        if not any(map(os.path.isfile, files)):
            number, row = rows[0]
            raise DatasetError(
                f"{self.data}: none of its {len(files)} files exists; row {number}, column 'path' "
                f"is {printable(row['path'])!r}, which stands for {printable(files[0])}"
            )


def _text(file: Path) -> str:
    """Return the text of a file in UTF-8 or, if it starts with a byte order mark of UTF-16, in UTF-16."""
    try:
        raw = file.read_bytes()
        encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        text = raw.decode(encoding)
    except OSError as error:
        raise DatasetError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{file}, line {line} is not UTF-8 ({error.reason})", "save the file as UTF-8"
        ) from error
    if "\0" in text:
        raise DatasetError(f"{file} is not a CSV file: it contains zero bytes")
    return text


def _normal(path: str) -> str:
    """Return a path without ``..``, resolved as the system does; other links are kept."""
    folder, name = os.path.split(path)
    if ".." in Path(path).parts:
        folder = os.path.realpath(folder)
    return os.path.normpath(os.path.join(folder, name))
