"""Tracks that are too many for memory are sorted into a file, and read as they are needed."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.annotations.annotation import Annotation
from audiospec.datasets.own.stored_tracks import StoredTracks, store_tracks
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track

texts = st.text("ab\ud800\n\u2028é/", max_size=4)


@given(st.lists(st.tuples(texts, texts, texts), unique_by=lambda each: each[0], max_size=30))
def test_tracks_come_back_sorted(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, ...]]
) -> None:
    file = tmp_path_factory.mktemp("stored") / "tracks.jsonl"
    tracks = [
        Track(id=id, path=path, label=label, group=id, fold="1", cluster=path) for id, path, label in made
    ]
    expected = sorted(tracks, key=lambda track: track.id)
    for at_once in (1, 7, 100):
        stored = store_tracks(file, iter(tracks), at_once)
        assert list(stored) == list(stored) == expected
        assert len(stored) == len(tracks)
        assert stored[::-2] == expected[::-2]
        assert [stored[n] for n in range(-len(tracks), len(tracks))] == expected * 2
    assert [path.name for path in file.parent.iterdir()] == ["tracks.jsonl"]


def test_annotations_and_columns_come_back(tmp_path: Path) -> None:
    tracks = [
        Track(
            id=id,
            path="a.wav",
            label="",
            annotations=(
                Annotation(label="x"),
                Annotation(start=0.1, end=2, label="y", column="what"),
                Annotation(end=1, value=0.0, column="v"),
            ),
            columns=(("device", ""), ("site", "é")),
        )
        for id in "ab"
    ]
    assert list(store_tracks(tmp_path / "t.jsonl", reversed(tracks))) == tracks


def test_what_is_no_track_is_refused(tmp_path: Path) -> None:
    track = Track(id="a", path="a.wav", label="x")
    with pytest.raises(DatasetError, match="two tracks have the id 'a'"):
        store_tracks(tmp_path / "t.jsonl", [track, track], 1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DatasetError, match="cannot read"):
        StoredTracks(tmp_path / "t.jsonl")
    wrong = [
        f'{{"id": "b", "path": "b.wav", "label": "", {more}}}'
        for more in (
            '"columns": [["a", 1]]',
            '"columns": "ab"',
            '"annotations": [{"start": "0"}]',
            '"annotations": [{"label": 1}]',
            '"annotations": [3]',
        )
    ]
    for line in ("1", "{", '{"id": 3}', '{"name": "x"}', "[]", *wrong):
        (tmp_path / "t.jsonl").write_text(f'{{"id": "a", "path": "a.wav", "label": ""}}\n{line}\n')
        with pytest.raises(DatasetError, match=r"line 2 of .* is no track"):
            list(StoredTracks(tmp_path / "t.jsonl"))


def test_memory_holds_few_tracks(tmp_path: Path) -> None:
    tracks = (Track(id=f"{n * 7919 % 20000:05d}", path=f"{n}.wav", label="x") for n in range(20_000))
    tracemalloc.start()
    try:
        stored = store_tracks(tmp_path / "t.jsonl", tracks, 1000)
        manifest = Manifest("made", tmp_path, stored)
        assert sum(1 for _ in manifest) == len(manifest) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e6  # 20 000 tracks in a tuple take some 9 MB
