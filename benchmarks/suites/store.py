"""store: writing rows, and reading them in order and at random, in Zarr and HDF5; size and error."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from audiospec.benchmarks.base import (
    Case,
    Contender,
    NotRun,
    Role,
    Setup,
    Suite,
    Table,
    Target,
    absent,
    suites,
)
from audiospec.benchmarks.sample_stores import CHUNK, Dtype, compute_rows, write_store
from audiospec.stores.hdf5 import HDF5View
from audiospec.stores.layout.info import SHARD_BYTES
from audiospec.stores.layout.view import View
from audiospec.stores.zarr import ZarrView

#: Rows of a random batch, and of a range in order.
BATCH, RANGE = 32, 64
#: Bytes of a file that may stay on the disk until a run ends.
SMALL_FILE = 1 << 16

#: Row numbers, or a range of them.
Selection = NDArray[np.int64] | slice
#: Reads some rows.
Read = Callable[[Selection], Any]
#: Writes rows to a folder; returns a function that reads them.
Writer = Callable[[Path], Read]


@suites.register
class Store(Suite):
    """Views of float16 log-mel rows (192, 862), 331 kB each; the page cache is warm."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield cases of reading at random, reading in order and writing; then a table of sizes."""
        count = 2000 if setup.full else 500
        rows = compute_rows(setup)
        zarr, hdf5 = (write_store(setup.folder / f"view{suffix}", rows, count) for suffix in (".zarr", ".h5"))
        assert isinstance(zarr, ZarrView)
        assert isinstance(hdf5, HDF5View)
        flat = _memmap(setup.folder / "flat.npy", zarr)
        zarr_targets = [Target("zarr-python", 10), Target("tensorstore", 2), Target("numpy.memmap", 0.5)]
        for view, peers, targets in (
            (zarr, _zarr_peers(zarr), zarr_targets),
            (hdf5, _hdf5_peers(hdf5), [Target("h5py", 5)]),
        ):
            yield _reading(setup, view, f"{BATCH} random rows", peers, flat, _batch_of_round(count), targets)
            yield _reading(setup, view, f"{RANGE} rows in order", peers, flat, _range_of_round(count), [])
        for view in (zarr, hdf5):
            shutil.rmtree(str(view.store.path), ignore_errors=True)
        yield from _writing(setup, rows)
        yield from _sizes(setup)
        if setup.full:
            yield _shard_sizes(setup, rows, count)


def _batch_of_round(count: int) -> Callable[[int], Selection]:
    return lambda number: np.random.default_rng(number).permutation(count)[:BATCH]


def _range_of_round(count: int) -> Callable[[int], Selection]:
    return lambda number: slice(first := (number * RANGE) % (count - RANGE), first + RANGE)


def _memmap(file: Path, view: View) -> NDArray[Any]:
    """Write the same rows to one plain file; return it mapped into memory."""
    step = view.info.shard_rows
    with file.open("wb") as out:
        for first in range(0, len(view), step):
            view.read(slice(first, first + step)).tofile(out)
    return np.memmap(file, view.info.row_dtype.base, "r", shape=view.shape)


def _zarr_peers(view: ZarrView) -> dict[str, Read]:
    """Return other readers of the same Zarr array."""
    peers: dict[str, Read] = {}
    if not absent("zarr"):
        import zarr

        array = zarr.open_array(view.folder / "data", mode="r")
        peers["zarr-python"] = lambda rows: array[rows] if isinstance(rows, slice) else array.oindex[rows]
    if not absent("tensorstore"):
        import tensorstore

        config = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(view.folder / "data")}}
        opened = tensorstore.open(config, open=True, read=True).result()
        peers["tensorstore"] = lambda rows: opened[rows].read().result()
    return peers


def _hdf5_peers(view: HDF5View) -> dict[str, Read]:
    """Return a reader that uses h5py's indexing, which requires sorted row numbers."""
    import h5py

    data = h5py.File(view.store.path, "r")["views"][view.name]["data"]

    def read(rows: Selection) -> Any:
        if isinstance(rows, slice):
            return data[rows]
        order = np.argsort(rows)
        in_file_order = data[rows[order]]
        result = np.empty_like(in_file_order)
        result[order] = in_file_order
        return result

    return {"h5py": read}


def _reading(
    setup: Setup,
    view: View,
    title: str,
    peers: dict[str, Read],
    flat: NDArray[Any],
    select: Callable[[int], Selection],
    targets: list[Target],
) -> Case:
    """Return a case in which all readers read the same rows, with other rows in every round."""
    readers: dict[str, Read] = {
        "audiospec": view.read,
        **peers,
        "numpy.memmap": lambda rows: _copied(flat[rows]),
    }
    roles: dict[str, Role] = {"audiospec": "ours", "numpy.memmap": "floor"}
    return Case(
        name=f"{view.store.path.suffix[1:]}, {title}",
        amount=len(flat[select(0)]),
        unit="rows",
        contenders=[
            Contender(name=name, role=roles.get(name, "peer"), call=partial(_read_round, read, select))
            for name, read in readers.items()
        ],
        difference=_different_rows,
        difference_unit="rows",
        targets=targets,
        missing=absent("zarr", "tensorstore") if isinstance(view, ZarrView) else {},
        seconds=12 if setup.full else 4,
        note=f"{len(view)} rows of {view.info.row_bytes / 1e3:.0f} kB; random rows: oindex of "
        "zarr-python, and h5py's indexing with sorted row numbers",
    )


