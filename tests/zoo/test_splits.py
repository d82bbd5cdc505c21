"""Splits: which rows are on which side; only `random` leaks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.annotations.annotation import Labelling
from audiospec.benchmarks.base import absent
from audiospec.errors import SplitError
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.zoo.splits.drawing import draw
from audiospec.zoo.splits.split import Split
from audiospec.zoo.splits.strategies import split
from audiospec.zoo.splits.units import joined, units_of


@dataclass
class Store:
    """The part of a store that `split` reads."""

    tracks: Tracks
    dataset: str = "made-up"
    path: str = "made.zarr"
    labelling: Labelling = field(default_factory=Labelling)


@dataclass
class Rows:
    """The part of a view that `split` reads.

    A track is (id, label, group, fold, number of chunks), and may go on with its hash and its cluster.
    """

    tracks: list[Any]
    name: str = "mel-1s-abcdef"
    dataset: str = "made-up"
    order: list[int] | None = None  # of the rows
    targets: None = None

    def column(self, place: int) -> Any:
        values = np.array([track[place] for track in self.tracks for _ in range(track[4])], dtype=object)
        return values if self.order is None else values[self.order]

    def __len__(self) -> int:
        return sum(track[4] for track in self.tracks)

    ids = property(lambda self: self.column(0))
    labels = property(lambda self: self.column(1))
    groups = property(lambda self: self.column(2))
    folds = property(lambda self: self.column(3))
    classes = property(lambda self: sorted({track[1] for track in self.tracks if track[4]}))

    @property
    def store(self) -> Store:
        records = []
        for id, label, group, fold, _, *sound in self.tracks:
            hash, cluster = [*sound, "", ""][:2]
            records.append(
                TrackRecord(
                    id=id, label=label, group=group, fold=fold, hash=hash or f"hash of {id}", cluster=cluster
                )
            )
        return Store(Tracks.from_records(records), self.dataset)

    @property
    def rows(self) -> Any:
        table = np.zeros(len(self), [("track", "<i4"), ("start", "<f8")])
        table["track"] = [n for n, track in enumerate(self.tracks) for _ in range(track[4])]
        table["start"] = [float(i) for track in self.tracks for i in range(track[4])]
        return table if self.order is None else table[self.order]


def gtzan(chunks: int = 3, per_class: int = 100) -> Rows:
    genres = ("blues", "jazz", "rock")
    return Rows(
        [
            (f"{genre}.{n:05d}", genre, f"artist {n // 4}", str(n % 5), chunks)
            for genre in genres
            for n in range(per_class)
        ]
    )


def sides(view_split: Split) -> dict[str, Any]:
    return {side: getattr(view_split, side) for side in ("train", "valid", "test")}


def on_sides(view_split: Split, values: Any) -> dict[str, set[str]]:
    return {side: set(values[rows]) for side, rows in sides(view_split).items()}


def disjoint(by_side: dict[str, set[str]]) -> bool:
    one, two, three = by_side.values()
    return not (one & two or one & three or two & three)


track = st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 3), st.integers(1, 4))


@given(
    st.lists(track, min_size=1, max_size=40),
    st.sampled_from(["track", "group", "fold-1"]),
    st.integers(0, 99),
)
def test_no_strategy_but_random_puts_a_track_or_a_group_on_two_sides(
    tracks: list[tuple[str, int, int, int]], strategy: str, seed: int
) -> None:
    view: Any = Rows(
        [
            (f"t{n}", label, f"g{group}", str(fold), chunks)
            for n, (label, group, fold, chunks) in enumerate(tracks)
        ]
    )
    try:
        view_split = split(view, strategy, seed=seed)
    except SplitError:
        return  # there are too few tracks for three sides
    rows = np.concatenate(list(sides(view_split).values()))
    assert sorted(rows.tolist()) == list(range(len(view)))
    assert disjoint(on_sides(view_split, view.ids))
    if strategy == "group":
        assert disjoint(on_sides(view_split, view.groups))
    if strategy == "fold-1":
        assert set(view.folds[view_split.test]) == {"1"}
        assert "1" not in set(view.folds[view_split.train]) | set(view.folds[view_split.valid])


@pytest.mark.parametrize("strategy", ["track", "random"])
@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.8, 0.0, 0.2), (0.5, 0.25, 0.25)])
def test_every_class_is_divided_exactly_by_the_shares(
    strategy: str, shares: tuple[float, float, float]
) -> None:
    view: Any = gtzan()
    view_split = split(view, strategy, seed=3, shares=shares)
    for rows, share in zip(sides(view_split).values(), shares, strict=True):
        expected = {genre: round(300 * share) for genre in view.classes} if share else {}
        assert Counter(view.labels[rows].tolist()) == expected


@pytest.mark.parametrize("by_group", [True, False])
def test_validation_rows_are_split_by_groups_only_if_the_folds_are(by_group: bool) -> None:
    # In the spoken digits, speakers are both in the official test part and outside it; in ESC-10, an original
    # recording is in one fold only.
    view: Any = Rows(
        [
            (f"{label}{speaker}{take}", label, f"{speaker}", str(speaker % 3 if by_group else take % 3), 1)
            for label in "abc"
            for speaker in range(12)
            for take in range(6)
        ]
    )
    view_split = split(view, "fold-0")
    assert disjoint(on_sides(view_split, view.groups)) is by_group
    if not by_group:
        assert set(view.groups[view_split.train]) == set(view.groups)


def test_a_split_that_leaks_says_what() -> None:
    view: Any = gtzan()
    by_chunk = split(view, "random")
    assert by_chunk.leaky
    assert by_chunk.name == "random (leaky: tracks, groups)"
    assert by_chunk.leaks.kinds["track"] == len(by_chunk.test) - sum(
        id not in set(view.ids[by_chunk.train]) | set(view.ids[by_chunk.valid])
        for id in view.ids[by_chunk.test]
    )
    assert split(view, "track").name == "track (leaky: groups)"
    by_group = split(view, "group")
    assert (by_group.leaky, by_group.name) == (False, "group")
    # Where each track is one chunk, and there are no groups, random chunks are random tracks.
    alone: Any = Rows([(f"{label}{n}", label, "", "", 1) for label in "ab" for n in range(20)])
    assert split(alone, "random").name == "random"


def test_the_noun_of_what_leaks_is_the_datasets() -> None:
    view: Any = gtzan(chunks=1)
    for dataset, noun in (("esc10", "recordings"), ("fsdd", "speakers"), ("gtzan", "artists")):
        assert split(replace(view, dataset=dataset), "track").name == f"track (leaky: {noun})"


def test_the_same_seed_gives_the_same_split_and_digest() -> None:
    view: Any = gtzan()
    one, same, other = (split(view, seed=seed) for seed in (1, 1, 2))
    assert one.digest == same.digest != other.digest
    assert all((a == b).all() for a, b in zip(sides(one).values(), sides(same).values(), strict=True))
    # The digest is of tracks and starts, not of row numbers: the same sides in a view of another order.
    mirrored = {side: np.sort(len(view) - 1 - rows) for side, rows in sides(one).items()}
    reversed_rows = ([*reversed(one.rows[0])], [*reversed(one.rows[1])])
    assert replace(one, **mirrored, rows=reversed_rows).digest == one.digest
    assert split(view, "random", seed=1).digest != one.digest


def test_every_class_is_on_every_side_where_it_can_be() -> None:
    view: Any = Rows(
        [(f"{label}{n}", label, "", "", 2) for label, many in (("a", 3), ("b", 40)) for n in range(many)]
    )
    view_split = split(view)
    assert all(set(view.labels[rows]) == {"a", "b"} for rows in sides(view_split).values())


def test_groups_of_many_classes_are_spread() -> None:
    # Six speakers who say every digit.
    view: Any = Rows(
        [
            (f"{digit}_{who}_{n}", str(digit), f"speaker {who}", "", 1)
            for digit in range(10)
            for who in range(6)
            for n in range(5)
        ]
    )
    view_split = split(view, "group")
    assert [len(groups) for groups in on_sides(view_split, view.groups).values()] == [4, 1, 1]
    assert all(len(labels) == 10 for labels in on_sides(view_split, view.labels).values())


def test_only_the_chosen_classes_are_split() -> None:
    view_split = split(gtzan(), classes=("jazz", "rock"))  # type: ignore[arg-type]
    assert set(gtzan().labels[np.concatenate(list(sides(view_split).values()))]) == {"jazz", "rock"}


@pytest.mark.parametrize(
    ("view", "arguments", "message"),
    [
        (gtzan(), {"strategy": "tracks"}, "no split strategy is called 'tracks'; did you mean 'track'"),
        (gtzan(), {"strategy": "fold-9"}, "no fold '9' .it has: fold-0, fold-1"),
        (gtzan(), {"shares": (0.8, 0.1, 0.2)}, "three shares.*got 0.8, 0.1, 0.2"),
        (gtzan(), {"shares": (0, 0.5, 0.5)}, "three shares"),
        (gtzan(), {"classes": ("jaz", "rock")}, "no class 'jaz'; did you mean 'jazz'"),
        (gtzan(), {"classes": ("jazz",)}, "one class .jazz.: expected at least two"),
        (
            gtzan(per_class=1),
            {},
            "class .* has 1 track, so it cannot be both trained and tested: add tracks, or leave",
        ),
        (
            Rows([("a", "x", "", "", 1), ("b", "y", "", "", 1)]),
            {"strategy": "group"},
            'no track of dataset .* has a group: name artists, .*, or use `strategy="track"`',
        ),
        (
            Rows([("a", "x", "", "", 1), ("b", "y", "", "", 1)]),
            {"strategy": "fold-1"},
            "no fold '1' .it has none",
        ),
        (
            Rows([("a", "x", "g", "", 1), ("b", "y", "g", "", 1)]),
            {"strategy": "group"},
            "class 'x' has 1 group, so .*: add groups, .*, or use `strategy=\"track\"`, which is leaky",
        ),
        (
            Rows(
                [
                    ("a", "x", "", "1", 1),
                    ("b", "y", "", "1", 1),
                    ("c", "x", "", "2", 1),
                    ("d", "y", "", "2", 1),
                ]
            ),
            {"strategy": "fold-2", "shares": (0.5, 0.3, 0.2)},
            "split 'fold-2' of view .* has no validation rows: choose another `strategy`, or other `shares`",
        ),
        (Rows([("a", "x", "", "", 1), ("b", "y", "", "", 1)]), {"strategy": "filtered"}, "is for GTZAN"),
    ],
)
def test_an_impossible_split_is_refused(view: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        split(view, **arguments)


def test_the_filtered_list_of_gtzan() -> None:
    genres = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]
    view: Any = Rows([(f"{genre}.{n:05d}", genre, "", "", 2) for genre in genres for n in range(100)])
    view_split = split(view, "filtered")
    assert [len(rows) for rows in sides(view_split).values()] == [2 * 443, 2 * 197, 2 * 290]
    assert disjoint(on_sides(view_split, view.ids))


def test_the_filtered_list_is_that_of_torchaudio() -> None:
    if why := absent("torchaudio"):
        pytest.skip(f"torchaudio is {why['torchaudio']}")
    from torchaudio.datasets import gtzan

    listed = {"train": gtzan.filtered_train, "valid": gtzan.filtered_valid, "test": gtzan.filtered_test}
    for side, ids in listed.items():
        text = (files("audiospec.zoo") / "data" / "gtzan-filtered" / f"{side}.txt").read_text("utf-8")
        assert text == "".join(f"{id}\n" for id in ids)


def own_split(*folds: str) -> Rows:
    return Rows(
        [(f"{fold}-{label}-{n}", label, "", fold, 2) for fold in folds for label in "ab" for n in range(9)]
    )


@pytest.mark.parametrize(
    ("folds", "strategy"),
    [
        (("train", "test"), "fold-test"),
        (("train", "valid", "test"), "fold-test"),
        (("train", "valid"), "fold-valid"),
        (("train", "", "test"), "fold-test"),
        (("train",), "track"),
        (("test",), "track"),
        (("valid", "test"), "track"),
        (("1", "2"), "fold-1"),
        (("1", ""), "track"),
        (("1", "test"), "track"),
        (("",), "track"),
    ],
)
def test_the_default_is_the_datasets_own_split(folds: tuple[str, ...], strategy: str) -> None:
    view = own_split(*folds)
    chosen = split(view)  # type: ignore[arg-type]
    assert chosen.strategy == strategy
    assert chosen.digest == split(view, strategy).digest  # type: ignore[arg-type]
    if strategy != "track":
        held_out = strategy.removeprefix("fold-")
        assert {*view.folds[chosen.test]} == {held_out}
        assert held_out not in {*view.folds[chosen.train], *view.folds[chosen.valid]}
        assert (view.folds == held_out).sum() == len(chosen.test)


def test_the_datasets_own_validation_validates() -> None:
    view = own_split("train", "valid", "test", "")
    chosen = split(view)
    by_side = {side: {*view.folds[rows]} for side, rows in sides(chosen).items()}
    assert by_side == {"train": {"train", ""}, "valid": {"valid"}, "test": {"test"}}


# --- units: what is one recording is on one side ----------------------------------------------------------


def with_copies() -> Rows:
    """Twenty tracks a class; the first ten are the same files as the last ten, by other names and artists."""
    return Rows(
        [
            (f"{label}{n:02d}", label, f"{label} artist {n}", "", 2, f"bytes of {label}{n % 10}")
            for label in "abc"
            for n in range(20)
        ]
    )


@pytest.mark.parametrize("strategy", ["track", "group"])
@pytest.mark.parametrize("seed", range(6))
def test_the_same_bytes_under_two_names_are_on_one_side(strategy: str, seed: int) -> None:
    view: Any = with_copies()
    hashes = view.store.tracks["hash"][view.rows["track"]]
    view_split = split(view, strategy, seed=seed)
    assert disjoint(on_sides(view_split, hashes))
    assert not view_split.leaky
    assert split(view, "random", seed=seed).leaky


def test_the_tracks_of_a_cluster_are_on_one_side() -> None:
    tracks = [
        (f"{label}{n:02d}", label, "", "", 1, "", f"{label}{n // 2}") for label in "ab" for n in range(20)
    ]
    view: Any = Rows(tracks)
    clusters = view.store.tracks["cluster"][view.rows["track"]]
    for seed in range(6):
        assert disjoint(on_sides(split(view, "track", seed=seed), clusters))


def test_groups_hashes_and_clusters_are_joined() -> None:
    # a0 and a1 are one file, a1 and a2 have one artist, a2 and a3 are in one cluster: all are one unit.
    view: Any = Rows(
        [
            ("a0", "a", "x", "", 1, "h"),
            ("a1", "a", "y", "", 1, "h"),
            ("a2", "a", "y", "", 1, "", "c"),
            ("a3", "a", "z", "", 1, "", "c"),
            ("a4", "a", "w", "", 1),
        ]
    )
    assert units_of(view).tolist() == ["a0", "a0", "a0", "a0", "a4"]
    assert units_of(view, groups=False).tolist() == ["a0", "a0", "a2", "a2", "a4"]


values = st.lists(st.sampled_from(["", "p", "q", "r", "s", "t"]), min_size=7, max_size=7)


@given(values, values, values)
def test_joined_places_are_those_that_can_be_reached(a: list[str], b: list[str], c: list[str]) -> None:
    columns = (a, b, c)
    first = joined([np.array(column) for column in columns])
    reached = {place: {place} for place in range(7)}
    for _ in range(7):
        for place, others in reached.items():
            for other in range(7):
                linked = any(column[a] == column[other] != "" for column in columns for a in others)
                if linked:
                    reached[place] = others | {other}
                    others = reached[place]
    assert first.tolist() == [min(reached[place]) for place in range(7)]


def test_copies_of_a_fixed_test_track_are_left_out_of_the_training() -> None:
    tracks = [
        (f"{label}{n}", label, "", "test" if n < 3 else "train", 2) for label in "ab" for n in range(12)
    ]
    tracks[5] = (*tracks[5], "bytes of a0")
    tracks[0] = (*tracks[0], "bytes of a0")
    view: Any = Rows(tracks)
    view_split = split(view)
    assert set(view.ids[view_split.left_out]) == {"a5"}
    assert not view_split.leaky
    everything = np.concatenate([*sides(view_split).values(), view_split.left_out])
    assert sorted(everything.tolist()) == list(range(len(view)))


# --- the strongest split ----------------------------------------------------------------------------------


def esc() -> Rows:
    return Rows(
        [
            (f"{label}{clip}{take}", label, f"recording {label}{clip}", str(1 + clip % 5), 1)
            for label in "abcd"
            for clip in range(20)
            for take in "AB"
        ]
    )


def test_strongest_takes_the_folds_in_turn() -> None:
    view: Any = esc()
    assert [split(view, seed=seed).strategy for seed in range(6)] == [f"fold-{1 + n % 5}" for n in range(6)]
    assert not split(view).leaky
    assert "5 folds" in split(view).reason


def test_strongest_is_by_groups_where_the_folds_divide_them() -> None:
    # As the spoken digits: every speaker is in the official test part and outside it.
    view: Any = Rows(
        [
            (f"{digit}_{who}_{n}", digit, who, "test" if n < 2 else "train", 1)
            for digit in "0123"
            for who in ("ann", "bob", "cy", "di", "ed")
            for n in range(6)
        ],
        dataset="fsdd",
    )
    chosen = split(view)
    assert chosen.strategy == "group"
    assert "not fold-test: 5 of the dataset's speakers are both in it and outside it" in chosen.reason
    assert split(view, "fold-test").name == "fold-test (leaky: speakers)"


def test_strongest_falls_back_and_says_why() -> None:
    view: Any = Rows([(f"{label}{n}", label, f"only {label}", "", 1) for label in "ab" for n in range(20)])
    with pytest.raises(SplitError, match="class 'a' has 1 group"):
        split(view, "group")
    chosen = split(view)
    assert chosen.name == "track (leaky: groups)"
    assert "not group: class 'a' has 1 group" in chosen.reason


# --- shares and seeds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["track", "group", "random"])
def test_the_test_rows_do_not_depend_on_the_other_shares(strategy: str) -> None:
    view: Any = gtzan()
    tests = {
        tuple(split(view, strategy, seed=4, shares=shares).test.tolist())
        for shares in ((0.8, 0.0, 0.2), (0.7, 0.1, 0.2), (0.5, 0.3, 0.2))
    }
    assert len(tests) == 1


def test_views_of_one_store_have_the_same_test_tracks() -> None:
    full = gtzan(chunks=3)
    # In the other view, longer chunks leave some tracks without rows.
    tracks = [(*track[:4], 0 if n % 7 == 0 else 1) for n, track in enumerate(full.tracks)]
    other: Any = Rows(tracks)
    whole: Any = full
    for seed in range(5):
        tested = set(whole.ids[split(whole, "track", seed=seed).test])
        assert set(other.ids[split(other, "track", seed=seed).test]) == tested & set(other.ids)


@pytest.mark.parametrize("part", [0.3, 0.5])
def test_one_large_group_does_not_distort_the_shares(part: float) -> None:
    """With the largest fractional lack, this gave .62/.30/.08 and .44/.50/.06."""
    view: Any = Rows(
        [
            (f"{label}{n}", label, "large" if n < 100 * part else f"{label} {n}", "", 1)
            for label in "abc"
            for n in range(100)
        ]
    )
    got = [len(rows) / 300 for rows in sides(split(view, "group", shares=(0.8, 0.1, 0.1))).values()]
    assert got == pytest.approx([0.8, 0.1, 0.1], abs=0.011)


@pytest.mark.parametrize("strategy", ["random", "track", "group"])
def test_the_order_of_rows_does_not_matter(strategy: str) -> None:
    view = gtzan(per_class=30)
    order = np.random.default_rng(0).permutation(len(view)).tolist()
    shuffled: Any = replace(view, order=order)
    first: Any = view
    assert split(first, strategy, seed=3).digest == split(shuffled, strategy, seed=3).digest


@given(
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from("abc")), min_size=4, max_size=40),
    st.floats(0.05, 0.95),
    st.integers(0, 99),
)
def test_what_is_drawn_has_every_class_that_has_two_units(
    items: list[tuple[int, str]], share: float, seed: int
) -> None:
    # One class a unit: then it is always possible.
    unit = np.array([10 * number + "abc".index(name) for number, name in items])
    labels = np.array([name for _, name in items])
    drawn = draw(unit, labels, share, (seed,))
    for name in set(labels):
        units = {*unit[labels == name]}
        assert not {*unit[drawn]} & {*unit[~drawn]}
        assert (labels[~drawn] == name).any()
        assert (labels[drawn] == name).any() is np.bool_(len(units) > 1)


# --- scikit-learn -----------------------------------------------------------------------------------------


def test_scikit_learn_uses_a_split(table: View) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    made = split(table, shares=(0.8, 0.0, 0.2))
    x, y = table.read(), table.labels.astype(str)
    model = LogisticRegression(max_iter=500)
    expected = model.fit(x[made.train], y[made.train]).score(x[made.test], y[made.test])
    assert cross_val_score(model, x, y, cv=made).tolist() == [expected]
    with pytest.raises(SplitError, match="one item for each of the view's 90 rows; got 89"):
        next(made.split(x[1:]))
