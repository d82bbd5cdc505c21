"""Leakage: pairs of training sets of equal size, gaps whose truth is known, kept fits, what cannot leak."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiospec.annotations.annotation import Labelling
from audiospec.benchmarks.studies.paired import KINDS, coverage, simulate
from audiospec.digests import checksum
from audiospec.errors import AudiospecError, ModelError, RunError, SplitError
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.testing.memory_view import MemoryView, spec_of
from audiospec.zoo.leakage.exchange import Candidates, exchange
from audiospec.zoo.leakage.gap import Gap, Outcome, paired_gap
from audiospec.zoo.leakage.kept import KeptFits
from audiospec.zoo.leakage.ladder import Ladder, read_ladder
from audiospec.zoo.leakage.measure import leakage
from audiospec.zoo.models.knn import Knn1
from audiospec.zoo.report.collect import find_runs
from audiospec.zoo.report.ladder_section import ladder_section

CLASSES = ("ant", "bee", "cat")


class Sounds(MemoryView):
    """A view of tracks in memory: (id, label, group, hash, cluster) and the values of each track's chunks."""

    def __init__(
        self, tracks: list[tuple[str, str, str, str, str]], chunks: list[np.ndarray[Any, Any]]
    ) -> None:
        values = np.concatenate(chunks).astype(np.float32)
        super().__init__(values, ["?"] * len(values), *spec_of(values.shape[1:]))
        records = [TrackRecord(id, label=label, group=group, hash=hash, cluster=cluster)
                   for id, label, group, hash, cluster in tracks]  # fmt: skip
        rows = np.zeros(len(values), ROW_DTYPE)
        rows["track"] = np.repeat(np.arange(len(tracks)), [len(chunk) for chunk in chunks])
        rows["start"] = np.concatenate([np.arange(len(chunk)) for chunk in chunks])
        rows["checksum"] = [checksum(row) for row in values]
        store: Any = SimpleNamespace(
            tracks=Tracks.from_records(records),
            path=Path("sounds.zarr"),
            dataset="made-up",
            labelling=Labelling(),
        )
        super(MemoryView, self).__init__(store, self.info, rows)
        self.values = values


def sounds(
    units: int = 8,
    tracks: int = 2,
    chunks: int = 1,
    *,
    groups: bool = True,
    copies: bool = False,
    effect: float = 3.0,
    classes: tuple[str, ...] = CLASSES,
    seed: int = 0,
) -> Sounds:
    """Tracks in units that a memorising model recognises; the classes alone cannot be learnt.

    Tracks of one unit are of one group, or copies. Without an effect they have nothing in common.
    """
    random = np.random.default_rng(seed)
    made, values = [], []
    for label in classes:
        for unit in range(units):
            own = random.normal(0, effect, 6)
            for track in range(tracks):
                id = f"{label}-{unit}-{track}"
                hash = f"{seed:08d}{sum(map(ord, label)):08d}{unit:08d}{0 if copies else track:08d}"
                made.append((id, label, f"{label}-{unit}" if groups else "", hash, ""))
                values.append(own + random.normal(0, 0.3 if effect else 1.0, (chunks, 6)))
    return Sounds(made, values)


# --- the exchange ------------------------------------------------------------------------------------------


@st.composite
def candidates(draw: Any) -> Candidates:
    """Units of several classes and items of several rows, or none of that."""
    units = draw(
        st.lists(
            st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=6),
            min_size=1,
            max_size=14,
        )
    )
    rows = [
        (item, unit, label)
        for unit, items in enumerate(units)
        for item, (label, count) in enumerate(items, 100 * unit)
        for _ in range(count)
    ]
    columns = np.array(rows, np.int64).T
    items = np.unique(columns[0], return_inverse=True)[1].astype(np.int64)
    return Candidates(np.arange(len(rows)), items, columns[1], columns[2])


