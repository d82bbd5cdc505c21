"""Artificial content of a store, and helpers of the contract's tests."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.table import RowTargets
from audiospec.audio.chunking import Chunking
from audiospec.digests import checksum, source_bits
from audiospec.errors import DiskFullError
from audiospec.specs.mel import MelSpec
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import ROW_DTYPE, RowTable, TrackRecord, store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.testing.stores.shards import write_shard

#: A spec whose rows have shape (3, 6), for chunks of 0.1 s.
SMALL = MelSpec(sample_rate=800, n_fft=32, hop_length=16, n_mels=3, fmax=400.0)
DEFAULT = Labelling()
LABELS = ("rock", "Fußnote ☃", "", 'a "quoted", {odd} one\n')


@dataclass(frozen=True)
class Content:
    """Content of a store: the tracks, and one view with its data.

    Attributes
    ----------
    tracks : Tracks
    info : ViewInfo
    rows : ndarray of ROW_DTYPE
    data : ndarray, shape (n, *row_shape)
    targets : RowTargets or None
    labelling : Labelling
    """

    tracks: Tracks
    info: ViewInfo
    rows: RowTable
    data: NDArray[Any]
    targets: RowTargets | None = None
    labelling: Labelling = DEFAULT

    @classmethod
    def make(
        cls,
        rows: int = 10,
        *,
        shard_rows: int = 4,
        tracks: int = 5,
        seed: int = 0,
        dtype: str = "float16",
        seconds: float = 0.1,
    ) -> Content:
        """Make content of random bytes, including NaNs of any payload, infinities and subnormal numbers.

        Parameters
        ----------
        rows : int
            Rows of the view.
        shard_rows : int
            Rows in one shard.
        tracks : int
            Tracks in the table. If there are several, the last has no rows.
        seed : int
        dtype : str
            Of the view's numbers: ``"float16"``, ``"float32"`` or ``"uint8"``.
        seconds : float
            Length of a chunk in s. Another length gives another view.

        Returns
        -------
        Content
        """
        spec = MelSpec.replace_in({**_fields(SMALL), "dtype": dtype})
        made = {"versions": {"numpy": "2"}, "device": "cpu", "backend": "", "parity": 0.25}
        info = ViewInfo(spec=spec, chunking=Chunking(seconds=seconds), shard_rows=shard_rows, made=made)
        random = np.random.default_rng(seed)
        data = np.frombuffer(random.bytes(rows * info.row_bytes), info.row_dtype.base)
        data = data.reshape(rows, *info.row_shape)
        records = [record(number, seed) for number in range(tracks)]
        table = np.zeros(rows, ROW_DTYPE)
        table["track"] = np.arange(rows) * max(tracks - 1, 1) // max(rows, 1)
        table["start"] = np.arange(rows) * seconds
        table["seconds"] = seconds
        table["checksum"] = [checksum(row) for row in data]
        table["source"] = [source_bits(records[number].hash) for number in table["track"]]
        return cls(Tracks.from_records(records), info, table, data)

    def annotated(self, seed: int = 0) -> Content:
        """Return the content with annotations, free columns, a labelling, and targets of the rows."""
        records = [
            replace(
                each,
                label="" if number % 3 else each.label,
                columns=columns_of(number),
                annotations=annotations_of(number, seed),
            )
            for number, each in enumerate(self.tracks.records())
        ]
        random = np.random.default_rng(seed)
        names = tuple(
            sorted({one.label for number in range(3) for one in annotations_of(number, seed)} - {""})
        )
        has = random.random((len(self.rows), len(names))) < 0.4
        row, label = np.nonzero(has)
        targets = RowTargets(
            row.astype(np.int64),
            label.astype(np.int32),
            random.random(len(row)),
            np.full(len(row), np.nan),
            names,
        )
        labelling = Labelling(target="multi-label", background="keep", min_overlap=0.25)
        return replace(self, tracks=Tracks.from_records(records), targets=targets, labelling=labelling)

    def view(self, staged: Path | None = None) -> NewView:
        """Return the view to publish; if `staged` is a folder, its shards are also written there as files."""
        step = self.info.shard_rows

        def shard(number: int) -> ShardSource:
            rows = self.data[number * step : (number + 1) * step]
            file = None if staged is None else staged / f"{number}.shard"
            if file is not None:
                write_shard(file, rows, step)
            return ShardSource(lambda: rows, file)

        return NewView(self.info, self.rows, shard, self.targets)


def columns_of(number: int) -> tuple[tuple[str, str], ...]:
    """Return the free columns of an artificial track, sorted, some with names that stores cannot take."""
    odd = (("../Ort ☃", "draußen\n"), ("ID", "x")) if number % 2 else ()
    return (*odd, ("cluster", f"free {number}"), ("device", "" if number == 2 else f"recorder {number % 2}"))


def annotations_of(number: int, seed: int = 0) -> tuple[Annotation, ...]:
    """Return the annotations of an artificial track, sorted; every third track has none."""
    whole = Annotation(label="Straße ☃", column="tags")
    short = Annotation(start=0.1 * number, end=0.1 * number + 0.05 * (1 + seed), label=f"dog {seed}")
    return ((), (whole, short), (replace(short, label='a "quoted"\n;'), Annotation(start=9.5, value=-0.1)))[
        number % 3
    ]


def record(number: int, seed: int = 0, **changes: Any) -> TrackRecord:
    """Return an artificial record of the track table, with the given values changed."""
    template = TrackRecord(
        id=f"track.{number:05d}",
        path=f"büro/{number}/track.{number:05d}.wav",
        label=LABELS[(number + seed) % len(LABELS)],
        group=f"artist {number // 2}" if number else "",
        fold=str(number % 3),
        cluster=f"ähnlich {number // 3}" if number else "",
        hash=hashlib.sha256(f"{number} {seed}".encode()).hexdigest()[:32],
        seconds=0.2 + number / 3,
        sample_rate=44100,
        channels=2,
        size=2**62 + number,
        modified=-(2**62) + number,
    )
    return replace(template, **changes)


def publish(
    store: type[FeatureStore], path: Path, content: Content, view: NewView | None = None, **attributes: Any
) -> None:
    """Publish content, or another view with its tracks, with a work folder as `featurize` does."""
    work = work_folder(path)
    work.mkdir(exist_ok=True)
    attributes = {**store_attributes("mine", path.parent, content.labelling), **attributes}
    store.publish(path, work, attributes, content.tracks, content.view() if view is None else view)
    shutil.rmtree(work)


def assert_holds(view: View, content: Content) -> None:
    """Fail unless a view and the tracks of its store equal the content, bit for bit."""
    assert view.info == content.info
    assert view.rows.dtype == ROW_DTYPE
    assert view.rows.tobytes() == content.rows.tobytes()
    assert list(view.store.tracks.records()) == list(content.tracks.records())
    assert table_of(view.targets) == table_of(content.targets)
    assert view.shape == content.data.shape
    data = view.read_stored()
    assert data.dtype == content.data.dtype
    assert data.tobytes() == content.data.tobytes()
    code = content.info.spec.code
    assert view.read().tobytes() == (data if code is None else code.decode(data)).tobytes()


def table_of(targets: RowTargets | None) -> dict[str, Any] | None:
    """Return everything that a table of targets holds, for comparison."""
    if targets is None:
        return None
    columns = {name: getattr(targets, name) for name in ("row", "label", "share", "value")}
    return {"names": targets.names, **{name: (one.dtype, one.tobytes()) for name, one in columns.items()}}


@contextmanager
def watching(folder: Path, act: Callable[[str], None]) -> Iterator[None]:
    """Call `act` with an event's name before each change that Python makes to files in `folder`.

    Names are those of Python's audit events: ``"open"`` (for writing), ``"os.mkdir"``, ``"os.rename"`` and
    so on. If `act` raises an error, the change fails with it. Changes by `act` itself are not watched.
    """
    global _act
    busy = threading.local()
    lock = threading.RLock()

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            writes = args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            changes = bool(writes) and isinstance(args[0], str | bytes | os.PathLike)
        else:
            changes = event in _CHANGES
        if not changes or getattr(busy, "now", False):
            return
        name = os.fsdecode(args[0])
        if os.path.isabs(name) and not Path(name).is_relative_to(folder):
            return
        with lock:
            busy.now = True
            try:
                act(event)
            finally:
                busy.now = False

    if not _hooked:
        sys.addaudithook(lambda event, args: None if _act is None else _act(event, args))
        _hooked.append(True)
    _act = hook
    try:
        yield
    finally:
        _act = None


_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.truncate"}
#: Class → path of the store that the fixture `view` has written.
WRITTEN: dict[type[FeatureStore], Path] = {}
#: The hook of the current `watching`. An audit hook cannot be removed, so one calls whichever is current.
_act: Callable[[str, tuple[Any, ...]], None] | None = None
_hooked: list[bool] = []  # not empty once the audit hook is installed


def one_line(error: Any, *words: str) -> None:
    """Fail unless the message of an error, or of pytest's ``caught``, is one line with all the words."""
    message = str(getattr(error, "value", error))
    assert message
    assert len(message.splitlines()) == 1
    assert not message[0].isspace()
    for word in words:
        assert word in message


