"""Confounds that were planted are found and named; columns that know nothing of the label are not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import audiospec
from audiospec.doctor.checks.confounds import Confounds
from audiospec.doctor.confounds.columns import Column, columns_of
from audiospec.doctor.confounds.forest import Forest, permuted_tracks
from audiospec.doctor.confounds.labelled import LabelledTracks
from audiospec.doctor.confounds.told import testable as cross_validated_labels
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.errors import AudiospecError, NotCheckedError
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.testing.audio import noise, write

MEL = audiospec.MelSpec(sample_rate=4000, n_fft=128, hop_length=64, n_mels=8, fmax=2000)


def featurized(folder: Path) -> FeatureStore:
    path = folder.parent / f"{folder.name}.zarr"
    audiospec.featurize("folder", data=folder, spec=MEL, chunk=0.2, store=path, workers=0)
    return open_store(path)


def found(store: FeatureStore, seed: int = 0, **settings: object) -> list[Finding]:
    return Confounds(**settings).run(Examined(store, seed=seed))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Twelve tracks in each of three classes: one has another sample rate, and one is longer."""
    folder = tmp_path_factory.mktemp("planted") / "audio"
    random = np.random.default_rng(0)
    for number in range(12):
        for label, rate, seconds in (("cat", 8000, 0.3), ("dog", 4000, 0.3), ("eel", 4000, 0.6)):
            length = seconds + random.uniform(0, 0.2)
            write(folder / label / f"{label}{number}.wav", noise(length, rate, seed=number, level=0.1), rate)
    return featurized(folder)


def labelled(labels: np.ndarray, units: np.ndarray) -> LabelledTracks:
    names, number = np.unique(labels, return_inverse=True)
    has = np.eye(len(names), dtype=bool)[number]
    count = len(labels)
    return LabelledTracks(
        "single", np.arange(count), tuple(names.tolist()), has, np.full(count, np.nan), units
    )


@pytest.fixture(scope="module")
def findings(planted: FeatureStore) -> list[Finding]:
    """What is found in all tracks of `planted`."""
    return found(planted, permutations=9, alarm=0.1, folds=3)


def test_a_planted_confound_is_an_error_that_names_its_columns(findings: list[Finding]) -> None:
    told = next(one for one in findings if one.figures["kind"] == "format")
    assert told.severity == "error"
    assert told.figures["observed"] > 0.95
    assert told.figures["chance"][1] < 0.7
    assert told.figures["p"] == 0.1
    assert told.figures["permutations"] == 9
    columns = {one["column"]: one for one in told.figures["columns"]}
    assert {"seconds", "sample_rate"} <= columns.keys()
    assert columns["sample_rate"]["text"] == "8000 Hz in 'cat', 4000 Hz in the others"
    assert columns["seconds"]["values"][0]["label"] == "eel"
    assert told.title.startswith(
        "the form of the files predicts 3 of 3 labels, best 'cat' (balanced accuracy"
    )
    assert "; " in told.title
    assert told.title.endswith(" and 1 more column")
    assert [one["label"] for one in told.figures["labels"]] == ["cat", "dog", "eel"]
    assert all(one["score"] > max(one["chance"]) for one in told.figures["labels"])
    assert Finding.from_dict(told.to_dict()) == told


def test_the_same_seed_finds_the_same(planted: FeatureStore) -> None:
    settings = {"permutations": 4, "alarm": 0.2, "most": 30, "folds": 3}
    first = [one.to_dict() for one in found(planted, seed=5, **settings)]
    assert first == [one.to_dict() for one in found(planted, seed=5, **settings)]
    assert first[0]["figures"]["tracks"] == 30
    assert first[0]["figures"]["of"] == 36


def test_progress_is_told_to_the_end(planted: FeatureStore) -> None:
    calls: list[tuple[str, int, int]] = []
    check = Confounds(permutations=3, alarm=0.25, folds=2)
    check.run(Examined(planted, tell=lambda *call: calls.append(call)))
    assert calls[-1][1:] == (3, 3)
    assert all(done <= total for _, done, total in calls)


