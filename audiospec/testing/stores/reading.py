"""Tests of reading rows, columns and tracks, also from threads, processes and loaders."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.errors import RowIndexError, StoreError
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.testing.stores.case import StoreCase
from audiospec.testing.stores.content import (
    Content,
    assert_holds,
    one_line,
    publish,
    record,
    tree_state,
    view_content,
    watching,
)


class ReadingTests(StoreCase):
    """Tests of reading."""

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
        """Rows are read in any order, as numpy indexing would take them from memory."""
        rows = view.read(chosen)
        expected = content.data[list(chosen) if isinstance(chosen, tuple | range) else chosen]
        if chosen is None:
            expected = content.data
        elif isinstance(chosen, list) and not chosen:
            expected = content.data[:0]
        assert rows.shape == expected.shape
        assert rows.dtype == content.data.dtype
        assert rows.tobytes() == expected.tobytes()
        rows[...] = 0  # the result belongs to the caller
        assert view.read(chosen).tobytes() == expected.tobytes()

    @pytest.mark.parametrize("chosen", [7, -1, slice(None, None, -3), [9, 0, 4, 4], [], None], ids=str)
    def test_read_coded_rows(self, path: Path, chosen: Any) -> None:
        """Rows of bytes are decoded by `read`, and returned as stored by `read_stored`."""
        content = Content.make(dtype="uint8")
        publish(self.store, path, content)
        view = self.store(path).view()
        expected = (
            content.data[slice(None) if chosen is None else chosen] if chosen != [] else content.data[:0]
        )
        stored, rows = view.read_stored(chosen), view.read(chosen)
        assert stored.dtype == np.uint8
        assert rows.dtype == np.float32
        assert stored.shape == rows.shape == expected.shape
        assert stored.tobytes() == expected.tobytes()
        code = content.info.spec.code
        assert code is not None
        np.testing.assert_allclose(rows, code.offset + code.scale * expected.astype(float), rtol=0, atol=2e-5)
        assert view.info.to_attributes()["scale"] == code.scale
        features, _ = view.torch_dataset()[3]
        assert features.numpy().tobytes() == view.read(3).tobytes()
        unpickled = pickle.loads(pickle.dumps(view))  # noqa: S301 - our own
        assert unpickled.read(chosen).tobytes() == rows.tobytes()

    @pytest.mark.parametrize("changes", [{"scale": 1.0}, {"offset": 0.0}, {"scale": "x"}, {"offset": None}])
    def test_mismatched_code(
        self, path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A view whose code differs from that of its spec is refused, as its numbers would be wrong."""
        content = Content.make(dtype="uint8")
        attributes = {**content.info.to_attributes(), **changes}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        monkeypatch.setattr(ViewInfo, "to_attributes", lambda self: attributes)
        publish(self.store, path, content)
        with pytest.raises(StoreError) as caught:
            self.store(path).view()
        one_line(caught, content.info.name, "damaged", "featurize again")

    def test_read_by_small_integers(self, path: Path) -> None:
        """Row numbers may have a type that cannot hold the number of rows."""
        content = Content.make(300, shard_rows=64)
        publish(self.store, path, content)
        numbers = np.array([0, 127, 5], np.int8)
        assert self.store(path).view().read(numbers).tobytes() == content.data[numbers].tobytes()

    @pytest.mark.parametrize(
        "chosen", [10, -11, [0, 10], [-11], 2**40, 2**70, np.array([2**64 - 1], np.uint64)], ids=str
    )
    def test_read_missing_rows(self, view: View, chosen: Any) -> None:
        """Reading a row that does not exist is an IndexError that says which rows exist."""
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
    def test_read_by_invalid_numbers(self, view: View, chosen: Any) -> None:
        """Anything but row numbers, a slice or a mask is refused in one line."""
        with pytest.raises(RowIndexError) as caught:
            view.read(chosen)
        one_line(caught, "expected")

    def test_columns(self, path: Path) -> None:
        """Ids, labels, groups, folds, clusters and hashes of a row are those of its track."""
        content = Content.make(tracks=6)
        publish(self.store, path, content)
        view = self.store(path).view()
        numbers = content.rows["track"].tolist()
        for column, values in (
            ("id", view.ids),
            ("label", view.labels),
            ("group", view.groups),
            ("fold", view.folds),
            ("cluster", view.clusters),
            ("hash", view.hashes),
        ):
            assert values.dtype == object
            assert values.tolist() == [content.tracks[column][number] for number in numbers]
        assert view.classes == sorted({content.tracks["label"][number] for number in numbers})
        assert view.rows_of("track.00001").tolist() == [n for n, track in enumerate(numbers) if track == 1]
        assert view.rows_of("track.00001.wav").tolist() == view.rows_of("track.00001").tolist()

    def test_tracks_without_rows(self, path: Path) -> None:
        """Tracks without rows are skipped or have a problem, and changed ones are stale; all are reported."""
        content = Content.make(4, tracks=1)
        short = record(1, seconds=0.04, sample_rate=800)
        broken = record(2, problem="not audio")
        uncomputed = record(3, seconds=0.1, sample_rate=800)
        changed = record(0, hash="f" * 32)
        tracks = Tracks.from_records([changed, short, broken, uncomputed])
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
        one_line(caught, "did you mean", "has 4 tracks")

    def test_find_a_track_by_its_file(self, path: Path) -> None:
        """A file's name, with or without suffix, stands for the id if only one track has it."""
        paths = ["a/x.wav", "b/x.wav", "b/y.wav"]
        tracks = Tracks.from_records([record(n, path=name) for n, name in enumerate(paths)])
        publish(self.store, path, replace(Content.make(3, tracks=3), tracks=tracks))
        store = self.store(path)
        assert [store.find_track(name) for name in ("y", "y.wav", "track.00000")] == [2, 2, 0]
        with pytest.raises(StoreError) as caught:
            store.find_track("x")
        one_line(caught, "2 tracks", "track.00000", "track.00001")

    def test_open_a_view_by_the_beginning_of_its_name(self, path: Path) -> None:
        """A view is opened by its name, or by a beginning that no other view's name has."""
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
        """Reading a store changes no file, so that it can be on a read-only disk."""
        publish(self.store, path, content)
        before = tree_state(path.parent)
        events: list[str] = []
        with watching(path.parent, events.append):
            assert_holds(self.store(path).view(), content)
            assert self.store(path).view().damaged().tolist() == []
        assert events == []
        assert tree_state(path.parent) == before

    def test_pickle(self, view: View, content: Content) -> None:
        """A view can be pickled, in less than 1000 bytes."""
        pickled = pickle.dumps(view)
        assert len(pickled) < 1000
        assert_holds(pickle.loads(pickled), content)  # noqa: S301 - our own

    def test_threads(self, view: View, content: Content) -> None:
        """Threads can share a view."""
        numbers = np.random.default_rng(0).integers(0, len(view), (40, 6))
        fresh = self.store(view.store.path).view()
        with ThreadPoolExecutor(8) as pool:
            batches = list(pool.map(fresh.read, numbers))
        assert np.stack(batches).tobytes() == content.data[numbers].tobytes()

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_processes(self, view: View, content: Content, method: str) -> None:
        """A view can be sent to other processes, whether rows have been read from it before or not."""
        fresh = self.store(view.store.path).view()
        assert view.read(0).tobytes() == content.data[0].tobytes()
        expected = view_content(view)
        with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
            assert pool.submit(view_content, view).result() == expected
            assert pool.submit(view_content, fresh).result() == expected

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_loader_workers(self, view: View, content: Content, method: str) -> None:
        """Torch's loader with two workers returns the view's rows in order."""
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
        """A loader reads once for each batch; a single item equals that of the batch."""
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

    def test_stream(self, view: View) -> None:
        """A stream gives each row once, as the dataset does, in the order of its seed and epoch."""
        dataset, stream = view.torch_dataset(), view.stream(1, buffer=2)

        def rows(items: Iterable[tuple[Any, int]]) -> list[tuple[bytes, int]]:
            return [(features.nan_to_num(nan=0.1).numpy().tobytes(), target) for features, target in items]

        first = rows(stream)
        assert sorted(first) == sorted(rows(dataset[number] for number in range(len(view))))
        assert rows(stream) == first
        stream.set_epoch(1)
        assert rows(stream) != first
