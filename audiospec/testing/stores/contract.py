"""StoreContract: what every store must do, as tests to inherit; and made-up content to fill a store with.

A store proves itself with one class::

    class TestMine(StoreContract):
        store = MyStore
        suffix = ".mine"

The store's class must be importable by its name, as it is in a package: some tests open the store in
processes that are started afresh.
"""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import pickle
import resource
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.chunking import Chunking
from audiospec.errors import AudiospecError, DiskFullError, RowIndexError, StoreError
from audiospec.spec import MelSpec
from audiospec.stores._files import checksum, write_shard
from audiospec.stores.base import (
    FORMAT_VERSION,
    ROW_DTYPE,
    FeatureStore,
    NewView,
    Rows,
    ShardSource,
    Tracks,
    View,
    ViewInfo,
    open_store,
    source_bits,
    store_attributes,
    store_class,
    stores,
    work_folder,
)

#: A spec whose rows have shape (3, 6), for chunks of 0.1 s.
SMALL = MelSpec(sample_rate=800, n_fft=32, hop_length=16, n_mels=3, fmax=400.0)
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
    """

    tracks: Tracks
    info: ViewInfo
    rows: Rows
    data: NDArray[Any]

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
        """Make content of random bytes: NaN with every payload, infinities and subnormal numbers among them.

        Parameters
        ----------
        rows : int
        shard_rows : int
        tracks : int
            Tracks in the table; rows are spread over all but the last, if there are more than one.
        seed : int
        dtype : str
        seconds : float
            Length of a chunk; another length makes another view.
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
        table["source"] = [source_bits(records[number]["hash"]) for number in table["track"]]
        return cls(Tracks.from_records(records), info, table, data)

    def view(self, staged: Path | None = None) -> NewView:
        """The view, to be published; its shards lie in the folder `staged` too, if one is given."""
        step = self.info.shard_rows

        def shard(number: int) -> ShardSource:
            rows = self.data[number * step : (number + 1) * step]
            file = None if staged is None else staged / f"{number}.shard"
            if file is not None:
                write_shard(file, rows, step)
            return ShardSource(lambda: rows, file)

        return NewView(self.info, self.rows, shard)


