"""Tables of features: a published CSV or Parquet file as a view of a store, and a view as such a file.

Columns are those of the published GTZAN tables: ``filename``, ``length`` in samples, the features, ``label``.
``jazz.00012.wav`` is the track ``jazz.00012``; ``jazz.00012.7.wav`` is its eighth piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.chunking import Chunking
from audiospec.datasets.base import datasets
from audiospec.digests import checksum
from audiospec.errors import DatasetError, StoreError, nearest
from audiospec.machine import versions
from audiospec.specs.table import TableSpec
from audiospec.stores.base import FeatureStore, store_class
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo, most_rows
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord, store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.tables.cells import quoted
from audiospec.tables.names import FILENAME, LABEL, MOST_PIECES, PIECE, track_stem
from audiospec.tables.reading import FeatureTable, read_table


def import_table(
    table: Path | str | FeatureTable,
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
    table : path or FeatureTable
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
    table = table if isinstance(table, FeatureTable) else read_table(table, columns)
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
        made = {"versions": versions(["audiospec"]), "table": table.file.name}
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=1, made=made)
        size = min(len(rows), most_rows(info))
        info = replace(info, shard_rows=size)
        if existing is not None and _holds(existing, info, rows, records):
            return existing.view(info.name)
        view = NewView(info, rows, lambda number: _source(values[number * size : (number + 1) * size]))
        attributes = store_attributes(name, Path()) if existing is None else existing.store_attributes()
        kind.publish(path, work, attributes, Tracks.from_records(records), view)
        return kind(path).view(info.name)


# Reading


# Importing


def _chunking(table: FeatureTable, rate: int, chunk: float | None, hop: float | None) -> Chunking:
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


def _classes(dataset: str, records: Sequence[TrackRecord]) -> set[str]:
    """The labels that there can be; empty if nobody knows."""
    known = {record.label for record in records if record.label}
    if dataset in datasets.names():
        known.update(datasets[dataset].expected)
    return known


def _resolve(
    table: FeatureTable, records: list[TrackRecord], classes: set[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Track and piece of each row; tracks that are new are added to `records`."""
    places = _places(table, _known(records))
    # What the beginning of a file's name is held to be a label by.
    labels = classes or set(table.labels or ())
    index = {record.id: number for number, record in enumerate(records)}
    stored = len(records)
    rows: dict[tuple[str, int], int] = {}
    first: dict[str, int] = {}
    tracks = []
    for row, (id, piece) in enumerate(places):
        other = rows.setdefault((id, piece), row)
        if other != row:
            name = quoted(table.filenames[row])
            same = f"{name} is in row {table.numbers[other]} already"
            if table.filenames[other] != table.filenames[row]:
                same = f"{name} is piece {piece} of {id!r}, as is row {table.numbers[other]}"
            table.refuse(row, FILENAME, same)
        known = records[index[id]].label if id in index else ""
        label = _label(table, row, id, known, classes, labels)
        if known and label != known:
            held = "the store" if index[id] < stored else f"row {table.numbers[first[id]]}"
            table.refuse(row, LABEL, f"is {label!r}, but {held} has track {id!r} as {known!r}")
        if id not in index:
            index[id] = len(records)
            records.append(TrackRecord(id, label=label))  # without audio
        first.setdefault(id, row)
        tracks.append(index[id])
    return np.array(tracks, np.int64), np.array([piece for _, piece in places], np.int64)


def _places(table: FeatureTable, known: dict[str, str]) -> list[tuple[str, int]]:
    """Track id and piece of each row: a table has either pieces or whole tracks."""
    stems = [track_stem(name) for name in table.filenames]
    matches = [PIECE.fullmatch(name) for name in stems]
    if not all(matches) or all(name in known for name in stems):
        for row, (name, match) in enumerate(zip(stems, matches, strict=True)):
            if match and name not in known:
                whole = next(n for n, other in enumerate(stems) if other in known or not matches[n])
                table.refuse(
                    row,
                    FILENAME,
                    f"{quoted(table.filenames[row])} is a piece of a track, "
                    f"{quoted(table.filenames[whole])} in row {table.numbers[whole]} a whole one; expected "
                    "pieces (NAME.PIECE.wav), or whole tracks, in all rows",
                )
        return [(known.get(name, name), 0) for name in stems]
    places = []
    for row, match in enumerate(matches):
        assert match is not None
        if len(match[2]) > len(str(MOST_PIECES)) or int(match[2]) > MOST_PIECES:
            table.refuse(
                row, FILENAME, f"piece {quoted(match[2])}: expected a number from 0 to {MOST_PIECES}"
            )
        places.append((known.get(match[1], match[1]), int(match[2])))
    return places


def _known(records: Sequence[TrackRecord]) -> dict[str, str]:
    """Name in a table → track id: by id, path or file name, without suffix, where just one has it."""
    names: dict[str, set[str]] = {}
    for record in records:
        stems = {track_stem(name) for name in (record.id, record.path, PurePosixPath(record.path).name)}
        for name in stems - {""}:
            names.setdefault(name, set()).add(record.id)
    known = {name: ids.pop() for name, ids in names.items() if len(ids) == 1}
    return known | {record.id: record.id for record in records}


def _label(table: FeatureTable, row: int, id: str, known: str, classes: set[str], labels: set[str]) -> str:
    """Label of a row: its cell's, the store's, or that which its file's name begins with."""
    prefix, dot, _ = PurePosixPath(id).name.partition(".")
    named = prefix if dot else ""
    label = table.labels[row] if table.labels is not None else known or named
    column = LABEL if table.labels is not None else FILENAME
    if not label:
        problem = f"there is no label in {quoted(table.filenames[row])}: expected LABEL.NUMBER.wav, or a "
        table.refuse(row, column, problem + "column 'label'")
    if classes and label not in classes:
        choices = ", ".join(sorted(classes)[:12]) + (", …" if len(classes) > 12 else "")
        problem = f"{quoted(label)} is none of the dataset's labels{nearest(label, classes)}"
        table.refuse(row, column, f"{problem} ({choices})")
    # A name may begin with anything; with another label it says that this one is wrong.
    if named != label and named in labels:
        table.refuse(row, column, f"is {label!r}, but the file is {quoted(table.filenames[row])}")
    return label


def _holds(store: FeatureStore, info: ViewInfo, rows: NDArray[Any], records: Sequence[TrackRecord]) -> bool:
    """Whether a store holds this very view, undamaged."""
    if info.name not in store.view_names() or len(records) != len(store.tracks):
        return False
    view = store.view(info.name)
    same = view.spec == info.spec and view.rows.tobytes() == rows.tobytes()
    return same and not len(view.damaged())


def _source(values: NDArray[Any]) -> ShardSource:
    return ShardSource(lambda: values)


# Exporting
