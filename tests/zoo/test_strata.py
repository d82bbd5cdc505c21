"""Splits of stores with several labels, segments, frames or numbers: stratified, no group is divided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.table import RowTargets
from audiospec.audio.chunking import Chunking
from audiospec.errors import SplitError
from audiospec.specs.table import TableSpec
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.zoo.cross_validation.whole import check_classes
from audiospec.zoo.splits.choose import choose
from audiospec.zoo.splits.drawing import draw, stratified_folds
from audiospec.zoo.splits.folds import Folds, make_folds
from audiospec.zoo.splits.labels import row_labels
from audiospec.zoo.splits.of_view import strata_of
from audiospec.zoo.splits.share import with_share
from audiospec.zoo.splits.split import SIDES, Split
from audiospec.zoo.splits.split_file import write_split
from audiospec.zoo.splits.strata import Strata, range_names, ranges
from audiospec.zoo.splits.strategies import split
from audiospec.zoo.splits.units import units_of

#: What each second of a track has: labels, or a number.
Seconds = Sequence[Any]


class Annotated(View):
    """A view in memory of tracks whose seconds are annotated.

    A track is its id, group, fold, and for each second the set of its labels, or its number or None. A row
    has `chunk` seconds, and every label of them.
    """

    def __init__(
        self,
        tracks: Sequence[tuple[str, str, str, Seconds]],
        target: str,
        *,
        chunk: int = 1,
        background: Any = "drop",
        devices: Sequence[str] = (),
    ) -> None:
        number = target == "number"
        self.labelling = Labelling(target=target, column="mood" if number else "label", background=background)
        records, places, found = [], [], []
        for place, (id, group, fold, seconds) in enumerate(tracks):
            parts = [({one} - {None} if number else {*one}) for one in seconds]
            records.append(
                TrackRecord(
                    id,
                    group=group,
                    fold=fold,
                    seconds=float(len(seconds)),
                    annotations=tuple(
                        Annotation(
                            start=float(at),
                            end=at + 1.0,
                            label="" if number else label,
                            value=float(label) if number else None,
                            column=self.labelling.column,
                        )
                        for at, labels in enumerate(parts)
                        for label in sorted(labels)
                    ),
                    columns=(("device", devices[place]),) if devices else (),
                )
            )
            for at in range(0, len(seconds), chunk):
                have = set().union(*parts[at : at + chunk])
                if have or background != "drop" or target == "frames":
                    places.append((place, float(at)))
                    found.append(sorted(have))
        store: Any = SimpleNamespace(
            tracks=Tracks.from_records(records),
            path=Path("made"),
            dataset="made-up",
            labelling=self.labelling,
        )
        rows = np.zeros(len(places), ROW_DTYPE)
        rows["track"], rows["start"] = [one for one, _ in places], [start for _, start in places]
        names = ("mood",) if number else tuple(sorted(set().union(*found)))
        pairs = [(row, label) for row, labels in enumerate(found) for label in labels]
        if number:
            pairs = [(row, float(np.mean(labels))) for row, labels in enumerate(found) if labels]
        targets = RowTargets(
            np.array([row for row, _ in pairs], np.int64),
            np.array([0 if number else names.index(label) for _, label in pairs], np.int32),
            np.ones(len(pairs)),
            np.array([label if number else np.nan for _, label in pairs], np.float64),
            names,
        )
        self.found = found
        info = ViewInfo(
            spec=TableSpec(columns=("w",)), chunking=Chunking(seconds=float(chunk)), shard_rows=len(rows) + 1
        )
        super().__init__(store, info, rows, targets)

    def _read(self, rows: Any, out: Any) -> None:
        out[:] = 0


def songs(count: int = 60, groups: int = 20, seed: int = 0, target: str = "multi-label") -> Annotated:
    """Tracks of two seconds with some of five labels, the last of which are rare, in groups and folds."""
    random = np.random.default_rng(seed)
    shares = dict(zip("abcde", (0.6, 0.4, 0.3, 0.15, 0.1), strict=True))
    of_group = [{name for name, share in shares.items() if random.random() < share} for _ in range(groups)]
    of_group[:2] = {*"abcde"}, {*"ae"}
    return Annotated(
        [
            (f"t{n:03d}", f"g{n % groups:02d}", str(n % groups % 4), [of_group[n % groups] or {"a"}] * 2)
            for n in range(count)
        ],
        target,
    )


def rows_of(made: Split) -> list[Any]:
    return [getattr(made, side) for side in SIDES]


def check(view: View, made: Split, *, groups: bool) -> None:
    """Check that no unit is on two sides, and no row."""
    units = units_of(view, groups=groups)
    names = [set(units[rows].tolist()) for rows in rows_of(made)]
    assert len(set.union(*names)) == sum(map(len, names))
    assert len(np.unique(np.concatenate(rows_of(made)))) == sum(map(len, rows_of(made)))


def shares_of(view: Annotated, made: Split) -> Any:
    """The share of each label's rows on each side, (sides, labels)."""
    every = strata_of(view).rows
    counts = [np.bincount(every.select(rows).name, minlength=len(every.names)) for rows in rows_of(made)]
    return np.array(counts) / np.sum(counts, axis=0)