def record(number: int, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """One made-up record of a track table, with the given values changed."""
    values = {
        "id": f"track.{number:05d}",
        "path": f"büro/{number}/track.{number:05d}.wav",
        "label": LABELS[(number + seed) % len(LABELS)],
        "group": f"artist {number // 2}" if number else "",
        "fold": str(number % 3),
        "hash": hashlib.sha256(f"{number} {seed}".encode()).hexdigest()[:32],
        "seconds": 0.2 + number / 3,
        "sample_rate": 44100,
        "channels": 2,
        "problem": "",
        "size": 2**62 + number,
        "modified": -(2**62) + number,
    }
    return {**values, **changes}


def publish(
    store: type[FeatureStore], path: Path, content: Content, view: NewView | None = None, **attributes: Any
) -> None:
    """Publish content (or another view with its tracks) as `featurize` does, in a work folder."""
    work = work_folder(path)
    work.mkdir(exist_ok=True)
    attributes = {**store_attributes("mine", path.parent), **attributes}
    store.publish(path, work, attributes, content.tracks, content.view() if view is None else view)
    shutil.rmtree(work)


def assert_holds(view: View, content: Content) -> None:
    """Fail unless a view, and the tracks of its store, are the content bit for bit."""
    assert view.info == content.info
    assert view.rows.dtype == ROW_DTYPE
    assert view.rows.tobytes() == content.rows.tobytes()
    assert list(view.store.tracks.records()) == list(content.tracks.records())
    assert view.shape == content.data.shape
    data = view.read_stored()
    assert data.dtype == content.data.dtype
    assert data.tobytes() == content.data.tobytes()
    code = content.info.spec.code
    assert view.read().tobytes() == (data if code is None else code.decode(data)).tobytes()


@contextmanager
def watching(folder: Path, act: Callable[[str], None]) -> Iterator[None]:
    """Call `act` before each change of files in `folder` that Python makes, with the change's name.

    Names are those of Python's audit events: ``"open"`` (for writing), ``"os.mkdir"``, ``"os.rename"`` and
    so on. What `act` raises, the change raises. Changes by `act` itself are not watched.
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
_written: dict[type[FeatureStore], Path] = {}
_hooked: list[bool] = []  # an audit hook stays for as long as the process lives
_act: Callable[[str, tuple[Any, ...]], None] | None = None


class StoreContract:
    """Tests that every store passes.

    Attributes
    ----------
    store : type of FeatureStore
        The store's class.
    suffix : str
        One of its suffixes.
    """

    store: ClassVar[type[FeatureStore]]
    suffix: ClassVar[str]

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Return a place for a store; nothing is there."""
        return tmp_path / f"some store{self.suffix}"

    @pytest.fixture
    def content(self) -> Content:
        """Return the content of `view`."""
        return Content.make()

    @pytest.fixture
    def view(self, content: Content, tmp_path_factory: pytest.TempPathFactory) -> View:
        """Return a view of a store that tests only read; it is written once."""
        if self.store not in _written:
            path = tmp_path_factory.mktemp("store") / f"read{self.suffix}"
            publish(self.store, path, content)
            _written[self.store] = path
        return self.store(_written[self.store]).view()

    # What is written is read

    def test_is_found_by_its_suffix(self) -> None:
        """The registry knows it, and its suffixes are its own."""
        assert self.suffix in self.store.suffixes
        assert self.store in [stores[name] for name in stores]
        for suffix in self.store.suffixes:
            assert store_class(f"x{suffix}") is store_class(f"x{suffix.upper()}") is self.store

    @pytest.mark.parametrize(
        "shape",
        [
            {"rows": 10, "shard_rows": 4},
            {"rows": 10, "shard_rows": 4, "dtype": "float32"},
            {"rows": 10, "shard_rows": 4, "dtype": "uint8"},
            {"rows": 8, "shard_rows": 4},
            {"rows": 1, "shard_rows": 1, "tracks": 1},
            {"rows": 3, "shard_rows": 100},
            {"rows": 41, "shard_rows": 1},
        ],
        ids=["partial", "float32", "uint8", "even", "one row", "one shard", "many shards"],
    )
    def test_holds_what_was_written(self, path: Path, shape: dict[str, Any]) -> None:
        """Data, row table, track table and attributes come back bit for bit, and pass their checksums."""
        content = Content.make(**shape)
        publish(self.store, path, content, dataset="[my] ünï")
        store = open_store(path)
        assert type(store) is self.store
        assert store.dataset == "[my] ünï"
        assert store.root == path.parent
        assert store.store_attributes() == store_attributes("[my] ünï", path.parent)
        assert store.view_names() == [content.info.name]
        view = store.view()
        assert_holds(view, content)
        assert view.damaged().tolist() == []
        assert len(view) == len(content.rows)
        assert view.name == content.info.name
        assert (view.spec, view.chunking) == (content.info.spec, content.info.chunking)
        assert view.spec.fingerprint == content.info.spec.fingerprint
        assert [str(path) in text and view.name in text for text in (repr(view),)] == [True]
        assert "1 views" in repr(store)

    @pytest.mark.parametrize("root", ["/", "/a b/{c}", "/nicht \udc80 UTF-8", '/"', "/null"])
    def test_attributes_of_odd_text(self, path: Path, content: Content, root: str) -> None:
        """The dataset's name and root are any text."""
        publish(self.store, path, content, root=root, dataset=root)
        assert str(self.store(path).root) == self.store(path).dataset == root

    def test_text_of_any_kind(self, path: Path) -> None:
        """Text comes back as it was, even if very long; what cannot be text comes back as its escape."""
        content = Content.make()
        odd = ["", "x" * 100_000, "é" * 70_000, "\N{SNOWMAN} 🎵 e\u0301 \u202e", " \t\r\n\x01\x7f "]
        records = [record(n, label=text, problem=text, group=text) for n, text in enumerate(odd)]
        records.append(record(5, label="nul \0 \0", problem="half \udc80 \ud83c", id="\0"))
        content = replace(content, tracks=Tracks.from_records(records))
        publish(self.store, path, content)
        tracks = self.store(path).tracks
        for column in ("label", "problem", "group"):
            assert tracks[column].tolist()[:5] == odd
        assert tracks["label"][5] == r"nul \x00 \x00"
        assert tracks["problem"][5] == r"half \udc80 \ud83c"
        assert tracks["id"][5] == r"\x00"
        assert_holds(self.store(path).view(), content)

    @pytest.mark.parametrize("tracks", [0, 2])
    def test_tracks_without_a_view(self, path: Path, tracks: int) -> None:
        """A track table alone is a store, even an empty one."""
        table = Content.make(0, tracks=tracks).tracks
        work = work_folder(path)
        work.mkdir()
        self.store.publish(path, work, store_attributes("mine", path.parent), table, None)
        store = self.store(path)
        assert list(store.tracks.records()) == list(table.records())
        assert store.view_names() == []
        assert store.views() == []
        with pytest.raises(StoreError) as caught:
            store.view()
        one_line(caught, "no view", "featurize")

    @pytest.mark.parametrize("dtype", ["float16", "uint8"])
    def test_view_without_rows(self, path: Path, dtype: str) -> None:
        """A view without rows can be opened, and has none."""
        content = Content.make(0, tracks=2, dtype=dtype)
        publish(self.store, path, content)
        view = self.store(path).view()
        assert_holds(view, content)
        assert view.read([]).shape == view.shape == (0, *content.info.row_shape)
        assert view.damaged().tolist() == []
        with pytest.raises(RowIndexError) as caught:
            view.read(0)
        one_line(caught, "no rows")

    def test_publish_again(self, path: Path) -> None:
        """A view of the same name is replaced, with other rows, other shards and more tracks."""
        publish(self.store, path, Content.make())
        content = Content.make(23, shard_rows=5, tracks=9, seed=1)
        publish(self.store, path, content)
        assert_holds(self.store(path).view(), content)
        content = Content.make(2, shard_rows=2, tracks=9, seed=1)
        publish(self.store, path, content)
        assert_holds(self.store(path).view(), content)
        assert not work_folder(path).exists()

    def test_other_views_are_kept(self, path: Path) -> None:
        """Adding or replacing one view leaves the others; all share the new tracks."""
        first, second = Content.make(), Content.make(12, seconds=0.2, tracks=7, seed=1)
        third = Content.make(6, shard_rows=3, tracks=8, seed=2)
        assert first.info.name == third.info.name != second.info.name
        publish(self.store, path, first)
        publish(self.store, path, second)
        store = self.store(path)
        assert store.view_names() == sorted([first.info.name, second.info.name])
        assert [view.name for view in store.views()] == store.view_names()
        assert_holds(store.view(first.info.name), replace(first, tracks=second.tracks))
        assert_holds(store.view(second.info.name), second)
        publish(self.store, path, third)
        store = self.store(path)
        assert_holds(store.view(second.info.name), replace(second, tracks=third.tracks))
        assert_holds(store.view(third.info.name), third)

    @pytest.mark.parametrize("dtype", ["float16", "uint8"])
    def test_shards_that_lie_in_files(self, path: Path, tmp_path: Path, dtype: str) -> None:
        """Staged shards may be taken over as they are; the store does not need them afterwards."""
        content = Content.make(dtype=dtype)
        staged = tmp_path / "staged"
        staged.mkdir()
        publish(self.store, path, content, content.view(staged))
        other = Content.make(seed=1, dtype=dtype)
        other.view(staged).shard(0)  # the same file, written again
        assert_holds(self.store(path).view(), content)
        shutil.rmtree(staged)
        assert_holds(self.store(path).view(), content)

    def test_shards_on_a_disk_without_links(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where files cannot have two names they are copied."""

        def link(*_: Any, **__: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        content = Content.make()
        monkeypatch.setattr(os, "link", link)
        publish(self.store, path, content, content.view(tmp_path))
        for file in tmp_path.glob("*.shard"):
            file.write_bytes(b"")  # in place: the store must have bytes of its own
        assert_holds(self.store(path).view(), content)

    def test_size_is_that_of_its_files(self, path: Path, content: Content) -> None:
        """`bytes_on_disk` counts every file."""
        publish(self.store, path, content)
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        size = self.store(path).bytes_on_disk()
        assert size == sum(file.stat().st_size for file in files) > content.data.nbytes

    def test_size_of_compressed_rows(self, path: Path) -> None:
        """Bytes that are alike take less room on the disk; a view says how much."""
        content = Content.make(64, shard_rows=16, seconds=20.0, dtype="uint8")
        data = content.data * 0 + np.arange(64, dtype=np.uint8)[:, None, None]
        rows = content.rows.copy()
        rows["checksum"] = [checksum(row) for row in data]
        content = replace(content, data=data, rows=rows)
        publish(self.store, path, content)
        view = self.store(path).view()
        assert_holds(view, content)
        assert 0 < view.bytes_on_disk() < content.data.nbytes / 4
        publish(self.store, path, Content.make())
        other = self.store(path).view(Content.make().info.name)
        assert other.bytes_on_disk() == Content.make().data.nbytes

    # Reading

    @pytest.mark.parametrize(
        "chosen",
        [
            0,
            9,
            -1,
            -10,
            np.int8(3),
            np.uint64(3),
            slice(None),
            slice(2, 5),
            slice(None, None, -1),
            slice(8, 100, 3),
            slice(5, 5),
            [],
            [3],
            [0, 5, 7],
            [9, 0, 4, 4, -1, 0],
            list(range(9, -1, -1)),
            (1, 2),
            range(3, 9, 2),
            np.array([], np.int64),
            np.array([7, 2], np.uint8),
            np.array([-1, 7], np.int8),
            np.array([True] * 3 + [False] * 6 + [True]),
            [False] * 10,
            [True] * 10,
            None,
        ],
        ids=str,
    )
    def test_read(self, view: View, content: Content, chosen: Any) -> None:
        """Rows are read in any order, as numpy would take them from memory."""
        rows = view.read(chosen)
        expected = content.data[list(chosen) if isinstance(chosen, tuple | range) else chosen]
        if chosen is None:
            expected = content.data
        elif isinstance(chosen, list) and not chosen:
            expected = content.data[:0]
        assert rows.shape == expected.shape
        assert rows.dtype == content.data.dtype
        assert rows.tobytes() == expected.tobytes()
        rows[...] = 0  # it is the caller's own
        assert view.read(chosen).tobytes() == expected.tobytes()

    @pytest.mark.parametrize("chosen", [7, -1, slice(None, None, -3), [9, 0, 4, 4], [], None], ids=str)
    def test_read_a_code(self, path: Path, chosen: Any) -> None:
        """Rows in one byte are decoded where they are read, and can be had as they are stored."""
        content = Content.make(dtype="uint8")
        publish(self.store, path, content)
        view = self.store(path).view()
        expected = (
            content.data[slice(None) if chosen is None else chosen] if chosen != [] else content.data[:0]
        )
        held, rows = view.read_stored(chosen), view.read(chosen)
        assert held.dtype == np.uint8
        assert rows.dtype == np.float32
        assert held.shape == rows.shape == expected.shape
        assert held.tobytes() == expected.tobytes()
        code = content.info.spec.code
        assert code is not None
        np.testing.assert_allclose(rows, code.offset + code.scale * expected.astype(float), rtol=0, atol=2e-5)
        assert view.info.to_attributes()["scale"] == code.scale
        features, _ = view.torch_dataset()[3]
        assert features.numpy().tobytes() == view.read(3).tobytes()
        again = pickle.loads(pickle.dumps(view))  # noqa: S301 - our own
        assert again.read(chosen).tobytes() == rows.tobytes()

    @pytest.mark.parametrize("changes", [{"scale": 1.0}, {"offset": 0.0}, {"scale": "x"}, {"offset": None}])
    def test_another_code(self, path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """A view whose code is not that of its spec is refused: its numbers would be wrong."""
        content = Content.make(dtype="uint8")
        attributes = {**content.info.to_attributes(), **changes}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        monkeypatch.setattr(ViewInfo, "to_attributes", lambda self: attributes)
        publish(self.store, path, content)
        with pytest.raises(StoreError) as caught:
            self.store(path).view()
        one_line(caught, content.info.name, "damaged", "featurize again")

    def test_read_a_small_kind_of_number(self, path: Path) -> None:
        """Row numbers may be of a type that cannot hold the number of rows."""
        content = Content.make(300, shard_rows=64)
        publish(self.store, path, content)
        numbers = np.array([0, 127, 5], np.int8)
        assert self.store(path).view().read(numbers).tobytes() == content.data[numbers].tobytes()

    @pytest.mark.parametrize(
        "chosen", [10, -11, [0, 10], [-11], 2**40, 2**70, np.array([2**64 - 1], np.uint64)], ids=str
    )
    def test_read_what_is_not_there(self, view: View, chosen: Any) -> None:
        """A row that the view does not have is an IndexError that says which rows there are."""
        with pytest.raises(RowIndexError) as caught:
            view.read(chosen)
        one_line(caught)
        assert isinstance(caught.value, IndexError)
        if chosen != 2**70:
            first = np.ravel(chosen)[-1]
            one_line(caught, view.name, "0 to 9", str(first))

    @pytest.mark.parametrize(
        "chosen",
        [
            1.0,
            [0.5],
            "0",
            ["0"],
            [[0, 1]],
            [[0], [1, 2]],
            True,
            [True],
            [True] * 11,
            [None],
            {1},
            slice("a"),
            slice(0, 5, 0),
            slice(0.5),
            np.zeros((10, 1), bool),
        ],
        ids=str,
    )
    def test_read_with_something_else(self, view: View, chosen: Any) -> None:
        """What is no row number, slice or mask is refused in one line."""
        with pytest.raises(RowIndexError) as caught:
            view.read(chosen)
        one_line(caught, "expected")

    def test_columns(self, path: Path) -> None:
        """Labels, groups, folds and ids are those of each row's track."""
        content = Content.make(tracks=6)
        publish(self.store, path, content)
        view = self.store(path).view()
        numbers = content.rows["track"].tolist()
        for column, values in (
            ("id", view.ids),
            ("label", view.labels),
            ("group", view.groups),
            ("fold", view.folds),
        ):
            assert values.dtype == object
            assert values.tolist() == [content.tracks[column][number] for number in numbers]
        assert view.classes == sorted({content.tracks["label"][number] for number in numbers})
        assert view.rows_of("track.00001").tolist() == [n for n, track in enumerate(numbers) if track == 1]
        assert view.rows_of("track.00001.wav").tolist() == view.rows_of("track.00001").tolist()

    def test_tracks_without_rows(self, path: Path) -> None:
        """A track without rows is skipped, or has a problem; a changed one is stale. Each is said."""
        content = Content.make(4, tracks=1)
        short = record(1, seconds=0.04, sample_rate=800)
        broken = record(2, problem="not audio")
        later = record(3, seconds=0.1, sample_rate=800)
        first = record(0, hash="f" * 32)
        tracks = Tracks.from_records([first, short, broken, later])
        publish(self.store, path, replace(content, tracks=tracks))
        store = self.store(path)
        view = store.view()
        assert store.tracks.problems == {"track.00002": "not audio"}
        assert list(view.skipped()) == ["track.00001", "track.00003"]
        assert "too short" in view.skipped()["track.00001"]
        assert "featurize" in view.skipped()["track.00003"]
        assert view.stale() == ["track.00000"]
        for id, reason in (("track.00001", "too short"), ("track.00002", "not audio")):
            with pytest.raises(StoreError) as caught:
                view.rows_of(id)
            one_line(caught, id, reason)
        with pytest.raises(StoreError) as caught:
            view.rows_of("track.0000")
        one_line(caught, "did you mean", "has 4")

    def test_tracks_are_found_by_their_files(self, path: Path) -> None:
        """The stem of a file will do for an id, if only one track has it."""
        paths = ["a/x.wav", "b/x.wav", "b/y.wav"]
        tracks = Tracks.from_records([record(n, path=name) for n, name in enumerate(paths)])
        publish(self.store, path, replace(Content.make(3, tracks=3), tracks=tracks))
        store = self.store(path)
        assert [store.find_track(name) for name in ("y", "y.wav", "track.00000")] == [2, 2, 0]
        with pytest.raises(StoreError) as caught:
            store.find_track("x")
        one_line(caught, "2 tracks", "track.00000", "track.00001")

    def test_views_by_the_beginning_of_their_names(self, path: Path) -> None:
        """A view is found by its name, or by a beginning of it that no other has."""
        first, second = Content.make(), Content.make(seconds=0.2)
        publish(self.store, path, first)
        store = self.store(path)
        assert store.view().name == store.view("mel").name == first.info.name
        publish(self.store, path, second)
        store = self.store(path)
        for content in (first, second):
            assert store.view(content.info.name).name == content.info.name
            assert store.view(content.info.name[:9]).name == content.info.name
        for name in (None, "", "mel"):
            with pytest.raises(StoreError) as caught:
                store.view(name)
            one_line(caught, "2 views", first.info.name, second.info.name)
        with pytest.raises(StoreError) as caught:
            store.view("mfcc")
        one_line(caught, "no view 'mfcc'", first.info.name, second.info.name)

    def test_reading_writes_nothing(self, path: Path, content: Content) -> None:
        """A store is read without a change to any file; so it may lie on a read-only disk."""
        publish(self.store, path, content)
        before = _tree(path.parent)
        events: list[str] = []
        with watching(path.parent, events.append):
            assert_holds(self.store(path).view(), content)
            assert self.store(path).view().damaged().tolist() == []
        assert events == []
        assert _tree(path.parent) == before

    # Processes and threads

    def test_pickle(self, view: View, content: Content) -> None:
        """A view can be pickled, and is small then."""
        pickled = pickle.dumps(view)
        assert len(pickled) < 1000
        assert_holds(pickle.loads(pickled), content)  # noqa: S301 - our own

    def test_threads(self, view: View, content: Content) -> None:
        """Threads may share a view."""
        numbers = np.random.default_rng(0).integers(0, len(view), (40, 6))
        fresh = self.store(view.store.path).view()
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(fresh.read, numbers))
        assert np.stack(found).tobytes() == content.data[numbers].tobytes()

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_processes(self, view: View, content: Content, method: str) -> None:
        """A view goes to other processes, whether it has been read from before or not."""
        fresh = self.store(view.store.path).view()
        assert view.read(0).tobytes() == content.data[0].tobytes()
        expected = _contents(view)
        with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
            assert pool.submit(_contents, view).result() == expected
            assert pool.submit(_contents, fresh).result() == expected

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_loader_workers(self, view: View, content: Content, method: str) -> None:
        """Torch's loader gives the view's rows in order, from two workers."""
        from torch.utils.data import DataLoader

        view.read(0)
        dataset = view.torch_dataset()
        loader = DataLoader(
            dataset, batch_size=3, num_workers=2, multiprocessing_context=method, shuffle=False
        )
        features, targets = zip(*loader, strict=True)
        assert [len(batch) for batch in features] == [3, 3, 3, 1]
        np.testing.assert_array_equal(np.concatenate(features), content.data.astype("<f4"))
        labels = [dataset.classes[target] for target in np.concatenate(targets)]
        assert labels == view.labels.tolist()

    def test_loader_reads_batches(
        self, view: View, content: Content, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A loader makes one read for each batch; an item by itself is the same."""
        import torch
        from torch.utils.data import DataLoader

        calls: list[Any] = []
        read = type(view).read

        def counted(view: View, rows: Any) -> NDArray[Any]:
            calls.append(rows)
            return read(view, rows)

        monkeypatch.setattr(type(view), "read", counted)
        dataset = view.torch_dataset()
        batches = list(DataLoader(dataset, batch_size=4, sampler=range(9, -1, -1)))
        assert calls == [[9, 8, 7, 6], [5, 4, 3, 2], [1, 0]]
        assert len(dataset) == 10
        features, target = dataset[9]
        assert features.dtype == torch.float32
        assert features.numpy().tobytes() == batches[0][0][0].numpy().tobytes()
        assert target == batches[0][1][0]
        with pytest.raises(IndexError):
            dataset[10]

    @pytest.mark.parametrize("part", [0.0, 0.5, 0.9])
    def test_cut_off_while_open(self, path: Path, part: float) -> None:
        """Files that somebody cuts off are told of; they do not end the process that reads them."""
        content = Content.make(400, shard_rows=100)  # more than a page of memory
        publish(self.store, path, content)
        view = self.store(path).view()
        assert view.read([0, 399]).tobytes() == content.data[[0, 399]].tobytes()
        for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
            os.truncate(file, int(file.stat().st_size * part))
        with pytest.raises(StoreError) as caught:
            view.read()
        one_line(caught)

    # A store that is written while it is read

    @pytest.mark.parametrize("when", ["opened", "read in part", "pickled"])
    @pytest.mark.parametrize("times", [1, 2])
    def test_replaced_while_open(self, path: Path, when: str, times: int) -> None:
        """A reader of a view that is replaced gets the old rows or an error, never a mixture."""
        old = Content.make(seed=1)
        publish(self.store, path, old)
        view = self.store(path).view()
        pickled = pickle.dumps(view)
        if when == "read in part":
            view.read(0)
        for time in range(times):
            publish(self.store, path, Content.make(seed=2 + time))
        for rows in (0, 9, slice(None)):
            try:
                if when == "pickled":
                    view = pickle.loads(pickled)  # noqa: S301 - our own
                assert view.read(rows).tobytes() == old.data[rows].tobytes()
            except StoreError as error:
                one_line(error, view.name, "open it again")
        try:
            assert view.damaged().tolist() == []
        except StoreError as error:
            one_line(error, view.name, "open it again")

    def test_another_view_disturbs_nobody(self, path: Path) -> None:
        """A reader goes on while another view is put into the store."""
        old = Content.make()
        publish(self.store, path, old)
        opened, begun = self.store(path).view(), self.store(path).view()
        pickled = pickle.dumps(opened)
        begun.read(0)
        publish(self.store, path, Content.make(seconds=0.2))
        for view in (opened, begun, pickle.loads(pickled)):  # noqa: S301 - our own
            assert_holds(view, old)

    def test_opened_while_it_is_replaced(self, path: Path) -> None:
        """Who opens a store at any moment gets rows and tracks that belong together."""
        contents = [Content.make(7, tracks=3, seed=1), Content.make(12, tracks=3, seed=2)]
        by_rows = {len(content.rows): content for content in contents}
        publish(self.store, path, contents[0])
        done = threading.Event()
        errors: list[BaseException] = []

        def write() -> None:
            try:
                for number in range(1, 8):
                    publish(self.store, path, contents[number % 2])
            except BaseException as error:
                errors.append(error)
            finally:
                done.set()

        writer = threading.Thread(target=write)
        writer.start()
        whole = 0
        while not done.is_set():
            try:
                view = self.store(path).view()
                data = view.read()
            except StoreError as error:
                one_line(error)
            else:
                content = by_rows[len(view)]
                assert data.tobytes() == content.data.tobytes()
                assert view.rows.tobytes() == content.rows.tobytes()
                whole += 1
            try:
                hashes = self.store(path).tracks["hash"].tolist()
            except StoreError as error:
                one_line(error)
            else:
                assert hashes in [content.tracks["hash"].tolist() for content in contents]
        writer.join()
        assert errors == []
        assert whole

    # Export

    def test_export(self, path: Path, tmp_path: Path) -> None:
        """A store can be copied to every format, and nothing is lost."""
        contents = [
            Content.make(),
            Content.make(5, seconds=0.2, dtype="float32"),
            Content.make(7, dtype="uint8"),
        ]
        for content in contents:
            publish(self.store, path, content, dataset="some")
        for kind in [stores[name] for name in stores]:
            target = tmp_path / "new" / f"copy{kind.suffixes[0]}"
            names: list[str] = []
            copy = self.store(path).export(target, names.append)
            assert type(copy) is kind
            assert copy.path == target
            assert copy.store_attributes() == self.store(path).store_attributes()
            assert names == copy.view_names() == self.store(path).view_names()
            for content in contents:
                assert_holds(copy.view(content.info.name), replace(content, tracks=contents[-1].tracks))
            assert sorted(target.parent.iterdir()) == [target]
            with pytest.raises(StoreError) as caught:
                self.store(path).export(target)
            one_line(caught, str(target), "exists")
            shutil.rmtree(target.parent)
        with pytest.raises(StoreError) as caught:
            self.store(path).export(tmp_path / "copy.mp3")
        one_line(caught, "copy.mp3", self.suffix)

    def test_export_to_where_nothing_can_be_written(self, path: Path, content: Content) -> None:
        """A folder that cannot be written to is named."""
        publish(self.store, path, content)
        (path.parent / "file").touch()
        with pytest.raises(StoreError) as caught:
            self.store(path).export(path.parent / "file" / f"copy{self.suffix}")
        one_line(caught, "cannot write", str(path.parent / "file"))

    # What is not a store, or no longer

    def test_missing(self, path: Path) -> None:
        """A path where nothing is gets an error that says how to make a store."""
        for open_it in (self.store, open_store):
            with pytest.raises(StoreError) as caught:
                open_it(path)
            one_line(caught, "no store at", str(path), "featurize")
        work_folder(path).mkdir()
        for open_it in (self.store, open_store):
            with pytest.raises(StoreError) as caught:
                open_it(path)
            one_line(caught, str(path), "not finished", "featurize")

    @pytest.mark.parametrize("kind", ["text", "empty file", "empty folder", "folder"])
    def test_not_a_store(self, path: Path, kind: str) -> None:
        """What is something else is called so."""
        if "file" in kind or kind == "text":
            path.write_text("a text\n" if kind == "text" else "")
        else:
            path.mkdir()
            if kind == "folder":
                (path / "readme.txt").write_text("mine")
        before = _tree(path.parent)
        with pytest.raises(StoreError) as caught:
            self.store(path)
        one_line(caught, str(path), "not a feature store", "featurize")
        assert _tree(path.parent) == before

    def test_of_another_program(self, path: Path, content: Content) -> None:
        """The same format from another program is no store of ours."""
        work = work_folder(path)
        work.mkdir()
        self.store.publish(path, work, {"creator": "another"}, content.tracks, content.view())
        with pytest.raises(StoreError) as caught:
            self.store(path)
        one_line(caught, str(path), "not a feature store")

    def test_of_a_newer_format(self, path: Path, content: Content) -> None:
        """A store of a newer audiospec says so."""
        publish(self.store, path, content, audiospec_format=FORMAT_VERSION + 1)
        with pytest.raises(StoreError) as caught:
            self.store(path)
        one_line(caught, str(path), f"format {FORMAT_VERSION + 1}", "upgrade")

    @pytest.mark.parametrize(
        "changes",
        [
            {"fingerprint": "0" * 64},
            {"fingerprint": None},
            {"spec": None},
            {"spec": {}},
            {"spec": {"feature": "mel"}},
            {"spec": {"feature": "nothing"}},
            {"spec": {**SMALL.to_dict(), "version": 99}},
            {"spec": {**SMALL.to_dict(), "n_mels": -1}},
            {"spec": {**SMALL.to_dict(), "odd": 1}},
            {"spec": "text"},
            {"chunking": {"seconds": 0}},
            {"chunking": 5},
            {"shard_rows": 0},
            {"shard_rows": "many"},
            {"made": 3},
        ],
        ids=lambda changes: json.dumps(changes)[:40],
    )
    def test_damaged_attributes(
        self, path: Path, content: Content, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Attributes that cannot be are refused in one line."""
        attributes = {**content.info.to_attributes(), **changes}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        monkeypatch.setattr(ViewInfo, "to_attributes", lambda self: attributes)
        publish(self.store, path, content)
        with pytest.raises(AudiospecError) as caught:
            self.store(path).view()
        one_line(caught)

    def test_damaged_tables(self, path: Path, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
        """A track table that lacks a column, or part of one, is refused; so is a row without a track."""
        publish(self.store, path, content)
        columns = dict(content.tracks.columns)
        for change in ({"label": columns["label"][:-1]}, {"id": columns["id"][:-1]}):
            damaged = {**columns, **change}
            monkeypatch.setattr(self.store, "_tracks", lambda self, damaged=damaged: damaged)
            with pytest.raises(StoreError) as caught:
                _ = self.store(path).tracks
            one_line(caught, "track table", "damaged")
        for name in columns:
            damaged = {other: columns[other] for other in columns if other != name}
            monkeypatch.setattr(self.store, "_tracks", lambda self, damaged=damaged: damaged)
            with pytest.raises(StoreError) as caught:
                _ = self.store(path).tracks
            one_line(caught, name, "damaged")
        damaged = {name: column[:1] for name, column in columns.items()}
        monkeypatch.setattr(self.store, "_tracks", lambda self: damaged)
        with pytest.raises(StoreError) as caught:
            _ = self.store(path).view().labels
        one_line(caught, "damaged", "featurize")

    @pytest.mark.parametrize("dtype", ["float16", "uint8"])
    def test_lost_parts(self, path: Path, dtype: str) -> None:
        """A file that is cut off or gone is noticed; what is still read is right."""
        content = Content.make(dtype=dtype)
        publish(self.store, path, content)
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        for file in files:
            whole = file.read_bytes()
            parts = 12 if len(files) == 1 else 2
            for part in range(1, parts):
                file.write_bytes(whole[: len(whole) * part // parts])
                self._assert_noticed(path, content)
            if path.is_dir():
                file.unlink()
                self._assert_noticed(path, content)
            file.write_bytes(whole)
        assert_holds(self.store(path).view(), content)

    def _assert_noticed(self, path: Path, content: Content) -> None:
        """Fail if wrong content is read without an error, or an error is none of ours."""
        try:
            view = self.store(path).view()
            bad = view.damaged()
            records = list(view.store.tracks.records())
            if not len(bad):
                assert view.read_stored().tobytes() == content.data.tobytes()
        except AudiospecError as error:
            one_line(error)
        else:
            good = np.delete(np.arange(len(view)), bad)
            assert view.rows.tobytes() == content.rows.tobytes()
            assert records == list(content.tracks.records())
            if len(good) == len(content.rows):
                assert view.read_stored(good).tobytes() == content.data[good].tobytes()

    # Publishing that does not come to its end

    @pytest.mark.parametrize("first", [True, False], ids=["first", "again"])
    def test_killed_while_publishing(self, path: Path, tmp_path: Path, first: bool) -> None:
        """Killed at any moment, `recover` leaves the old content or the new, and no litter.

        A process that is killed leaves the disk as it is at that moment. So the disk is copied before every
        change of a name, and before some of the other changes, which are many and alike.
        """
        kept, new = Content.make(6, seconds=0.2), Content.make(9, tracks=7, seed=1)
        place = tmp_path / "place"
        place.mkdir()
        path = place / path.name
        if not first:
            publish(self.store, path, Content.make())
            publish(self.store, path, kept)
        memory: dict[Any, Any] = {}
        old_content = self._stored(path, memory)
        copies: list[Path] = []

        events: list[str] = []

        def copy(event: str) -> None:
            events.append(event)
            if event in ("os.rename", "os.link") or len(events) % 6 == 0 or len(events) < 4:
                copies.append(tmp_path / f"copy {len(copies)}")
                _copy(place, copies[-1])

        with watching(place, copy):
            publish(self.store, path, new)
        new_content = self._stored(path, memory)
        assert old_content != new_content
        assert len(copies) > 2
        seen = set()
        for number, copied in enumerate(copies):
            path = copied / path.name
            work = work_folder(path)
            if not work.exists():  # killed before the beginning, or at the end
                continue
            try:  # a reader that comes before `recover`
                for part, value in self._stored(path, memory).items():
                    assert value in (old_content.get(part), new_content.get(part))
            except StoreError as error:
                one_line(error, "featurize")
            self.store.recover(path, work)
            assert list(work.iterdir()) == []
            stored = self._stored(path, memory)
            assert stored in (old_content, new_content)
            seen.add(stored == new_content)
            if number % 12 == 0:
                self.store.publish(path, work, store_attributes("mine", place), new.tracks, new.view())
                assert self._stored(path, memory) == new_content
            shutil.rmtree(copied)
        assert False in seen
        if not first:
            assert_holds(self.store(place / path.name).view(kept.info.name), replace(kept, tracks=new.tracks))

    def _stored(self, path: Path, memory: dict[Any, Any]) -> dict[str, Any]:
        """All that a store holds, to be compared; `memory` spares reading the same files twice."""
        files = _tree(path, times=False)
        if files not in memory:
            stored: dict[str, Any] = {}
            if path.exists():
                store = self.store(path)
                stored["tracks"] = list(store.tracks.records())
                stored.update({view.name: _contents(view) for view in store.views()})
            memory[files] = stored
        return dict(memory[files])

    def test_disk_full_while_publishing(self, path: Path, tmp_path: Path) -> None:
        """No room for another file: a DiskFullError, the old content, and no litter."""
        old, new = Content.make(), Content.make(9, tracks=7, seed=1)
        place = tmp_path / "place"
        place.mkdir()
        path = place / path.name
        publish(self.store, path, old)
        memory: dict[Any, Any] = {}
        old_content = self._stored(path, memory)
        _copy(place, tmp_path / "spare")
        count = self._publish_with_room_for(10**9, path, new)
        new_content = self._stored(path, memory)
        assert new_content != old_content
        for room in sorted({*range(min(count, 4)), *range(0, count, max(1, count // 8)), count - 1}):
            shutil.rmtree(place)
            _copy(tmp_path / "spare", place)
            with pytest.raises(DiskFullError) as caught:
                self._publish_with_room_for(room, path, new)
            one_line(caught, "disk is full", "again")
            assert not list(place.rglob("*.partial"))
            if self._stored(path, memory) != new_content:
                assert self._stored(path, memory) == old_content
                assert not work_folder(path).exists() or not list(work_folder(path).iterdir())

    def _publish_with_room_for(self, files: int, path: Path, content: Content) -> int:
        """Publish on a disk that takes so many more files and folders; the number that were made."""
        made = 0

        def refuse(event: str) -> None:
            nonlocal made
            if event in ("open", "os.mkdir", "os.link"):
                if made >= files:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                made += 1

        work_folder(path).mkdir(exist_ok=True)
        attributes = store_attributes("mine", path.parent)
        with watching(work_folder(path), refuse):
            self.store.publish(path, work_folder(path), attributes, content.tracks, content.view())
        return made

    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_file_too_large_while_publishing(self, path: Path) -> None:
        """No room for more bytes: the same, whatever has been written by then."""
        old, new = Content.make(), Content.make(2000, shard_rows=500, tracks=40, seed=1)
        publish(self.store, path, old)
        limits = [0, 100, 1000, 3000, 10_000, 30_000, 70_000, 100_000, 300_000, 10**9]
        # In another process: a library may take it so ill that the process dies.
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            found = pool.submit(_publish_with_limits, self.store, path, new, limits).result()
        messages, litter = zip(*found, strict=True)
        assert messages[0]
        assert not messages[-1]
        for message in filter(None, messages):
            assert "disk is full" in message
            assert "\n" not in message
        assert not any(litter)
        assert_holds(self.store(path).view(), new)

    def test_error_while_publishing(self, path: Path) -> None:
        """An error on the way, of whatever kind, leaves the old content and no litter."""
        old, new = Content.make(), Content.make(seed=1)
        publish(self.store, path, old)

        def shard(number: int) -> ShardSource:
            if number == 2:
                raise KeyboardInterrupt
            return new.view().shard(number)

        with pytest.raises(KeyboardInterrupt):
            publish(self.store, path, new, NewView(new.info, new.rows, shard))
        assert list(work_folder(path).iterdir()) == []
        assert_holds(self.store(path).view(), old)


def one_line(error: Any, *words: str) -> None:
    """Fail unless an error's message (or that of what pytest caught) is one line with all the words."""
    message = str(getattr(error, "value", error))
    assert message
    assert len(message.splitlines()) == 1
    assert not message[0].isspace()
    for word in words:
        assert word in message


def _fields(spec: MelSpec) -> dict[str, Any]:
    fields = spec.to_dict()
    return {name: fields[name] for name in fields if name not in ("feature", "version")}


def _contents(view: View) -> tuple[str, dict[str, Any], bytes, bytes]:
    """All that a view holds, to be compared."""
    return view.name, view.info.to_attributes(), view.rows.tobytes(), view.read_stored().tobytes()


def _publish_with_limits(
    store: type[FeatureStore], path: Path, content: Content, limits: Sequence[int]
) -> list[tuple[str, list[str]]]:
    """Publish where files may have so many bytes at most; for each limit the message, and litter."""
    found = []
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
            litter.append("the old content is gone")
        found.append((message, litter))
    return found


def _tree(path: Path, times: bool = True) -> tuple[Any, ...]:
    """What lies at a path: names, bytes and modification times."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return tuple(
        (
            file.relative_to(path).as_posix(),
            file.stat().st_mtime_ns if times else 0,
            hashlib.sha256(file.read_bytes()).digest() if file.is_file() else b"",
        )
        for file in files
    )


def _copy(source: Path, target: Path) -> None:
    """Copy a folder whose files may go away meanwhile."""
    target.mkdir()
    for entry in list(os.scandir(source)):
        try:
            if entry.is_dir():
                _copy(Path(entry), target / entry.name)
            else:
                shutil.copyfile(entry, target / entry.name)
        except FileNotFoundError:
            pass
