"""Write what is predicted of files: a table of all, or a file of events for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from audiospec.annotations.formats.base import AnnotationFormat, Event, annotation_formats, format_of
from audiospec.errors import ModelError
from audiospec.files import atomic_write, write_bytes
from audiospec.storage.location import Location
from audiospec.text import printable
from audiospec.version import __version__
from audiospec.zoo.windows.outputs import FileEnd
from audiospec.zoo.windows.partial import PartialTable
from audiospec.zoo.windows.windows import EventMaking, Making

#: Rows that are converted at a time.
ROWS = 1 << 14
#: Rows that are written at a time; fewer at the end of a file.
FLUSH = 256
#: Formats whose file is a table of any rows.
TABLES = ("csv", "parquet")


def output_format(out: Path, name: str | None) -> str:
    """Return the format of an output: the named one, or the one that the name of the file ends as.

    Raises
    ------
    RegistryError
        There is no format of this name.
    ModelError
        The name of the file does not say the format.
    """
    if name is not None:
        annotation_formats[name]
        return name
    found = format_of(out.name)
    if found is None:
        raise ModelError(
            f"{out} does not end as a file of a known format",
            f"give `format`: {', '.join(annotation_formats)}",
        )
    return found


def write_predictions(
    making: Making, files: Sequence[Location], out: Path, format: str | None = None
) -> Iterator[FileEnd]:
    """Write the rows of files as they are predicted.

    Rows are written into ``NAME.partial`` beside `out`, in whole lines, and `out` is made of it once all
    files are done. A call that was interrupted is resumed by the same call: files that were done are not
    predicted again. Where a file is for one audio file (Audacity, Raven, JAMS), and there are several, `out`
    is a folder, and each file in it is written when its audio file is done.

    Parameters
    ----------
    making : Making
    files : sequence of Location
        Audio files, without folders.
    out : Path
    format : str or None
        Name of an annotation format. None: by the name of `out`.

    Yields
    ------
    FileEnd
        Of each file, in order. One with a problem has no rows.

    Raises
    ------
    ModelError
        The format has events only, and rows are windows; or another process writes the same file.
    DatasetError
        The file cannot be written, or pyarrow is not installed.
    DiskFullError
        No space is left.
    """
    name = output_format(out, format)
    kind = annotation_formats[name]()
    if name not in TABLES and not isinstance(making, EventMaking):
        raise ModelError(f"format {name!r} has events only", "give `threshold`, or use csv or parquet")
    if name == "parquet":
        kind.write([])  # before hours of work, to see that pyarrow is installed
    targets = _targets(kind, files, out)
    delimiter = "\t" if out.name.endswith(".tsv") else ","
    with PartialTable(out, _request(making, name), files, making.columns, delimiter) as table:
        yield from list(table.done)
        waiting: list[Any] = []
        for row in making.rows(files[len(table.done) :]):
            if isinstance(row, FileEnd):
                table.add(waiting)
                waiting.clear()
                if row.file in targets and not row.problem:
                    events = [_event(cells) for cells in table.rows_of_file()]
                    targets[row.file].parent.mkdir(parents=True, exist_ok=True)
                    write_bytes(targets[row.file], kind.write(events, row.seconds))
                table.end(row)
                yield row
            else:
                waiting.append(making.cells(row))
                if len(waiting) >= FLUSH:
                    table.add(waiting)
                    waiting.clear()
        if targets:
            table.remove()
        elif name == "parquet":
            _write_parquet(table, making)
            table.remove()
        else:
            table.publish()


def _request(making: Making, format: str) -> dict[str, Any]:
    predictor = making.predictor
    return {
        "audiospec": __version__,
        "run": predictor.run.digest,
        "hop": predictor.hop,
        "reading": predictor.reading.to_json(),
        "rules": asdict(making.rules) if isinstance(making, EventMaking) else None,
        "columns": making.columns,
        "format": format,
    }


def _event(cells: Sequence[str]) -> Event:
    file, onset, offset, label, score = cells
    return Event(
        onset=float(onset), offset=float(offset), label=printable(label), score=float(score), file=file
    )


def _targets(kind: AnnotationFormat, files: Sequence[Location], out: Path) -> dict[Location, Path]:
    """Return the file of each audio file, where the format has one each; empty where one file has all."""
    if kind.has_files:
        return {}
    if len(files) == 1 and not out.is_dir():
        return {files[0]: out}
    if out.exists() and not out.is_dir():
        raise ModelError(
            f"format {kind.name!r} has a file for each audio file, and {out} is a file",
            "give a folder with `out`",
        )
    paths = [PurePosixPath(str(file)) for file in files]
    stems = {path.stem for path in paths}
    if len(stems) == len(paths):
        return {file: out / f"{path.stem}{kind.suffixes[0]}" for file, path in zip(files, paths, strict=True)}
    # Files of several folders have one name: the folders are kept, below the one that all are in.
    shared = 0
    parents = [path.parent.parts for path in paths]
    while all(len(parts) > shared and parts[shared] == parents[0][shared] for parts in parents):
        shared += 1
    return {
        file: out.joinpath(*parts[shared:], f"{path.name}{kind.suffixes[0]}")
        for file, path, parts in zip(files, paths, parents, strict=True)
    }


def _write_parquet(table: PartialTable, making: Making) -> None:
    """Write the rows of a table as Parquet, a group of rows at a time."""
    import pyarrow
    import pyarrow.parquet

    texts = {"file", "label", "prediction"}
    kinds = [pyarrow.string() if name in texts else pyarrow.float64() for name in making.columns]
    schema = pyarrow.schema(list(zip(making.columns, kinds, strict=True)))
    with atomic_write(table.out) as temporary, pyarrow.parquet.ParquetWriter(temporary, schema) as writer:
        lines = islice(table.rows(), 1, None)
        while rows := list(islice(lines, ROWS)):
            columns = [
                pyarrow.array(column if kind == pyarrow.string() else [*map(float, column)], kind)
                for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)
            ]
            writer.write_table(pyarrow.table(columns, schema=schema))
