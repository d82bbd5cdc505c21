"""Tests of a store that is damaged, whose writer is killed, or whose disk is full."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.errors import AudiospecError, DiskFullError, StoreError
from audiospec.stores.base import open_store
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import LATER_COLUMNS, NEWEST_FORMAT, store_attributes
from audiospec.testing.stores.case import StoreCase
from audiospec.testing.stores.content import (
    SMALL,
    Content,
    assert_holds,
    copy_tree,
    one_line,
    publish,
    publish_with_limits,
    tree_state,
    view_content,
    watching,
)


class DamageTests(StoreCase):
    """Tests of damage, killed writers and full disks."""

    def test_missing_store(self, path: Path) -> None:
        """The error for a path that does not exist says how to make a store."""
        for open_ in (self.store, open_store):
            with pytest.raises(StoreError) as caught:
                open_(path)
            one_line(caught, "no store at", str(path), "featurize")
        work_folder(path).mkdir()
        for open_ in (self.store, open_store):
            with pytest.raises(StoreError) as caught:
                open_(path)
            one_line(caught, str(path), "not finished", "featurize")

    @pytest.mark.parametrize("kind", ["text", "empty file", "empty folder", "folder"])
    def test_not_a_store(self, path: Path, kind: str) -> None:
        """A path that is no store is refused and not changed."""
        if "file" in kind or kind == "text":
            path.write_text("a text\n" if kind == "text" else "")
        else:
            path.mkdir()
            if kind == "folder":
                (path / "readme.txt").write_text("mine")
        before = tree_state(path.parent)
        with pytest.raises(StoreError) as caught:
            self.store(path)
        one_line(caught, str(path), "not a feature store", "featurize")
        assert tree_state(path.parent) == before

    def test_store_of_another_program(self, path: Path, content: Content) -> None:
        """A file of the same format by another program is refused."""
        work = work_folder(path)
        work.mkdir()
        self.store.publish(path, work, {"creator": "another"}, content.tracks, content.view())
        with pytest.raises(StoreError) as caught:
            self.store(path)
        one_line(caught, str(path), "not a feature store")

    def test_newer_format(self, path: Path, content: Content) -> None:
        """A store of a newer audiospec is refused, with the advice to upgrade."""
        publish(self.store, path, content, audiospec_format=NEWEST_FORMAT + 1)
        with pytest.raises(StoreError) as caught:
            self.store(path)
        one_line(caught, str(path), f"format {NEWEST_FORMAT + 1}", "upgrade")

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
        """Invalid attributes are refused in one line."""
        attributes = {**content.info.to_attributes(), **changes}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        monkeypatch.setattr(ViewInfo, "to_attributes", lambda self: attributes)
        publish(self.store, path, content)
        with pytest.raises(AudiospecError) as caught:
            self.store(path).view()
        one_line(caught)

    def test_damaged_tables(self, path: Path, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
        """A track table that lacks a column or a value is refused; so are rows without a track."""
        publish(self.store, path, content)
        columns = dict(content.tracks.columns)
        for change in ({"label": columns["label"][:-1]}, {"id": columns["id"][:-1]}):
            damaged = {**columns, **change}
            monkeypatch.setattr(self.store, "_tracks", lambda self, damaged=damaged: damaged)
            with pytest.raises(StoreError) as caught:
                _ = self.store(path).tracks
            one_line(caught, "track table", "damaged")
        for name in [name for name in columns if name not in LATER_COLUMNS]:
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

    @pytest.mark.parametrize("column", LATER_COLUMNS)
    def test_tables_of_older_versions(
        self, path: Path, content: Content, monkeypatch: pytest.MonkeyPatch, column: str
    ) -> None:
        """A column that older versions did not write has its default; the next write adds it."""
        publish(self.store, path, content)
        older = {name: values for name, values in content.tracks.columns.items() if name != column}
        with monkeypatch.context() as patch:
            patch.setattr(self.store, "_tracks", lambda self: older)
            tracks = self.store(path).tracks
        np.testing.assert_array_equal(tracks[column], np.full(len(tracks), LATER_COLUMNS[column]))
        for name in older:
            np.testing.assert_array_equal(tracks[name], content.tracks[name])
        publish(self.store, path, replace(content, tracks=tracks))
        assert list(self.store(path).tracks.records()) == list(tracks.records())

    @pytest.mark.parametrize("dtype", ["float16", "uint8"])
    def test_truncated_and_missing_files(self, path: Path, dtype: str) -> None:
        """A truncated or missing file is noticed, and rows that can be read are right."""
        content = Content.make(dtype=dtype)
        publish(self.store, path, content)
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        for file in files:
            original = file.read_bytes()
            parts = 12 if len(files) == 1 else 2
            for part in range(1, parts):
                file.write_bytes(original[: len(original) * part // parts])
                self._assert_noticed(path, content)
            if path.is_dir():
                file.unlink()
                self._assert_noticed(path, content)
            file.write_bytes(original)
        assert_holds(self.store(path).view(), content)

    def _assert_noticed(self, path: Path, content: Content) -> None:
        """Fail if wrong content is read without an error, or if an error is not an AudiospecError."""
        try:
            view = self.store(path).view()
            damaged = view.damaged()
            records = list(view.store.tracks.records())
            if not len(damaged):
                assert view.read_stored().tobytes() == content.data.tobytes()
        except AudiospecError as error:
            one_line(error)
        else:
            good = np.delete(np.arange(len(view)), damaged)
            assert view.rows.tobytes() == content.rows.tobytes()
            assert records == list(content.tracks.records())
            if len(good) == len(content.rows):
                assert view.read_stored(good).tobytes() == content.data[good].tobytes()

    @pytest.mark.parametrize("first", [True, False], ids=["first", "again"])
    def test_killed_while_publishing(self, path: Path, tmp_path: Path, first: bool) -> None:
        """Whenever a writer is killed, `recover` leaves the old content or the new, and no other files.

        A killed process leaves the disk as it is at that moment. So the test copies the disk before every
        rename and link, and before some of the other changes, which are many and alike.
        """
        kept, new = Content.make(6, seconds=0.2), Content.make(9, tracks=7, seed=1)
        folder = tmp_path / "folder"
        folder.mkdir()
        path = folder / path.name
        if not first:
            publish(self.store, path, Content.make())
            publish(self.store, path, kept)
        cache: dict[Any, Any] = {}
        old_content = self._stored(path, cache)
        copies: list[Path] = []

        events: list[str] = []

        def copy(event: str) -> None:
            events.append(event)
            if event in ("os.rename", "os.link") or len(events) % 6 == 0 or len(events) < 4:
                copies.append(tmp_path / f"copy {len(copies)}")
                copy_tree(folder, copies[-1])

        with watching(folder, copy):
            publish(self.store, path, new)
        new_content = self._stored(path, cache)
        assert old_content != new_content
        assert len(copies) > 2
        seen = set()
        for number, copied in enumerate(copies):
            path = copied / path.name
            work = work_folder(path)
            if not work.exists():  # killed before anything was written, or after everything was
                continue
            try:  # a reader before `recover`
                for part, value in self._stored(path, cache).items():
                    assert value in (old_content.get(part), new_content.get(part))
            except StoreError as error:
                one_line(error, "featurize")
            self.store.recover(path, work)
            assert list(work.iterdir()) == []
            stored = self._stored(path, cache)
            assert stored in (old_content, new_content)
            seen.add(stored == new_content)
            if number % 12 == 0:
                self.store.publish(path, work, store_attributes("mine", folder), new.tracks, new.view())
                assert self._stored(path, cache) == new_content
            shutil.rmtree(copied)
        assert False in seen
        if not first:
            assert_holds(
                self.store(folder / path.name).view(kept.info.name), replace(kept, tracks=new.tracks)
            )

    def _stored(self, path: Path, cache: dict[Any, Any]) -> dict[str, Any]:
        """Return everything that a store holds, for comparison; `cache` saves reading equal files twice."""
        files = tree_state(path, times=False)
        if files not in cache:
            stored: dict[str, Any] = {}
            if path.exists():
                store = self.store(path)
                stored["tracks"] = list(store.tracks.records())
                stored.update({view.name: view_content(view) for view in store.views()})
            cache[files] = stored
        return dict(cache[files])

    def test_disk_full_while_publishing(self, path: Path, tmp_path: Path) -> None:
        """Without room for another file: a DiskFullError, the old content, and no other files."""
        old, new = Content.make(), Content.make(9, tracks=7, seed=1)
        folder = tmp_path / "folder"
        folder.mkdir()
        path = folder / path.name
        publish(self.store, path, old)
        cache: dict[Any, Any] = {}
        old_content = self._stored(path, cache)
        copy_tree(folder, tmp_path / "spare")
        count = self._publish_with_room_for(10**9, path, new)
        new_content = self._stored(path, cache)
        assert new_content != old_content
        for room in sorted({*range(min(count, 4)), *range(0, count, max(1, count // 8)), count - 1}):
            shutil.rmtree(folder)
            copy_tree(tmp_path / "spare", folder)
            with pytest.raises(DiskFullError) as caught:
                self._publish_with_room_for(room, path, new)
            one_line(caught, "disk is full", "again")
            assert not list(folder.rglob("*.partial"))
            if self._stored(path, cache) != new_content:
                assert self._stored(path, cache) == old_content
                assert not work_folder(path).exists() or not list(work_folder(path).iterdir())

    def _publish_with_room_for(self, limit: int, path: Path, content: Content) -> int:
        """Publish on a disk with room for `limit` more files and folders; return the number created."""
        count = 0

        def refuse(event: str) -> None:
            nonlocal count
            if event in ("open", "os.mkdir", "os.link"):
                if count >= limit:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                count += 1

        work_folder(path).mkdir(exist_ok=True)
        attributes = store_attributes("mine", path.parent)
        with watching(work_folder(path), refuse):
            self.store.publish(path, work_folder(path), attributes, content.tracks, content.view())
        return count

    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_file_size_limit_while_publishing(self, path: Path) -> None:
        """Without room for more bytes: the same, however much has been written by then."""
        old, new = Content.make(), Content.make(2000, shard_rows=500, tracks=40, seed=1)
        publish(self.store, path, old)
        limits = [0, 100, 1000, 3000, 10_000, 30_000, 70_000, 100_000, 300_000, 10**9]
        # In another process, because a library may crash it.
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            outcomes = pool.submit(publish_with_limits, self.store, path, new, limits).result()
        messages, litter = zip(*outcomes, strict=True)
        assert messages[0]
        assert not messages[-1]
        for message in filter(None, messages):
            assert "disk is full" in message
            assert "\n" not in message
        assert not any(litter)
        assert_holds(self.store(path).view(), new)

    def test_error_while_publishing(self, path: Path) -> None:
        """Any error while publishing leaves the old content and no other files."""
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
