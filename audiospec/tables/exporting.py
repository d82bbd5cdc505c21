"""Export a view as a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.files import atomic_write
from audiospec.stores.layout.view import View
from audiospec.tables.csv_file import write_csv
from audiospec.tables.names import CLUSTER, FILENAME, LENGTH, PIECE, FrontColumns, track_stem
from audiospec.tables.parquet_file import write_parquet


def export_table(view: View, out: Path | str) -> None:
    """Write a view in the layout of the published tables; `import_table` restores it bit for bit.

    Parameters
    ----------
    view : View
        A view of a table: one number per column. If any of its tracks has a cluster, the column ``cluster``
        follows ``length``.
    out : path
        A name that ends in ``.csv`` or ``.parquet``; an existing file is replaced.

    Raises
    ------
    StoreError
        The view is not a table, the name has another suffix, or the file cannot be written.
    """
    out = Path(out)
    names = view.columns
    write = _writer(out)
    rate = view.spec.sample_rate
    lengths = np.rint(view.rows["seconds"] * rate).astype(np.int64)
    front: dict[str, list[str] | NDArray[np.int64]] = {FILENAME: _filenames(view), LENGTH: lengths}
    if any(view.clusters) and CLUSTER not in names:  # earlier versions imported it as a feature
        front[CLUSTER] = view.clusters.tolist()
    values = view.read()
    if LENGTH in names:  # this feature repeats a column that every table has
        values = np.delete(values, names.index(LENGTH), axis=1)
        names = [name for name in names if name != LENGTH]
    try:
        with atomic_write(out) as temporary:
            write(temporary, front, names, values, view.labels.tolist())
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write {out}: {error.strerror or error}", "choose a writable location"
        ) from error


def _filenames(view: View) -> list[str]:
    """Return a file name for each row, from the track's file or id, with piece numbers if needed."""
    tracks, numbers = view.store.tracks, view.rows["track"].tolist()
    ids = {number: str(tracks["id"][number]) for number in dict.fromkeys(numbers)}
    plain = {number: f"{track_stem(id)}.wav" for number, id in ids.items()}
    paths = {number: str(tracks["path"][number]) or plain[number] for number in ids}
    short = {n: path if path == plain[n] else PurePosixPath(path).name for n, path in paths.items()}
    by_id = {number: f"{id}.wav" for number, id in ids.items()}
    # The shortest names that differ between tracks; names from ids always do.
    for files in (short, paths, by_id):
        stems = {number: track_stem(file) for number, file in files.items()}
        if len(set(stems.values())) == len(stems):
            break
    rate = view.spec.sample_rate
    step = max(1, round((view.chunking.hop or 0) * rate))
    pieces = np.rint(view.rows["start"] * rate / step).astype(np.int64).tolist()
    # A whole track whose name ends like a piece's is written as piece 0, so that it is read back correctly.
    if len(files) == len(numbers) and not any(pieces) and not any(map(PIECE.fullmatch, stems.values())):
        return [files[number] for number in numbers]
    return [
        f"{stems[number]}.{piece}{files[number][len(stems[number]) :]}"
        for number, piece in zip(numbers, pieces, strict=True)
    ]


_Write = Callable[[Path, FrontColumns, list[str], NDArray[Any], list[str]], None]


def _writer(out: Path) -> _Write:
    writers = {".csv": write_csv, ".parquet": write_parquet}
    if out.suffix.lower() not in writers:
        raise StoreError(f"cannot write {out}: expected a name that ends in .csv or .parquet")
    return writers[out.suffix.lower()]
