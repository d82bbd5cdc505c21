"""Groups, classes, damage, unreadable tracks, files that changed, and rows: each fault is one finding."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import audiospec
from audiospec.digests import checksum
from audiospec.doctor.checks.base import checks
from audiospec.doctor.diagnosis import diagnose
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.wording import counted, kinds_of, listed, quoted, rows_of_tracks
from audiospec.errors import AudiospecError, NotCheckedError
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.testing.audio import noise, write
from audiospec.testing.checks import sample_store

MEL = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
Change = Callable[[int, TrackRecord], TrackRecord]


def found(name: str, store: FeatureStore, **settings: Any) -> list[Finding]:
    return checks[name](**settings).run(Examined(store))


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Change], FeatureStore]:
    """Copy the healthy store (ten labels, four artists each) with other track records."""

    def make(change: Change) -> FeatureStore:
        path = tmp_path / "changed.zarr"
        shutil.copytree(sample_store("healthy"), path)
        store = open_store(path)
        records = [change(number, record) for number, record in enumerate(store.tracks.records())]
        with locked(path) as work:
            type(store).publish(path, work, store.store_attributes(), Tracks.from_records(records), None)
        return open_store(path)

    return make


# --- groups ------------------------------------------------------------------------------------------


def test_one_group_a_class_is_an_error(changed: Callable[[Change], FeatureStore]) -> None:
    store = changed(lambda _, record: replace(record, group=f"mic {record.label}"))
    (one,) = found("groups", store)
    assert one.severity == "error"
    assert one.title.startswith("10 of 10 labels with tracks of one group alone: 'drift' is 'mic drift'")
    assert len(one.figures["labels"]) == 10


def test_a_class_with_one_group_is_named(changed: Callable[[Change], FeatureStore]) -> None:
    store = changed(lambda _, record: replace(record, group="x") if record.label == "waltz" else record)
    (one,) = found("groups", store)
    assert one.severity == "warning"
    assert one.title == "1 of 10 labels with tracks of one group alone: 'waltz' is 'x'"
    assert {store.tracks["label"][number] for number in one.tracks} == {"waltz"}
    assert len(one.tracks) == 4


def test_a_track_without_a_group_leaves_its_class_undecided(
    changed: Callable[[Change], FeatureStore],
) -> None:
    store = changed(
        lambda number, record: (
            replace(record, group="" if number == 39 else "x") if record.label == "waltz" else record
        )
    )
    (one,) = found("groups", store)
    assert one.title == "1 of 40 tracks without a group, which others have"
    assert one.tracks == (39,)


def test_all_tracks_of_one_group(changed: Callable[[Change], FeatureStore]) -> None:
    (one,) = found("groups", changed(lambda _, record: replace(record, group="me")))
    assert one.title == "all tracks are of one group, 'me'"
    assert one.severity == "error"


def test_a_group_with_most_of_the_tracks(changed: Callable[[Change], FeatureStore]) -> None:
    store = changed(lambda number, record: replace(record, group="big" if number % 4 else f"g{number % 3}"))
    (one,) = found("groups", store)
    assert one.title == "'big', one of 4 artists, has 75 % of the tracks"
    assert len(one.tracks) == 30
    assert found("groups", store, share=0.8) == []


def test_folds(changed: Callable[[Change], FeatureStore]) -> None:
    """A fold without a class, and a track without a fold; each group is in one fold."""

    def change(number: int, record: TrackRecord) -> TrackRecord:
        fold = "a" if record.label == "waltz" else "ab"[number % 2]
        return replace(record, group=f"{record.label} {number % 2}", fold="" if number == 0 else fold)

    store = changed(change)
    missing, absent = found("groups", store)
    assert missing.title == "1 of 40 tracks without a fold, which others have"
    assert absent.title == "1 of 2 folds without a track of some labels: 'b' has no 'waltz'"
    assert absent.figures["folds"] == {"b": ["waltz"]}


def test_groups_in_several_folds(changed: Callable[[Change], FeatureStore]) -> None:
    store = changed(
        lambda number, record: replace(record, fold="ab"[number % 2], group=f"g{number % 8 // 2}")
    )
    (one,) = found("groups", store)
    assert one.title == "4 of 4 groups with tracks in several folds: 'g0' is in 'a', 'b', …"
    assert sorted(one.tracks) == list(range(40))
    for number, detail in zip(one.tracks, one.details, strict=True):
        assert detail == f"'{store.tracks['group'][number]}' is in 'a', 'b'"


def test_without_groups_and_folds_nothing_is_checked(changed: Callable[[Change], FeatureStore]) -> None:
    with pytest.raises(NotCheckedError, match="no track has a group"):
        found("groups", changed(lambda _, record: replace(record, group="")))


# --- classes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling", ["Waltz", "waltz ", " WALTZ", "wal\u200btz", "ｗａｌｔｚ", "wal\u00adtz"]
)
def test_labels_that_look_alike(changed: Callable[[Change], FeatureStore], spelling: str) -> None:
    store = changed(lambda number, record: replace(record, label=spelling) if number == 37 else record)
    alike = next(one for one in found("classes", store) if "differ by case" in one.title)
    assert alike.severity == "error"
    assert alike.tracks == (37,)
    assert {*alike.figures["labels"][0]} == {"waltz", spelling}


@given(st.lists(st.sampled_from(["a", "A", "a ", "é", "e\u0301", "É", "b", "b-c", "b_c"]), min_size=1))
def test_labels_are_alike_if_they_are_read_alike(labels: list[str]) -> None:
    from audiospec.doctor.checks.classes import spelling

    same = {
        "a": "a",
        "A": "a",
        "a ": "a",
        "é": "é",
        "e\u0301": "é",
        "É": "é",
        "b": "b",
        "b-c": "c",
        "b_c": "c",
    }
    for one in labels:
        for other in labels:
            assert (spelling(one) == spelling(other)) == (same[one] == same[other])


def test_rare_classes(changed: Callable[[Change], FeatureStore]) -> None:
    """A label of one unit is an error, also if it has several tracks; one of four is a note."""
    store = changed(lambda _, record: replace(record, group="x") if record.label == "waltz" else record)
    error, note = found("classes", store)
    assert (error.severity, note.severity) == ("error", "note")
    assert "'waltz' (1)" in error.title
    assert error.figures["labels"] == [{"label": "waltz", "units": 1, "tracks": 4}]
    assert note.title.startswith("9 of 10 labels with fewer than 5 units")
    assert len(note.tracks) == 36
    assert [one.severity for one in found("classes", store, folds=2)] == ["error"]


def test_imbalance(changed: Callable[[Change], FeatureStore]) -> None:
    store = changed(lambda number, record: replace(record, label="rest" if number < 37 else "waltz"))
    one = next(one for one in found("classes", store) if "unequal" in one.title)
    assert one.title == "labels are unequal: 'rest' has 37 tracks, 'waltz' 3"
    assert one.figures["ratio"] == 12.33
    assert not any("unequal" in one.title for one in found("classes", store, imbalance=13))


def test_empty_labels(changed: Callable[[Change], FeatureStore]) -> None:
    store = changed(lambda number, record: replace(record, label=" " if number == 3 else record.label))
    one = found("classes", store)[0]
    assert one.title == "1 of 40 tracks without a label"
    assert one.tracks == (3,)


def test_a_store_without_labels(changed: Callable[[Change], FeatureStore]) -> None:
    (one,) = found("classes", changed(lambda _, record: replace(record, label="")))
    assert one.title == "40 of 40 tracks without a label"


# --- damage ------------------------------------------------------------------------------------------


def test_a_damaged_row_is_a_finding() -> None:
    store = open_store(sample_store("damaged"))
    calls: list[tuple[str, int, int]] = []
    (one,) = checks["damaged-rows"]().run(Examined(store, tell=lambda *call: calls.append(call)))
    (damaged,) = store.view().damaged().tolist()
    assert one.severity == "error"
    assert one.title.startswith(
        f"1 of {len(store.view())} rows of view {store.view().name} damaged, of 1 track"
    )
    assert one.tracks == (int(store.view().rows["track"][damaged]),)
    assert one.details == ("1 of 2 rows",)
    assert calls[-1][1:] == (len(store.view()), len(store.view()))


def test_a_lost_shard_is_a_finding() -> None:
    store = open_store(sample_store("lost"))
    (one,) = found("damaged-rows", store)
    assert one.figures["damaged"] == min(len(store.view()), store.view().info.shard_rows)


def test_a_damaged_table_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    shutil.copytree(sample_store("healthy"), path)
    store = open_store(path)
    _ = store.tracks
    (path / "tracks" / "group" / "c" / "0").write_bytes(b"x")
    (one,) = found("damaged-rows", store)
    assert one.severity == "error"
    assert one.title.startswith("1 part of the store damaged: tracks (")
    assert "--repair" in one.advice


def test_a_view_that_cannot_be_opened_is_one_finding(tmp_path: Path) -> None:
    """The checks that would read it are not run, and say why."""
    path = tmp_path / "store.zarr"
    shutil.copytree(sample_store("healthy"), path)
    (path / "views" / open_store(path).view().name / "zarr.json").write_text("x")
    diagnosis = diagnose(path, names=["damaged-rows", "groups", "feature-rows"])
    (one,) = diagnosis.findings
    assert one.title.startswith("1 part of the store damaged: views/mel-")
    assert diagnosis.not_checked.keys() == {"groups", "feature-rows"}
    assert all("is damaged" in reason for reason in diagnosis.not_checked.values())


# --- unreadable tracks ---------------------------------------------------------------------------------


def test_reasons_are_grouped(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "audio" / "a" / f"{number}.wav", noise(0.3, 8000, seed=number), 8000)
        write(tmp_path / "audio" / "b" / f"{number}.wav", noise(0.01, 8000, seed=number), 8000)
        (tmp_path / "audio" / "a" / f"bad{number}.wav").write_bytes(b"no audio" * (number + 1))
    store = tmp_path / "store.zarr"
    audiospec.featurize("folder", data=tmp_path / "audio", spec=MEL, chunk=0.2, store=store, workers=0)
    problems, short = found("unreadable-tracks", open_store(store))
    assert problems.severity == "warning"
    assert problems.title.startswith("3 of 9 tracks unusable: ")
    assert [one["tracks"] for one in problems.figures["reasons"]] == [3]
    assert all(details for details in problems.details)
    ids = open_store(store).tracks["id"]
    assert {ids[number] for number in short.tracks} == {f"b/{number}.wav" for number in range(3)}
    assert short.severity == "note"
    assert short.title.endswith("too short (3)")


def test_notes_are_grouped(changed: Callable[[Change], FeatureStore]) -> None:
    notes = {1: "truncated: 3 of 4 s", 5: "silent: all samples are 0", 7: "truncated: 1 of 4 s"}
    (one,) = found(
        "unreadable-tracks", changed(lambda number, record: replace(record, note=notes.get(number, "")))
    )
    assert one.title.endswith("truncated (2), silent (1)")
    assert one.tracks == (1, 7, 5)
    assert one.details == (notes[1], notes[7], notes[5])


# --- stale audio ---------------------------------------------------------------------------------------


@pytest.fixture
def with_audio(tmp_path: Path) -> tuple[FeatureStore, Path]:
    """A store of eight files, and their folder."""
    folder = tmp_path / "audio"
    for number in range(4):
        for label in ("a", "b"):
            write(folder / label / f"{label}{number}.wav", noise(0.3, 8000, seed=number), 8000)
    path = tmp_path / "store.zarr"
    audiospec.featurize("folder", data=folder, spec=MEL, chunk=0.2, store=path, workers=0)
    return open_store(path), folder


def test_files_that_changed_or_vanished(with_audio: tuple[FeatureStore, Path]) -> None:
    store, folder = with_audio
    assert found("stale-audio", store) == []
    (folder / "a" / "a0.wav").unlink()
    write(folder / "b" / "b1.wav", noise(0.4, 8000), 8000)
    os.utime(folder / "b" / "b2.wav", (1, 1))
    gone, other, touched = found("stale-audio", store)
    ids = store.tracks["id"]
    assert [[ids[number] for number in one.tracks] for one in (gone, other, touched)] == [
        ["a/a0.wav"],
        ["b/b1.wav"],
        ["b/b2.wav"],
    ]
    assert [one.severity for one in (gone, other, touched)] == ["warning", "warning", "note"]
    assert gone.title == "1 of 8 tracks whose files have vanished"
    assert other.details == ("6.44 kB instead of 4.84 kB",)


def test_audio_that_has_moved_is_one_finding(with_audio: tuple[FeatureStore, Path]) -> None:
    store, folder = with_audio
    folder.rename(folder.parent / "elsewhere")
    (one,) = found("stale-audio", store)
    assert one.title == f"the audio has moved: none of 8 files is in {folder}"
    assert one.tracks == ()


def test_rows_of_earlier_audio(changed: Callable[[Change], FeatureStore]) -> None:
    store = changed(lambda number, record: replace(record, hash="0" * 32) if number == 2 else record)
    (one,) = found("stale-audio", store)
    assert one.tracks == (2,)
    assert "earlier version" in one.title


# --- rows ----------------------------------------------------------------------------------------------


def test_silent_rows(tmp_path: Path) -> None:
    for number in range(4):
        for label in ("a", "b"):
            sound = noise(0.8, 8000, seed=number)
            if (label, number) == ("b", 2):
                sound[1600:] = 0
            write(tmp_path / "audio" / label / f"{label}{number}.wav", sound, 8000)
    store = tmp_path / "store.zarr"
    audiospec.featurize("folder", data=tmp_path / "audio", spec=MEL, chunk=0.2, store=store, workers=0)
    (one,) = found("feature-rows", open_store(store))
    assert [open_store(store).tracks["id"][number] for number in one.tracks] == ["b/b2.wav"]
    assert one.severity == "warning"
    assert one.figures["kind"] == "constant"
    assert one.details[0].endswith("of 4 rows")
    (rare,) = found("feature-rows", open_store(store), few=0.5)
    assert rare.severity == "note"


def change_rows(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[np.ndarray, np.ndarray], None]
) -> list[list[int]]:
    """Change the values of rows that are read; return the numbers of those that were read, by shard."""
    from audiospec.doctor import rows

    read, numbers_read = rows.whole_rows, []

    def changed_rows(view: Any, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept, values = read(view, numbers)
        numbers_read.append(kept.tolist())
        change(kept, values)
        return kept, values

    monkeypatch.setattr(rows, "whole_rows", changed_rows)
    return numbers_read


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    def change(numbers: np.ndarray, values: np.ndarray) -> None:
        values[numbers == 5, 0, 0] = value

    change_rows(monkeypatch, change)
    store = open_store(sample_store("healthy"))
    (one,) = found("feature-rows", store)
    assert one.severity == "error"
    assert one.tracks == (int(store.view().rows["track"][5]),)


def test_saturated_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(sample_store("bytes"))
    assert store.view().spec.code is not None
    high = store.view().spec.code.high

    def change(numbers: np.ndarray, values: np.ndarray) -> None:
        values[numbers == 3, :8] = high

    change_rows(monkeypatch, change)
    (one,) = found("feature-rows", store)
    assert one.figures["kind"] == "saturated"
    assert one.figures["rows"] == 1


def test_a_column_that_does_not_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(numbers: np.ndarray, values: np.ndarray) -> None:
        values[:, 1] = 3.0

    change_rows(monkeypatch, change)
    (one,) = found("feature-rows", open_store(sample_store("table")))
    assert one.figures["columns"] == ["b"]


def test_a_sample_of_rows_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole shards are drawn: as many as fit, at least one."""

    def change(numbers: np.ndarray, values: np.ndarray) -> None:
        values[:] = 1.0

    read = change_rows(monkeypatch, change)
    examined = Examined(open_store(sample_store("healthy")))
    (view,) = examined.views
    assert len(view) > 64
    monkeypatch.setattr(type(view), "_read", lambda self, rows, out: out.fill(0))
    view.info = replace(view.info, shard_rows=16)
    view.rows["checksum"] = checksum(np.zeros(view.info.row_shape, view.info.row_dtype.base))
    (one,) = checks["feature-rows"](most=40).run(examined)
    assert [len(numbers) for numbers in read] == [16, 16]
    assert all(numbers[0] % 16 == 0 for numbers in read)
    assert one.title.startswith(f"32 of 32 rows of view {view.name} that were read (of {len(view)}) in which")
    assert one.figures["of"] == len(view)
    read.clear()
    checks["feature-rows"](most=1).run(examined)
    assert [len(numbers) for numbers in read] == [16]


