"""Tables of features: a published CSV or Parquet file as a view of a store, and a view as such a file.

Columns are those of the published GTZAN tables: ``filename``, ``length`` in samples, the features, ``label``.
``jazz.00012.wav`` is the track ``jazz.00012``; ``jazz.00012.7.wav`` is its eighth piece.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from audiospec import __version__
from audiospec.chunking import Chunking
from audiospec.datasets.base import AUDIO_SUFFIXES, datasets, shown
from audiospec.errors import DatasetError, StoreError, nearest
from audiospec.plan import most_rows
from audiospec.spec import TableSpec, TabularSpec
from audiospec.staging import locked
from audiospec.stores._files import checksum, writing
from audiospec.stores.base import (
    ROW_DTYPE,
    VIEW_COLUMNS,
    FeatureStore,
    NewView,
    ShardSource,
    Tracks,
    View,
    ViewInfo,
    choices,
    matching,
    store_attributes,
    store_class,
)

#: A piece with a higher number, or a row of more samples, is a slip of the pen.
MOST_PIECES, MOST_SAMPLES = 1_000_000, 1 << 40

#: Columns of a table that are no features.
_FILENAME, _LENGTH, _LABEL = "filename", "length", "label"
_PLAIN = (_FILENAME, _LENGTH, _LABEL)

#: ``NAME.PIECE``. A number with leading zeros, as in ``jazz.00012``, is part of the name.
_PIECE = re.compile(r"(.+)\.(0|[1-9][0-9]*)", re.DOTALL)

_EXTRA = "pip install 'audiospec[table]'"


@dataclass(frozen=True, eq=False)
class Table:
    """A table of features whose cells are what they should be; see `read_table`.

    Attributes
    ----------
    file : Path
    sha256 : str
        Of the file.
    columns : tuple of str
        Names of the features.
    left_out : tuple of str
        Columns of the file that are not taken over.
    numbers : list of int
        Number of each row as a spreadsheet has it: the header is row 1.
    filenames : list of str
    lengths : ndarray of int64, or None
        Samples of each row; None if the table has no such column.
    labels : list of str, or None
    values : ndarray of float32, shape (rows, columns)
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

    def refuse(self, row: int, column: str, problem: str) -> NoReturn:
        """Raise `DatasetError` for a cell; `row` counts from 0."""
        _refuse(self.file, self.numbers[row], column, problem)


def read_table(file: Path | str, columns: str | Sequence[str] = "published") -> Table:
    """Read a table of features, and check every cell.

    Numbers are kept as float32: each is within 6e-8 of itself (below 1.2e-38 digits are lost).

    Parameters
    ----------
    file : path
        ``.csv`` (UTF-8; commas, semicolons or tabs between cells) or ``.parquet``.
    columns : "published", "all", or names
        Which features: those of the published GTZAN tables (``TabularSpec().columns``), all columns that
        are not ``filename``, ``length`` or ``label``, or columns by name. Text has commas between names.
        ``length`` is a feature only if it is named: it says how the data was cut, and may tell classes apart.

    Returns
    -------
    Table

    Raises
    ------
    DatasetError
        No such file, no such column, or a cell that cannot be; names file, row and column.
    StoreError
        A Parquet file, and pyarrow is not installed.
    """
    file = Path(file)
    read = _reader(file)
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read table {file}: {error.strerror}") from error
    if not raw:
        raise DatasetError(f"table {file} is empty: expected a header and a row for each track or piece")
    header, rows = read(file, raw)
    for name in header:
        if header.count(name) > 1:
            places = [str(place) for place, other in enumerate(header, 1) if other == name]
            raise DatasetError(
                f"{file}, row 1: columns {' and '.join(places)} are both called {name!r}; keep one"
            )
    chosen = _choose(file, header, columns)
    if not rows:
        raise DatasetError(f"table {file} has no row below its header: expected one for each track or piece")
    found = [header.index(name) for name in chosen]
    values = np.empty((len(rows), len(chosen)), np.float32)
    filenames: list[str] = []
    lengths: list[int] = []
    labels: list[str] = []
    for index, (number, cells) in enumerate(rows):
        filenames.append(_text(file, number, _FILENAME, cells[header.index(_FILENAME)]))
        if _LENGTH in header:
            lengths.append(_length(file, number, cells[header.index(_LENGTH)]))
        if _LABEL in header:
            labels.append(_text(file, number, _LABEL, cells[header.index(_LABEL)]))
        values[index] = _floats(file, number, chosen, [cells[place] for place in found])
    return Table(
        file=file,
        sha256=hashlib.sha256(raw).hexdigest(),
        columns=chosen,
        left_out=tuple(name for name in header if name not in (*_PLAIN, *chosen)),
        numbers=[number for number, _ in rows],
        filenames=filenames,
        lengths=np.array(lengths, np.int64) if lengths else None,
        labels=labels or None,
        values=values,
    )


