"""Splits: which rows are on which side; only `random` leaks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.benchmarks.base import absent
from audiospec.errors import SplitError
from audiospec.zoo.splits import Split, default_strategy, split


@dataclass
class Store:
    dataset: str = "made-up"


@dataclass
class Rows:
    """The part of a view that `split` reads; a track is (id, label, group, fold, number of chunks)."""

    tracks: list[tuple[str, str, str, str, int]]
    name: str = "mel-1s-abcdef"
    store: Store = field(default_factory=Store)

    def column(self, place: int) -> Any:
        return np.array([track[place] for track in self.tracks for _ in range(track[4])], dtype=object)

    def __len__(self) -> int:
        return sum(track[4] for track in self.tracks)

    ids = property(lambda self: self.column(0))
    labels = property(lambda self: self.column(1))
    groups = property(lambda self: self.column(2))
    folds = property(lambda self: self.column(3))
    classes = property(lambda self: sorted({track[1] for track in self.tracks}))

    @property
    def rows(self) -> Any:
        table = np.zeros(len(self), [("track", "<i4"), ("start", "<f8")])
        table["track"] = [n for n, track in enumerate(self.tracks) for _ in range(track[4])]
        table["start"] = [float(i) for track in self.tracks for i in range(track[4])]
        return table


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


def test_random_is_called_leaky_and_is() -> None:
    view: Any = gtzan()
    view_split = split(view, "random")
    assert view_split.leaky
    assert view_split.name == "random (leaky)"
    assert not disjoint(on_sides(view_split, view.ids))
    assert not split(view).leaky
    assert split(view).name == "track"


def test_the_same_seed_gives_the_same_split_and_digest() -> None:
    view: Any = gtzan()
    one, same, other = (split(view, seed=seed) for seed in (1, 1, 2))
    assert one.digest == same.digest != other.digest
    assert all((a == b).all() for a, b in zip(sides(one).values(), sides(same).values(), strict=True))
    # The digest is of tracks and starts, not of row numbers: the same sides in a view of another order.
    mirrored = {side: np.sort(len(view) - 1 - rows) for side, rows in sides(one).items()}
    reversed_rows = ([*reversed(one.rows[0])], [*reversed(one.rows[1])])
    assert Split("track", 1, **mirrored, rows=reversed_rows).digest == one.digest
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
        (gtzan(per_class=1), {}, "class .* has 1 track"),
        (
            Rows([("a", "x", "", "", 1), ("b", "y", "", "", 1)]),
            {"strategy": "group"},
            'track a .* has no group; .* names no artists or speakers: use `strategy="track"`',
        ),
        (
            Rows([("a", "x", "", "", 1), ("b", "y", "", "", 1)]),
            {"strategy": "fold-1"},
            "no fold '1' .it has none",
        ),
        (
            Rows([("a", "x", "g", "", 1), ("b", "y", "g", "", 1)]),
            {"strategy": "group"},
            "none of them in the training rows of split .*: leave the class out with `classes`, or choose",
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
            "none of them in the training rows of split .*: leave the class out with `classes`, or choose",
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
        (("1", "2"), "track"),
        (("",), "track"),
    ],
)
def test_the_default_is_the_datasets_own_split(folds: tuple[str, ...], strategy: str) -> None:
    view = own_split(*folds)
    assert default_strategy(view) == strategy
    chosen = split(view)
    assert chosen.strategy == strategy
    assert chosen.digest == split(view, strategy).digest
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
