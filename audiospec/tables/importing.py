"""Import a table of features, such as a published CSV or Parquet file, as a view of a store.

The columns are those of the published GTZAN tables: ``filename``, ``length`` in samples, the features,
``label``; and ``cluster`` (near-duplicates), if there is one. ``jazz.00012.wav`` is the track ``jazz.00012``;
``jazz.00012.7.wav`` is its eighth piece.
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
from audiospec.specs.base import require
from audiospec.specs.table import TableSpec
from audiospec.storage.location import Location, location
from audiospec.storage.opening import exists
from audiospec.stores.base import FeatureStore, store_class
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo, most_rows
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord, store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.stores.volumes.store import VolumeStore
from audiospec.tables.cells import quoted
from audiospec.tables.names import CLUSTER, FILENAME, LABEL, MAX_PIECE, PIECE, track_stem
from audiospec.tables.reading import FeatureTable, read_table


def import_table(
    table: Path | str | FeatureTable,
    store: Location | str,
    *,
    dataset: str | None = None,
    chunk: float | None = None,
    hop: float | None = None,
    sample_rate: int = 22050,
    columns: str | Sequence[str] = "published",
) -> View:
    """Import a table of features into a store as a view; the store is created if it does not exist.

    Rows are matched to tracks of the store by id or file name. Other tracks are added to the store, without
    audio. A table that the store already contains is not written again.

    Parameters
    ----------
    table : path or FeatureTable
        A file (see `read_table`), or a table that was read from one.
    store : path or Url
        The store; its suffix selects the format.
    dataset : str or None
        Name of the dataset. None: the store's dataset, or the stem of `store` if it does not exist.
    chunk : float or None
        Length of a row in seconds. None: the median length, to the nearest second, or to the nearest tenth
        below one second.
    hop : float or None
        Seconds from the start of one piece to the next. None: `chunk`.
    sample_rate : int
        Sample rate in Hz of the column ``length``.
    columns : "published", "all", or names
        See `read_table`; ignored if `table` has been read already.

    Returns
    -------
    View
        A view of a `TableSpec`; rows are in the order of tracks, then pieces. Their source is 0: no audio.

    Raises
    ------
    DatasetError
        See `read_table`. Also if rows contradict each other, the store or the dataset.
    StoreError
        The store cannot be written, or belongs to another dataset.
    """
    table = table if isinstance(table, FeatureTable) else read_table(table, columns)
    spec = TableSpec(sample_rate=sample_rate, columns=table.columns, sha256=table.sha256)
    chunking = _chunking(table, spec.sample_rate, chunk, hop)
    path = location(store)
    kind = store_class(path)
    with locked(path) as work:
        kind.recover(path, work)
        existing = kind.open(path) if exists(path) else None
        if isinstance(existing, VolumeStore):
            raise StoreError(
                f"{path} has volumes, which tables cannot be imported into", "choose another `store`"
            )
        name = dataset or (existing.dataset if existing is not None else path.stem)
        if existing is not None and existing.dataset != name:
            raise StoreError(
                f"{path} holds dataset {existing.dataset!r}, not {name!r}", "choose another `store`"
            )
        records = list(existing.tracks.records()) if existing is not None else []
        tracks, pieces = _resolve(table, records, _classes(name, records))
        order = np.lexsort((pieces, tracks))
        rate = spec.sample_rate
        step = max(1, round((chunking.hop or 0) * rate))  # as in `Chunking.chunks`
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
        if existing is not None and _holds(existing, info, rows, Tracks.from_records(records)):
            return existing.view(info.name)
        view = NewView(info, rows, lambda number: _source(values[number * size : (number + 1) * size]))
        attributes = store_attributes(name, Path()) if existing is None else existing.store_attributes()
        kind.publish(path, work, attributes, Tracks.from_records(records), view)
        return kind(path).view(info.name)


def _chunking(table: FeatureTable, rate: int, chunk: float | None, hop: float | None) -> Chunking:
    require(rate >= 1, "sample_rate", "at least 1 Hz", rate)
    if chunk is None:
        if table.lengths is None:
            raise DatasetError(
                f"table {table.file} has no column 'length'",
                "give the length of a row in seconds with `chunk`",
            )
        seconds = float(np.median(table.lengths)) / rate
        chunk = round(seconds) if seconds >= 1 else round(seconds, 1)
        if not chunk:
            raise DatasetError(
                f"table {table.file}, column 'length': median is {seconds:.2g} s, expected at least 0.05 s",
                "give the length of a row in seconds with `chunk`",
            )
    # With min_fill=0 no row is too short for the view.
    chunking = Chunking(seconds=chunk, hop=hop, min_fill=0)
    chunking.samples(rate)  # raises if the chunk is too short
    return chunking


def _classes(dataset: str, records: Sequence[TrackRecord]) -> set[str]:
    """Return the labels that are valid in the store; empty if any label is."""
    labels = {record.label for record in records if record.label}
    if dataset in datasets.names():
        labels.update(datasets[dataset].expected)
    return labels


def _resolve(
    table: FeatureTable, records: list[TrackRecord], classes: set[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the track number and piece number of each row; append new tracks to `records`."""
    places = _places(table, _ids_by_name(records))
    # Labels that are recognised at the start of a file name.
    labels = classes or set(table.labels or ())
    index = {record.id: number for number, record in enumerate(records)}
    stored = len(records)
    row_of: dict[tuple[str, int], int] = {}
    first_row: dict[str, int] = {}
    tracks = []
    for row, (id, piece) in enumerate(places):
        other = row_of.setdefault((id, piece), row)
        if other != row:
            name = quoted(table.filenames[row])
            problem = f"{name} is already in row {table.numbers[other]}"
            if table.filenames[other] != table.filenames[row]:
                problem = f"{name} is piece {piece} of {id!r}, as is row {table.numbers[other]}"
            table.refuse(row, FILENAME, problem)
        track_label = records[index[id]].label if id in index else ""
        label = _label(table, row, id, track_label, classes, labels)
        if track_label and label != track_label:
            source = "the store" if index[id] < stored else f"row {table.numbers[first_row[id]]}"
            table.refuse(row, LABEL, f"is {label!r}, but track {id!r} has label {track_label!r} in {source}")
        if id not in index:
            index[id] = len(records)
            records.append(TrackRecord(id, label=label))  # without audio
        first_row.setdefault(id, row)
        tracks.append(index[id])
    _set_clusters(table, tracks, records)
    return np.array(tracks, np.int64), np.array([piece for _, piece in places], np.int64)


