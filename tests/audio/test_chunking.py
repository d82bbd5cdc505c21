"""Cutting tracks into chunks: all audio is covered, and nothing is dropped without a reason."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audiospec.audio.chunking import Chunk, Chunking
from audiospec.errors import SpecError

RATES = st.sampled_from([1, 7, 100, 8000, 22050, 44100])
SAMPLES = st.integers(0, 100_000)
FILL = st.one_of(st.sampled_from([0, 0.5, 1]), st.floats(0, 1))


@st.composite
def chunkings(draw: st.DrawFn) -> Chunking:
    seconds = draw(st.floats(0.01, 30) | st.integers(1, 30))
    hop = draw(st.none() | st.floats(0.05, 1).map(lambda share: share * seconds))
    return Chunking(seconds=seconds, hop=hop, min_fill=draw(FILL))


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Chunking, int, int, int, int]:
    """A chunking, a track's length and rate, and length and hop in samples."""
    chunking, rate, samples = draw(chunkings()), draw(RATES), draw(SAMPLES)
    assume(round(chunking.seconds * rate) >= 1)
    assert chunking.hop is not None
    length, hop = chunking.samples(rate), max(1, round(chunking.hop * rate))
    assume(samples // hop < 20_000)
    return chunking, samples, rate, length, hop


@given(cuts())
def test_starts_are_multiples_of_the_hop_and_samples_are_within_the_chunk(
    cut: tuple[Chunking, int, int, int, int],
) -> None:
    chunking, samples, rate, length, hop = cut
    chunks = chunking.chunks(samples, rate)
    assert [chunk.start for chunk in chunks] == [i * hop for i in range(len(chunks))]
    for chunk in chunks:
        assert 1 <= chunk.samples <= length
        assert chunk.start + chunk.samples <= samples
    assert all(chunk.samples == length for chunk in chunks[:-1]), "only the last may be padded"


@given(cuts())
def test_every_full_chunk_is_kept(cut: tuple[Chunking, int, int, int, int]) -> None:
    chunking, samples, rate, length, hop = cut
    expected = [start for start in range(0, samples, hop) if start + length <= samples]
    starts = [chunk.start for chunk in chunking.chunks(samples, rate) if chunk.samples == length]
    assert starts == expected


@given(cuts())
def test_no_audio_is_lost_except_for_a_tail_that_is_too_short(
    cut: tuple[Chunking, int, int, int, int],
) -> None:
    chunking, samples, rate, length, hop = cut
    chunks = chunking.chunks(samples, rate)
    covered = 0
    for chunk in chunks:
        assert chunk.start <= covered, "a gap between chunks"
        covered = chunk.start + chunk.samples
    if covered < samples:  # the lost samples would have been in the next chunk
        tail = samples - len(chunks) * hop
        assert tail < chunking.min_fill * length
    if chunks and chunks[-1].samples < length:
        assert chunks[-1].samples >= chunking.min_fill * length
        assert covered == samples
        if len(chunks) > 1:
            assert chunks[-2].start + length < samples, "the tail adds no audio"


@given(cuts())
def test_a_track_has_chunks_or_a_reason(cut: tuple[Chunking, int, int, int, int]) -> None:
    chunking, samples, rate, _, _ = cut
    chunks, reason = chunking.chunks(samples, rate), chunking.reason_to_skip(samples, rate)
    assert bool(chunks) is (reason == "")
    assert "\n" not in reason
    if reason:
        assert f"{samples} samples" in reason
        assert f"(min_fill={chunking.min_fill:g})" in reason


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_min_fill_0_keeps_any_tail_and_1_keeps_none(samples: int, length: int) -> None:
    keep, drop = (Chunking(seconds=length, min_fill=fill) for fill in (0, 1))
    assert sum(chunk.samples for chunk in keep.chunks(samples, 1)) == samples
    assert drop.chunks(samples, 1) == [Chunk(i * length, length) for i in range(samples // length)]


@given(chunkings())
def test_an_empty_track_has_no_chunks(chunking: Chunking) -> None:
    assert chunking.chunks(0, 22050) == []
    assert "0 samples" in chunking.reason_to_skip(0, 22050)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (660000, [(0, 220500), (220500, 220500), (441000, 219000)]),  # the shortest GTZAN track
        (661500, [(0, 220500), (220500, 220500), (441000, 220500)]),
        (661794, [(0, 220500), (220500, 220500), (441000, 220500)]),  # the usual length: 294 samples more
        (220500, [(0, 220500)]),
        (220499, [(0, 220499)]),
        (110250, [(0, 110250)]),  # exactly half
        (110249, []),
        (330750, [(0, 220500), (220500, 110250)]),
        (330749, [(0, 220500)]),
        (1, []),
    ],
)
def test_ten_seconds_at_22050_hz(samples: int, expected: list[tuple[int, int]]) -> None:
    assert Chunking(seconds=10).chunks(samples, 22050) == expected


def test_chunks_overlap_where_the_hop_is_shorter() -> None:
    chunks = Chunking(seconds=4, hop=1).chunks(10, 1)
    assert chunks == [(start, 4) for start in range(7)]
    # Seven full chunks end at sample 10; sample 11 is in the eighth, of which three quarters are audio.
    assert Chunking(seconds=4, hop=1).chunks(11, 1)[-1] == (7, 4)
    assert Chunking(seconds=4, hop=3, min_fill=0.5).chunks(9, 1) == [(0, 4), (3, 4), (6, 3)]
    assert Chunking(seconds=4, hop=3, min_fill=0.8).chunks(9, 1) == [(0, 4), (3, 4)]


def test_lengths_are_rounded_to_samples() -> None:
    assert Chunking(seconds=0.1).samples(22050) == 2205
    assert Chunking(seconds=1 / 3).samples(44100) == 14700
    assert Chunking(seconds=0.99).samples(1) == 1
    with pytest.raises(SpecError, match=r"a chunk of 1e-05 s is less than one sample at 22050 Hz"):
        Chunking(seconds=1e-5).samples(22050)


def test_a_hop_of_less_than_a_sample_is_one_sample() -> None:
    assert Chunking(seconds=3, hop=0.001).chunks(5, 1) == [(0, 3), (1, 3), (2, 3)]


@given(chunkings())
def test_round_trip(chunking: Chunking) -> None:
    again = Chunking.from_dict(json.loads(json.dumps(chunking.to_dict())))
    assert again == chunking
    assert again.to_dict() == chunking.to_dict()
    assert pickle.loads(pickle.dumps(chunking)) == chunking


def test_integers_and_floats_give_the_same_chunking() -> None:
    one, other = Chunking(seconds=10, min_fill=1), Chunking(seconds=10.0, hop=10, min_fill=1.0)
    assert one == other
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())
    assert Chunking(seconds=np.int64(10), hop=np.float32(10)).to_dict() == {
        **other.to_dict(),
        "min_fill": 0.5,
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seconds": 0}, "parameter chunk must be above 0 seconds; got 0"),
        ({"seconds": -1}, "parameter chunk must be above 0 seconds; got -1"),
        ({"seconds": math.nan}, "parameter chunk must be above 0 seconds; got nan"),
        ({"seconds": math.inf}, "parameter chunk must be above 0 seconds; got inf"),
        ({"seconds": True}, "parameter chunk must be a number; got True"),
        ({"seconds": "10"}, "parameter chunk must be a number; got '10'"),
        ({"seconds": None}, "parameter chunk must be a number; got None"),
        ({"seconds": 10, "hop": 0}, "parameter hop must be above 0 seconds; got 0"),
        ({"seconds": 10, "hop": -2}, "parameter hop must be above 0 seconds; got -2"),
        ({"seconds": 10, "hop": math.nan}, "parameter hop must be above 0 seconds; got nan"),
        ({"seconds": 10, "hop": 11}, "parameter hop must be at most the chunk's 10 seconds; got 11"),
        ({"seconds": 10, "hop": math.inf}, "parameter hop must be at most the chunk's 10 seconds; got inf"),
        ({"seconds": 10, "hop": False}, "parameter hop must be a number; got False"),
        ({"seconds": 10, "min_fill": 1.1}, "parameter min_fill must be from 0 to 1; got 1.1"),
        ({"seconds": 10, "min_fill": -0.1}, "parameter min_fill must be from 0 to 1; got -0.1"),
        ({"seconds": 10, "min_fill": math.nan}, "parameter min_fill must be from 0 to 1; got nan"),
        ({"seconds": 10, "min_fill": True}, "parameter min_fill must be a number; got True"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        Chunking(**values)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="parameter"):  # also a built-in error
        Chunking(**values)


def test_names() -> None:
    assert Chunking(seconds=10).name() == "10s"
    assert Chunking(seconds=10, hop=10).name() == "10s"
    assert Chunking(seconds=10, hop=2.5).name() == "10s-hop2.5s"