def import_table(
    table: Path | str | Table,
    store: Path | str,
    *,
    dataset: str | None = None,
    chunk: float | None = None,
    hop: float | None = None,
    sample_rate: int = 22050,
    columns: str | Sequence[str] = "published",
) -> View:
    """Put a table of features into a store, as a view; the store is made if it is not there.

    Tracks of the store are found by their ids or the names of their files; others are added to it, without
    audio. A table that the store holds already is not written again.

    Parameters
    ----------
    table : path or Table
        A file (see `read_table`), or what was read from it.
    store : path
        Its suffix chooses the format.
    dataset : str or None
        Name of the dataset. None: the store's, or its file's name.
    chunk : float or None
        Seconds that a row stands for. None: the median length, to the nearest second (below one second:
        tenth of a second).
    hop : float or None
        Seconds from one piece's start to the next. None: `chunk`.
    sample_rate : int
        Hz of the samples that ``length`` counts.
    columns : "published", "all", or names
        See `read_table`; of no effect if that was called already.

    Returns
    -------
    View
        Of a `TableSpec`; rows are in the order of tracks, then pieces. Their source is 0: no audio.

    Raises
    ------
    DatasetError
        See `read_table`; also rows that contradict each other, the store, or the dataset.
    StoreError
        The store cannot be written to, or is of another dataset.
    """
    table = table if isinstance(table, Table) else read_table(table, columns)
    spec = TableSpec(sample_rate=sample_rate, columns=table.columns, sha256=table.sha256)
    chunking = _chunking(table, spec.sample_rate, chunk, hop)
    path = Path(store)
    kind = store_class(path)
    with locked(path) as work:
        kind.recover(path, work)
        existing = kind(path) if path.exists() else None
        name = dataset or (existing.dataset if existing is not None else path.stem)
        if existing is not None and existing.dataset != name:
            raise StoreError(
                f"{path} holds dataset {existing.dataset!r}, not {name!r}: choose another --store"
            )
        records = list(existing.tracks.records()) if existing is not None else []
        tracks, pieces = _resolve(table, records, _classes(name, records))
        order = np.lexsort((pieces, tracks))
        rate = spec.sample_rate
        step = max(1, round((chunking.hop or 0) * rate))  # as `Chunking.chunks` cuts
        seconds = np.full(len(order), chunking.samples(rate) / rate)
        if table.lengths is not None:
            seconds = table.lengths[order] / rate
        values = table.values[order]
        rows = np.zeros(len(order), ROW_DTYPE)
        rows["track"] = tracks[order]
        rows["start"] = pieces[order] * step / rate
        rows["seconds"] = seconds
        rows["checksum"] = [checksum(value) for value in values]
        made = {"versions": {"audiospec": __version__}, "table": table.file.name}
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=1, made=made)
        size = min(len(rows), most_rows(info))
        info = replace(info, shard_rows=size)
        if existing is not None and _holds(existing, info, rows, records):
            return existing.view(info.name)
        view = NewView(info, rows, lambda number: _source(values[number * size : (number + 1) * size]))
        attributes = store_attributes(name, Path() if existing is None else existing.root)
        kind.publish(path, work, attributes, Tracks.from_records(records), view)
        return kind(path).view(info.name)


def export_table(view: View, out: Path | str) -> None:
    """Write a view as a table like the published ones; `import_table` reads it back, to the bit.

    Parameters
    ----------
    view : View
        With one number a column.
    out : path
        ``.csv`` or ``.parquet``; a file that is there is replaced.

    Raises
    ------
    StoreError
        A view of another shape, or a file that cannot be written.
    """
    out = Path(out)
    names = view.columns
    write = _writer(out)
    filenames = _filenames(view)
    rate = view.spec.sample_rate
    lengths = np.rint(view.rows["seconds"] * rate).astype(np.int64)
    values = view.read()
    if _LENGTH in names:  # a feature of that name is the very column that every table has
        values = np.delete(values, names.index(_LENGTH), axis=1)
        names = [name for name in names if name != _LENGTH]
    try:
        with writing(out) as temporary:
            write(temporary, filenames, lengths, names, values, view.labels.tolist())
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write {out}: {error.strerror or error}; choose a place that can be written to"
        ) from error


