"""Folds: no unit is on two sides, each row is tested once a repeat, and scikit-learn can use them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.annotations.annotation import Labelling
from audiospec.audio.chunking import Chunking
from audiospec.errors import SplitError
from audiospec.specs.table import TableSpec
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.zoo.splits.choose import choose
from audiospec.zoo.splits.folds import Folds, make_folds
from audiospec.zoo.splits.share import with_share
from audiospec.zoo.splits.split import Split
from audiospec.zoo.splits.strategies import split
from audiospec.zoo.splits.units import units_of


class Made(View):
    """A view in memory, of four columns; rows of a class have about the same values."""

    def __init__(self, tracks: list[TrackRecord], chunks: int = 2) -> None:
        store: Any = SimpleNamespace(
            tracks=Tracks.from_records(tracks), path=Path("made"), dataset="made-up", labelling=Labelling()
        )
        rows = np.zeros(len(tracks) * chunks, ROW_DTYPE)
        rows["track"] = np.repeat(np.arange(len(tracks)), chunks)
        rows["start"] = np.tile(np.arange(chunks), len(tracks))
        spec = TableSpec(columns=tuple("wxyz"))
        super().__init__(
            store, ViewInfo(spec=spec, chunking=Chunking(seconds=1.0), shard_rows=len(rows)), rows
        )
        random = np.random.default_rng(0)
        classes = [ord(track.label) - ord("a") for track in tracks for _ in range(chunks)]
        self.values = (random.normal(size=(len(rows), 4)) + 1.2 * np.eye(4)[classes]).astype(np.float32)

    def _read(self, rows: Any, out: Any) -> None:
        out[:] = self.values[rows]


def grouped(per_class: int = 12, groups: int = 6, folds: int = 3) -> Made:
    """Three classes of tracks in groups of one class, which are in one of the dataset's folds each."""
    return Made(
        [
            TrackRecord(
                f"{label}{n:02d}", label=label, group=f"{label}-{n % groups}", fold=str(n % groups % folds)
            )
            for label in "abc"
            for n in range(per_class)
        ]
    )


def ungrouped(per_class: int = 10) -> Made:
    return Made([TrackRecord(f"{label}{n:02d}", label=label) for label in "abc" for n in range(per_class)])


def check(folds: Folds, view: View, *, groups: bool) -> None:
    """Check what holds for all folds."""
    units = units_of(view, groups=groups)
    tested: Counter[tuple[int, int]] = Counter()
    for fold in folds.folds:
        sides = [fold.split.train, fold.split.valid, fold.split.test]
        names = [set(units[side].tolist()) for side in sides]
        assert len(set.union(*names)) == sum(map(len, names))
        assert len(np.unique(np.concatenate(sides))) == sum(map(len, sides))
        tested.update((fold.repeat, row) for row in fold.split.test.tolist())
    rows = range(len(view))
    assert tested == Counter((repeat, row) for repeat in range(1, folds.repeats + 1) for row in rows)


record = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["", "g0", "g1", "g2", "g3", "g4"]),
    st.integers(0, 6),
    st.integers(0, 2),
)