def _copied(rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows in memory: those selected by a slice are still in the file and have to be copied."""
    return rows if rows.flags.owndata else np.array(rows)


def _read_round(read: Read, select: Callable[[int], Selection], number: int) -> Any:
    return read(select(number))


def _different_rows(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Return how many rows are not equal byte for byte; infinite if shapes or dtypes differ."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return np.inf
    return float(sum(a.tobytes() != b.tobytes() for a, b in zip(ours, theirs, strict=True)))


def _writing(setup: Setup, rows: NDArray[Any]) -> Iterator[Case]:
    """Yield a case per format that writes rows to a new store on disk."""
    count = 512 if setup.full else 128
    rows = rows[np.arange(count) % len(rows)]
    writers: dict[str, dict[str, Writer]] = {
        "zarr": {"audiospec": lambda folder: _write_ours(folder / "ours.zarr", rows)},
        "hdf5": {"audiospec": lambda folder: _write_ours(folder / "ours.h5", rows)},
    }
    writers["hdf5"]["h5py"] = lambda folder: _write_with_h5py(folder / "theirs.h5", rows)
    missing = absent("zarr", "tensorstore")
    if "zarr" not in missing:
        writers["zarr"]["zarr-python"] = lambda folder: _write_with_zarr(folder, rows)
    if "tensorstore" not in missing:
        writers["zarr"]["tensorstore"] = lambda folder: _write_with_tensorstore(folder, rows)
    roles: dict[str, Role] = {"audiospec": "ours", "raw file write": "floor"}
    for format, writer_of in writers.items():
        writer_of["raw file write"] = lambda folder: _write_raw(folder / "raw", rows)
        yield Case(
            name=f"{format}, {count} rows written",
            amount=rows.nbytes,
            unit="bytes",
            contenders=[
                Contender(
                    name=name,
                    role=roles.get(name, "peer"),
                    call=partial(_write_round, writer, folder),
                    before=partial(_empty, folder),
                )
                for name, writer in writer_of.items()
                for folder in [setup.folder / "written" / format / name]
            ],
            difference=_different_when_read,
            difference_unit="rows",
            targets=[Target("tensorstore", 1) if format == "zarr" else Target("h5py", 0.9)],
            missing=missing if format == "zarr" else {},
            seconds=20 if setup.full else 5,
            note="the time of audiospec includes a checksum of each row, the tables of tracks and rows with "
            "their seal and copy, and opening the store; nobody flushes to the disk, as `featurize` does for "
            "HDF5",
        )


def _different_when_read(ours: Read, theirs: Read) -> float:
    return _different_rows(ours(slice(None)), theirs(slice(None)))


def _write_round(writer: Writer, folder: Path, _: int) -> Read:
    return writer(folder)


def _empty(folder: Path) -> None:
    """Make a folder empty: what is in it is put aside, without the bytes of large files.

    Nothing is deleted, because ext4 uses no inode again for some seconds after its file was deleted, and
    passes over each of them: a file that is made after a thousand were deleted takes ten times as long.
    """
    if folder.exists():
        for file in folder.rglob("*"):
            if file.is_file() and file.stat().st_size > SMALL_FILE:
                os.truncate(file, 0)
        folder.rename(folder.with_name(f"{folder.name}.{time.perf_counter_ns()}"))
    folder.mkdir(parents=True)


def _write_ours(path: Path, rows: NDArray[Any]) -> Read:
    view = write_store(path, rows, len(rows))
    return view.read


def _write_with_zarr(path: Path, rows: NDArray[Any]) -> Read:
    """Write the same layout: one row per Zarr chunk, uncompressed, in shards of the same size."""
    import zarr

    step = SHARD_BYTES // rows[0].nbytes
    array = zarr.create_array(
        path,
        shape=rows.shape,
        chunks=(1, *rows.shape[1:]),
        shards=(step, *rows.shape[1:]),
        dtype=rows.dtype,
        compressors=None,
    )
    for first in range(0, len(rows), step):
        array[first : first + step] = rows[first : first + step]
    return lambda rows: array[rows]


def _write_with_tensorstore(path: Path, rows: NDArray[Any]) -> Read:
    """Write the same layout as `_write_with_zarr`."""
    import tensorstore

    step, shape = SHARD_BYTES // rows[0].nbytes, list(rows.shape[1:])
    inner = {"chunk_shape": [1, *shape], "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
    opened = tensorstore.open(
        {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": str(path)},
            "metadata": {
                "shape": list(rows.shape),
                "data_type": rows.dtype.name,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [step, *shape]}},
                "codecs": [{"name": "sharding_indexed", "configuration": inner}],
            },
        },
        create=True,
    ).result()
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        opened[first : first + len(part)].write(part).result()
    return lambda rows: opened[rows].read().result()


def _write_with_h5py(path: Path, rows: NDArray[Any]) -> Read:
    """Write the same layout: one row per HDF5 chunk, uncompressed."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=rows, chunks=(1, *rows.shape[1:]))

    def read(selection: Selection) -> Any:
        with h5py.File(path, "r") as file:
            return file["data"][selection]

    return read


def _write_raw(file: Path, rows: NDArray[Any]) -> Read:
    file.write_bytes(rows.data)
    return lambda selection: rows[selection]


def _sizes(setup: Setup) -> Iterator[Table | NotRun]:
    """Yield a table of bytes per second of audio, and of the largest error, by dtype and codec."""
    exact = compute_rows(setup, "float32")
    entries: list[tuple[str, int, float]] = []
    for suffix in (".zarr", ".h5"):
        for dtype in get_args(Dtype):
            rows = compute_rows(setup, dtype)
            view = write_store(setup.folder / f"size-{dtype}{suffix}", rows, len(exact), dtype)
            bytes = view.store.bytes_on_disk()
            largest = float(np.abs(view.read().astype(np.float32) - exact).max())
            entries.append((f"audiospec {suffix[1:]}, {dtype}", bytes, largest))
    missing = absent("lilcom")
    if missing:
        yield NotRun("lilcom", missing["lilcom"])
    else:
        import lilcom

        for power in (-5, -2, -1, 0):
            # Frames first, as in lhotse: lilcom predicts along the first axis.
            packed = [lilcom.compress(np.ascontiguousarray(row.T), tick_power=power) for row in exact]
            largest = max(
                float(np.abs(lilcom.decompress(each).T - row).max())
                for each, row in zip(packed, exact, strict=True)
            )
            name = f"lilcom, tick_power={power}" + (" (the default of lhotse)" if power == -5 else "")
            entries.append((name, sum(map(len, packed)), largest))
    seconds = CHUNK * len(exact)
    yield Table(
        name="size and worst error of log-mel rows in dB",
        head=("store", "kB per second of audio", "largest error, dB"),
        rows=[(name, round(bytes / seconds / 1e3, 2), round(largest, 4)) for name, bytes, largest in entries],
        targets=_size_targets(entries),
        note=f"{len(exact)} rows; the whole store with its tables, for lilcom only the compressed arrays",
    )


def _shard_sizes(setup: Setup, rows: NDArray[Any], count: int) -> Table:
    """Return a table of the cost of each shard size: files, write speed, and speed of random reads."""
    select = _batch_of_round(count)
    table_rows: list[list[str | float | int]] = []
    for mib in (1, 6, 24, 96):
        start = time.perf_counter()
        view = write_store(setup.folder / f"shards-{mib}.zarr", rows, count, shard_bytes=mib << 20)
        seconds = time.perf_counter() - start
        assert isinstance(view, ZarrView)
        readers: dict[str, Read] = {"audiospec": view.read, **_zarr_peers(view)}
        speeds = [
            _rows_per_second(readers[name], select)
            for name in ("audiospec", "tensorstore")
            if name in readers
        ]
        files = -(-count // view.info.shard_rows)
        written = round(count * view.info.row_bytes / seconds / 1e6)
        table_rows.append([mib, files, written, *speeds])
        shutil.rmtree(str(view.store.path))
    head = ["MiB", "shards", "MB/s written", "audiospec, rows/s", "tensorstore, rows/s"]
    return Table(
        name=f"size of shards: {count} rows, {BATCH} of them at random",
        head=head[: len(table_rows[0])],
        rows=table_rows,
        note="a worker holds one unfinished shard in memory, and loses it when killed",
    )


def _rows_per_second(read: Read, select: Callable[[int], Selection]) -> int:
    times = []
    for number in range(20):
        start = time.perf_counter()
        read(select(number))
        times.append(time.perf_counter() - start)
    return round(BATCH / statistics.median(times[2:]))


def _size_targets(entries: list[tuple[str, int, float]]) -> list[dict[str, Any]]:
    """Require that our uint8 is smaller than lilcom wherever the error of lilcom is at least as large."""
    ours = next(entry for entry in entries if entry[0] == "audiospec zarr, uint8")
    comparable = [entry for entry in entries if entry[0].startswith("lilcom") and entry[2] >= ours[2]]
    return [
        {"what": f"size of uint8 over that of {name}", "at_most": 1.0, "found": ours[1] / bytes}
        | {"met": ours[1] < bytes}
        for name, bytes, _ in comparable
    ]