@settings(max_examples=300, deadline=None)
@given(candidates(), st.integers(0, 100))
def test_both_training_sets_have_as_many_rows_of_each_class(learn: Candidates, seed: int) -> None:
    made = exchange(learn, (seed,))
    if made is None:
        return
    first, second = (np.concatenate([made.common, part]) for part in (made.first, made.second))
    assert len(first) == len(second)
    assert np.bincount(learn.classes[first]).tolist() == np.bincount(learn.classes[second]).tolist()
    for rows in (first, second, made.test):
        assert len(np.unique(rows)) == len(rows)
    assert len(made.test)
    # No item is both tested and learnt from, and no unit of a test row is in the common rows.
    for rows in (first, second):
        assert not np.isin(learn.items[made.test], learn.items[rows]).any()
    assert not np.isin(learn.units[made.test], learn.units[made.common]).any()
    # One of the two sets has siblings of each test row, and the other has none.
    units = learn.units[made.test]
    assert np.array_equal(np.isin(units, learn.units[made.first]), made.in_first)
    assert np.array_equal(np.isin(units, learn.units[made.second]), ~made.in_first)
    assert np.array_equal(exchange(learn, (seed,)).first, made.first)  # type: ignore[union-attr]


@settings(max_examples=100, deadline=None)
@given(candidates(), candidates(), st.integers(0, 100))
def test_rows_of_another_store_are_tested_with_and_without_what_they_share(
    learn: Candidates, probe: Candidates, seed: int
) -> None:
    made = exchange(learn, (seed,), probe)
    if made is None:
        assert not np.isin(probe.units, learn.units).any() or len(np.unique(learn.units)) < 14
        return
    assert len(made.first) == len(made.second)
    units = probe.units[made.test]
    assert np.isin(units[made.in_first], learn.units[made.first]).all()
    assert not np.isin(units[made.in_first], learn.units[np.concatenate([made.common, made.second])]).any()


def test_a_class_of_one_unit_is_not_exchanged() -> None:
    alone = Candidates(*(np.arange(6),) * 2, np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1]))
    assert exchange(alone, (0,)) is None


# --- gaps whose truth is known ------------------------------------------------------------------------------


def test_a_memorising_model_gains_from_siblings(tmp_path: Path) -> None:
    ladder = leakage("knn-1", sounds(), seeds=6, runs=tmp_path)
    tracks, copies, groups = ladder.rungs
    assert tracks.verdict == "nothing can leak here: each track is one chunk"
    assert copies.verdict == "nothing can leak here: no two tracks have the same content or cluster"
    assert groups.gap is not None
    assert groups.gap.with_leak == 1
    assert groups.gap.without < 0.7
    assert groups.gap.low > 0.1
    assert groups.verdict.startswith(f"+{100 * groups.gap.difference:.1f} points [")
    assert 0 < groups.leaking <= groups.tested == 9  # a fifth of 48 rows; three classes
    assert ladder.trainings == 12


