"""Clusters that are written into a store: what changes, and what does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import audiospec
from audiospec.doctor.fixes.clusters import joined_clusters, write_clusters
from audiospec.errors import StoreBusyError, StoreError
from audiospec.pipeline.verify import verify
from audiospec.stores import stores
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.testing.stores.content import Content, publish
from audiospec.zoo.splits.units import units_of


def unclustered(tracks: int = 5) -> Content:
    content = Content.make(tracks=tracks)
    records = [replace(record, cluster="") for record in content.tracks.records()]
    return replace(content, tracks=Tracks.from_records(records))


def table(clusters: list[str]) -> Tracks:
    return Tracks.from_records(
        [TrackRecord(str(number), hash=f"h{number}", cluster=name) for number, name in enumerate(clusters)]
    )


@given(
    st.lists(st.sampled_from(["", "", "", "a", "b"]), min_size=1, max_size=9),
    st.lists(st.lists(st.integers(0, 8), max_size=4), max_size=5),
)
def test_tracks_are_of_one_cluster_if_they_are_joined(before: list[str], given: list[list[int]]) -> None:
    clusters = [[number for number in one if number < len(before)] for one in given]
    after = joined_clusters(table(before), clusters).tolist()
    sets = [{number} for number in range(len(before))]
    for numbers in [
        *clusters,
        *([number for number, name in enumerate(before) if name == of] for of in "ab"),
    ]:
        touched = [one for one in sets if one & set(numbers)]
        sets = [one for one in sets if one not in touched] + ([set.union(*touched)] if touched else [])
    for one in sets:
        names = {after[number] for number in one}
        assert len(names) == 1
        old = {before[number] for number in one} - {""}
        assert names == ({min(old)} if old else {""} if len(one) == 1 else {f"sound-h{min(one)}"})
    assert len({after[min(one)] for one in sets if after[min(one)]}) == sum(
        bool(after[min(one)]) for one in sets
    )


@pytest.mark.parametrize("kind", list(stores))
def test_only_the_clusters_change(kind: str, tmp_path: Path) -> None:
    content = unclustered()
    path = tmp_path / f"store{stores[kind].suffixes[0]}"
    publish(stores[kind], path, content)
    store = audiospec.open_store(path)
    before = list(store.tracks.records())
    assert write_clusters(store, [[0, 2]]) == 2
    again = audiospec.open_store(path)
    name = f"sound-{before[0].hash}"
    assert again.tracks["cluster"].tolist() == [name, "", name, "", ""]
    assert [vars_of(record) for record in again.tracks.records()] == [vars_of(record) for record in before]
    assert again.view().read_stored().tobytes() == content.data.tobytes()
    assert verify(path).is_whole
    assert write_clusters(again, [[2, 0]]) == 0
    with pytest.raises(StoreError, match="5 tracks"):
        write_clusters(again, [[0, 5]])


def vars_of(record: TrackRecord) -> list[object]:
    return [repr(getattr(record, name)) for name in record.__slots__ if name != "cluster"]


@pytest.mark.parametrize("volume_hours", [100.0, 8 / 3600])
def test_splits_and_later_runs_keep_them(volume_hours: float, tmp_path: Path) -> None:
    """Also in a store with volumes, where the tracks of a cluster may be of several."""

    def featurize() -> audiospec.View:
        return audiospec.featurize(
            "demo",
            spec=audiospec.MelSpec(n_mels=16),
            chunk=4,
            store=tmp_path / "s.zarr",
            data=tmp_path / "audio",
            volume_hours=volume_hours,
            workers=0,
        )

    store = featurize().store
    last = len(store.tracks) - 1
    assert write_clusters(store, [[0, last], [3, last]]) == 3
    for view in (audiospec.open_store(store.path).view(), featurize()):
        units = units_of(view, groups=False)
        numbers = view.rows["track"]
        same = {units[numbers == number][0] for number in (0, 3, last)}
        assert len(same) == 1
        assert len(set(units.tolist())) == len(store.tracks) - 2
    assert verify(store.path).is_whole


def test_a_file_that_has_changed_leaves_its_cluster(tmp_path: Path) -> None:
    def featurize() -> audiospec.FeatureStore:
        return audiospec.featurize(
            "folder",
            spec=audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=8, fmax=4000.0),
            chunk=1,
            data=tmp_path / "audio",
            store=tmp_path / "s.zarr",
            workers=0,
        ).store

    def write(number: int, seed: int) -> None:
        noise = 0.1 * np.random.default_rng(seed).standard_normal(8000)
        soundfile.write(tmp_path / "audio" / "a" / f"{number}.wav", noise, 8000)

    (tmp_path / "audio" / "a").mkdir(parents=True)
    for number in range(3):
        write(number, number)
    assert write_clusters(featurize(), [[0, 1, 2]]) == 3
    write(1, 7)
    first, changed, last = featurize().tracks["cluster"].tolist()
    assert first == last != ""
    assert changed == ""


def test_another_run_has_written_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    publish(stores["zarr"], path, unclustered())
    store = audiospec.open_store(path)
    publish(stores["zarr"], path, unclustered(tracks=6))
    with pytest.raises(StoreBusyError, match="while it was examined"):
        write_clusters(store, [[0, 1]])
    assert set(audiospec.open_store(path).tracks["cluster"].tolist()) == {""}
