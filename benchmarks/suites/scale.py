"""scale: beyond one machine: a bucket beside a disk, Dask beside local processes, volumes beside one store.

The bucket is one in the memory of another process (`benchmarks.bucket`) that waits 30 ms before each answer,
as a bucket of the same region does. The cluster is a scheduler and two workers on this machine.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.audio import make_folder
from audiospec.benchmarks.base import Case, Contender, NotRun, Setup, Suite, Table, Target, absent, suites
from audiospec.benchmarks.bucket import Bucket, bucket_in_memory
from audiospec.benchmarks.million_hours import Measured, million_hours
from audiospec.benchmarks.overhead import overhead_table
from audiospec.benchmarks.streaming import stream_case
from audiospec.benchmarks.volumes import volumes_table
from audiospec.engines.base import Engine, engine
from audiospec.pipeline.featurize import run
from audiospec.specs.mel import MelSpec
from audiospec.storage.location import Location
from audiospec.stores.layout.view import View

#: Seconds before each answer of the bucket.
LATENCY = 0.03
#: Seconds that a model takes for a row in the case that has one: 500 rows a second.
ROW_SECONDS = 2e-3
#: Rows of one read.
BATCH = 32
#: Smallest ratios: of the speed of a bucket to that of a disk, of Dask to local processes, of our reader to
#: zarr-python's by the clock and by processor time.
BUCKET_OVER_DISK, DASK_OVER_LOCAL, WALL_OVER_ZARR, PROCESSOR_OVER_ZARR = 0.85, 0.95, 3.0, 5.0
TEN = Chunking(seconds=10)


@suites.register
class Scale(Suite):
    """Buckets, clusters and volumes: what they cost beside a disk, local processes and one store."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield the cases, then what they mean for a million hours."""
        missing = absent("obstore", "distributed", "zarr")
        if missing:
            yield NotRun("buckets and clusters", "; ".join(f"{name} is not installed" for name in missing))
            return
        much = make_folder(setup, setup.folder / "much-audio", 4000 if setup.full else 1500)
        with bucket_in_memory(LATENCY) as bucket:
            yield _featurizing(setup, much, bucket)
            audio = make_folder(setup, setup.folder / "audio", 500)
            disk = _featurize(audio, setup.folder / "local.zarr")
            remote = _featurize(audio, bucket.url / "read.zarr")
            yield from _reading(remote)
            yield stream_case(disk, seconds=20)
            for row_seconds in (0.0, ROW_SECONDS):
                yield stream_case(remote, disk, row_seconds=row_seconds, seconds=20)
            requests = _requests(setup, bucket)
            yield _request_table(requests)
        with ExitStack() as clusters:
            yield _dask(setup, audio, clusters)
        for name in ("overhead", "volumes"):
            (setup.folder / name).mkdir()
        yield overhead_table(setup.folder / "overhead", 15_000 if setup.full else 3000)
        yield volumes_table(setup.folder / "volumes")
        measured = Measured(
            requests=requests,
            packed=_packed_share(setup, audio),
            core_seconds=_core_seconds(setup, audio),
        )
        yield million_hours(measured)


def _featurize(
    audio: Path, store: Location, spec: MelSpec | None = None, engine: Engine | None = None
) -> View:
    views = [(spec or MelSpec(), TEN)]
    workers = 1 if engine is None else None
    return run("folder", data=audio, views=views, store=store, workers=workers, engine=engine).views[0]


def _featurizing(setup: Setup, audio: Path, bucket: Bucket) -> Case:
    """Return a case of a bucket beside a disk, one worker each: a core is left for the bucket itself."""
    numbers = itertools.count()

    def into_bucket(_: int) -> NDArray[Any]:
        return _featurize(audio, bucket.url / f"{next(numbers)}.zarr").rows["checksum"]

    def onto_disk(_: int) -> NDArray[Any]:
        return _featurize(audio, setup.folder / f"{next(numbers)}.zarr").rows["checksum"]

    return Case(
        name="featurize, log-mel, into a bucket at 30 ms",
        amount=30 * len(list(audio.iterdir())),
        unit="s of audio",
        contenders=[
            Contender(name="a bucket", role="ours", call=into_bucket),
            Contender(name="a disk", call=onto_disk),
        ],
        difference=_different,
        difference_unit="rows",
        targets=[Target("a disk", BUCKET_OVER_DISK)],
        memory="",
        min_rounds=3,
        note="one worker; audio from a disk; each run makes a new store",
    )