@pytest.mark.parametrize(
    ("kind", "changes"), [("copies", {"copies": True}), ("tracks", {"tracks": 1, "chunks": 5})]
)
def test_copies_and_other_chunks_are_rungs_of_their_own(
    tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    view = sounds(groups=False, **changes)
    rungs = {rung.name: rung for rung in leakage("knn-1", view, seeds=4, runs=tmp_path).rungs}
    measured = rungs[kind].gap
    assert measured is not None
    assert measured.difference > 0.2
    assert rungs["groups"].verdict == "nothing can leak here: no track has a group"
    assert [rung.gap is None for name, rung in rungs.items() if name != kind] == [True, True]


def test_a_cluster_joins_near_copies(tmp_path: Path) -> None:
    view = sounds(groups=False)
    table = view.store.tracks
    records = [dataclasses.replace(record, cluster=record.id[:5]) for record in table.records()]
    view.store.tracks = Tracks.from_records(records)
    _, copies, _ = leakage("knn-1", view, seeds=3, runs=tmp_path).rungs
    assert copies.gap is not None
    assert copies.gap.difference > 0.2


def test_nothing_is_shown_where_siblings_have_nothing_in_common(tmp_path: Path) -> None:
    gap = leakage("knn-1", sounds(tracks=3, effect=0), seeds=10, runs=tmp_path).rungs[-1].gap
    assert gap is not None
    assert gap.low < 0 < gap.high
    assert gap.words("groups").startswith("no difference shown") or "no difference shown for other" in (
        gap.words("groups")
    )


def test_the_interval_covers_0_where_nothing_leaks() -> None:
    """The interval over seeds alone does not, where units are few."""
    kind = KINDS["18 tracks of 8 chunks, 3 classes"]
    gaps = [simulate(kind, 0, 20, np.random.default_rng([1, number])) for number in range(60)]
    assert np.mean([gap.low <= 0 <= gap.high for gap in gaps]) >= 0.92
    assert abs(np.mean([gap.difference for gap in gaps])) < 0.02


@pytest.mark.long
def test_the_interval_covers_the_true_gap() -> None:
    for case in coverage(200, 20):
        assert case["covered"] >= 0.92, case


def test_a_gap_that_few_units_carry_is_not_shown_for_others() -> None:
    """One of 20 recordings changes in all seeds: over seeds it is certain, for other recordings it is not."""
    units = np.array([f"unit {n}" for n in range(20)])
    outcomes = [Outcome(units, np.ones(20, bool), units != "unit 3") for _ in range(10)]
    outcomes[0] = Outcome(units, np.ones(20, bool), np.ones(20, bool))
    gap = paired_gap(outcomes)
    assert gap.difference == pytest.approx(0.045)
    assert gap.low < 0 < gap.seeds_low
    assert gap.changed == 1
    assert gap.words("recordings") == (
        f"+4.5 points [{100 * gap.low:.1f}, {100 * gap.high:.1f}] over 10 seeds and 20 recordings: "
        "no difference shown for other recordings; for these alone "
        f"[{100 * gap.seeds_low:.1f}, {100 * gap.seeds_high:.1f}], and 1 of them change"
    )


def test_words_have_no_negative_zero() -> None:
    gap = Gap(0.5, 0.5004, -0.0004, 0.0, -0.0002, 0.0001, 5, 6, 50, 1)
    assert gap.words("tracks") == "no difference shown: +0.0 points [0.0, 0.0] over 5 seeds and 6 tracks"


# --- another store ------------------------------------------------------------------------------------------


def other_store(view: Sounds) -> Any:
    view.store.views = lambda: [view]
    return view.store


def test_another_store_that_shares_nothing_has_no_number(tmp_path: Path) -> None:
    view = sounds()
    foreign = sounds(seed=9)
    foreign.store.dataset = "elsewhere"
    records = [
        dataclasses.replace(record, group=f"x{record.group}") for record in foreign.store.tracks.records()
    ]
    foreign.store.tracks = Tracks.from_records(records)
    *_, rung = leakage("knn-1", view, seeds=2, other=other_store(foreign), runs=tmp_path).rungs
    assert rung.verdict == "nothing can leak here: the stores share no track, copy, near-copy or group"
    assert rung.leaking == 0


def test_another_store_with_the_same_tracks_gains(tmp_path: Path) -> None:
    *_, rung = leakage(
        "knn-1", sounds(), seeds=4, other=other_store(sounds()), rungs=["store"], runs=tmp_path
    ).rungs
    assert rung.gap is not None
    assert rung.gap.low > 0
    assert (rung.leaking, rung.tested) == (48, 48)


# --- what is trained ----------------------------------------------------------------------------------------


def spied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    fits: list[tuple[Any, Any]] = []
    fit = Knn1.fit

    def record(self: Any, train: Any, valid: Any, **more: Any) -> Any:
        fits.append((train, valid))
        return fit(self, train, valid, **more)

    monkeypatch.setattr(Knn1, "fit", record)
    return fits


def test_a_repeated_call_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = spied(monkeypatch)
    whole = leakage("knn-1", sounds(), seeds=4, runs=tmp_path / "whole")
    assert len(fits) == 8
    for (first, valid), (second, _) in zip(fits[::2], fits[1::2], strict=True):
        assert np.bincount(first.targets).tolist() == np.bincount(second.targets).tolist()
        assert not np.array_equal(first.numbers, second.numbers)
        assert len(valid) == 0
    fits.clear()
    leakage("knn-1", sounds(), seeds=2, runs=tmp_path / "runs")
    kept = next((tmp_path / "runs").rglob("fits.jsonl"))
    kept.write_bytes(kept.read_bytes()[:-20])  # a kill cut the last line off
    fits.clear()
    progress: list[tuple[str, int, int]] = []
    again = leakage(
        "knn-1", sounds(), seeds=4, runs=tmp_path / "runs", progress=lambda *step: progress.append(step)
    )
    assert len(fits) == 5
    assert dataclasses.replace(again, path=None) == dataclasses.replace(whole, path=None)
    assert progress[0] == ("other tracks of the same groups", 0, 8)
    assert progress[-1][1:] == (7, 8)
    fits.clear()
    leakage("knn-1", sounds(seed=1), seeds=4, runs=tmp_path / "runs")
    assert len(fits) == 8, "other content has to be trained on again"


def test_networks_have_the_same_validation_rows_in_both_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = spied(monkeypatch)
    monkeypatch.setattr(Knn1, "shares", (0.7, 0.1, 0.2))
    leakage("knn-1", sounds(units=10), seeds=3, runs=tmp_path)
    for (first, valid), (second, also) in zip(fits[::2], fits[1::2], strict=True):
        assert len(first) == len(second)
        assert len(valid) > 0
        assert np.array_equal(valid.numbers, also.numbers)
        groups = {*valid.view.groups[valid.numbers].tolist()}
        for rows in (first, second):
            assert not groups & {*rows.view.groups[rows.numbers].tolist()}


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]\n", b'{"fit": 5, "predicted": []}\n', b'{"fit": "a", "predicted": [9]}\n',
     b'{"fit": "a", "predicted": [0, 0]}\n', b'{"fit": "a", "predicted": [true]}\n', b"\xff\n"],
)  # fmt: skip
def test_kept_fits_of_other_rows_or_classes_are_not_used(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "fits.jsonl").write_bytes(line)
    kept = KeptFits(tmp_path)
    assert kept.get("a", 1, 2) is None
    kept.add("a", [1])
    assert KeptFits(tmp_path).get("a", 1, 2) == [1]


