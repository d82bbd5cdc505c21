"""The targets of chunks follow from the annotations: as a plain reference of exact fractions has them."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.overlap import chunk_targets, joined
from audiospec.annotations.table import RowTargets
from audiospec.audio.chunking import Chunking
from audiospec.errors import DatasetError

#: Chunks are cut at this rate, so that their places are multiples of a hundredth of a second.
RATE = 100

Entry = tuple[int, str, Fraction, Fraction | None]


def _exact(number: float) -> Fraction:
    """Return the decimal number that a float is written as."""
    return Fraction(repr(number))


def _stretches(annotations: list[Annotation], duration: Fraction) -> list[tuple[Fraction, Fraction]]:
    ends = [duration if math.isinf(one.end) else min(duration, _exact(one.end)) for one in annotations]
    return [(_exact(one.start), end) for one, end in zip(annotations, ends, strict=True)]


def reference(
    annotations: list[Annotation],
    places: list[tuple[Fraction, Fraction]],
    duration: Fraction,
    labelling: Labelling,
) -> list[Entry]:
    """Return row, label, share and value, chunk by chunk and label by label, in exact fractions.

    The share of a label is counted over the pieces between all times, each of which is covered or not.
    """
    least = _exact(labelling.min_overlap)
    is_number = labelling.target == "number"
    used = [one for one in annotations if one.column == labelling.column]
    used = [one for one in used if (one.value is not None) == is_number]
    entries: list[Entry] = []
    for number, (begin, stop) in enumerate(places):
        for label in [""] if is_number else sorted({one.label for one in used}):
            mine = [one for one in used if is_number or one.label == label]
            stretches = _stretches(mine, duration)
            points = sorted({begin, stop, *(t for pair in stretches for t in pair if begin < t < stop)})
            covered = sum(
                (
                    right - left
                    for left, right in pairwise(points)
                    if any(start <= left and right <= end for start, end in stretches)
                ),
                Fraction(0),
            )
            overlaps = [max(Fraction(0), min(stop, end) - max(begin, start)) for start, end in stretches]
            touches = [
                overlap > 0 or (start >= end and begin <= start < stop)
                for overlap, (start, end) in zip(overlaps, stretches, strict=True)
            ]
            inside = any(
                touch and overlap >= least * max(Fraction(0), end - start)
                for touch, overlap, (start, end) in zip(touches, overlaps, stretches, strict=True)
            )
            if not any(touches) or not (inside or covered >= least * (stop - begin)):
                continue
            value = None
            if is_number:
                weights = overlaps if any(overlaps) else [Fraction(int(touch)) for touch in touches]
                values = [_exact(one.value) for one in mine if one.value is not None]
                value = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
            entries.append((number, label, covered / (stop - begin), value))
    return entries


def _places(chunking: Chunking, samples: int) -> list[tuple[Fraction, Fraction]]:
    return [
        (Fraction(chunk.start, RATE), Fraction(chunk.start + chunk.samples, RATE))
        for chunk in chunking.chunks(samples, RATE)
    ]


def _targets(
    annotations: list[Annotation],
    places: list[tuple[Fraction, Fraction]],
    duration: Fraction,
    labelling: Labelling,
) -> tuple[RowTargets, np.ndarray]:
    starts = np.array([float(begin) for begin, _ in places])
    ends = np.array([float(stop) for _, stop in places])
    found = chunk_targets(annotations, starts, ends, float(duration), labelling, "song")
    return found.targets, found.is_background


def times(most: int) -> st.SearchStrategy[float]:
    return st.integers(0, most).map(lambda number: number / RATE)


@st.composite
def annotations_of(draw: st.DrawFn, values: bool) -> list[Annotation]:
    """Annotations that overlap, touch, have no length or no end, or are of another column."""
    result = []
    for _ in range(draw(st.integers(0, 8))):
        start = draw(times(700))
        end = draw(
            st.one_of(
                st.just(math.inf),
                st.just(start),
                times(900).map(lambda length, start=start: round(start + length, 2)),
            )
        )
        column = draw(st.sampled_from(["label", "label", "label", "other"]))
        if draw(st.booleans()) if column == "other" else values:
            value = draw(st.integers(-20, 20)) / 10
            result.append(Annotation(start=start, end=end, value=value, column=column))
        else:
            label = draw(st.sampled_from(["dog", "cat", "", "a b"]))
            result.append(Annotation(start=start, end=end, label=label, column=column))
    return result


chunkings = st.integers(10, 400).flatmap(
    lambda length: st.builds(
        Chunking,
        seconds=st.just(length / RATE),
        hop=st.integers(max(1, length // 8), length).map(lambda hop: hop / RATE),
        min_fill=st.sampled_from([0.0, 0.5, 1.0]),
    )
)
shares = st.integers(1, 20).map(lambda number: number / 20)


@given(annotations_of(values=False), chunkings, st.integers(1, 800), shares)
def test_labels_are_those_of_the_reference(
    annotations: list[Annotation], chunking: Chunking, samples: int, share: float
) -> None:
    labelling = Labelling(target="multi-label", min_overlap=share)
    places, duration = _places(chunking, samples), Fraction(samples, RATE)
    expected = reference(annotations, places, duration, labelling)
    targets, is_background = _targets(annotations, places, duration, labelling)
    got = [(int(row), targets.names[label]) for row, label in zip(targets.row, targets.label, strict=True)]
    assert got == [(row, label) for row, label, _, _ in expected]
    assert targets.share == pytest.approx([float(part) for _, _, part, _ in expected], abs=1e-9)
    assert np.isnan(targets.value).all()
    assert ((targets.share >= 0) & (targets.share <= 1)).all()
    assert np.flatnonzero(is_background).tolist() == [
        number for number in range(len(places)) if number not in {row for row, *_ in expected}
    ]


@given(annotations_of(values=True), chunkings, st.integers(1, 800), shares)
def test_numbers_are_those_of_the_reference(
    annotations: list[Annotation], chunking: Chunking, samples: int, share: float
) -> None:
    labelling = Labelling(target="number", min_overlap=share)
    places, duration = _places(chunking, samples), Fraction(samples, RATE)
    expected = reference(annotations, places, duration, labelling)
    targets, is_background = _targets(annotations, places, duration, labelling)
    assert targets.row.tolist() == [row for row, *_ in expected]
    assert targets.value == pytest.approx([float(value or 0) for *_, value in expected], abs=1e-9)
    assert targets.share == pytest.approx([float(part) for _, _, part, _ in expected], abs=1e-9)
    assert targets.names == ("label",)
    assert not targets.label.any()
    assert is_background.sum() == len(places) - len(expected)


@given(annotations_of(values=False), chunkings, st.integers(1, 800), shares)
def test_a_single_label_is_that_of_the_reference_or_two_are_an_error(
    annotations: list[Annotation], chunking: Chunking, samples: int, share: float
) -> None:
    labelling = Labelling(min_overlap=share, background="class", background_class="none")
    places, duration = _places(chunking, samples), Fraction(samples, RATE)
    expected = {}
    twice = False
    for row, label, _, _ in reference(annotations, places, duration, labelling):
        twice |= row in expected
        expected.setdefault(row, label)
    if twice:
        with pytest.raises(DatasetError, match=r"track 'song': the chunk from .* has the labels"):
            _targets(annotations, places, duration, labelling)
        return
    targets, is_background = _targets(annotations, places, duration, labelling)
    got = {int(row): targets.names[label] for row, label in zip(targets.row, targets.label, strict=True)}
    assert got == {number: expected.get(number, "none") for number in range(len(places))}
    assert len(targets) == len(places)
    assert [number not in expected for number in range(len(places))] == is_background.tolist()


def test_as_much_as_is_needed_is_enough_whatever_floats_make_of_it() -> None:
    assert 0.7 - 0.2 < 0.5  # hence the allowance
    event = Annotation(start=0.2, end=0.7, label="dog")
    found = chunk_targets([event], np.array([0.0]), np.array([1.0]), 1.0, Labelling(), "song")
    assert found.unused == 0
    targets = found.targets
    assert targets.share == pytest.approx([0.5])


def test_an_end_is_not_moved_by_rounding() -> None:
    assert 1.28 + 0.1 > 1.38
    event = Annotation(start=1.38, label="dog")
    found = chunk_targets([event], np.array([1.28]), np.array([1.38]), 1.38, Labelling(), "song")
    assert (len(found.targets), found.unused) == (0, 1)


def test_the_mean_of_equal_numbers_is_that_number() -> None:
    thirds = [Annotation(start=n / 3, end=(n + 1) / 3, value=0.7) for n in range(3)]
    labelling = Labelling(target="number")
    targets = chunk_targets(thirds, np.array([0.0]), np.array([1.0]), 1.0, labelling, "song").targets
    assert targets.value.tolist() == [0.7]


def test_background_as_a_class_has_the_share_that_no_annotation_covers() -> None:
    events = [Annotation(start=0.5, end=3.0, label="dog"), Annotation(start=0.8, end=2.0, label="cat")]
    labelling = Labelling(min_overlap=1.0, background="class")
    found = chunk_targets(events[:1], np.arange(4.0), np.arange(1, 5.0), 4.0, labelling, "song")
    targets, is_background = found.targets, found.is_background
    assert targets.names == ("background", "dog")
    assert targets.label.tolist() == [0, 1, 1, 0]
    assert targets.share.tolist() == [0.5, 1.0, 1.0, 1.0]
    assert is_background.tolist() == [True, False, False, True]
    both = chunk_targets(events, np.array([0.0]), np.array([1.0]), 4.0, labelling, "song").targets
    # What both cover counts once.
    assert (both.names, both.share.tolist()) == (("background", "cat", "dog"), pytest.approx([0.5]))


def test_two_labels_of_one_chunk_are_named_with_the_ways_out() -> None:
    events = [Annotation(start=2, end=3.5, label="dog"), Annotation(start=2.4, end=2.9, label="cat")]
    with pytest.raises(DatasetError) as error:
        chunk_targets(events, np.arange(4.0), np.arange(1, 5.0), 4.0, Labelling(), "yard.wav")
    assert str(error.value) == (
        "track 'yard.wav': the chunk from 2 to 3 s has the labels 'cat' (50% of it) and 'dog' (100% of it); "
        "the target 'single' allows one: "
        'give `target="multi-label"`, a larger `min_overlap`, or a shorter `chunk`'
    )


def test_tables_of_consecutive_tracks_are_joined_by_the_names_of_labels() -> None:
    labelling = Labelling(target="multi-label")
    starts, ends = np.arange(2.0), np.arange(1, 3.0)
    dog, none, cat = (
        chunk_targets(events, starts, ends, 2.0, labelling, "song").targets
        for events in ([Annotation(label="dog")], [], [Annotation(start=1, label="cat")])
    )
    table = joined([(0, dog), (2, none), (4, cat)])
    assert table.names == ("cat", "dog")
    assert table.row.tolist() == [0, 1, 5]
    assert table.label.tolist() == [1, 1, 0]
    empty = joined([])
    assert (len(empty), empty.names) == (0, ())


def test_annotations_that_are_in_no_chunk_are_counted() -> None:
    events = [
        Annotation(start=0.6, end=1.6, label="dog"),  # 0.4 s in one chunk, 0.6 s in the next
        Annotation(start=1.9, end=2.1, label="cat"),  # half of it in each
        Annotation(start=5, end=6, label="cat"),
        Annotation(start=1, end=1, label="other", column="other"),
    ]
    found = chunk_targets(events, np.arange(3.0), np.arange(1, 4.0), 3.0, Labelling(min_overlap=0.7), "song")
    assert found.unused == 3
    found = chunk_targets(
        events[:2], np.arange(1, 4.0), np.arange(2, 5.0), 6.0, Labelling(min_overlap=0.6), "song"
    )
    assert (found.unused, found.targets.row.tolist()) == (1, [0])