def _different(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Return how many rows have other checksums."""
    return float((ours != theirs).sum()) if ours.shape == theirs.shape else float(len(ours))


def _reading(view: View) -> Iterator[Case]:
    """Yield cases of random rows from a bucket, by the clock and by processor time."""
    import obstore
    import zarr
    from zarr.storage import ObjectStore

    stored = obstore.store.from_url(str(view.store.path))
    group: Any = zarr.open_group(ObjectStore(stored, read_only=True), mode="r")
    (name,) = group["views"].keys()
    array: Any = group["views"][name]["data"]
    pool = ThreadPoolExecutor(BATCH)
    ways = {
        "zarr-python, oindex": lambda rows: array.oindex[np.sort(rows)][np.argsort(np.argsort(rows))],
        f"zarr-python, {BATCH} threads": lambda rows: np.stack([*pool.map(lambda row: array[row], rows)]),
        "audiospec, one by one": lambda rows: np.stack([view.read(int(row)) for row in rows]),
    }
    for what, clock, least in (
        ("", time.perf_counter, WALL_OVER_ZARR),
        (", processor time", time.process_time, PROCESSOR_OVER_ZARR),
    ):

        def timed(read: Any, clock: Any = clock) -> Any:
            def call(number: int) -> tuple[float, Any]:
                rows = np.random.default_rng(number).choice(len(view), BATCH, replace=False)
                start = clock()
                result = read(rows)
                return clock() - start, result

            return call

        yield Case(
            name=f"{BATCH} random rows from a bucket at 30 ms{what}",
            amount=BATCH,
            unit="rows",
            contenders=[
                Contender(name="audiospec", role="ours", call=timed(view.read), has_own_clock=True),
                *(Contender(name=name, call=timed(read), has_own_clock=True) for name, read in ways.items()),
            ],
            difference=lambda ours, theirs: float((ours != theirs).sum()),
            difference_unit="numbers",
            targets=[Target("zarr-python, oindex", least)],
            memory="",
            seconds=12,
            note="each row is checked against its checksum by audiospec; the view is open already",
        )


def _requests(setup: Setup, bucket: Bucket) -> dict[str, float]:
    """Return the requests that one more shard costs: those of twice the audio less those of once."""
    counts, shards = [], []
    for number, tracks in enumerate((250, 500)):
        audio = make_folder(setup, setup.folder / f"requests-{tracks}", tracks)
        bucket.counts()
        view = _featurize(audio, bucket.url / f"requests-{number}.zarr")
        counts.append(bucket.counts())
        shards.append(-(-len(view) // view.info.shard_rows))
    kinds = sorted({*counts[0], *counts[1]})
    more = shards[1] - shards[0]
    return {kind: (counts[1].get(kind, 0) - counts[0].get(kind, 0)) / more for kind in kinds}


def _request_table(requests: dict[str, float]) -> Table:
    writes = requests.get("PUT", 0.0) + requests.get("COPY", 0.0)
    found = [
        ("PUT and COPY for a shard", writes, 3.05),
        ("LIST for 500 shards", 500 * requests.get("LIST", 0.0), 1.0),
    ]
    return Table(
        name="requests for a shard",
        head=("kind", "requests"),
        rows=[[kind, round(count, 3)] for kind, count in requests.items()],
        targets=[
            {"what": what, "unit": "", "at_most": most, "found": value, "met": value <= most}
            for what, value, most in found
        ],
        note="what one more shard costs: the requests of 500 tracks less those of 250",
    )


def _dask(setup: Setup, audio: Path, clusters: ExitStack) -> Case:
    """Return a case of Dask beside local processes, two slots each; the cluster ends with `clusters`."""
    from audiospec.testing.cluster import DaskCluster

    folder = setup.folder / "cluster"
    folder.mkdir()
    numbers = itertools.count()
    cluster = clusters.enter_context(DaskCluster(folder))
    cluster.start_scheduler()
    for _ in range(2):
        cluster.start_worker(nthreads=1)
    ways = {"dask": engine("dask", scheduler=cluster.address), "local": engine("local", 2)}

    def call(name: str) -> Any:
        def featurize(_: int) -> NDArray[Any]:
            store = setup.folder / f"{name}-{next(numbers)}.zarr"
            return _featurize(audio, store, engine=ways[name]).rows["checksum"]

        return featurize

    return Case(
        name="featurize, log-mel, engine dask on two slots of this machine",
        amount=30 * len(list(audio.iterdir())),
        unit="s of audio",
        contenders=[
            Contender(name="dask", role="ours", call=call("dask")),
            Contender(name="local", call=call("local")),
        ],
        difference=_different,
        difference_unit="rows",
        targets=[Target("local", DASK_OVER_LOCAL)],
        memory="",
        min_rounds=3,
        note="scheduler, client and workers share the two cores",
    )


def _packed_share(setup: Setup, audio: Path) -> float:
    """Return the bytes of rows in one byte, compressed, over those in float16."""
    view = _featurize(_first(setup, audio, 40), setup.folder / "packed.zarr", MelSpec(dtype="uint8"))
    return view.bytes_on_disk() / (len(view) * 2 * view.info.row_bytes)


def _core_seconds(setup: Setup, audio: Path) -> float:
    """Return the processor time of a second of audio, on one core."""
    few, many = _first(setup, audio, 50), _first(setup, audio, 350)
    times = []
    for folder in (few, many):
        start = time.process_time()
        run(
            "folder",
            data=folder,
            views=[(MelSpec(), TEN)],
            store=setup.folder / f"core-{folder.name}.zarr",
            workers=0,
        )
        times.append(time.process_time() - start)
    return (times[1] - times[0]) / (300 * 30)


def _first(setup: Setup, audio: Path, count: int) -> Path:
    """Return a folder with the first tracks of another."""
    folder = setup.folder / f"first-{count}"
    folder.mkdir(exist_ok=True)
    files: Sequence[Path] = sorted(audio.iterdir())[:count]
    for file in files:
        if not (folder / file.name).exists():
            (folder / file.name).hardlink_to(file)
    return folder