def find_view(store: FeatureStore, chunk: float | None = None, name: str | None = None) -> View:
    """The one view of a store that can be exported as a table.

    Parameters
    ----------
    store : FeatureStore
    chunk : float or None
        Its chunks' length in seconds.
    name : str or None
        Its name, or how it begins.

    Raises
    ------
    StoreError
        No such view, or several; says which flags choose.
    """
    tables = [view for view in store.views() if view.spec.dims == ("feature",)]
    if not tables:
        raise StoreError(
            f"{store.path} has no view with one number a column: make one with `audiospec table import`, "
            "or `audiospec featurize --features tabular`"
        )
    found = matching(tables, chunk, name)
    if name is not None and not found:
        store.view(name).columns  # noqa: B018 (raises: no such view, or one of another shape)
    if len(found) == 1:
        return found[0]
    flags = f" --view {name}" if name is not None else ""
    flags += f" --chunk {chunk:g}" if chunk is not None else ""
    asked = f" that go with{flags}" if flags else ""
    raise StoreError(
        f"{store.path} has {len(found) or 'no'} tables{asked}: choose one by {choices(found or tables)}"
    )


# Reading


Rows = list[tuple[int, Sequence[Any]]]


def _reader(file: Path) -> Callable[[Path, bytes], tuple[list[str], Rows]]:
    """What reads a file of this suffix: its header, and its rows with their numbers."""
    readers = {".csv": _read_csv, ".parquet": _read_parquet}
    if file.suffix.lower() not in readers:
        raise DatasetError(f"table {file} is neither CSV nor Parquet: expected .csv or .parquet")
    return readers[file.suffix.lower()]


def _read_csv(file: Path, raw: bytes) -> tuple[list[str], Rows]:
    if raw.startswith(b"PAR1"):
        raise DatasetError(f"table {file} is a Parquet file: give it a name that ends in .parquet")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{file}, row {row}: is not text in UTF-8 ({error.reason}); save the table as CSV in UTF-8"
        ) from error
    if "\0" in text:
        raise DatasetError(f"table {file} is not a CSV file: it holds zero bytes")
    # Blank lines before the header are none of it.
    delimiter = max(",;\t", key=text.lstrip("\r\n").partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: Rows = []
    try:
        for line in reader:
            lines.append((len(lines) + 1, [cell.strip() for cell in line]))
    except csv.Error as error:
        raise DatasetError(f"{file}, row {len(lines) + 1}: is not CSV ({error})") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    header = list(map(shown, lines[0][1])) if lines else []
    rows = lines[1:]
    for number, cells in rows:
        if len(cells) != len(header):
            raise DatasetError(
                f"{file}, row {number}: has {len(cells)} cells, row 1 has {len(header)} columns; put a cell "
                f"that holds a {delimiter!r} between double quotes"
            )
    return header, rows


def _read_parquet(file: Path, raw: bytes) -> tuple[list[str], Rows]:
    arrow, parquet = _pyarrow("reading")
    try:
        table = parquet.ParquetFile(arrow.BufferReader(raw)).read()
        columns = [column.to_pylist() for column in table.columns]
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"table {file} is not a Parquet file that can be read ({reason})") from error
    return [shown(name).strip() for name in table.column_names], list(
        enumerate(zip(*columns, strict=True), 2)
    )


def _pyarrow(doing: str) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise StoreError(f"{doing} Parquet needs pyarrow: {_EXTRA}, or use CSV") from error
    return pyarrow, pyarrow.parquet