def records(*paths: str, **changes: object) -> SimpleNamespace:
    """Return what `columns_of` uses of a store."""
    made = [
        TrackRecord(path, path=path, seconds=1.0, sample_rate=8000, channels=1, size=16044, modified=10**18)
        for path in paths
    ]
    made[0] = replace(made[0], **changes)
    return SimpleNamespace(tracks=Tracks.from_records(made), root=Path("/"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, []),
        ({"path": "cat/1.WAV"}, []),
        ({"path": "cat/1.mp3"}, ["suffix"]),
        ({"path": "dog/more/1.wav"}, ["folder_depth"]),
        ({"seconds": 2.0, "size": 32044}, ["seconds"]),
        ({"seconds": 0.0, "sample_rate": 0}, ["sample_rate", "seconds", "size_per_second"]),
        ({"size": 32044}, ["size_per_second"]),
        ({"modified": 10**18 + 10**9}, []),
        ({"modified": 10**18 + 10**14}, ["modified"]),
    ],
    ids=str,
)
def test_columns_are_of_the_file_and_not_of_the_name_of_its_folder(
    changes: dict[str, object], named: list[str]
) -> None:
    store = records("cat/1.wav", "cat/2.wav", "dog/3.wav", **changes)
    assert {column.name for column in columns_of(store, np.arange(3))} == set(named)


def test_columns_that_know_nothing_alarm_as_often_as_stated() -> None:
    """Units are of five equal tracks: permuting tracks, or dividing units over folds, would alarm always."""
    level, forest = 0.1, Forest(True, False, folds=3, seed=0, trees=3)
    alarms, values = 0, []
    for trial in range(40):
        random = np.random.default_rng(trial)
        units = np.repeat(np.arange(18), 5)
        x = random.normal(size=(18, 2))[units]
        y = np.eye(3)[random.permutation(np.repeat([0, 1, 2], 6))[units]]
        tested = forest.test(x, y, units, permutations=9)
        assert tested is not None
        values.append(tested.p)
        alarms += tested.p <= level
        stopped = forest.test(x, y, units, permutations=9, alarm=level)
        assert (stopped is not None) == (tested.p <= level)
    # Of 40 trials at 10 %, 4 are expected; more than 10 come in 2 of 1000 such series.
    assert 1 <= alarms <= 10
    assert 0.4 < np.mean(values) < 0.65


def test_labels_that_follow_the_column_within_groups_are_told() -> None:
    """Each group has all labels, as speakers who say all words: labels are permuted within them, too."""
    units = np.repeat(np.arange(6), 12)
    labels = np.tile(np.repeat([0, 1, 2], 4), 6)
    random = np.random.default_rng(0)
    x = np.stack([labels + random.normal(size=72) / 10, random.normal(size=72)], 1)
    tested = Forest(True, False, folds=3, seed=0).test(x, np.eye(3)[labels], units, permutations=19)
    assert tested is not None
    assert tested.p == 0.05
    assert tested.observed.score > 0.9
    assert tested.predicted.all()


def test_a_part_of_one_label_of_many_is_told() -> None:
    """Balanced accuracy of all labels stays within chance: the evidence is that of the one label."""
    labels = np.repeat(np.arange(10), 8)
    marked = (labels == 3) & (np.arange(80) % 8 < 5)
    x = np.stack([marked.astype(float), np.random.default_rng(0).normal(size=80)], 1)
    tested = Forest(True, False, folds=4, seed=0).test(x, np.eye(10)[labels], np.arange(80), permutations=19)
    assert tested is not None
    assert tested.p == 0.05
    assert tested.predicted[3]
    assert tested.observed.by_label[3] > 0.4
    assert tested.observed.by_label.argmax() == 3