# --- no group on two sides, whatever the target ------------------------------------------------------------

second = st.sets(st.sampled_from("abc"), max_size=2)
label_track = st.tuples(st.integers(0, 6), st.integers(0, 2), st.lists(second, min_size=1, max_size=4))
STRATEGIES = ["group", "track", "random", "fold-1", "folds", "drawn", "leave-one-group-out"]


@settings(max_examples=50)
@given(
    st.lists(label_track, min_size=6, max_size=30),
    st.sampled_from(["single", "multi-label", "frames", "number"]),
    st.sampled_from(STRATEGIES),
    st.sampled_from(["drop", "keep"]),
    st.integers(0, 99),
)
def test_no_unit_is_on_two_sides_and_every_row_with_a_target_is_on_one(
    tracks: list[Any], target: str, strategy: str, background: str, seed: int
) -> None:
    def seconds(parts: list[set[str]]) -> Seconds:
        if target == "number":
            return [float(sum(map(ord, part))) if part else None for part in parts]
        return [{*sorted(part)[:1]} for part in parts] if target == "single" else parts

    made_of = [
        (f"t{n:02d}", f"g{group}", str(fold), seconds(parts)) for n, (group, fold, parts) in enumerate(tracks)
    ]
    view = Annotated(made_of, target, background=background)
    drawn = {"strategy": None, "folds": 3} if strategy == "drawn" else {"strategy": strategy}
    options: dict[str, Any] = {"seed": seed, "shares": (0.7, 0.1, 0.2), **drawn}
    try:
        made = choose(view, **options)
    except SplitError:
        return  # there are too few units
    # The order of a store's tracks does not matter.
    assert choose(Annotated(made_of[::-1], target, background=background), **options).digest == made.digest
    whole = target in ("multi-label", "frames")
    used = [row for row, labels in enumerate(view.found) if labels or whole]
    folds = [fold.split for fold in made.folds] if isinstance(made, Folds) else [made]
    for one in folds:
        check_all(view, one, used, strategy)
    if isinstance(made, Folds):
        assert made.tested.tolist() == used
        if target != "number":
            assert check_classes(made) == sorted(set().union(*view.found))


def check_all(view: Annotated, made: Split, used: list[int], strategy: str) -> None:
    assert sorted(np.concatenate([*rows_of(made), made.left_out]).tolist()) == used
    assert made.strata.unlabelled.tolist() == sorted({*range(len(view))} - {*used})
    if strategy != "random":
        check(view, made, groups=strategy in ("group", "drawn", "leave-one-group-out"))


