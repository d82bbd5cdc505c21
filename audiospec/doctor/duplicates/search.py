"""Find the tracks of a view that hold the same sound.

    rows → coarse frames → sketches and fingerprints → candidates → correlation → pairs

The rows are read once, in order, besides those of a sample from which sketches and fingerprints are learnt.
Sketches of all tracks are kept in temporary files.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.duplicates.candidates import candidates
from audiospec.doctor.duplicates.clusters import Joined
from audiospec.doctor.duplicates.collisions import bits_for
from audiospec.doctor.duplicates.correlation import best_match, dependence, excerpt
from audiospec.doctor.duplicates.exact import exact_pairs, usable
from audiospec.doctor.duplicates.fingerprints import PATCH, Fingerprints
from audiospec.doctor.duplicates.frames import Pooling, coarse_tracks
from audiospec.doctor.duplicates.pairs import FoundDuplicates, Pair
from audiospec.doctor.duplicates.sketch_file import SketchFile
from audiospec.doctor.duplicates.sketching import Sketcher
from audiospec.doctor.rows import blocks
from audiospec.doctor.steps import Tell, tell_nobody
from audiospec.errors import StoreError
from audiospec.stores.layout.view import View

#: Tracks that sketches and fingerprints are learnt from, and most rows of each.
SAMPLE, SAMPLE_ROWS = 400, 24
#: Least similarity of two tracks, if the overlap is long; `MORE` / √frames more are required of a short one.
#: The study `duplicates` of the benchmarks measures how alike different songs are, and copies.
LEAST, MORE = 0.35, 2.3
#: Frames of ordinary music that count as one, see `dependence`; of steadier sounds, fewer frames count.
ORDINARY = 4.0
#: Seconds of excerpts that are compared where whole tracks differ, as a loop has; their least similarity is
#: this much higher, as the best of many excerpts is chosen.
EXCERPTS, EXCERPT_MORE = (3.0, 1.5), 0.05
#: Pairs of a track after which those that are joined through others are not compared.
MOST_PAIRS = 24
#: Fewest seconds of sound that two tracks must share.
SECONDS = 1.5


def find_duplicates(
    view: View,
    *,
    seed: int = 0,
    tell: Tell = tell_nobody,
    least: float = LEAST,
    seconds: float = SECONDS,
) -> FoundDuplicates:
    """Find the tracks of a view that hold the same sound: equal files, equal samples, and the same recording.

    A recording is found again when it was encoded again, at another level, with less bandwidth, equalised and
    compressed, trimmed or shifted, or when a part of it is repeated. Another recording of the same piece is
    not the same sound.

    Sketches of the tracks are written to the folder for temporary files: about 0.8 kB for a second of sound.

    Parameters
    ----------
    view : View
        Of log-mel spectrograms, of any store, chunking and dtype. Damaged rows are left out.
    seed : int
        Chooses the tracks that the comparison is learnt from. The same view and seed give the same result.
    tell : callable
        Called with what is done, how much of it is done, and the total.
    least : float
        Least normalised cross-correlation of two tracks with a long overlap, above 0, at most 1. Of shorter
        ones more is required: 0.1 over 30 s, 0.3 over 4 s.
    seconds : float
        Fewest seconds of sound that two tracks must share, above 0.

    Returns
    -------
    FoundDuplicates

    Raises
    ------
    StoreError
        The view has no spectrograms, or a number is out of range.
    DiskFullError
        The folder for temporary files has too little space.
    """
    spec = view.spec
    if spec.kind != "spectrogram":
        raise StoreError(
            f"expected a view of spectrograms; {view.name} has rows of ({', '.join(spec.dims)})",
            "choose a view of mel with `view`",
        )
    if not 0 < least <= 1:
        raise StoreError(f"`least` must be above 0, at most 1; got {least:g}")
    if not 0 < seconds < float("inf"):
        raise StoreError(f"`seconds` must be above 0; got {seconds:g}")
    exact = exact_pairs(view.store.tracks)
    chosen = _chosen(view, {pair.second for pair in exact})
    pooling = Pooling(view)
    needed = max(PATCH, round(seconds / pooling.seconds))
    sketcher, fingerprints = _learn(pooling, chosen, needed, seed)
    if fingerprints is None:
        return FoundDuplicates(exact, 0, tuple(np.unique(view.rows["track"][chosen]).tolist()))
    hop = view.chunking.hop or view.chunking.seconds  # what chunks have in common counts once
    bits = bits_for(int(view.rows["seconds"][chosen].clip(0, hop).sum() / pooling.seconds))
    with SketchFile(len(pooling.bands)) as sketches:
        for track, frames, known in _read(pooling, chosen, tell):
            sketch = sketcher.sketch(frames, known)
            if sketch.any(1).sum() < needed:
                continue
            projected = fingerprints.project(sketch)
            hashes, descriptor = fingerprints.hashes(projected, bits), fingerprints.descriptor(projected)
            sketches.add(track, sketch, hashes, descriptor)
        others = tuple(sorted(set(view.rows["track"][chosen].tolist()) - set(sketches.tracks)))
        if len(sketches) < 2:
            return FoundDuplicates(exact, len(sketches), others)
        sketches.finish()
        same = _same(sketches, pooling.seconds, needed, least, seed, tell)
        return FoundDuplicates(tuple(sorted({*exact, *same})), len(sketches), others)


def _chosen(view: View, repeated: set[int]) -> NDArray[np.int64]:
    """Return the rows of usable tracks that are not equal to an earlier one."""
    compared = usable(view.store.tracks)
    compared[list(repeated)] = False
    return np.flatnonzero(compared[view.rows["track"]])


def _read(
    pooling: Pooling, rows: NDArray[np.int64], tell: Tell
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield the coarse frames of tracks, in order of the rows."""

    def reported() -> Iterator[tuple[NDArray[np.int64], NDArray[np.generic]]]:
        done = 0
        for numbers, values in blocks(pooling.view, rows):
            yield numbers, values
            done = max(done, int(np.searchsorted(rows, numbers[-1], "right")) if len(numbers) else 0)
            tell("reading rows", done, len(rows))

    return coarse_tracks(pooling, reported(), rows)