# --- results ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    return leakage("knn-1", sounds(), seeds=3, runs=tmp_path_factory.mktemp("runs"))


def test_a_ladder_is_read_as_it_was_written_and_reported(ladder: Ladder) -> None:
    assert ladder.path is not None
    assert read_ladder(ladder.path) == ladder
    assert find_runs([ladder.path.parents[1]]).ladders == [ladder]
    section = ladder_section([ladder])
    assert "nothing can leak here: each track is one chunk" in section
    assert f"{100 * ladder.rungs[-1].gap.without:.1f}" in section  # type: ignore[union-attr]
    assert ladder_section([]) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"audiospec_leakage": 2},
        {"model": 5},
        {"rungs": [{}]},
        {"rungs": 5},
        {"seeds": ["a"]},
        {"more": 1},
        {"settings": []},
        {"rungs": [{**dict.fromkeys(("name", "leak", "noun", "reason"), ""), "tested": 1, "leaking": True}]},
    ],
    ids=str,
)
def test_what_is_no_ladder_is_refused(ladder: Ladder, tmp_path: Path, changes: dict[str, Any]) -> None:
    file = tmp_path / "leakage.json"
    file.write_text(json.dumps({**ladder.to_dict(), **changes}))
    with pytest.raises(RunError, match=r"is not a result of `audiospec leakage`"):
        read_ladder(file)
    assert list(find_runs([tmp_path]).problems) == [str(tmp_path)]


def test_text_in_a_ladder_is_escaped(ladder: Ladder) -> None:
    rung = dataclasses.replace(ladder.rungs[0], reason="<script>", leak="<b>")
    section = ladder_section([dataclasses.replace(ladder, model="<i>", rungs=[rung])])
    assert not any(tag in section for tag in ("<script>", "<b>", "<i>"))


# --- bad input ----------------------------------------------------------------------------------------------


def test_one_group_a_class_is_not_measured(tmp_path: Path) -> None:
    rung = leakage("knn-1", sounds(units=1, tracks=4), seeds=2, rungs=["groups"], runs=tmp_path).rungs[0]
    assert rung.gap is None
    assert rung.verdict == (
        "not measured: expected a class with at least 2 groups of several tracks, of which one can be learnt "
        "from in place of the other; add some, or choose other `classes`"
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"seeds": 1}, SplitError, "expected at least 2 `seeds`"),
        ({"seed": -1}, SplitError, "expected a `seed` of at least 0"),
        ({"classes": ["ant"]}, SplitError, "one class"),
        ({"classes": ["ant", "dog"]}, SplitError, "no class 'dog'"),
        ({"rungs": ["grups"]}, SplitError, "did you mean 'groups'"),
        ({"rungs": ["store"]}, SplitError, "store needs `other`"),
        ({"settings": {"C": 3}}, ModelError, "no parameter 'C'"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[AudiospecError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        leakage("knn-1", sounds(), runs=tmp_path, **changes)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_store_of_other_features_is_refused(tmp_path: Path) -> None:
    store: Any = SimpleNamespace(views=list, path="empty.zarr")
    with pytest.raises(SplitError, match=r"in empty\.zarr; it has none"):
        leakage("knn-1", sounds(), other=store, runs=tmp_path)


def test_a_model_of_other_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reads 'spectrogram' rows"):
        leakage("crnn-base", sounds(), runs=tmp_path)