@given(st.integers(0, 1000), st.sampled_from([0.1, 0.2, 0.5, 0.8]), st.integers(2, 25))
def test_what_is_drawn_leaves_every_label_to_train(seed: int, share: float, units: int) -> None:
    random = np.random.default_rng(seed)
    table = random.random((60, 6)) < random.random(6) * 0.3
    unit_of = random.integers(0, units, 60)
    strata = Strata.of_indicators("abcdef", table)
    drawn = draw(unit_of, strata, share, (seed,))
    assert not set(unit_of[drawn]) & set(unit_of[~drawn])
    assert (table[~drawn].any(0) == table.any(0)).all()
    folds = stratified_folds(unit_of, strata, 3, (seed,))
    assert all(len(np.unique(folds[unit_of == unit])) == 1 for unit in np.unique(unit_of))


# --- better than chance ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["multi-label", "frames"])
def test_sides_have_a_share_of_every_label_as_no_random_draw_has(target: str) -> None:
    view = songs(300, 100, target=target)
    units = units_of(view)
    names = np.unique(units)
    ours = [shares_of(view, split(view, "group", seed=seed))[2] for seed in range(20)]
    random = np.random.default_rng(0)
    table = strata_of(view).rows
    every = np.bincount(table.name)
    chance = []
    for _ in range(200):
        tested = np.isin(units, random.permutation(names)[: len(names) // 5])
        chance.append(np.bincount(table.select(tested).name, minlength=len(every)) / every)
    error, of_chance = (np.abs(np.array(shares) - 0.2).mean(1) for shares in (ours, chance))
    assert error.max() < 0.02  # a label has 10 groups or more, so 0.2 of them can be had but for one group
    assert error.mean() < np.quantile(of_chance, 0.01)


def test_folds_have_a_share_of_every_label() -> None:
    view = songs(300, 100)
    groups = np.array([*strata_of(view).rows.units_of_names(view.groups).values()])
    assert groups.min() >= 9
    for fold in make_folds(view, folds=5, seed=1).folds:
        assert (np.abs(shares_of(view, fold.split)[2] - 0.2) < np.maximum(0.03, 1 / groups)).all()


def test_segments_are_stratified_by_how_long_each_label_is() -> None:
    # Each file has a minute of one label and a second of another, so that by files all would have both.
    tracks = [(f"t{n:02d}", "", "", [{"ab"[n % 2]}] * 60 + [{"ba"[n % 2]}]) for n in range(20)]
    view = Annotated(tracks, "single")
    for seed in range(5):
        assert np.abs(shares_of(view, split(view, seed=seed)) - [[0.7], [0.1], [0.2]]).max() < 0.02


def test_numbers_are_stratified_by_the_means_of_tracks() -> None:
    random = np.random.default_rng(0)
    tracks = [(f"t{n:03d}", "", "", [float(random.normal())] * 2) for n in range(100)]
    view = Annotated(tracks, "number")
    values = view.targets.value
    for seed in range(5):
        made = split(view, seed=seed)
        tested, every = values[made.test], values
        assert [len(rows) for rows in rows_of(made)] == [140, 20, 40]
        for share in (0.1, 0.5, 0.9):  # by chance they differ by 0.3 deviations
            assert abs(np.mean(tested <= np.quantile(every, share)) - share) <= 0.05
    # In few groups, the sides have about their shares, although there are as many ranges as groups.
    grouped = Annotated([(id, f"g{n % 12}", "", one) for n, (id, _, _, one) in enumerate(tracks)], "number")
    for seed in range(5):
        sizes = [len(rows) / 200 for rows in rows_of(split(grouped, "group", seed=seed))]
        assert sizes == pytest.approx([0.7, 0.1, 0.2], abs=0.1)
    folds = make_folds(view, folds=5)
    assert [len(fold.split.test) for fold in folds.folds] == [40] * 5
    assert folds.reason == "folds were requested; they are drawn by tracks, stratified by the number"
    assert check_classes(folds) == ["mood"]


@given(st.lists(st.integers(0, 30).map(float), min_size=1, max_size=80))
def test_ranges_hold_as_many_numbers_unless_numbers_are_equal(values: list[float]) -> None:
    numbers = np.array(values)
    borders = ranges(numbers)
    assert (np.diff(borders) > 0).all()
    counts = np.bincount(np.searchsorted(borders, numbers, side="right"), minlength=len(borders) + 1)
    assert (counts > 0).all()
    assert len(range_names(borders)) == len(counts) <= 10
    assert len({*range_names(borders)}) == len(counts)
    if len({*values}) == len(values):
        assert counts.max() - counts.min() <= 1 or len(counts) == 1


# --- all views of a store, and what is left out ------------------------------------------------------------


@pytest.mark.parametrize("target", ["single", "multi-label", "frames", "number"])
def test_all_views_of_a_store_have_the_same_test_tracks(target: str) -> None:
    random = np.random.default_rng(3)
    tracks = []
    for n in range(40):
        seconds: Any = [{"abc"[random.integers(0, 3)]} for _ in range(4)]
        if target == "single":  # one label a chunk, in chunks of either length
            seconds = [seconds[0]] * 2 + [seconds[2]] * 2
        if target == "number":
            seconds = random.normal(size=4).tolist()
        tracks.append((f"t{n:02d}", f"g{n % 17}", "", seconds))
    tested = []
    for chunk in (1, 2):
        view = Annotated(tracks, target, chunk=chunk)
        made = split(view, "group", seed=5)
        tested.append({*view.ids[made.test].tolist()})
    assert tested[0] == tested[1]


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    tracks = [(f"t{n}", "", "", [{"ab"[n % 2]}, set(), {"ab"[n % 2]}]) for n in range(20)]
    kept = Annotated(tracks, "single", background="keep")
    made = split(kept, seed=1)
    assert made.strata.unlabelled.tolist() == list(range(1, 60, 3))
    assert (
        made.reason
        == "the dataset names no artists, speakers or recordings; 20 rows without a label left out"
    )
    assert not {*np.concatenate(rows_of(made)).tolist()} & {*made.strata.unlabelled.tolist()}
    part = with_share(made, kept, 0.5)
    assert part.reason == made.reason
    dropped = split(Annotated(tracks, "single"), seed=1)
    assert dropped.reason == "the dataset names no artists, speakers or recordings"
    of_kept, of_dropped = (
        {*view.ids[one.test].tolist()} for view, one in ((kept, made), (Annotated(tracks, "single"), dropped))
    )
    assert of_kept == of_dropped
    # Of several labels, no label is a target as well.
    several = split(Annotated(tracks, "multi-label", background="keep"), seed=1)
    assert sum(map(len, rows_of(several))) == 60
    numbers = [(f"t{n}", "", "", [float(n), None]) for n in range(20)]
    made = split(Annotated(numbers, "number", background="keep"), seed=1)
    assert made.reason.endswith("; 20 rows without a number left out")


def test_chosen_classes_restrict_labels() -> None:
    view = songs()
    made = split(view, classes=["a", "d"])
    assert made.strata.names == ["a", "d"]
    assert sum(map(len, rows_of(made))) == len(view)  # rows of neither are background
    assert len(split(view, classes=["e"]).strata.names) == 1
    tracks = [(f"t{n:02d}", "", "", [{"abc"[n % 3]}, {"abc"[n // 3 % 3]}]) for n in range(30)]
    single = Annotated(tracks, "single")
    made = split(single, classes=["a", "b"])
    assert {*single.labels[np.concatenate(rows_of(made))].tolist()} == {"a", "b"}


def test_a_split_file_of_several_labels(tmp_path: Path) -> None:
    view = songs()
    made = split(view, "group", seed=4)
    file = write_split(made, view, tmp_path / "split.json")
    again = choose(view, file, seed=0, shares=(0.7, 0.1, 0.2))
    assert isinstance(again, Split)
    assert again.digest == made.digest


@settings(max_examples=30)
@given(st.integers(0, 50), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_larger_share_contains_a_smaller_one(seed: int, one: float, other: float) -> None:
    view = songs(seed=seed % 3)
    whole = split(view, "group", seed=seed)
    small, large = (with_share(whole, view, share) for share in sorted((one, other)))
    assert set(small.train.tolist()) <= set(large.train.tolist()) <= set(whole.train.tolist())
    assert np.array_equal(small.test, whole.test)
    for part in (small, large):
        assert (
            part.strata.rows.select(part.train).present() == whole.strata.rows.select(whole.train).present()
        )
        check(view, part, groups=True)


# --- a free column as the label ----------------------------------------------------------------------------


def devices(*names: str) -> Annotated:
    tracks = [(f"t{n:02d}", f"g{n}", "", [{"abc"[n % 3]}] * 2) for n in range(len(names))]
    return Annotated(tracks, "multi-label", devices=names)


def test_a_free_column_can_be_the_label() -> None:
    names = ["phone", "desk", "", "phone"] * 6
    view = devices(*names)
    made = split(view, "group", label_column="device")
    assert (made.strata.target, made.strata.names) == ("single", ["desk", "phone"])
    labels = row_labels(view, "device")
    assert labels.tolist() == [name for name in names for _ in range(2)]
    assert made.reason == "it was requested; 12 rows without a text in column 'device' left out"
    assert {*labels[np.concatenate(rows_of(made))].tolist()} == {"desk", "phone"}
    tested = labels[made.test].tolist()
    assert (tested.count("phone"), tested.count("desk")) == (4, 2)
    folds = make_folds(view, folds=3, label_column="device")
    assert check_classes(folds) == ["desk", "phone"]
    assert row_labels(view, "label").tolist() == row_labels(view).tolist() == view.labels.tolist()
    assert split(view, label_column="label").strata.target == "multi-label"


# --- what cannot be split ----------------------------------------------------------------------------------

lonely = [("t0", "g0", "1", [{"a", "b"}]), *((f"t{n}", f"g{n}", "2", [{"a"}]) for n in range(1, 9))]
numbers = [(f"t{n}", "g", str(n % 2), [float(n)]) for n in range(9)]


@pytest.mark.parametrize(
    ("tracks", "target", "options", "message"),
    [
        (
            lonely,
            "multi-label",
            {"strategy": "group"},
            "label 'b' has 1 group, so it cannot be both trained and tested: add groups, or leave the label "
            'out with `classes`, or use `strategy="track"`, which is leaky',
        ),
        (
            lonely,
            "frames",
            {"strategy": "fold-1"},
            "label 'b' has 1 track, none of them in the training rows of split 'fold-1': leave the label out",
        ),
        (lonely, "multi-label", {"folds": 2}, "label 'b' has 1 of the dataset's groups, so it cannot"),
        (lonely, "multi-label", {"folds": 9, "classes": ["a", "z"]}, "has no class 'z'"),
        (
            [*lonely, ("t9", "g9", "2", [{"b"}])],
            "multi-label",
            {"folds": 3},
            "label 'b' has 2 of the dataset's groups, fewer than 3 folds: use `folds=2`, or leave the label",
        ),
        (
            numbers,
            "number",
            {"classes": ["a"]},
            "classes are chosen of labels; the target of made is the number 'mood': leave out `classes`",
        ),
        (
            numbers,
            "number",
            {"strategy": "group"},
            "the dataset has 1 group, so it cannot be both trained and tested: add groups, or use "
            '`strategy="track"`, which is leaky',
        ),
        (
            numbers,
            "number",
            {"strategy": "track", "folds": 10},
            "has 9 of .* tracks, fewer than 10 folds: use",
        ),
        (numbers, "number", {"label_column": "devise"}, "no column 'devise'.*choose `label_column` of mood"),
        ([("t", "", "", [None])] * 2, "number", {}, "no row with a number of 'mood'"),
    ],
)
def test_what_cannot_be_split(tracks: Any, target: str, options: dict[str, Any], message: str) -> None:
    view = Annotated(tracks, target)
    with pytest.raises(SplitError, match=message) as raised:
        choose(view, **{"strategy": None, "seed": 0, "shares": (0.8, 0, 0.2), **options})
    assert "\n" not in str(raised.value)


def test_an_empty_free_column_is_refused() -> None:
    with pytest.raises(SplitError, match="column 'device' of the tracks of made has no text in view"):
        split(devices("", "", ""), label_column="device")
