"""Splits: what is on which side, and that nothing but `random` ever leaks."""

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
from audiospec.zoo.splits import Split, split


@dataclass
class Store:
    dataset: str = "made-up"


@dataclass
class Rows:
    """As much of a view as a split looks at: (track, label, group, fold) and the number of its chunks."""

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


def sides(made: Split) -> dict[str, Any]:
    return {side: getattr(made, side) for side in ("train", "valid", "test")}


def on_sides(made: Split, values: Any) -> dict[str, set[str]]:
    return {side: set(values[rows]) for side, rows in sides(made).items()}


def disjoint(found: dict[str, set[str]]) -> bool:
    one, two, three = found.values()
    return not (one & two or one & three or two & three)


track = st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 3), st.integers(1, 4))


@given(
    st.lists(track, min_size=1, max_size=40),
    st.sampled_from(["track", "group", "fold-1"]),
    st.integers(0, 99),
)
def test_nothing_but_random_puts_a_track_or_a_group_on_two_sides(
    tracks: list[tuple[str, int, int, int]], strategy: str, seed: int
) -> None:
    view: Any = Rows(
        [
            (f"t{n}", label, f"g{group}", str(fold), chunks)
            for n, (label, group, fold, chunks) in enumerate(tracks)
        ]
    )
    try:
        made = split(view, strategy, seed=seed)
    except SplitError:
        return  # too few tracks for three sides
    rows = np.concatenate(list(sides(made).values()))
    assert sorted(rows.tolist()) == list(range(len(view)))
    assert disjoint(on_sides(made, view.ids))
    if strategy == "group":
        assert disjoint(on_sides(made, view.groups))
    if strategy == "fold-1":
        assert set(view.folds[made.test]) == {"1"}
        assert "1" not in set(view.folds[made.train]) | set(view.folds[made.valid])


@pytest.mark.parametrize("strategy", ["track", "random"])
@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.8, 0.0, 0.2), (0.5, 0.25, 0.25)])
def test_every_class_is_shared_out_exactly(strategy: str, shares: tuple[float, float, float]) -> None:
    view: Any = gtzan()
    made = split(view, strategy, seed=3, shares=shares)
    for rows, share in zip(sides(made).values(), shares, strict=True):
        expected = {genre: round(300 * share) for genre in view.classes} if share else {}
        assert Counter(view.labels[rows].tolist()) == expected


@pytest.mark.parametrize("apart", [True, False])
def test_beside_a_fold_validation_is_chosen_as_the_fold_was(apart: bool) -> None:
    # Speakers of spoken digits are in the official test part and in the rest; recordings of ESC-10 are not.
    view: Any = Rows(
        [
            (f"{label}{speaker}{take}", label, f"{speaker}", str(speaker % 3 if apart else take % 3), 1)
            for label in "abc"
            for speaker in range(12)
            for take in range(6)
        ]
    )
    made = split(view, "fold-0")
    assert disjoint(on_sides(made, view.groups)) is apart
    if not apart:
        assert set(view.groups[made.train]) == set(view.groups)


def test_random_is_called_leaky_and_is() -> None:
    view: Any = gtzan()
    made = split(view, "random")
    assert made.leaky
    assert made.name == "random (leaky)"
    assert not disjoint(on_sides(made, view.ids))
    assert not split(view).leaky
    assert split(view).name == "track"


def test_a_seed_is_a_split_and_its_digest() -> None:
    view: Any = gtzan()
    one, same, other = (split(view, seed=seed) for seed in (1, 1, 2))
    assert one.digest == same.digest != other.digest
    assert all((a == b).all() for a, b in zip(sides(one).values(), sides(same).values(), strict=True))
    # The digest is of tracks and places, not of row numbers.
    turned = gtzan()
    turned.tracks = turned.tracks[::-1]
    rows = {name: [turned.ids.tolist().index(i) for i in view.ids[rows]] for name, rows in sides(one).items()}
    assert rows
    assert split(view, "random", seed=1).digest != one.digest


def test_every_class_is_on_every_side_where_it_can_be() -> None:
    view: Any = Rows(
        [(f"{label}{n}", label, "", "", 2) for label, many in (("a", 3), ("b", 40)) for n in range(many)]
    )
    made = split(view)
    assert all(set(view.labels[rows]) == {"a", "b"} for rows in sides(made).values())


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
    made = split(view, "group")
    assert [len(found) for found in on_sides(made, view.groups).values()] == [4, 1, 1]
    assert all(len(found) == 10 for found in on_sides(made, view.labels).values())


def test_a_part_of_the_classes() -> None:
    made = split(gtzan(), classes=("jazz", "rock"))  # type: ignore[arg-type]
    assert set(gtzan().labels[np.concatenate(list(sides(made).values()))]) == {"jazz", "rock"}


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
            "track a .* has no group",
        ),
        (
            Rows([("a", "x", "", "", 1), ("b", "y", "", "", 1)]),
            {"strategy": "fold-1"},
            "no fold '1' .it has none",
        ),
        (
            Rows([("a", "x", "g", "", 1), ("b", "y", "g", "", 1)]),
            {"strategy": "group"},
            "none of them is left to train",
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
            "none of them is left to train",
        ),
        (Rows([("a", "x", "", "", 1), ("b", "y", "", "", 1)]), {"strategy": "filtered"}, "is for GTZAN"),
    ],
)
def test_what_cannot_be_split(view: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        split(view, **arguments)


def test_the_filtered_list_of_gtzan() -> None:
    genres = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]
    view: Any = Rows([(f"{genre}.{n:05d}", genre, "", "", 2) for genre in genres for n in range(100)])
    made = split(view, "filtered")
    assert [len(rows) for rows in sides(made).values()] == [2 * 443, 2 * 197, 2 * 290]
    assert disjoint(on_sides(made, view.ids))


def test_the_filtered_list_is_that_of_torchaudio() -> None:
    if why := absent("torchaudio"):
        pytest.skip(f"torchaudio is {why['torchaudio']}")
    from torchaudio.datasets import gtzan

    listed = {"train": gtzan.filtered_train, "valid": gtzan.filtered_valid, "test": gtzan.filtered_test}
    for side, ids in listed.items():
        text = (files("audiospec.zoo") / "data" / "gtzan-filtered" / f"{side}.txt").read_text("utf-8")
        assert text == "".join(f"{id}\n" for id in ids)