@pytest.mark.parametrize("settings", [{"most": 0}, {"few": 2}, {"saturated": 0}])
def test_impossible_settings(settings: dict[str, float]) -> None:
    with pytest.raises(AudiospecError, match="most must be at least 1"):
        checks["feature-rows"](**settings)


# --- wording -------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), max_size=30), st.data())
def test_tracks_with_most_bad_rows_are_first(seen: list[int], data: st.DataObject) -> None:
    bad = data.draw(st.lists(st.sampled_from(range(len(seen))), unique=True)) if seen else []
    rows = np.array(seen, np.int64)
    tracks, details = rows_of_tracks(rows[bad], rows)
    counts = [sum(seen[row] == track for row in bad) for track in tracks]
    assert counts == sorted(counts, reverse=True)
    assert {*tracks} == {seen[row] for row in bad}
    for track, count, detail in zip(tracks, counts, details, strict=True):
        assert detail == f"{count} of {counted(seen.count(track), 'row')}"


def test_words() -> None:
    assert (counted(1, "row"), counted(1200, "row"), counted(2, "class", "classes")) == (
        "1 row",
        "1,200 rows",
        "2 classes",
    )
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcde"), 2) == "a, b and 3 more"
    assert quoted("x" * 50) == f"'{'x' * 39}…'"
    assert quoted("a\x1b[0m\n") == "'a\\x1b[0m\\n'"
    assert kinds_of(["a: 1", "b: 2", "b: 3", "c\n"]) == [("b", 2), ("a", 1), ("c\\n", 1)]