def _set_clusters(table: FeatureTable, tracks: Sequence[int], records: list[TrackRecord]) -> None:
    """Set the clusters that a table names, where it has such a column; an empty cell changes nothing."""
    first_row: dict[int, int] = {}
    for row, (track, cluster) in enumerate(zip(tracks, table.clusters or [""] * len(tracks), strict=True)):
        if not cluster:
            continue
        record = records[track]
        if record.cluster not in ("", cluster):
            source = f"row {table.numbers[first_row[track]]}" if track in first_row else "the store"
            problem = f"is {cluster!r}, but track {record.id!r} has cluster {record.cluster!r} in {source}"
            table.refuse(row, CLUSTER, problem)
        first_row.setdefault(track, row)
        records[track] = replace(record, cluster=cluster)


def _places(table: FeatureTable, ids: dict[str, str]) -> list[tuple[str, int]]:
    """Return the track id and piece of each row; a table has either pieces or whole tracks."""
    stems = [track_stem(name) for name in table.filenames]
    matches = [PIECE.fullmatch(name) for name in stems]
    if not all(matches) or all(name in ids for name in stems):
        for row, (name, match) in enumerate(zip(stems, matches, strict=True)):
            if match and name not in ids:
                whole = next(n for n, other in enumerate(stems) if other in ids or not matches[n])
                table.refuse(
                    row,
                    FILENAME,
                    f"{quoted(table.filenames[row])} is a piece of a track, but "
                    f"{quoted(table.filenames[whole])} in row {table.numbers[whole]} is a whole track; "
                    "expected either pieces (NAME.PIECE.wav) or whole tracks in all rows",
                )
        return [(ids.get(name, name), 0) for name in stems]
    places = []
    for row, match in enumerate(matches):
        assert match is not None
        if len(match[2]) > len(str(MAX_PIECE)) or int(match[2]) > MAX_PIECE:
            table.refuse(row, FILENAME, f"piece {quoted(match[2])}: expected a number from 0 to {MAX_PIECE}")
        places.append((ids.get(match[1], match[1]), int(match[2])))
    return places


def _ids_by_name(records: Sequence[TrackRecord]) -> dict[str, str]:
    """Return name → track id, for ids, paths and file names without suffix that belong to one track only."""
    tracks: dict[str, set[str]] = {}
    for record in records:
        stems = {track_stem(name) for name in (record.id, record.path, PurePosixPath(record.path).name)}
        for name in stems - {""}:
            tracks.setdefault(name, set()).add(record.id)
    unique = {name: ids.pop() for name, ids in tracks.items() if len(ids) == 1}
    return unique | {record.id: record.id for record in records}


def _label(
    table: FeatureTable, row: int, id: str, track_label: str, classes: set[str], labels: set[str]
) -> str:
    """Return the label of a row: from its cell, else from its track, else from its file name."""
    prefix, dot, _ = PurePosixPath(id).name.partition(".")
    named = prefix if dot else ""
    label = table.labels[row] if table.labels is not None else track_label or named
    column = LABEL if table.labels is not None else FILENAME
    if not label:
        name = quoted(table.filenames[row])
        table.refuse(row, column, f"{name} contains no label; expected LABEL.NUMBER.wav, or a column 'label'")
    if classes and label not in classes:
        choices = ", ".join(sorted(classes)[:12]) + (", …" if len(classes) > 12 else "")
        problem = f"{quoted(label)} is not a label of the dataset{nearest(label, classes)}"
        table.refuse(row, column, f"{problem} ({choices})")
    # A file name may begin with anything, but if it begins with another label, one of the two is wrong.
    if named != label and named in labels:
        table.refuse(row, column, f"is {label!r}, but the file is {quoted(table.filenames[row])}")
    return label


def _holds(store: FeatureStore, info: ViewInfo, rows: NDArray[Any], tracks: Tracks) -> bool:
    """Whether a store contains these tracks, and this view with the same rows, undamaged."""
    if info.name not in store.view_names() or list(tracks.records()) != list(store.tracks.records()):
        return False
    view = store.view(info.name)
    same = view.spec == info.spec and view.rows.tobytes() == rows.tobytes()
    return same and not len(view.damaged())


def _source(values: NDArray[Any]) -> ShardSource:
    return ShardSource(lambda: values)
