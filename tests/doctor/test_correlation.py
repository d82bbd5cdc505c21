"""The parts of the search for duplicates: correlation over lags, candidates, clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from audiospec.doctor.duplicates import collisions as hashing
from audiospec.doctor.duplicates import neighbours as nearest
from audiospec.doctor.duplicates.clusters import components
from audiospec.doctor.duplicates.correlation import best_match, excerpt
from audiospec.doctor.duplicates.sketch_file import SketchFile
from audiospec.errors import DiskFullError

PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40)


def sketch(seed: int, frames: int = 120, bands: int = 6) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-90, 90, (frames, bands)).astype(np.int8)


@given(pairs=PAIRS)
def test_clusters_are_connected_components(pairs: list[tuple[int, int]]) -> None:
    graph = coo_array((np.ones(len(pairs)), np.array(pairs or [(0, 0)])[: len(pairs)].T), (31, 31))
    label = connected_components(graph, directed=False)[1]
    expected = {tuple(np.flatnonzero(label == one).tolist()) for one in set(label.tolist())}
    found = components(pairs)
    assert set(found) == {numbers for numbers in expected if len(numbers) > 1}
    assert list(found) == sorted(found)
    assert components(reversed(pairs)) == found


@given(start=st.integers(0, 60), length=st.integers(30, 60), seed=st.integers(0, 99), level=st.integers(1, 3))
def test_a_part_is_found_where_it_begins(start: int, length: int, seed: int, level: int) -> None:
    whole = sketch(seed)
    part = whole[start : start + length] // level
    match = best_match(whole, part, 20)
    assert match.lag == start
    assert match.frames == length
    assert match.similarity > 0.99
    assert best_match(part, whole, 20).lag == -start
    assert excerpt(whole, part, start, 25) > 0.99
    assert excerpt(part, whole, -start, 25) > 0.99
    assert excerpt(whole, part, start + 2, 25) < 0.8


@given(gap=st.integers(0, 90), length=st.integers(1, 30))
def test_padding_is_left_out(gap: int, length: int) -> None:
    """What is 0 in one track changes nothing, whatever the other has there."""
    whole, copy = sketch(1), sketch(1)
    copy[gap : gap + length] = 0
    match = best_match(whole, copy, 20)
    assert (match.lag, match.frames) == (0, 120 - min(length, 120 - gap))
    assert match.similarity == pytest.approx(1, abs=1e-4)


def test_strangers_and_overlaps_that_are_too_short() -> None:
    assert best_match(sketch(1), sketch(2), 20).similarity < 0.4
    assert best_match(sketch(1), sketch(1)[:19], 20).similarity == 0
    assert excerpt(sketch(1), sketch(1)[:19], 0, 20) == 0
    assert best_match(sketch(1), np.zeros((90, 6), np.int8), 20).similarity == 0
    assert excerpt(sketch(1), sketch(1), 200, 20) == 0


def test_many_bands_are_transformed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, other = sketch(1), np.concatenate([sketch(2, 9), sketch(1, 70)])
    expected = best_match(whole, other, 20)
    monkeypatch.setattr("audiospec.doctor.duplicates.correlation.MOST_NUMBERS", 300)
    match = best_match(whole, other, 20)
    assert match.lag == expected.lag == -9
    assert match.similarity == pytest.approx(expected.similarity, abs=1e-5)


def test_neighbours_are_those_of_all_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "FEW", 10)
    monkeypatch.setattr(nearest, "BLOCK", 7)
    random = np.random.default_rng(0)
    vectors = random.standard_normal((60, 8)).astype(np.float32)
    vectors[30:] = vectors[:30] + 0.1 * random.standard_normal((30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    steps: list[tuple[int, int]] = []
    pairs = nearest.neighbours(vectors, 0, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (60, 60)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs) <= nearest.PER_TRACK * 60
    assert {(n, n + 30) for n in range(30)} <= {(one, other) for one, other in pairs.tolist()}
    # Each is among the nearest of one of its two.
    similar = vectors @ vectors.T - 2 * np.eye(60)
    rank = (-similar).argsort(1).argsort(1)
    assert (np.minimum(rank[pairs[:, 0], pairs[:, 1]], rank[pairs[:, 1], pairs[:, 0]]) < 5).all()


def test_neighbours_among_tracks_that_are_all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "MOST_NEAR", 4)
    vectors = np.ones((200, 1), np.float32)
    pairs = nearest.neighbours(vectors, 0, lambda done, total: None)
    assert len(pairs) <= 200 * nearest.NEIGHBOURS
    assert set(pairs.reshape(-1).tolist()) == set(range(200))


@pytest.mark.parametrize("most", [1 << 22, 100])
def test_collisions_are_where_sketches_are_alike(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A common hash alone makes no candidate; the ranges of the hashes change nothing."""
    monkeypatch.setattr(hashing, "MOST_HASHES", most)
    whole = sketch(1)
    sketches = [whole, sketch(2), whole[40:], sketch(3, 30)]
    with SketchFile(6) as file:
        for number, one in enumerate(sketches):
            values = one.astype(np.int64) @ 10 ** np.arange(6) % 2**32
            hashes = np.stack([values, values ^ 1, values ^ 2], 1).astype(np.uint32)
            hashes[5] = 7  # all have this one
            file.add(number, one, hashes, np.zeros(2, np.float32))
        file.finish()
        found = hashing.collisions(file, lambda done, total: None)
    rows = np.stack(found, 1).tolist()
    assert [0, 2, 40] in rows
    assert all(row[:2] == [0, 2] for row in rows)


def test_a_hash_that_all_have_gives_few_candidates() -> None:
    with SketchFile(6) as file:
        for number in range(300):
            one = sketch(number, 30)
            file.add(number, one, np.full((1, 3), 9, np.uint32), np.zeros(2, np.float32))
        file.finish()
        (rows,) = hashing._passes(file, lambda done, total: None)
    assert len(rows) < 300 * hashing.NEIGHBOURS
    joined = components((first, second) for first, second, _, _ in rows.tolist())
    assert joined == (tuple(range(300)),)


@pytest.mark.parametrize("frames", [100_000, 10], ids=["at once", "at the end"])
def test_a_full_disk_is_named(frames: int) -> None:
    def fill(file: SketchFile) -> None:
        file.add(0, sketch(0, frames), np.zeros((0, 3), np.uint32), np.zeros(2, np.float32))
        file.finish()

    with SketchFile(6) as file, Path("/dev/full").open("wb") as full:
        file._files[0].close()
        file._files[0] = full
        with pytest.raises(DiskFullError, match=r"No space left on device.*TMPDIR"):
            fill(file)
        full.raw.close()  # what is buffered finds no space now either
