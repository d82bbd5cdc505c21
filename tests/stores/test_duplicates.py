"""Which tracks hold the same sound, and whose labels contradict."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.stores.layout.duplicates import MOST_SETS, Duplicates, SameSound, duplicates
from audiospec.stores.layout.schema import REMOVED, TrackRecord
from audiospec.stores.layout.tracks import Tracks

HASHES = ("", "a" * 32, "b" * 32, "c" * 32)
RECORDS = st.lists(
    st.builds(
        TrackRecord,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
        label=st.sampled_from(["rock", "jazz", ""]),
        hash=st.sampled_from(HASHES),
        problem=st.sampled_from(["", "", "", "empty", REMOVED]),
        cluster=st.sampled_from(["", "1", "2"]),
    ),
    max_size=12,
    unique_by=lambda record: record.id,
)


def pairs(sets: tuple[SameSound, ...]) -> Iterator[tuple[str, str, bool]]:
    """Yield the pairs of tracks of each set, and whether their labels differ."""
    for same in sets:
        for (one, label), (other, another) in combinations(same.labels.items(), 2):
            yield one, other, label != another


@given(records=RECORDS)
def test_tracks_are_the_same_if_they_share_a_hash_or_a_cluster(records: list[TrackRecord]) -> None:
    found = duplicates(Tracks.from_records(records))
    usable = [record for record in records if record.problem in ("", REMOVED)]
    for sets, column in ((found.files, "hash"), (found.clusters, "cluster")):
        expected = [
            (one.id, other.id, one.label != other.label)
            for one, other in combinations(usable, 2)
            if getattr(one, column) and getattr(one, column) == getattr(other, column)
        ]
        assert sorted(pairs(sets)) == sorted(expected)
        for same in sets:
            assert len(same.labels) > 1
            assert same.contradicts is any(differ for *_, differ in pairs((same,)))
            assert {getattr(each, column) for each in usable if each.id in same.labels} == {same.name}
        order = [record.id for record in records]
        firsts = [order.index(next(iter(same.labels))) for same in sets]
        assert firsts == sorted(firsts)
    lines = found.lines()
    bad = [any(same.contradicts for same in sets) for sets in (found.files, found.clusters)]
    assert len(lines) == bool(found.files) + sum(bad)
    assert all("\n" not in line for line in lines)


def records(*rows: tuple[str, str, str, str]) -> Tracks:
    return Tracks.from_records(
        [TrackRecord(id, label=label, hash=hash, cluster=cluster) for id, label, hash, cluster in rows]
    )


def test_what_is_said() -> None:
    a, b = HASHES[1:3]
    found = duplicates(
        records(
            ("1.wav", "jazz", a, ""),
            ("2.wav", "rock", a, "x"),
            ("3.wav", "pop", b, "x"),
            ("4.wav", "pop", b, ""),
            ("5.wav", "pop", b, "y"),
            ("6.wav", "pop", b, "y"),
            ("7.wav", "pop", "", ""),
        )
    )
    assert found.lines() == [
        "6 tracks are equal files (2 sets): '1.wav' = '2.wav'; '3.wav' = '4.wav' = '5.wav' = 1 more",
        "1 set of equal files has contradictory labels (correct them, or keep one): "
        "'1.wav' is 'jazz', '2.wav' is 'rock'",
        "1 set of near-duplicates (clusters) has contradictory labels (correct them, or keep one): "
        "'2.wav' is 'rock', '3.wav' is 'pop'",
    ]
    assert found.to_dict() == {
        "files": [
            {"hash": a, "tracks": {"1.wav": "jazz", "2.wav": "rock"}, "contradictory": True},
            {"hash": b, "tracks": {f"{n}.wav": "pop" for n in (3, 4, 5, 6)}, "contradictory": False},
        ],
        "clusters": [
            {"cluster": "x", "tracks": {"2.wav": "rock", "3.wav": "pop"}, "contradictory": True},
            {"cluster": "y", "tracks": {"5.wav": "pop", "6.wav": "pop"}, "contradictory": False},
        ],
    }


@pytest.mark.parametrize("count", [MOST_SETS, MOST_SETS + 1])
def test_many_sets_are_counted_and_some_named(count: int) -> None:
    rows = [(f"{n}{side}", side, f"{n:032x}", "") for n in range(count) for side in "ab"]
    equal, bad = duplicates(records(*rows)).lines()
    assert equal.startswith(f"{2 * count} tracks are equal files ({count} sets): '0a' = '0b'; '1a' = '1b'; ")
    assert bad.startswith(f"{count} sets of equal files have contradictory labels (")
    assert equal.endswith("; …") is bad.endswith("; …") is (count > MOST_SETS)
    assert ("'3a'" in equal, "'3a'" in bad) == (False, False)


def test_many_labels_of_one_file_are_shortened() -> None:
    rows = [(f"{n}", f"label {n}", HASHES[1], "") for n in range(5)]
    (same,) = duplicates(records(*rows)).files
    assert same.contradiction() == "'0' is 'label 0', '1' is 'label 1', '2' is 'label 2', …"


def test_nothing_is_said_if_all_tracks_differ() -> None:
    assert duplicates(Tracks.from_records([])) == Duplicates()
    found = duplicates(records(("1", "a", HASHES[1], "x"), ("2", "b", "", ""), ("3", "c", "", "")))
    assert (found, found.lines()) == (Duplicates(), [])
