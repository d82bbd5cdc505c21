"""StoreContract: tests that every store must pass, to inherit.

One class tests a store::

    class TestMine(StoreContract):
        store = MyStore
        suffix = ".mine"

The store's class must be importable by its name, as classes in a package are, because some tests open the
store in new processes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audiospec.errors import RowIndexError, StoreError
from audiospec.stores.base import open_store, store_class, stores
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.testing.stores.content import Content, assert_holds, one_line, publish, record
from audiospec.testing.stores.damage import DamageTests
from audiospec.testing.stores.publishing import PublishingTests
from audiospec.testing.stores.reading import ReadingTests
from audiospec.testing.stores.sealing import SealTests
from audiospec.testing.stores.targets import TargetTests


class StoreContract(ReadingTests, PublishingTests, DamageTests, SealTests, TargetTests):
    """Tests that every store must pass; see `StoreCase` for the attributes that a subclass sets."""

    def test_suffix_selects_the_class(self) -> None:
        """The class is registered, and no other class has its suffixes."""
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
        """Data, row table, track table and attributes are read as written, bit for bit; checksums match."""
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
        assert str(path) in repr(view)
        assert view.name in repr(view)
        assert "1 views" in repr(store)

    @pytest.mark.parametrize("root", ["/", "/a b/{c}", "/nicht \udc80 UTF-8", '/"', "/null"])
    def test_attributes_of_unusual_text(self, path: Path, content: Content, root: str) -> None:
        """The dataset's name and the root may be any text."""
        publish(self.store, path, content, root=root, dataset=root)
        assert str(self.store(path).root) == self.store(path).dataset == root

    def test_unusual_text(self, path: Path) -> None:
        """Text is read as written, even if it is very long; characters that no store can hold are escaped."""
        content = Content.make()
        texts = ["", "x" * 100_000, "é" * 70_000, "\N{SNOWMAN} 🎵 e\u0301 \u202e", " \t\r\n\x01\x7f "]
        records = [
            record(n, label=text, problem=text, group=text, cluster=text) for n, text in enumerate(texts)
        ]
        records.append(record(5, label="nul \0 \0", problem="half \udc80 \ud83c", id="\0"))
        content = replace(content, tracks=Tracks.from_records(records))
        publish(self.store, path, content)
        tracks = self.store(path).tracks
        for column in ("label", "problem", "group", "cluster"):
            assert tracks[column].tolist()[:5] == texts
        assert tracks["label"][5] == r"nul \x00 \x00"
        assert tracks["problem"][5] == r"half \udc80 \ud83c"
        assert tracks["id"][5] == r"\x00"
        assert_holds(self.store(path).view(), content)

    @pytest.mark.parametrize("tracks", [0, 2])
    def test_tracks_without_a_view(self, path: Path, tracks: int) -> None:
        """A store may have a track table alone, even an empty one."""
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
        """A view without rows can be opened and read."""
        content = Content.make(0, tracks=2, dtype=dtype)
        publish(self.store, path, content)
        view = self.store(path).view()
        assert_holds(view, content)
        assert view.read([]).shape == view.shape == (0, *content.info.row_shape)
        assert view.damaged().tolist() == []
        with pytest.raises(RowIndexError) as caught:
            view.read(0)
        one_line(caught, "no rows")