def _learn(
    pooling: Pooling, rows: NDArray[np.int64], needed: int, seed: int
) -> tuple[Sketcher, Fingerprints | None]:
    """Learn sketches and fingerprints from some tracks; no fingerprints if all are too short."""
    table = pooling.view.rows["track"][rows]
    tracks = np.unique(table)
    if len(tracks) > SAMPLE:
        tracks = np.sort(np.random.default_rng(seed).choice(tracks, SAMPLE, replace=False))
    places = np.flatnonzero(np.isin(table, tracks))
    order = np.argsort(table[places], kind="stable")
    rank = np.empty(len(places), np.int64)
    rank[order] = np.arange(len(places)) - np.searchsorted(table[places][order], table[places][order])
    sample = rows[places[rank < SAMPLE_ROWS]]
    coarse = [(frames, known) for _, frames, known in _read(pooling, sample, tell_nobody)]
    sketcher = Sketcher.fit(pooling.seconds, len(pooling.bands), coarse)
    sketches = [sketch for pair in coarse if (sketch := sketcher.sketch(*pair)).any(1).sum() >= needed]
    return sketcher, Fingerprints.fit(sketches) if sketches else None


def _same(
    sketches: SketchFile, step: float, needed: int, least: float, seed: int, tell: Tell
) -> Iterable[Pair]:
    """Yield the pairs of tracks that hold the same sound."""
    chosen = candidates(sketches, seed, tell)
    windows = [max(needed, round(length / step)) for length in EXCERPTS]
    joined, counts = Joined(), Counter[int]()
    for number, candidate in enumerate(chosen, 1):
        if number % 256 == 0:
            tell("comparing tracks", number, len(chosen))
        places = candidate.first, candidate.second
        is_known = joined.root(places[0]) == joined.root(places[1])
        if is_known and min(counts[place] for place in places) >= MOST_PAIRS:
            continue
        first, second = map(sketches.sketch, places)
        match = _judged(first, second, candidate.lags, needed, windows, least)
        if match is None:
            continue
        similarity, lag = match
        joined.join(*places)
        counts.update(places)
        tracks = [sketches.tracks[place] for place in places]
        sign = 1 if tracks[0] < tracks[1] else -1
        yield Pair(
            min(tracks), max(tracks), "sound", round(min(similarity, 1.0), 4), round(sign * lag * step, 3)
        )
    tell("comparing tracks", len(chosen), len(chosen))


def _judged(
    first: NDArray[np.int8],
    second: NDArray[np.int8],
    lags: Sequence[int],
    needed: int,
    windows: Sequence[int],
    least: float,
) -> tuple[float, int] | None:
    """Return similarity and lag of two sketches or of two excerpts; None if they are not alike enough."""

    def matches() -> Iterator[tuple[float, int, float, float]]:
        match = best_match(first, second, needed)
        yield match.similarity, match.lag, match.frames, 0.0
        for window in windows:
            best = max(((excerpt(first, second, lag, window), lag) for lag in lags), default=(0.0, 0))
            yield *best, window, EXCERPT_MORE

    share = None
    for similarity, lag, frames, more in matches():
        if similarity < _required(least, frames) + more:
            continue
        if share is None:
            share = min(1.0, ORDINARY / dependence(first, second))
        if similarity >= _required(least, share * frames) + more:
            return similarity, lag
    return None


def _required(least: float, frames: float) -> float:
    """Return the least similarity over so many frames: of few, more are alike by chance."""
    return least + MORE / math.sqrt(max(frames, 1.0))
