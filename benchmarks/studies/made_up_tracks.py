"""Stores of any number of made-up tracks, some of which are copies of others, written without audio.

A track is a row of random notes: a profile over the mel bins that starts loud and decays, with noise. Notes
are drawn from a stock that all tracks share, so that tracks have much in common, as songs of one genre have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.chunking import Chunking
from audiospec.digests import checksum
from audiospec.specs.mel import MelSpec
from audiospec.stores.base import open_store, store_class
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo, most_rows
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord, store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View

#: 21.5 frames of 32 bins a second; 215 frames a chunk.
SPEC = MelSpec(n_mels=32, hop_length=1024)
CHUNK = 10.0
#: Chunks and frames of a track, of about 30 s.
CHUNKS, CHUNK_FRAMES = 3, 216
FRAMES = CHUNKS * CHUNK_FRAMES
#: Notes in the stock; frames of a note.
NOTES, NOTE_FRAMES = 500, (4, 12)
#: Share of the tracks that are copies, and what is done to them, in turn.
SHARE, KINDS = 0.02, ("encoded", "shifted", "trimmed", "loop")
#: Tracks that are made at once.
BATCH = 8


@dataclass(frozen=True)
class Planted:
    """A track that is a copy of another.

    Attributes
    ----------
    first, second : int
        Numbers of the track and of its copy.
    kind : str
        Of `KINDS`.
    """

    first: int
    second: int
    kind: str


def planted(count: int) -> list[Planted]:
    """Return which of `count` tracks are copies: the last ones, of tracks all over the store."""
    copies = max(len(KINDS), round(SHARE * count))
    rng = np.random.default_rng([count, 1])
    sources = rng.choice(count - copies, copies, replace=False).tolist()
    return [
        Planted(source, count - copies + number, KINDS[number % len(KINDS)])
        for number, source in enumerate(sources)
    ]


def track(number: int) -> NDArray[np.float32]:
    """Return the frames of a track that is no copy, float32 of shape (FRAMES, bins), in dB."""
    bins = SPEC.n_mels
    stock = _stock(bins)
    rng = np.random.default_rng([number, 0])
    lengths = rng.integers(*NOTE_FRAMES, FRAMES // NOTE_FRAMES[0] + 1)
    notes = stock[rng.integers(NOTES, size=len(lengths))] + rng.normal(0, 3, (len(lengths), 1))
    begins = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(lengths)), lengths)[:FRAMES]
    decay = 0.8 * (np.arange(FRAMES) - begins[owner])
    tilt = np.linspace(0, -25, bins) + rng.normal(0, 4, bins)
    noise = rng.standard_normal((FRAMES, bins), np.float32) * 2
    return (notes[owner] - decay[:, None] + tilt + noise - 30).astype(np.float32)


_STOCKS: dict[int, NDArray[np.float64]] = {}


def _stock(bins: int) -> NDArray[np.float64]:
    if bins not in _STOCKS:
        _STOCKS[bins] = np.random.default_rng(0).normal(0, 6, (NOTES, bins))
    return _STOCKS[bins]


def copy(frames: NDArray[np.float32], kind: str, seed: int) -> NDArray[np.float32]:
    """Return a copy of a track, 9 dB quieter, equalised, with noise of a codec.

    Parameters
    ----------
    frames : ndarray of float32, shape (n, bins)
    kind : str
        Of `KINDS`: no more; it begins 2.5 frames and up to 5 s later; without the first third; or 4 s of it
        repeated.
    seed : int
    """
    rng = np.random.default_rng([seed, 2])
    if kind == "shifted":
        start = int(rng.integers(2, 108))
        frames = np.float32(0.5) * (frames[start:-1] + frames[start + 1 :])
    elif kind == "trimmed":
        frames = frames[len(frames) // 3 :]
    elif kind == "loop":
        start = int(rng.integers(len(frames) - 86))
        frames = np.resize(frames[start : start + 86], frames.shape)
    equalised = frames - 9 + rng.normal(0, 4, frames.shape[1])
    return (equalised + 2 * rng.standard_normal(frames.shape)).astype(np.float32)


def write(path: Path, count: int) -> View:
    """Write a store of made-up tracks with its copies; return its view.

    Parameters
    ----------
    path : Path
        Its suffix selects the format.
    count : int
        Tracks.
    """
    info = ViewInfo(spec=SPEC, chunking=Chunking(seconds=CHUNK, min_fill=0.0), shard_rows=1)
    info = ViewInfo(spec=SPEC, chunking=info.chunking, shard_rows=most_rows(info) // CHUNKS * CHUNKS)
    source = {one.second: one for one in planted(count)}
    table = np.zeros(count * CHUNKS, ROW_DTYPE)
    table["track"] = np.arange(len(table)) // CHUNKS
    table["start"] = CHUNK * (np.arange(len(table)) % CHUNKS)
    table["seconds"] = CHUNK

    def rows(first: int, stop: int) -> NDArray[np.float16]:
        """Return rows of whole tracks, and note their checksums and how much of them is audio."""
        values = np.zeros((stop - first, *info.row_shape), np.float16)
        for number in range(first // CHUNKS, stop // CHUNKS):
            frames = track(source[number].first if number in source else number)
            if number in source:
                frames = copy(frames, source[number].kind, number)
            for chunk, part in enumerate(_chunks(frames)):
                row = number * CHUNKS + chunk
                values[row - first, :, : len(part)] = part.T
                table["seconds"][row] = min(CHUNK, len(part) * SPEC.hop_length / SPEC.sample_rate)
        for row, value in enumerate(values, first):
            table["checksum"][row] = checksum(value)
        return values

    shards = [
        (first, min(first + info.shard_rows, len(table))) for first in range(0, len(table), info.shard_rows)
    ]
    for first, stop in shards:
        rows(first, stop)  # the row table is needed before the rows are written
    work = work_folder(path)
    work.mkdir(parents=True)
    records = [TrackRecord(f"{number:06d}", label=f"label {number % 10}") for number in range(count)]
    new = NewView(info, table, lambda number: ShardSource(lambda: rows(*shards[number])))
    attributes = store_attributes("made-up", path)
    store_class(path).publish(path, work, attributes, Tracks.from_records(records), new)
    return open_store(path).view()


def _chunks(frames: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the frames of each chunk; a track that is shorter has empty ones at its end."""
    for chunk in range(CHUNKS):
        yield frames[chunk * CHUNK_FRAMES : (chunk + 1) * CHUNK_FRAMES]
