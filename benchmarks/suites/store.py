"""store: rows written, and read in order and at random, from Zarr and HDF5; their size by codec."""

from __future__ import annotations

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
from audiospec.benchmarks.made_up_stores import CHUNK, Dtype, features, write
from audiospec.stores.hdf5 import HDF5View
from audiospec.stores.layout.info import SHARD_BYTES
from audiospec.stores.layout.view import View
from audiospec.stores.zarr import ZarrView

#: Rows in a random batch, and in a run of rows.
BATCH, RUN = 32, 64

Chosen = NDArray[np.int64] | slice
Read = Callable[[Chosen], Any]
Writer = Callable[[Path], Read]


@suites.register
class Store(Suite):
    """Views of float16 log-mel rows (192, 862), 331 kB each; the page cache is warm."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Reading at random, in order, writing; then sizes."""
        count = 2000 if setup.full else 500
        rows = features(setup)
        zarr, hdf5 = (write(setup.folder / f"view{suffix}", rows, count) for suffix in (".zarr", ".h5"))
        assert isinstance(zarr, ZarrView)
        assert isinstance(hdf5, HDF5View)
        flat = _flat(setup.folder / "flat.npy", zarr)
        faster = [Target("zarr-python", 10), Target("tensorstore", 1), Target("numpy.memmap", 0.5)]
        for view, peers, targets in (
            (zarr, _zarr_peers(zarr), faster),
            (hdf5, _h5py(hdf5), [Target("h5py", 5)]),
        ):
            yield _reading(setup, view, f"{BATCH} random rows", peers, flat, _random(count), targets)
            yield _reading(setup, view, f"{RUN} rows in order", peers, flat, _in_order(count), [])
        for view in (zarr, hdf5):
            shutil.rmtree(view.store.path, ignore_errors=True)
        yield from _writing(setup, rows)
        yield from _sizes(setup, rows)
        if setup.full:
            yield _shards(setup, rows, count)


def _random(count: int) -> Callable[[int], Chosen]:
    return lambda number: np.random.default_rng(number).permutation(count)[:BATCH]


def _in_order(count: int) -> Callable[[int], Chosen]:
    return lambda number: slice(first := (number * RUN) % (count - RUN), first + RUN)


def _flat(file: Path, view: View) -> NDArray[Any]:
    """The same rows in one plain file, mapped into memory."""
    step = view.info.shard_rows
    with file.open("wb") as out:
        for first in range(0, len(view), step):
            view.read(slice(first, first + step)).tofile(out)
    return np.memmap(file, view.info.row_dtype.base, "r", shape=view.shape)


def _zarr_peers(view: ZarrView) -> dict[str, Read]:
    """Other readers of the same Zarr array."""
    import zarr

    array = zarr.open_array(view.folder / "data", mode="r")
    peers: dict[str, Read] = {
        "zarr-python": lambda rows: array[rows] if isinstance(rows, slice) else array.oindex[rows]
    }
    if not absent("tensorstore"):
        import tensorstore

        where = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(view.folder / "data")}}
        opened = tensorstore.open(where, open=True, read=True).result()
        peers["tensorstore"] = lambda rows: opened[rows].read().result()
    return peers


def _h5py(view: HDF5View) -> dict[str, Read]:
    """h5py's own way to read rows: it wants their numbers sorted."""
    import h5py

    data = h5py.File(view.store.path, "r")["views"][view.name]["data"]

    def read(rows: Chosen) -> Any:
        if isinstance(rows, slice):
            return data[rows]
        order = np.argsort(rows)
        found = data[rows[order]]
        back = np.empty_like(found)
        back[order] = found
        return back

    return {"h5py": read}


