"""The rule by which tracks are given to volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.pipeline.survey import TrackState
from audiospec.pipeline.volumes.division import LEAST_BYTES, Division, seconds_of
from audiospec.pipeline.volumes.members import Members
from audiospec.pipeline.volumes.spool import Spool
from audiospec.stores.layout.schema import TrackRecord

#: Track id → seconds. Ids are sorted, as those of every dataset are.
lengths = st.dictionaries(
    st.text("abcé/\ud800 ", min_size=1, max_size=6), st.integers(0, 30).map(float), min_size=1, max_size=40
)
limits = st.integers(1, 60)


def _manifest(seconds: dict[str, float]) -> Manifest:
    tracks = tuple(Track(id=id, path=f"{id}.wav", label=id[0]) for id in sorted(seconds))
    return Manifest("made", Path("/nowhere"), tracks)


def _division(manifest: Manifest, seconds: dict[str, float], limit: int, known: Members) -> Division:
    def survey(new: Manifest) -> list[TrackState]:
        return [
            TrackState(TrackRecord(track.id, seconds=seconds[track.id], size=10**9), Path(track.path))
            for track in new
        ]

    return Division(manifest, known, limit / 3600, survey)


def _divide(
    manifest: Manifest,
    seconds: dict[str, float],
    limit: int,
    volumes: list[list[str]],
) -> list[list[str]]:
    """Return the volumes with the tracks that the manifest adds."""
    known = Members()
    for number, ids in enumerate(volumes):
        known.add(ids, number)
    division = _division(manifest, seconds, limit, known)
    volumes = [list(ids) for ids in volumes]
    for number, ids in enumerate(volumes):
        kept = [track.id for track in manifest if track.id in ids]
        assert [track.id for track in division.known(number)] == kept
    if volumes:
        taken, _ = division.fill(sum(seconds[id] for id in volumes[-1]), is_empty=False)
        volumes[-1] += [state.id for state in taken]
    while True:
        taken, filled = division.fill(0.0, is_empty=True)
        if not taken:
            assert division.is_done
            return volumes
        assert filled == sum(map(seconds_of, taken))
        volumes.append([state.id for state in taken])


@given(lengths, limits)
def test_volumes_are_filled_in_order(seconds: dict[str, float], limit: int) -> None:
    volumes = _divide(_manifest(seconds), seconds, limit, [])
    assert [id for ids in volumes for id in ids] == sorted(seconds)
    for ids, following in pairwise(volumes):
        assert sum(map(seconds.get, ids)) + seconds[following[0]] > limit  # type: ignore[arg-type]
    for ids in volumes:
        assert len(ids) == 1 or sum(seconds[id] for id in ids) <= limit
    assert _divide(_manifest(seconds), seconds, limit, []) == volumes


@given(lengths, limits, st.data())
def test_tracks_stay_in_their_volumes(seconds: dict[str, float], limit: int, data: st.DataObject) -> None:
    before = {id: length for id, length in seconds.items() if data.draw(st.booleans())}
    volumes = _divide(_manifest(before), before, limit, []) if before else []
    now = {id: length for id, length in seconds.items() if id not in before or data.draw(st.booleans())}
    if not now:
        return
    after = _divide(_manifest(now), seconds, limit, volumes)
    assert after[: max(0, len(volumes) - 1)] == volumes[:-1]  # only the last gets more
    if volumes:
        assert after[len(volumes) - 1][: len(volumes[-1])] == volumes[-1]
    everything = [id for ids in after for id in ids]
    assert sorted(everything) == sorted({*before, *now})
    assert _divide(_manifest(now), seconds, limit, after) == after


@given(lengths, limits, st.data())
def test_it_does_not_matter_where_a_run_was_killed(
    seconds: dict[str, float], limit: int, data: st.DataObject
) -> None:
    """The volumes that were divided before a kill are known by their parts; the others follow."""
    manifest = _manifest(seconds)
    volumes = _divide(manifest, seconds, limit, [])
    written = data.draw(st.integers(0, len(volumes)))
    assert _divide(manifest, seconds, limit, volumes[:written]) == volumes


@given(lengths, limits)
def test_tracks_that_another_process_was_faster_with_are_left_to_it(
    seconds: dict[str, float], limit: int
) -> None:
    manifest, known = _manifest(seconds), Members()
    division = _division(manifest, seconds, limit, known)
    volumes = _divide(manifest, seconds, limit, [])
    first, _ = division.fill(0.0, is_empty=True)
    assert [state.id for state in first] == volumes[0]
    known.add(volumes[0], 0)
    for number, ids in enumerate(volumes[1:3], 1):
        known.add(ids, number)
    division.claimed()
    for number, ids in enumerate(volumes[1:3], 1):
        assert [track.id for track in division.known(number)] == ids
    following, _ = division.fill(0.0, is_empty=True)
    assert [state.id for state in following] == (volumes[3] if len(volumes) > 3 else [])


@given(st.lists(st.lists(st.text(max_size=4), unique=True, max_size=30), max_size=5))
def test_members_are_found(volumes: list[list[str]]) -> None:
    members, expected = Members(), {}
    for number, ids in enumerate(volumes):
        members.add(ids, number)
        for id in ids:
            expected.setdefault(id, number)
        asked = [*expected, "another"]
        assert members.volumes(asked).tolist() == [*expected.values(), -1]
    assert members.volumes([]).tolist() == []


def test_members_whose_hashes_begin_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    import xxhash

    def digest(id: bytes) -> bytes:
        return bytes(8) + id.rjust(8, b"\0")

    monkeypatch.setattr(xxhash, "xxh3_128_digest", digest)
    members = Members()
    members.add(["a", "b", "c"], 7)
    members.add(["d"], 8)
    assert members.volumes(["d", "c", "e", "a"]).tolist() == [8, 7, -1, 7]


@given(st.lists(st.tuples(st.integers(-1, 3), st.text("ab\ud800\n", min_size=1, max_size=3)), max_size=50))
def test_a_spool_gives_back_what_was_added(added: list[tuple[int, str]]) -> None:
    for most in (0, 7, 1000):
        spool = Spool(most)
        for volume, id in added:
            spool.add(volume, Track(id=id, path=f"{id}.wav", label="x", group="g", fold="1", cluster=id))
        for volume in range(-1, 4):
            tracks = list(spool.tracks(volume))
            assert [track.id for track in tracks] == [id for number, id in added if number == volume]
            assert all(track.path == f"{track.id}.wav" and track.cluster == track.id for track in tracks)


def test_a_header_counts_only_as_far_as_the_size_of_the_file_allows() -> None:
    state = TrackState(TrackRecord("a", seconds=1e9, size=4000), Path("a"))
    assert seconds_of(state) == 4000 / LEAST_BYTES
    assert seconds_of(TrackState(TrackRecord("a", seconds=1e9), Path("a"))) == 0
    assert seconds_of(TrackState(TrackRecord("a", seconds=3.0, size=48_000), Path("a"))) == 3


class Lazy(Sequence[Track]):
    """Tracks that are made when they are asked for."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Track: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Track]: ...
    def __getitem__(self, index: Any) -> Any:
        return Track(id=self.ids[index], path=f"{self.ids[index]}.wav", label="x")

    def __iter__(self) -> Iterator[Track]:
        return (self[number] for number in range(len(self.ids)))


def test_tracks_that_are_not_in_memory_must_be_sorted() -> None:
    seconds = {"a": 1.0, "b": 1.0}
    assert _divide(Manifest("m", Path(), Lazy(["a", "b"])), seconds, 1, []) == [["a"], ["b"]]
    for ids in (["b", "a"], ["a", "a"]):
        with pytest.raises(DatasetError, match=r"must be sorted by id, each once; got 'a' after"):
            _divide(Manifest("m", Path(), Lazy(ids)), seconds, 1, [])
