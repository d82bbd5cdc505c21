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
from audiospec.tables.names import LENGTH, PIECE, track_stem
from audiospec.tables.parquet_file import write_parquet


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
    if LENGTH in names:  # a feature of that name is the very column that every table has
        values = np.delete(values, names.index(LENGTH), axis=1)
        names = [name for name in names if name != LENGTH]
    try:
        with atomic_write(out) as temporary:
            write(temporary, filenames, lengths, names, values, view.labels.tolist())
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write {out}: {error.strerror or error}; choose a place that can be written to"
        ) from error


def _filenames(view: View) -> list[str]:
    """A file name for each row: of the track's file, or its id; with pieces if the view has some."""
    tracks, numbers = view.store.tracks, view.rows["track"].tolist()
    ids = {number: str(tracks["id"][number]) for number in dict.fromkeys(numbers)}
    plain = {number: f"{track_stem(id)}.wav" for number, id in ids.items()}
    paths = {number: str(tracks["path"][number]) or plain[number] for number in ids}
    short = {n: path if path == plain[n] else PurePosixPath(path).name for n, path in paths.items()}
    whole = {number: f"{id}.wav" for number, id in ids.items()}
    # The shortest that tell the tracks apart; ids always do.
    for files in (short, paths, whole):
        stems = {number: track_stem(file) for number, file in files.items()}
        if len(set(stems.values())) == len(stems):
            break
    rate = view.spec.sample_rate
    step = max(1, round((view.chunking.hop or 0) * rate))
    pieces = np.rint(view.rows["start"] * rate / step).astype(np.int64).tolist()
    # A whole track whose name looks like a piece's is written as its piece 0, to be read back as it is.
    if len(files) == len(numbers) and not any(pieces) and not any(map(PIECE.fullmatch, stems.values())):
        return [files[number] for number in numbers]
    return [
        f"{stems[number]}.{piece}{files[number][len(stems[number]) :]}"
        for number, piece in zip(numbers, pieces, strict=True)
    ]


_Write = Callable[[Path, list[str], NDArray[np.int64], list[str], NDArray[Any], list[str]], None]


def _writer(out: Path) -> _Write:
    writers = {".csv": write_csv, ".parquet": write_parquet}
    if out.suffix.lower() not in writers:
        raise StoreError(f"cannot write {out}: expected a name that ends in .csv or .parquet")
    return writers[out.suffix.lower()]