@given(
    st.lists(record, min_size=4, max_size=40),
    st.sampled_from(["drawn", "track", "folds", "leave-one-group-out"]),
    st.sampled_from([(0.8, 0.0, 0.2), (0.7, 0.1, 0.2)]),
    st.integers(2, 4),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_no_unit_is_on_two_sides_and_each_row_is_tested_once_a_repeat(
    tracks: list[tuple[str, str, int, int]], how: str, shares: Any, count: int, repeats: int, seed: int
) -> None:
    records = [
        TrackRecord(f"t{n:02d}", label=label, group=group, hash=f"h{hash or n + 10}", fold=f"f{fold}")
        for n, (label, group, hash, fold) in enumerate(tracks)
    ]
    view = Made(records)
    drawn = how in ("drawn", "track")
    options: dict[str, Any] = {"folds": count, "repeats": repeats} if drawn else {}
    try:
        folds = make_folds(view, None if how == "drawn" else how, seed=seed, shares=shares, **options)
    except SplitError:
        return  # there are too few units
    check(folds, view, groups=how in ("drawn", "leave-one-group-out"))
    if drawn:
        assert len(folds) == count * repeats
    # The order of a store's tracks does not matter.
    again = make_folds(
        Made(records[::-1]), None if how == "drawn" else how, seed=seed, shares=shares, **options
    )
    assert again.digest == folds.digest


def test_the_folds_do_not_depend_on_the_order_of_the_tracks() -> None:
    records = [
        TrackRecord(f"{label}{n:02d}", label=label, group=f"{label}-{n % 6}")
        for label in "abc"
        for n in range(12)
    ]
    one, other = Made(records), Made(records[::-1])
    for view in (one, other):
        assert (
            make_folds(view, folds=4, repeats=2, seed=3).digest
            == make_folds(one, folds=4, repeats=2, seed=3).digest
        )
    assert make_folds(one, folds=4, seed=4).digest != make_folds(one, folds=4, seed=3).digest


def test_folds_are_stratified_and_repeats_differ() -> None:
    view = ungrouped()
    folds = make_folds(view, folds=5, repeats=2)
    assert (folds.strategy, folds.name, len(folds), folds.get_n_splits()) == (
        "5 folds x 2",
        "5 folds x 2",
        10,
        10,
    )
    for fold in folds.folds:
        assert Counter(view.labels[fold.split.test].tolist()) == {"a": 4, "b": 4, "c": 4}
    first, second = ({tuple(f.split.test) for f in folds.folds if f.repeat == n} for n in (1, 2))
    assert first != second
    assert [fold.split.strategy for fold in folds.folds[4:6]] == [
        "fold 5 of 5, repeat 1",
        "fold 1 of 5, repeat 2",
    ]


def test_folds_of_groups_and_of_tracks() -> None:
    view = grouped()
    by_group, by_track = make_folds(view, folds=3), make_folds(view, "track", folds=3)
    assert (by_group.name, by_group.leaky) == ("3 folds", False)
    assert (by_track.name, by_track.strategy) == ("3 folds by track (leaky: groups)", "3 folds by track")
    assert by_track.leaks.rows == len(view)
    assert 0 < by_track.leaks.leaking <= len(view)


def test_the_datasets_own_folds_and_one_group_out() -> None:
    view = grouped()
    own = make_folds(view, "folds")
    assert [fold.split.strategy for fold in own.folds] == ["fold-0", "fold-1", "fold-2"]
    for number, fold in enumerate(own.folds):
        assert set(view.folds[fold.split.test]) == {str(number)}
    one_out = make_folds(view, "leave-one-group-out")
    assert len(one_out) == 18
    for fold in one_out.folds:
        (group,) = set(view.groups[fold.split.test].tolist())
        assert fold.split.strategy == f"without {group}"


def test_a_network_gets_validation_rows_in_each_fold() -> None:
    view = grouped(30, 15)
    for strategy, options in ((None, {"folds": 3}), ("folds", {}), ("leave-one-group-out", {})):
        folds = make_folds(view, strategy, shares=(0.7, 0.1, 0.2), **options)
        check(folds, view, groups=True)
        assert all(len(fold.split.valid) for fold in folds.folds)


@pytest.mark.parametrize("strategy", [None, "folds", "leave-one-group-out"])
def test_scikit_learn_can_use_them(strategy: str | None) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    view = grouped()
    folds = make_folds(view, strategy, folds=None if strategy else 3)
    scores = cross_val_score(LogisticRegression(), view.read(), view.labels.astype(str), cv=folds)
    assert len(scores) == len(folds)
    with pytest.raises(SplitError, match="one item for each of the view's 72 rows; got 5"):
        next(iter(folds.split(np.zeros(5))))


def test_classes_can_be_chosen() -> None:
    view = grouped()
    folds = make_folds(view, folds=3, classes=["a", "c"])
    assert set(view.labels[folds.tested].tolist()) == {"a", "c"}


BAD: list[tuple[Any, dict[str, Any], str]] = [
    (grouped, {"folds": 7}, "class 'a' has 6 of the dataset's groups, fewer than 7 folds: use `folds=6`"),
    (
        ungrouped,
        {"folds": 11},
        "class 'a' has 10 of the dataset's tracks, fewer than 11 folds: use `folds=10`",
    ),
    (
        lambda: grouped(groups=1),
        {"folds": 2},
        "class 'a' has 1 of the dataset's groups, so it cannot be both",
    ),
    (
        lambda: grouped(groups=1),
        {"strategy": "leave-one-group-out"},
        "class 'a' has 1 of the dataset's groups",
    ),
    (
        ungrouped,
        {"strategy": "leave-one-group-out"},
        "expected a group for each track .* no track has one: name",
    ),
    (ungrouped, {"strategy": "folds"}, "'made-up' has none: draw some with `folds=5`"),
    (ungrouped, {"strategy": "group", "folds": 2}, "no track of dataset 'made-up' has a group"),
    (grouped, {"strategy": "random", "folds": 2}, "got the split 'random': leave out `folds`"),
    (grouped, {"strategy": "folds", "folds": 2}, "has folds of its own, each tested once; got 2 folds"),
    (grouped, {"strategy": "folds", "repeats": 2}, "has folds of its own, each tested once; got 2 repeats"),
    (grouped, {"folds": 1}, "expected at least 2 folds; got 1"),
    (grouped, {"folds": 2.5}, "expected at least 2 folds; got 2.5"),
    (grouped, {"folds": 2, "repeats": 0}, "expected at least 1 repeat; got 0"),
    (grouped, {"repeats": 3}, "expected a number of folds for 3 repeats; got none"),
    (grouped, {"folds": 2, "shares": (1, 0, 0)}, "expected three shares"),
    (grouped, {"folds": 2, "seed": -1}, "expected a seed of at least 0"),
]


@pytest.mark.parametrize(("make", "options", "message"), BAD)
def test_folds_that_cannot_be_made(make: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SplitError, match=message) as raised:
        choose(make(), **{"strategy": None, "seed": 0, "shares": (0.8, 0, 0.2), **options})
    assert "\n" not in str(raised.value)


def test_tracks_without_a_fold_or_a_group() -> None:
    records = [
        TrackRecord(f"{label}{n}", label=label, fold=str(n % 2) if n else "", group=f"g{n}" if n else "")
        for label in "ab"
        for n in range(6)
    ]
    view = Made(records)
    with pytest.raises(
        SplitError, match="expected a fold for each track of dataset 'made-up'; 2 of 12 have none"
    ):
        make_folds(view, "folds")
    with pytest.raises(
        SplitError, match="expected a group for each track of dataset 'made-up'; 2 of 12 have none"
    ):
        make_folds(view, "leave-one-group-out")
    parts = Made(
        [
            TrackRecord(f"{label}{n}", label=label, fold=("train", "test")[n % 2])
            for label in "ab"
            for n in range(6)
        ]
    )
    with pytest.raises(
        SplitError, match=r'has the parts test, train: draw .*, or choose `strategy="fold-train"`'
    ):
        make_folds(parts, "folds")


def test_folds_of_another_view_or_of_a_given_split() -> None:
    view, other = grouped(), ungrouped()
    made = make_folds(view, folds=2)
    assert choose(view, made, seed=0, shares=(0.8, 0, 0.2)) is made
    with pytest.raises(SplitError, match="got one of other rows"):
        choose(other, made, seed=0, shares=(0.8, 0, 0.2))
    with pytest.raises(SplitError, match="got a split that is given"):
        choose(view, split(view), folds=2, seed=0, shares=(0.8, 0, 0.2))


# --- shares of the training units --------------------------------------------------------------------------


@given(
    st.sampled_from(["track", "group", "random"]), st.integers(0, 50), st.floats(0.01, 1), st.floats(0.01, 1)
)
def test_a_larger_share_contains_a_smaller_one(strategy: str, seed: int, one: float, other: float) -> None:
    view = grouped(30, 10)
    whole = split(view, strategy, seed=seed, shares=(0.7, 0.1, 0.2))
    small, large = (with_share(whole, view, share) for share in sorted((one, other)))
    assert set(small.train.tolist()) <= set(large.train.tolist()) <= set(whole.train.tolist())
    for part in (small, large):
        assert np.array_equal(part.test, whole.test)
        assert np.array_equal(part.valid, whole.valid)
        units = units_of(view)
        rest = np.setdiff1d(whole.train, part.train)
        assert not set(units[part.train].tolist()) & set(units[rest].tolist())
        assert set(view.labels[part.train].tolist()) == {"a", "b", "c"}


@pytest.mark.parametrize(("share", "tracks"), [(0.1, 1), (0.3, 2), (0.5, 4), (0.75, 6), (1.0, 8)])
def test_a_share_has_as_many_tracks_of_each_class(share: float, tracks: int) -> None:
    view = ungrouped()
    part: Split = with_share(split(view, shares=(0.8, 0, 0.2)), view, share)
    assert Counter(view.labels[part.train].tolist()) == dict.fromkeys("abc", 2 * tracks)


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan"), True, "0.5"])
def test_an_impossible_share(share: Any) -> None:
    view = ungrouped()
    with pytest.raises(SplitError, match="expected a share of the training rows above 0 and up to 1; got"):
        with_share(split(view), view, share)
