"""PartialTable: rows are written as they are made, so that a crash costs one file, and a rerun resumes."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from audiospec.errors import DatasetError, ModelError
from audiospec.files import disk_full_errors
from audiospec.storage.location import Location
from audiospec.zoo.windows.outputs import FileEnd

Cells = Sequence[str | float]


class PartialTable:
    """A table of rows of files, in two files beside `out`, until it is complete.

    ``NAME.partial`` is the table as CSV, and has whole lines only. ``NAME.partial.files`` says for what
    request it is, and has a line for each file that is done. A table of the same request is continued after
    the last of these; a table of another request, or one whose audio files have changed, is begun anew.

    Parameters
    ----------
    out : Path
    request : dict
        All that the rows depend on besides the files, as plain JSON values.
    files : sequence of Location
        In order.
    columns : sequence of str
        Names of the cells of a row.
    delimiter : str

    Attributes
    ----------
    done : list of FileEnd
        Ends of the files that are done.

    Raises
    ------
    ModelError
        Another process writes the same table.
    DatasetError
        The files cannot be written.
    DiskFullError
        No space is left.
    """

    def __init__(
        self,
        out: Path,
        request: dict[str, Any],
        files: Sequence[Location],
        columns: Sequence[str],
        delimiter: str = ",",
    ) -> None:
        self.out, self.delimiter = out, delimiter
        self.path = out.with_name(f"{out.name}.partial")
        self.journal = out.with_name(f"{out.name}.partial.files")
        self.done: list[FileEnd] = []
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            self._journal = os.open(self.journal, os.O_RDWR | os.O_CREAT, 0o666)
            self._table = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise DatasetError(f"{out} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._close()
            raise ModelError(
                f"another process writes {out}", "wait for it, or give another file with `out`"
            ) from error
        self._begin = self._end = 0  # of the current file's rows, in bytes
        header = self._lines([columns])
        kept = self._read(request, files, len(header))
        with disk_full_errors(out):
            os.ftruncate(self._journal, 0)
            self._write_journal([{"request": request}, *kept])
            os.ftruncate(self._table, self._end)
            if not self._end:
                self._append(header)
        self._begin = self._end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        os.close(self._table)
        os.close(self._journal)

    def _read(self, request: dict[str, Any], files: Sequence[Location], header: int) -> list[dict[str, Any]]:
        """Return the entries of the journal that still hold; `_end` is where their rows end."""
        lines = os.pread(self._journal, os.fstat(self._journal).st_size, 0).split(b"\n")[:-1]
        kept: list[dict[str, Any]] = []
        try:
            first, *entries = (json.loads(line) for line in lines)
            if first != json.loads(json.dumps({"request": request})):
                return []
            size, end = os.fstat(self._table).st_size, header
            for file, entry in zip(files, entries, strict=False):
                if entry["file"] != str(file) or entry["stamp"] != stamp(file):
                    break
                if not end <= entry["end"] <= size:
                    break
                end = entry["end"]
                self.done.append(FileEnd(file, *entry["state"]))
                kept.append(entry)
        except (ValueError, TypeError, KeyError, RecursionError):
            self.done.clear()
            return []
        self._end = end if kept else 0
        return kept

    def add(self, rows: Sequence[Cells]) -> None:
        """Write rows of the current file.

        Raises
        ------
        DiskFullError
            No space is left.
        """
        with disk_full_errors(self.out):
            self._append(self._lines(rows))

    def end(self, end: FileEnd) -> None:
        """End the current file; if it has a problem, its rows are removed."""
        with disk_full_errors(self.out):
            if end.problem:
                os.ftruncate(self._table, self._begin)
                self._end = self._begin
            state = [end.seconds, end.windows, end.problem, end.note]
            entry = {"file": str(end.file), "stamp": stamp(end.file), "end": self._end, "state": state}
            self._write_journal([entry])
        self.done.append(end)
        self._begin = self._end

    def rows_of_file(self) -> Iterator[list[str]]:
        """Yield the rows of the current file, as text."""
        yield from self._rows(self._begin, self._end)

    def rows(self) -> Iterator[list[str]]:
        """Yield the header and all rows, as text."""
        yield from self._rows(0, self._end)

    def publish(self) -> None:
        """Make the table that is complete `out`."""
        os.replace(self.path, self.out)
        self.journal.unlink()

    def remove(self) -> None:
        """Remove the table: what it has is written elsewhere."""
        self.path.unlink()
        self.journal.unlink()

    def _rows(self, begin: int, end: int) -> Iterator[list[str]]:
        with open(self.path, "rb") as file:
            file.seek(begin)
            lines = (line.decode() for line in iter(file.readline, b"") if file.tell() <= end)
            yield from csv.reader(lines, delimiter=self.delimiter, strict=True)

    def _lines(self, rows: Sequence[Cells]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator="\n").writerows(rows)
        return text.getvalue().encode("utf-8", "surrogateescape")

    def _append(self, lines: bytes) -> None:
        view = memoryview(lines)
        while view:
            count = os.pwrite(self._table, view, self._end)
            self._end += count
            view = view[count:]

    def _write_journal(self, entries: Sequence[dict[str, Any]]) -> None:
        lines = "".join(f"{json.dumps(entry)}\n" for entry in entries).encode()
        place = os.lseek(self._journal, 0, os.SEEK_END)
        os.pwrite(self._journal, lines, place)


def stamp(file: Location) -> list[int]:
    """Return size and time of a file of a disk, which change when its content does; empty if not known."""
    if not isinstance(file, Path):
        return []
    try:
        status = file.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
