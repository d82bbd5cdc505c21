"""Overlapping windows are averaged, in any division into blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audiospec.zoo.windows.averaging import Averager


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 30),  # windows
    st.integers(1, 6),  # hop, in tenths
    st.integers(0, 12),  # how much longer a window is
    st.one_of(st.none(), st.integers(1, 9)),
    st.lists(st.integers(0, 30), max_size=4),
    st.integers(0, 10_000),
)
def test_frames_are_means_of_the_windows_over_them(
    windows: int, hop: int, more: int, frames: int | None, cuts: list[int], seed: int
) -> None:
    hop_seconds, length = hop / 10, (hop + more) / 10
    shape = (windows, 2) if frames is None else (windows, frames, 2)
    outputs = np.random.default_rng(seed).random(shape)
    averager = Averager(length, hop_seconds, 2, frames)
    parts = [
        averager.feed(part) for part in np.split(outputs, [cut for cut in sorted(cuts) if cut <= windows])
    ]
    seconds = (windows - 1) * hop_seconds + length
    parts.append(averager.end(seconds))
    got = np.concatenate(parts)
    assert averager.period == (hop_seconds if frames is None else length / frames)
    cells: dict[int, list[np.ndarray]] = {}
    for window, output in enumerate(outputs):
        first = int(np.floor(window * (hop_seconds / averager.period) + 0.5))
        for step in range(max(1, round(length / hop_seconds)) if frames is None else frames):
            cells.setdefault(first + step, []).append(output if frames is None else output[step])
    assert sorted(cells) == list(range(len(cells)))  # no gap between frames
    assert abs(len(got) - seconds / averager.period) <= 1
    for place, mean in enumerate(got):
        assert np.allclose(mean, np.mean(cells[place], axis=0))
    whole = Averager(length, hop_seconds, 2, frames)
    assert np.array_equal(np.concatenate([whole.feed(outputs), whole.end(seconds)]), got)


def test_padding_after_the_end_is_no_frame() -> None:
    averager = Averager(1.0, 0.5, 1)
    assert averager.feed(np.array([[0.0], [1.0]])).ravel().tolist() == [0, 0.5]
    assert averager.end(1.2).ravel().tolist() == [1.0]
