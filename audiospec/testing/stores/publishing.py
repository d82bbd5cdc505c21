"""Tests of writing a store: again, in part, while it is open, into another format."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.digests import checksum
from audiospec.errors import StoreError
from audiospec.stores.base import stores
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.testing.stores.case import StoreCase
from audiospec.testing.stores.content import Content, assert_holds, one_line, publish, record


class PublishingTests(StoreCase):
    """Tests of publishing and exporting."""

    def test_publish_again(self, path: Path) -> None:
        """A view of the same name is replaced, also by other rows, other shards and more tracks."""
        publish(self.store, path, Content.make())
        content = Content.make(23, shard_rows=5, tracks=9, seed=1)
        publish(self.store, path, content)
        assert_holds(self.store(path).view(), content)
        content = Content.make(2, shard_rows=2, tracks=9, seed=1)
        publish(self.store, path, content)
        assert_holds(self.store(path).view(), content)
        assert not work_folder(path).exists()

    def test_other_views_are_kept(self, path: Path) -> None:
        """Adding or replacing one view keeps the others; all share the new tracks."""
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
    def test_shards_from_files(self, path: Path, tmp_path: Path, dtype: str) -> None:
        """Staged shards may be linked into the store; it does not need the staged files afterwards."""
        content = Content.make(dtype=dtype)
        staged = tmp_path / "staged"
        staged.mkdir()
        publish(self.store, path, content, content.view(staged))
        other = Content.make(seed=1, dtype=dtype)
        other.view(staged).shard(0)  # the same file, written again
        assert_holds(self.store(path).view(), content)
        shutil.rmtree(staged)
        assert_holds(self.store(path).view(), content)

    def test_shards_without_hard_links(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Shards are copied if the disk has no hard links."""

        def link(*_: Any, **__: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        content = Content.make()
        monkeypatch.setattr(os, "link", link)
        publish(self.store, path, content, content.view(tmp_path))
        for file in tmp_path.glob("*.shard"):
            file.write_bytes(b"")  # in place: a link would lose its bytes too
        assert_holds(self.store(path).view(), content)

    def test_size_is_that_of_its_files(self, path: Path, content: Content) -> None:
        """`bytes_on_disk` counts every file."""
        publish(self.store, path, content)
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        size = self.store(path).bytes_on_disk()
        assert size == sum(file.stat().st_size for file in files) > content.data.nbytes

    def test_size_of_compressed_rows(self, path: Path) -> None:
        """Compressible rows take less space on the disk; `View.bytes_on_disk` says how much."""
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

    @pytest.mark.parametrize("part", [0.0, 0.5, 0.9])
    def test_truncated_while_open(self, path: Path, part: float) -> None:
        """Truncated files are reported as an error; they do not crash the process that reads them."""
        content = Content.make(400, shard_rows=100)  # more than a page of memory
        publish(self.store, path, content)
        view = self.store(path).view()
        assert view.read([0, 399]).tobytes() == content.data[[0, 399]].tobytes()
        for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
            os.truncate(file, int(file.stat().st_size * part))
        try:
            rows = view.read()
        except StoreError as error:
            one_line(error)
        else:  # the end of the file has no rows
            assert part == 0.9
            assert rows.tobytes() == content.data.tobytes()

    @pytest.mark.parametrize("when", ["opened", "read in part", "pickled"])
    @pytest.mark.parametrize("times", [1, 2])
    def test_replaced_while_open(self, path: Path, when: str, times: int) -> None:
        """A reader of a view that was replaced gets the old rows or an error, never a mixture."""
        old = Content.make(seed=1)
        publish(self.store, path, old)
        view = self.store(path).view()
        pickled = pickle.dumps(view)
        if when == "read in part":
            view.read(0)
        for number in range(times):
            publish(self.store, path, Content.make(seed=2 + number))
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

    def test_readers_continue_while_a_view_is_added(self, path: Path) -> None:
        """Readers of a view are not disturbed when another view is added to the store."""
        old = Content.make()
        publish(self.store, path, old)
        opened, partly_read = self.store(path).view(), self.store(path).view()
        pickled = pickle.dumps(opened)
        partly_read.read(0)
        publish(self.store, path, Content.make(seconds=0.2))
        for view in (opened, partly_read, pickle.loads(pickled)):  # noqa: S301 - our own
            assert_holds(view, old)

    def test_opened_while_it_is_replaced(self, path: Path) -> None:
        """Opening a store at any moment gives rows and tracks that belong together."""
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
        complete = 0
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
                complete += 1
            try:
                hashes = self.store(path).tracks["hash"].tolist()
            except StoreError as error:
                one_line(error)
            else:
                assert hashes in [content.tracks["hash"].tolist() for content in contents]
        writer.join()
        assert errors == []
        assert complete

    def test_export(self, path: Path, tmp_path: Path) -> None:
        """A store can be copied to every format without loss."""
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

    def test_anonymous_export(self, path: Path, tmp_path: Path) -> None:
        """It has neither the root nor absolute paths, in any format, but ids, labels and features."""
        root = "/home/jane.doe/On This Machine"
        windows = "C:\\Users\\jane.doe\\9.wav"
        changes: list[dict[str, Any]] = [
            {"problem": f"not decodable: {root}/büro/0/track.00000.wav, in {root}"},
            {
                "id": "/home/jane.doe/a/song.wav",
                "path": "/home/jane.doe/a/song.wav",
                "cluster": "/home/jane.doe/a/song.wav",
            },
            {
                "id": "/home/jane.doe/b/song.wav",
                "path": "../../jane.doe/b/song.wav",
                "cluster": "../../jane.doe/b/song.wav",
            },
            {"id": windows, "path": windows, "cluster": "/home/jane.doe/a/song.wav"},
            {"path": "", "cluster": "/"},
        ]
        content = Content.make(23, dtype="uint8")
        records = [record(number, **each) for number, each in enumerate(changes)]
        content = replace(content, tracks=Tracks.from_records(records))
        publish(self.store, path, content, root=root)
        assert "jane.doe" in str(list(self.store(path).tracks.records()))
        expected_changes: list[dict[str, Any]] = [
            {"problem": "not decodable: track.00000.wav, in "},
            {"id": "1/song.wav", "path": "1/song.wav", "cluster": "1/song.wav"},
            {"id": "2/song.wav", "path": "2/song.wav", "cluster": "2/song.wav"},
            {"id": "9.wav", "path": "9.wav", "cluster": "1/song.wav"},
            {},
        ]
        expected = [replace(each, **new) for each, new in zip(records, expected_changes, strict=True)]
        for kind in [stores[name] for name in stores]:
            target = tmp_path / "new" / f"copy{kind.suffixes[0]}"
            copy = self.store(path).export(target, anonymous=True)
            assert_holds(copy.view(), replace(content, tracks=Tracks.from_records(expected)))
            assert copy.view().damaged().tolist() == []
            assert copy.store_attributes() == store_attributes("mine", None)
            assert "root" not in copy.store_attributes()
            with pytest.raises(StoreError) as caught:
                _ = copy.root
            one_line(caught, str(target), "`audiospec featurize DATASET --data FOLDER --store STORE`")
            files = [target] if target.is_file() else [file for file in target.rglob("*") if file.is_file()]
            for file in files:
                for name in (b"jane", b"On This Machine", os.fsencode(tmp_path), os.fsencode(path.name)):
                    assert name not in file.read_bytes(), file
            again = copy.export(target.with_name(f"again{target.suffix}"))
            assert again.store_attributes() == copy.store_attributes()
            shutil.rmtree(target.parent)

    def test_anonymous_export_with_the_file_system_as_root(self, path: Path) -> None:
        """All paths are reduced if the root is ``/``, the common folder of the files in some CSV."""
        content = Content.make()
        records = [record(number, path=f"home/jane.doe/{number}.wav") for number in range(5)]
        publish(self.store, path, replace(content, tracks=Tracks.from_records(records)), root="/")
        copy = self.store(path).export(path.with_name(f"copy{self.suffix}"), anonymous=True)
        assert copy.tracks["path"].tolist() == [f"{number}.wav" for number in range(5)]
        assert copy.tracks["id"].tolist() == [each.id for each in records]

    def test_export_to_an_unwritable_folder(self, path: Path, content: Content) -> None:
        """The error names a folder that cannot be written to."""
        publish(self.store, path, content)
        (path.parent / "file").touch()
        with pytest.raises(StoreError) as caught:
            self.store(path).export(path.parent / "file" / f"copy{self.suffix}")
        one_line(caught, "cannot write", str(path.parent / "file"))