def _fields(spec: MelSpec) -> dict[str, Any]:
    fields = spec.to_dict()
    return {name: fields[name] for name in fields if name not in ("feature", "version")}


def view_content(view: View) -> tuple[Any, ...]:
    """Return everything that a view holds, for comparison."""
    targets = table_of(view.targets)
    return view.name, view.info.to_attributes(), view.rows.tobytes(), view.read_stored().tobytes(), targets


def publish_with_limits(
    store: type[FeatureStore], path: Path, content: Content, limits: Sequence[int]
) -> list[tuple[str, list[str]]]:
    """Publish once for each limit of a file's size in bytes.

    Returns
    -------
    list of (str, list of str)
        For each limit the message of the DiskFullError (``""`` if publishing succeeded), and traces that
        should not be left.
    """
    outcomes = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = store(path).view().read().tobytes()
    for limit in limits:
        message = ""
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            publish(store, path, content)
        except DiskFullError as error:
            message = str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        work = work_folder(path)
        litter = [str(file) for file in work.rglob("*")] if work.exists() else []
        if message and store(path).view().read().tobytes() != old:
            litter.append("the old content is lost")
        outcomes.append((message, litter))
    return outcomes


def tree_state(path: Path, times: bool = True) -> tuple[Any, ...]:
    """Return names, bytes and modification times of the files at a path, for comparison."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return tuple(
        (
            file.relative_to(path).as_posix(),
            file.stat().st_mtime_ns if times else 0,
            hashlib.sha256(file.read_bytes()).digest() if file.is_file() else b"",
        )
        for file in files
    )


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder whose files may disappear meanwhile."""
    target.mkdir()
    for entry in list(os.scandir(source)):
        try:
            if entry.is_dir():
                copy_tree(Path(entry), target / entry.name)
            else:
                shutil.copyfile(entry, target / entry.name)
        except FileNotFoundError:
            pass