def _choose(file: Path, header: list[str], columns: str | Sequence[str]) -> tuple[str, ...]:
    """The features to take over."""
    others = [name for name in header if name not in _PLAIN]
    if columns == "all":
        wanted = others
    elif columns == "published":
        wanted = list(TabularSpec().columns)
    else:
        names = columns.split(",") if isinstance(columns, str) else columns
        wanted = [name.strip() for name in names]
    if not wanted:
        raise DatasetError(
            f"{file}, row 1: has no column of features, only {', '.join(header) or 'nothing'}: "
            "expected some beside filename, length and label"
        )
    for place, name in enumerate(wanted):
        if name in (_FILENAME, _LABEL, *VIEW_COLUMNS):
            raise DatasetError(
                f"column {name!r} of {file} cannot be a feature, views have one of that name; choose "
                "others with --columns"
            )
        if name in wanted[:place]:
            raise DatasetError(f"--columns names {name!r} twice: name it once")
        if not name:
            place = header.index(name) + 1 if name in header else place + 1
            raise DatasetError(f"{file}, row 1: column {place} has no name; name it, or choose others")
    missing = [name for name in (_FILENAME, *wanted) if name not in header]
    if missing:
        more = f" (nor {len(missing) - 1} other{'s' * (len(missing) > 2)})" if len(missing) > 1 else ""
        hint = "; --columns chooses others" if columns == "published" and missing[0] != _FILENAME else ""
        raise DatasetError(
            f"{file}, row 1: there is no column {missing[0]!r}{more}"
            f"{nearest(missing[0], [name for name in header if name not in wanted])}{hint}"
        )
    return tuple(wanted)


def _refuse(file: Path, number: int, column: str, problem: str) -> NoReturn:
    raise DatasetError(f"{file}, row {number}, column {column!r}: {problem}")


def _quoted(cell: object) -> str:
    """A cell for a message: printable, and not a whole page of it."""
    text = shown(str(cell))
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _text(file: Path, number: int, column: str, cell: object) -> str:
    if isinstance(cell, int) and not isinstance(cell, bool):
        cell = str(cell)  # labels may be digits
    if cell is not None and not isinstance(cell, str):
        _refuse(file, number, column, f"expected text; got {_quoted(cell)}")
    text = shown(cell or "").strip()
    if not text:
        _refuse(file, number, column, "is empty")
    return text


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _float(cell: object) -> float | None:
    """A cell as a number; None if it is none."""
    if isinstance(cell, str):
        # Python's own spellings are not a table's: 1_000, or digits of other scripts.
        if "_" in cell or not cell.isascii():
            return None
    elif isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return None
    try:
        return float(cell)
    except ValueError:
        return None
    except OverflowError:  # a whole number of 400 digits
        return math.inf


def _length(file: Path, number: int, cell: object) -> int:
    value = _float(cell)
    if _is_empty(cell):
        _refuse(file, number, _LENGTH, "is empty; expected a number of samples")
    if value is None or not 1 <= value <= MOST_SAMPLES or not value.is_integer():
        _refuse(
            file, number, _LENGTH, f"expected a number of samples, 1 to {MOST_SAMPLES}; got {_quoted(cell)}"
        )
    return int(value)


def _floats(file: Path, number: int, columns: Sequence[str], cells: Sequence[object]) -> NDArray[np.float32]:
    """The features of a row."""
    values = [_float(cell) for cell in cells]
    for column, cell, value in zip(columns, cells, values, strict=True):
        if _is_empty(cell):
            _refuse(file, number, column, "is empty; expected a number")
        if value is None:
            _refuse(file, number, column, f"expected a number; got {_quoted(cell)}")
        if not math.isfinite(value):
            _refuse(file, number, column, f"expected a finite number; got {_quoted(cell)}")
    with np.errstate(over="ignore", under="ignore"):
        floats = np.array(values, np.float64).astype(np.float32)
    for place in np.flatnonzero(~np.isfinite(floats)).tolist():
        problem = f"expected a number within float32 (at most 3.4e38); got {_quoted(cells[place])}"
        _refuse(file, number, columns[place], problem)
    return floats


# Importing


def _chunking(table: Table, rate: int, chunk: float | None, hop: float | None) -> Chunking:
    if chunk is None:
        if table.lengths is None:
            raise DatasetError(
                f"table {table.file} has no column 'length': give the seconds of a row with --chunk"
            )
        seconds = float(np.median(table.lengths)) / rate
        chunk = round(seconds) if seconds >= 1 else round(seconds, 1)
        if not chunk:
            raise DatasetError(
                f"table {table.file}, column 'length': the median row is {seconds:.2g} s long; give the "
                "seconds of a row with --chunk"
            )
    # Any length is kept, so no row is too short for the view.
    chunking = Chunking(seconds=chunk, hop=hop, min_fill=0)
    chunking.samples(rate)  # raises if the chunk is too short
    return chunking


