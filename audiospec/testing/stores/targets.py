"""Tests of annotations, free columns, the labelling and the targets of rows."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiospec.annotations.annotation import Labelling
from audiospec.annotations.table import RowTargets
from audiospec.errors import StoreError
from audiospec.pipeline.verify import verify
from audiospec.stores.base import stores
from audiospec.stores.layout.schema import FORMAT_VERSION, TARGETS_FORMAT, store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.testing.stores.case import StoreCase
from audiospec.testing.stores.content import (
    Content,
    annotations_of,
    assert_holds,
    columns_of,
    one_line,
    publish,
    record,
    table_of,
    tree_state,
)


class TargetTests(StoreCase):
    """Tests of the tables beside tracks and rows. A kind of store without them has to say so."""

    @pytest.fixture
    def annotated(self) -> Content:
        """Return content with annotations, free columns, targets and a labelling; skip if it has no place."""
        if not self.store.holds_targets:
            pytest.skip("this kind of store holds no targets")
        return Content.make().annotated()

    def test_targets_are_read_as_written(self, path: Path, annotated: Content) -> None:
        """Annotations, free columns, labelling and targets are read as written, to the bit."""
        publish(self.store, path, annotated)
        store = self.store(path)
        assert store.format == TARGETS_FORMAT
        assert store.labelling == annotated.labelling
        assert_holds(store.view(), annotated)
        assert store.annotations is store.tracks.annotations
        for number in range(len(store.tracks)):
            assert store.annotations.of(number) == annotations_of(number)
        assert store.tracks.free == ("../Ort ☃", "ID", "cluster_", "device")
        assert store.tracks["device"].tolist() == [dict(columns_of(n))["device"] for n in range(5)]
        assert store.tracks["cluster_"].tolist() == [f"free {n}" for n in range(5)]
        assert store.tracks["cluster"].tolist() == [record(n).cluster for n in range(5)]
        with pytest.raises(StoreError) as caught:
            store.tracks["devise"]
        one_line(caught, "'devise'", "did you mean 'device'", "cluster_")
        assert store.view().damaged().tolist() == []
        assert verify(path).is_whole

    def test_only_what_has_targets_has_the_new_format(self, path: Path, annotated: Content) -> None:
        """Whatever was there before, the bytes follow from the content; any of the tables has the number."""
        plain = Content.make()
        publish(self.store, path, plain)
        assert self.store(path).format == FORMAT_VERSION
        before = tree_state(path, times=False)
        publish(self.store, path, annotated)
        annotated_state = tree_state(path, times=False)
        all_records = list(annotated.tracks.records())
        for records in (
            [replace(one, annotations=()) for one in all_records],
            [replace(one, columns=()) for one in all_records],
        ):
            publish(self.store, path, replace(plain, tracks=Tracks.from_records(records)))
            assert self.store(path).format == TARGETS_FORMAT
        for part in (
            replace(plain, targets=annotated.targets),
            replace(plain, labelling=Labelling(min_overlap=0.75)),
        ):
            publish(self.store, path, part)
            assert self.store(path).format == TARGETS_FORMAT
            assert_holds(self.store(path).view(), part)
        publish(self.store, path, annotated)
        assert tree_state(path, times=False) == annotated_state
        publish(self.store, path, plain)
        assert tree_state(path, times=False) == before
        assert self.store.check(path).damage == ()

    def test_each_view_has_targets_of_its_own(self, path: Path, annotated: Content) -> None:
        """A replaced view has the new targets, another keeps its own; the table of tracks may grow."""
        other = Content.make(12, seconds=0.2).annotated(seed=1)
        publish(self.store, path, other)
        grown = Content.make(23, shard_rows=5, tracks=9).annotated()
        for first in (annotated, grown, Content.make(tracks=9)):
            publish(self.store, path, first)
            store = self.store(path)
            assert store.format == TARGETS_FORMAT  # of the other view's targets
            assert_holds(store.view(first.info.name), first)
            assert_holds(store.view(other.info.name), replace(other, tracks=first.tracks))
            assert self.store.check(path).damage == ()

    def test_targets_of_no_row(self, path: Path, annotated: Content) -> None:
        """A table of targets without an entry is not the same as none, with and without rows."""
        none = np.empty(0)
        targets = RowTargets(
            none.astype(np.int64), none.astype(np.int32), none, none, ("", "dog", "Vogel ☃")[::2]
        )
        for rows in (0, 7):
            content = replace(Content.make(rows).annotated(), targets=targets)
            publish(self.store, path, content)
            assert_holds(self.store(path).view(), content)
            assert set(self.store(path).view().labels.tolist()) <= {*content.tracks["label"].tolist()}
            assert verify(path).is_whole

    def test_labels_of_rows(self, path: Path, annotated: Content) -> None:
        """A row has its own labels; without any, its track's, else that of the background."""
        records = [
            replace(one, label="" if n else "whole") for n, one in enumerate(annotated.tracks.records())
        ]
        row, label = np.array([3, 3, 4, 9]), np.array([0, 1, 1, 0], np.int32)
        targets = RowTargets(row, label, np.ones(4), np.full(4, np.nan), ("cat", "dog"))
        content = replace(annotated, tracks=Tracks.from_records(records), targets=targets)
        publish(self.store, path, content)
        view = self.store(path).view()
        of_tracks = ["whole", "whole", "whole", "", "", "", "", "", "", ""]
        assert view.labels.tolist() == [*of_tracks[:3], "cat;dog", "dog", *of_tracks[5:9], "cat"]
        assert view.classes == ["cat", "dog", "whole"]
        one = RowTargets(row[1:], label[1:], np.ones(3), np.full(3, np.nan), ("cat", "dog"))
        labelling = Labelling(background="class", background_class="noise")
        publish(self.store, path, replace(content, targets=one, labelling=labelling))
        view = self.store(path).view()
        assert view.labels.tolist() == ["whole"] * 3 + ["dog"] * 2 + ["noise"] * 4 + ["cat"]
        assert view.classes == ["cat", "dog", "noise", "whole"]
        numbers = RowTargets(row[:1], label[:1], np.ones(1), np.array([0.5]), ("valence",))
        publish(self.store, path, replace(content, targets=numbers, labelling=Labelling(target="number")))
        assert self.store(path).view().labels.tolist() == of_tracks

    def test_export_with_targets(self, path: Path, annotated: Content, tmp_path: Path) -> None:
        """A copy in any format has them all, or is refused; an anonymous one has no paths in free columns."""
        publish(self.store, path, annotated)
        for kind in [stores[name] for name in stores]:
            target = tmp_path / "new" / f"copy{kind.suffixes[0]}"
            if not kind.holds_targets:
                with pytest.raises(StoreError) as caught:
                    self.store(path).export(target)
                one_line(caught, str(target), "annotations", "device", "labelling", ".zarr")
                assert not target.exists()
                continue
            copy = self.store(path).export(target)
            assert copy.format == TARGETS_FORMAT
            assert copy.store_attributes() == self.store(path).store_attributes()
            assert_holds(copy.view(), annotated)
            shutil.rmtree(target.parent)
        records = list(annotated.tracks.records())
        records[0] = replace(
            records[0], columns=(("device", "/home/jane.doe/mic.txt"), ("url", "https://a/b"))
        )
        publish(self.store, path, replace(annotated, tracks=Tracks.from_records(records)))
        copy = self.store(path).export(tmp_path / f"copy{self.suffix}", anonymous=True)
        assert copy.tracks["device"].tolist()[:2] == ["mic.txt", "recorder 1"]
        assert copy.tracks["url"].tolist()[:2] == ["https://a/b", ""]
        assert copy.labelling == annotated.labelling
        assert copy.store_attributes() == store_attributes("mine", None, annotated.labelling)
        assert table_of(copy.view().targets) == table_of(annotated.targets)
        assert [copy.annotations.of(number) for number in range(5)] == [annotations_of(n) for n in range(5)]

    def test_torch_targets(self, path: Path, annotated: Content) -> None:
        """A torch dataset, and a stream, give all labels of a row, or its number, as float32."""
        import torch

        records = [
            replace(one, label="" if n else "whole") for n, one in enumerate(annotated.tracks.records())
        ]
        row, label = np.array([1, 3, 3, 9]), np.array([1, 0, 1, 0], np.int32)
        targets = RowTargets(row, label, np.ones(4), np.full(4, np.nan), ("cat", "dog", "unused"))
        publish(self.store, path, replace(annotated, tracks=Tracks.from_records(records), targets=targets))
        view = self.store(path).view()
        dataset = view.torch_dataset()
        assert dataset.classes == ["cat", "dog", "whole"]
        none, whole = [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]
        dog, both, cat = [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]
        expected = [whole, dog, whole, both, none, none, none, none, none, cat]
        batch = dataset.__getitems__([*range(10), -1])
        assert [target.tolist() for _, target in batch] == [*expected, cat]
        assert {target.dtype for _, target in batch} == {torch.float32}
        loader = torch.utils.data.DataLoader(dataset, batch_size=10)
        assert next(iter(loader))[1].tolist() == expected
        streamed = [target.tolist() for _, target in view.stream(rows=[1, 3, 9])]
        assert sorted(streamed) == sorted([dog, both, cat])
        numbers = RowTargets(row[:1], label[1:2], np.ones(1), np.array([0.5]), ("valence",))
        labelling = Labelling(target="number", column="valence")
        publish(self.store, path, replace(annotated, targets=numbers, labelling=labelling))
        view = self.store(path).view()
        assert (view.target, view.classes) == ("number", [])
        values = torch.stack([target for _, target in view.torch_dataset().__getitems__([0, 1])])
        assert values.dtype == torch.float32
        assert values.isnan().tolist() == [True, False]
        assert float(values[1]) == 0.5

    def test_other_targets_while_open(self, path: Path, annotated: Content) -> None:
        """An open view keeps its targets; a pickled one whose targets have changed is not opened again."""
        publish(self.store, path, annotated)
        view = self.store(path).view()
        pickled = pickle.dumps(view)
        assert_holds(pickle.loads(pickled), annotated)  # noqa: S301 - our own
        publish(self.store, path, replace(annotated, targets=Content.make().annotated(seed=3).targets))
        assert table_of(view.targets) == table_of(annotated.targets)
        with pytest.raises(StoreError) as caught:
            pickle.loads(pickled)  # noqa: S301 - our own
        one_line(caught, view.name, "open it again")
