"""Labels of frames: held to the rule of chunks, frame by frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.frames import frame_labels
from audiospec.annotations.table import Annotations

EIGHTHS = st.integers(0, 80).map(lambda number: number / 8)


@st.composite
def annotated(draw: st.DrawFn) -> list[Annotation]:
    """A track's annotations; some have no length, some no end, and one is of another column."""
    found = [Annotation(start=0.0, end=10.0, label="a", column="other")]
    for _ in range(draw(st.integers(0, 5))):
        start, end = sorted((draw(EIGHTHS), draw(EIGHTHS)))
        is_open = draw(st.integers(0, 5)) == 0
        found.append(
            Annotation(start=start, end=np.inf if is_open else end, label=draw(st.sampled_from("abx")))
        )
    return found


def has_label(
    annotations: list[Annotation], label: str, start: Fraction, end: Fraction, duration: float, least: float
) -> bool:
    """Whether a frame has a label, by exact fractions."""
    own = [
        (Fraction(one.start), Fraction(min(one.end, duration)))
        for one in annotations
        if one.label == label and one.column == "label"
    ]
    if any(first == last and start <= first < end for first, last in own):
        return True
    parts = [(max(first, start), min(last, end)) for first, last in own]
    if any(
        b > a and (b - a) >= Fraction(least) * (last - first)
        for (a, b), (first, last) in zip(parts, own, strict=True)
    ):
        return True
    covered, reached = Fraction(0), start
    for a, b in sorted(part for part in parts if part[1] > part[0]):
        covered += max(Fraction(0), b - max(a, reached))
        reached = max(reached, b)
    return covered > 0 and covered >= Fraction(least) * (end - start)


@settings(max_examples=150, deadline=None)
@given(
    tracks=st.lists(annotated(), min_size=1, max_size=3),
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=6),
    frames=st.sampled_from([1, 2, 4, 8]),
    least=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_a_frame_has_a_label_as_a_chunk_would(
    tracks: list[list[Annotation]], rows: list[tuple[int, int]], frames: int, least: float
) -> None:
    """Rows may repeat, overlap, be in any order, and be longer than their track."""
    duration, seconds = 9.0, 2.0
    numbers = np.array([track % len(tracks) for track, _ in rows], np.int32)
    starts = np.array([start / 2 for _, start in rows], np.float64)
    labels = frame_labels(
        Annotations.from_tracks(tracks),
        numbers,
        starts,
        np.full(len(rows), duration),
        seconds=seconds,
        frames=frames,
        classes=["b", "a"],
        labelling=Labelling(target="frames", min_overlap=least),
    )
    assert labels.shape == (len(rows), frames, 2)
    length = Fraction(seconds) / frames
    for row, (track, start) in enumerate(zip(numbers.tolist(), starts.tolist(), strict=True)):
        for frame in range(frames):
            first = Fraction(start) + frame * length
            expected = [
                has_label(tracks[track], label, first, first + length, duration, least) for label in "ba"
            ]
            assert labels[row, frame].tolist() == expected, (row, frame)