def _classes(dataset: str, records: Sequence[dict[str, Any]]) -> set[str]:
    """The labels that there can be; empty if nobody knows."""
    known = {str(record["label"]) for record in records if record["label"]}
    if dataset in datasets.names():
        known.update(datasets[dataset].expected)
    return known


def _resolve(
    table: Table, records: list[dict[str, Any]], classes: set[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Track and piece of each row; tracks that are new are added to `records`."""
    places = _places(table, _known(records))
    # What the beginning of a file's name is held to be a label by.
    labels = classes or set(table.labels or ())
    index = {str(record["id"]): number for number, record in enumerate(records)}
    stored = len(records)
    rows: dict[tuple[str, int], int] = {}
    first: dict[str, int] = {}
    tracks = []
    for row, (id, piece) in enumerate(places):
        other = rows.setdefault((id, piece), row)
        if other != row:
            name = _quoted(table.filenames[row])
            same = f"{name} is in row {table.numbers[other]} already"
            if table.filenames[other] != table.filenames[row]:
                same = f"{name} is piece {piece} of {id!r}, as is row {table.numbers[other]}"
            table.refuse(row, _FILENAME, same)
        known = records[index[id]]["label"] if id in index else ""
        label = _label(table, row, id, known, classes, labels)
        if known and label != known:
            held = "the store" if index[id] < stored else f"row {table.numbers[first[id]]}"
            table.refuse(row, _LABEL, f"is {label!r}, but {held} has track {id!r} as {known!r}")
        if id not in index:
            index[id] = len(records)
            records.append(_record(id, label))
        first.setdefault(id, row)
        tracks.append(index[id])
    return np.array(tracks, np.int64), np.array([piece for _, piece in places], np.int64)


def _places(table: Table, known: dict[str, str]) -> list[tuple[str, int]]:
    """Track id and piece of each row: a table has either pieces or whole tracks."""
    stems = [_stem(name) for name in table.filenames]
    matches = [_PIECE.fullmatch(stem) for stem in stems]
    if not all(matches) or all(stem in known for stem in stems):
        for row, (stem, match) in enumerate(zip(stems, matches, strict=True)):
            if match and stem not in known:
                whole = next(n for n, other in enumerate(stems) if other in known or not matches[n])
                table.refuse(
                    row,
                    _FILENAME,
                    f"{_quoted(table.filenames[row])} is a piece of a track, "
                    f"{_quoted(table.filenames[whole])} in row {table.numbers[whole]} a whole one; expected "
                    "pieces (NAME.PIECE.wav), or whole tracks, in all rows",
                )
        return [(known.get(stem, stem), 0) for stem in stems]
    places = []
    for row, match in enumerate(matches):
        assert match is not None
        if len(match[2]) > len(str(MOST_PIECES)) or int(match[2]) > MOST_PIECES:
            table.refuse(
                row, _FILENAME, f"piece {_quoted(match[2])}: expected a number from 0 to {MOST_PIECES}"
            )
        places.append((known.get(match[1], match[1]), int(match[2])))
    return places


def _stem(name: str) -> str:
    """A file's name without its suffix, if that is one of audio: ``jazz.00012`` has none."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in AUDIO_SUFFIXES else name


def _known(records: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Name in a table → track id: by id, path or file name, without suffix, where just one has it."""
    names: dict[str, set[str]] = {}
    for record in records:
        id, path = str(record["id"]), str(record["path"])
        for name in {_stem(id), _stem(path), _stem(PurePosixPath(path).name)} - {""}:
            names.setdefault(name, set()).add(id)
    known = {name: ids.pop() for name, ids in names.items() if len(ids) == 1}
    return known | {str(record["id"]): str(record["id"]) for record in records}


def _label(table: Table, row: int, id: str, known: str, classes: set[str], labels: set[str]) -> str:
    """Label of a row: its cell's, the store's, or that which its file's name begins with."""
    prefix, dot, _ = PurePosixPath(id).name.partition(".")
    named = prefix if dot else ""
    label = table.labels[row] if table.labels is not None else known or named
    column = _LABEL if table.labels is not None else _FILENAME
    if not label:
        problem = f"there is no label in {_quoted(table.filenames[row])}: expected LABEL.NUMBER.wav, or a "
        table.refuse(row, column, problem + "column 'label'")
    if classes and label not in classes:
        choices = ", ".join(sorted(classes)[:12]) + (", …" if len(classes) > 12 else "")
        problem = f"{_quoted(label)} is none of the dataset's labels{nearest(label, classes)}"
        table.refuse(row, column, f"{problem} ({choices})")
    # A name may begin with anything; with another label it says that this one is wrong.
    if named != label and named in labels:
        table.refuse(row, column, f"is {label!r}, but the file is {_quoted(table.filenames[row])}")
    return label


def _record(id: str, label: str) -> dict[str, Any]:
    """A track without audio."""
    text = {"id": id, "path": "", "label": label, "group": "", "fold": "", "hash": "", "problem": ""}
    return text | {"seconds": 0.0, "sample_rate": 0, "channels": 0, "size": -1, "modified": -1}


def _holds(
    store: FeatureStore, info: ViewInfo, rows: NDArray[Any], records: Sequence[dict[str, Any]]
) -> bool:
    """Whether a store holds this very view, undamaged."""
    if info.name not in store.view_names() or len(records) != len(store.tracks):
        return False
    view = store.view(info.name)
    same = view.spec == info.spec and view.rows.tobytes() == rows.tobytes()
    return same and not len(view.damaged())


def _source(values: NDArray[Any]) -> ShardSource:
    return ShardSource(lambda: values)


# Exporting


def _filenames(view: View) -> list[str]:
    """A file name for each row: of the track's file, or its id; with pieces if the view has some."""
    tracks, numbers = view.store.tracks, view.rows["track"].tolist()
    ids = {number: str(tracks["id"][number]) for number in dict.fromkeys(numbers)}
    plain = {number: f"{_stem(id)}.wav" for number, id in ids.items()}
    paths = {number: str(tracks["path"][number]) or plain[number] for number in ids}
    short = {n: path if path == plain[n] else PurePosixPath(path).name for n, path in paths.items()}
    whole = {number: f"{id}.wav" for number, id in ids.items()}
    # The shortest that tell the tracks apart; ids always do.
    for files in (short, paths, whole):
        stems = {number: _stem(file) for number, file in files.items()}
        if len(set(stems.values())) == len(stems):
            break
    rate = view.spec.sample_rate
    step = max(1, round((view.chunking.hop or 0) * rate))
    pieces = np.rint(view.rows["start"] * rate / step).astype(np.int64).tolist()
    # A whole track whose name looks like a piece's is written as its piece 0, to be read back as it is.
    if len(files) == len(numbers) and not any(pieces) and not any(map(_PIECE.fullmatch, stems.values())):
        return [files[number] for number in numbers]
    return [
        f"{stems[number]}.{piece}{files[number][len(stems[number]) :]}"
        for number, piece in zip(numbers, pieces, strict=True)
    ]


_Write = Callable[[Path, list[str], NDArray[np.int64], list[str], NDArray[Any], list[str]], None]


def _writer(out: Path) -> _Write:
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    if out.suffix.lower() not in writers:
        raise StoreError(f"cannot write {out}: expected a name that ends in .csv or .parquet")
    return writers[out.suffix.lower()]


def _write_csv(
    file: Path,
    filenames: list[str],
    lengths: NDArray[np.int64],
    columns: list[str],
    values: NDArray[Any],
    labels: list[str],
) -> None:
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_FILENAME, _LENGTH, *columns, _LABEL])
        for filename, length, row, label in zip(filenames, lengths.tolist(), values, labels, strict=True):
            writer.writerow(
                [filename, length, *map(str, row), label]
            )  # the shortest that reads back the same


def _write_parquet(
    file: Path,
    filenames: list[str],
    lengths: NDArray[np.int64],
    columns: list[str],
    values: NDArray[Any],
    labels: list[str],
) -> None:
    arrow, parquet = _pyarrow("writing")
    features = [arrow.array(np.ascontiguousarray(column)) for column in values.T]
    arrays = [arrow.array(filenames, arrow.string()), arrow.array(lengths), *features]
    names = [_FILENAME, _LENGTH, *columns, _LABEL]
    parquet.write_table(arrow.table([*arrays, arrow.array(labels, arrow.string())], names=names), file)