@pytest.mark.parametrize(("exclusive", "is_number"), [(False, False), (False, True)])
def test_other_targets(exclusive: bool, is_number: bool) -> None:
    """Several labels a track, of which one is told; and a number."""
    random = np.random.default_rng(1)
    x = random.normal(size=(80, 2))
    y = x[:, :1] if is_number else np.stack([x[:, 0] > 0, random.random(80) < 0.5], 1).astype(float)
    tested = Forest(exclusive, is_number, folds=4, seed=0).test(x, y, np.arange(80), permutations=19)
    assert tested is not None
    assert tested.p == 0.05
    assert tested.predicted[0]
    assert tested.observed.by_label[0] > 0.6
    if not is_number:
        assert not tested.predicted[1]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(0, 9))
def test_units_exchange_whole_labels(sizes: list[int], seed: int) -> None:
    """All tracks of a unit get the labels of one unit, each at most once more often than another."""
    units = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    given_by = permuted_tracks(units, np.random.default_rng(seed))
    givers = []
    for unit in range(len(sizes)):
        taken = given_by[units == unit]
        assert len({*units[taken].tolist()}) == 1
        giver = int(units[taken[0]])
        givers.append(giver)
        counts = np.bincount(taken, minlength=len(units))[units == giver]
        assert counts.max() - counts.min() <= 1
    assert sorted(givers) == list(range(len(sizes)))


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=8, max_size=40), st.integers(1, 3))
def test_labels_that_cannot_be_predicted_are_left_out(labels: list[str], of_unit: int) -> None:
    """All that are kept have as many units as there are folds; none with as many is left out."""
    tracks = labelled(np.array(labels), np.arange(len(labels)) // of_unit)
    units = dict(zip(tracks.names, tracks.different(tracks.units).tolist(), strict=True))
    for name in tracks.names:
        assert units[name] == len({place // of_unit for place, label in enumerate(labels) if label == name})
    try:
        kept, folds, left_out = cross_validated_labels(tracks, 5)
    except NotCheckedError:
        assert sorted(units.values())[-2:][0] < 2 or len(units) < 2
        return
    assert 2 <= folds <= 5
    assert len(kept.names) >= 2
    assert {*kept.names} == {name for name, count in units.items() if count >= folds}
    assert {*left_out} == {*tracks.names} - {*kept.names}
    assert kept.has.sum() == len(kept)


@given(st.integers(5, 60), st.integers(0, 5))
def test_a_sample_keeps_rare_labels_and_all_units(most: int, seed: int) -> None:
    labels = np.array(["common"] * 90 + ["rare"] * 10)
    sample = labelled(labels, np.arange(100) // 2).sample(most, seed)
    assert len(sample) == most
    rare = int(sample.has[:, 1].sum())
    assert rare >= min(10, most // 2)
    # Both tracks of a unit come only when each unit of the label has given one.
    assert len(np.unique(sample.units[sample.has[:, 1]])) == min(rare, 5)


def test_ranks() -> None:
    column = Column("x", "x", "", "sound", np.array([3.0, np.nan, 1.0, 3.0]))
    assert column.ranks.tolist() == [0.5, -1.0, 0.0, 0.5]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"permutations": 9}, "permutations=99"), ({"folds": 1}, "folds"), ({"alarm": 0}, "p-value")],
)
def test_impossible_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(AudiospecError, match=message):
        Confounds(**settings)


@pytest.mark.realdata
def test_two_collections_of_other_rates(shared_data: Path, tmp_path: Path) -> None:
    """Clips of GTZAN at 22050 Hz and spoken digits at 8000 Hz: their rate tells which is which."""
    folder = tmp_path / "mixed"
    for label in ("blues", "metal"):
        (folder / label).mkdir(parents=True)
        for file in sorted((shared_data / "gtzan-clips" / label).iterdir())[:10]:
            shutil.copy(file, folder / label)
    for digit in "01":
        (folder / digit).mkdir()
        for file in sorted((shared_data / "fsdd" / "recordings").glob(f"{digit}_*_7.wav"))[:10]:
            shutil.copy(file, folder / digit)
    told = found(featurized(folder), permutations=4, alarm=0.2, folds=3)
    form = next(one for one in told if one.figures["kind"] == "format")
    assert form.severity == "error"
    assert {"sample_rate", "suffix"} & {one["column"] for one in form.figures["columns"]}
    assert "sample_rate" in form.figures["tested_columns"]