def _reading(
    setup: Setup,
    view: View,
    what: str,
    peers: dict[str, Read],
    flat: NDArray[Any],
    chosen: Callable[[int], Chosen],
    targets: list[Target],
) -> Case:
    """The same rows by all readers, other rows in every round."""
    readers: dict[str, Read] = {
        "audiospec": view.read,
        **peers,
        "numpy.memmap": lambda rows: _in_memory(flat[rows]),
    }
    roles: dict[str, Role] = {"audiospec": "ours", "numpy.memmap": "floor"}
    return Case(
        name=f"{view.store.path.suffix[1:]}, {what}",
        amount=len(flat[chosen(0)]),
        unit="rows",
        contenders=[
            Contender(name=name, role=roles.get(name, "peer"), call=partial(_of_round, read, chosen))
            for name, read in readers.items()
        ],
        difference=_rows_apart,
        difference_unit="rows",
        targets=targets,
        missing=absent("tensorstore") if isinstance(view, ZarrView) else {},
        seconds=12 if setup.full else 4,
        note=f"{len(view)} rows of {view.info.row_bytes / 1e3:.0f} kB; at random: zarr-python's oindex, and "
        "h5py's fancy indexing of sorted numbers",
    )


def _in_memory(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows that were chosen by a slice are still in the file; by numbers they are not."""
    return rows if rows.flags.owndata else np.array(rows)


def _of_round(read: Read, chosen: Callable[[int], Chosen], number: int) -> Any:
    return read(chosen(number))


def _rows_apart(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Rows that are not the same, byte for byte."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return np.inf
    return float(sum(a.tobytes() != b.tobytes() for a, b in zip(ours, theirs, strict=True)))


def _writing(setup: Setup, rows: NDArray[Any]) -> Iterator[Case]:
    """So many rows into a new store on disk, in both formats."""
    count = 512 if setup.full else 128
    rows = rows[np.arange(count) % len(rows)]
    writers: dict[str, dict[str, Writer]] = {
        "zarr": {"audiospec": lambda folder: _ours(folder / "ours.zarr", rows)},
        "hdf5": {"audiospec": lambda folder: _ours(folder / "ours.h5", rows)},
    }
    writers["zarr"]["zarr-python"] = lambda folder: _by_zarr(folder, rows)
    writers["hdf5"]["h5py"] = lambda folder: _by_h5py(folder / "theirs.h5", rows)
    missing = absent("tensorstore")
    if not missing:
        writers["zarr"]["tensorstore"] = lambda folder: _by_tensorstore(folder, rows)
    roles: dict[str, Role] = {"audiospec": "ours", "raw file write": "floor"}
    for kind, named in writers.items():
        named["raw file write"] = lambda folder: _raw(folder / "raw", rows)
        yield Case(
            name=f"{kind}, {count} rows written",
            amount=rows.nbytes,
            unit="bytes",
            contenders=[
                Contender(
                    name=name,
                    role=roles.get(name, "peer"),
                    call=partial(_written, writer, folder),
                    before=partial(_emptied, folder),
                )
                for name, writer in named.items()
                for folder in [setup.folder / "written" / kind / name]
            ],
            difference=_read_apart,
            difference_unit="rows",
            missing=missing if kind == "zarr" else {},
            seconds=20 if setup.full else 5,
            note="audiospec's time includes a checksum of each row, the tables of tracks and rows, and for "
            "HDF5 a wait until the disk has it all",
        )


def _read_apart(ours: Read, theirs: Read) -> float:
    return _rows_apart(ours(slice(None)), theirs(slice(None)))


def _written(writer: Writer, folder: Path, _: int) -> Read:
    return writer(folder)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _ours(path: Path, rows: NDArray[Any]) -> Read:
    view = write(path, rows, len(rows))
    return view.read


def _by_zarr(path: Path, rows: NDArray[Any]) -> Read:
    """The same layout: a row a chunk, uncompressed, in shards of the same size."""
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


def _by_tensorstore(path: Path, rows: NDArray[Any]) -> Read:
    """As `_by_zarr`."""
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


def _by_h5py(path: Path, rows: NDArray[Any]) -> Read:
    """The same layout: a row a chunk, uncompressed."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=rows, chunks=(1, *rows.shape[1:]))

    def read(chosen: Chosen) -> Any:
        with h5py.File(path, "r") as file:
            return file["data"][chosen]

    return read


def _raw(file: Path, rows: NDArray[Any]) -> Read:
    file.write_bytes(rows.data)
    return lambda chosen: rows[chosen]


def _sizes(setup: Setup, rows: NDArray[Any]) -> Iterator[Table | NotRun]:
    """What a second of audio takes on disk, and the error that comes with it."""
    exact = features(setup, "float32")
    entries: list[tuple[str, int, float]] = []
    for suffix in (".zarr", ".h5"):
        for dtype in get_args(Dtype):
            view = write(setup.folder / f"size-{dtype}{suffix}", features(setup, dtype), len(exact), dtype)
            bytes = view.store.bytes_on_disk()
            worst = float(np.abs(view.read().astype(np.float32) - exact).max())
            entries.append((f"audiospec {suffix[1:]}, {dtype}", bytes, worst))
    missing = absent("lilcom")
    if missing:
        yield NotRun("lilcom", missing["lilcom"])
    else:
        import lilcom

        for power in (-5, -2, -1, 0):
            # Time first, as lhotse has it: its prediction runs along the first axis.
            packed = [lilcom.compress(np.ascontiguousarray(row.T), tick_power=power) for row in exact]
            worst = max(
                float(np.abs(lilcom.decompress(each).T - row).max())
                for each, row in zip(packed, exact, strict=True)
            )
            name = f"lilcom, tick_power={power}" + (" (lhotse's own)" if power == -5 else "")
            entries.append((name, sum(map(len, packed)), worst))
    seconds = CHUNK * len(exact)
    yield Table(
        name="size and worst error of log-mel rows in dB",
        head=("store", "kB for a second of audio", "worst error in dB"),
        rows=[(name, round(bytes / seconds / 1e3, 2), round(worst, 4)) for name, bytes, worst in entries],
        targets=_smaller(entries),
        note=f"{len(exact)} rows; a whole store with its tables, of lilcom the compressed arrays alone",
    )


def _shards(setup: Setup, rows: NDArray[Any], count: int) -> Table:
    """What the size of a shard costs: in files, in writing, in reading at random."""
    chosen = _random(count)
    found: list[list[str | float | int]] = []
    for mib in (1, 6, 24, 96):
        began = time.perf_counter()
        view = write(setup.folder / f"shards-{mib}.zarr", rows, count, shard_bytes=mib << 20)
        wrote = time.perf_counter() - began
        assert isinstance(view, ZarrView)
        readers: dict[str, Read] = {"audiospec": view.read, **_zarr_peers(view)}
        speeds = [
            _rows_a_second(readers[name], chosen) for name in ("audiospec", "tensorstore") if name in readers
        ]
        files = -(-count // view.info.shard_rows)
        found.append([mib, files, round(count * view.info.row_bytes / wrote / 1e6), *speeds])
        shutil.rmtree(view.store.path)
    head = ["MiB", "shards", "MB/s written", "audiospec, rows/s", "tensorstore, rows/s"]
    return Table(
        name=f"size of shards: {count} rows, {BATCH} of them at random",
        head=head[: len(found[0])],
        rows=found,
        note="a worker holds the shard that it fills, and a kill costs what is not in a whole one",
    )


def _rows_a_second(read: Read, chosen: Callable[[int], Chosen]) -> int:
    times = []
    for number in range(20):
        began = time.perf_counter()
        read(chosen(number))
        times.append(time.perf_counter() - began)
    return round(BATCH / statistics.median(times[2:]))


def _smaller(entries: list[tuple[str, int, float]]) -> list[dict[str, Any]]:
    """Whether our byte is smaller than lilcom wherever lilcom's error is not smaller than ours."""
    ours = next(entry for entry in entries if entry[0] == "audiospec zarr, uint8")
    coarser = [entry for entry in entries if entry[0].startswith("lilcom") and entry[2] >= ours[2]]
    return [
        {"what": f"size of uint8 over that of {name}", "at_most": 1.0, "found": ours[1] / bytes}
        | {"met": ours[1] < bytes}
        for name, bytes, _ in coarser
    ]
