"""Compute the rows of files as the view of a run has them, while the files are decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.chunking import Chunking
from audiospec.audio.isolated import Sound
from audiospec.audio.waves import Wave
from audiospec.errors import RunError, SpecError
from audiospec.features.rows.base import RowWriter
from audiospec.features.rows.writing import row_writer
from audiospec.specs.base import announce
from audiospec.specs.table import TableSpec
from audiospec.zoo.runs.run import Run
from audiospec.zoo.windows.cutting import CutChunk, Cutter

#: Bytes of the rows that are computed, and predicted, at a time.
BLOCK_BYTES = 16 << 20


class RowBlock(NamedTuple):
    """Consecutive rows of a file.

    Attributes
    ----------
    starts : ndarray of int64, shape (n,)
        First sample of each chunk, at the spec's rate.
    samples : ndarray of int64, shape (n,)
        Samples of audio in each.
    rows : ndarray of float32, shape (n, *row_shape)
    """

    starts: NDArray[np.int64]
    samples: NDArray[np.int64]
    rows: NDArray[np.float32]


class RowComputer:
    """Computes the rows of files by the backend of a run's view, or another where this machine lacks it.

    Parameters
    ----------
    run : Run
    hop : float or None
        Seconds from one chunk to the next; above 0, at most the chunk's length. None: as the run's view.
    device : str
        Where features are computed.

    Raises
    ------
    RunError
        The run was trained on an imported table.
    SpecError
        The hop is outside its range, or the device is not available.
    """

    def __init__(self, run: Run, hop: float | None = None, device: str = "cpu") -> None:
        self.spec = spec = run.spec
        if isinstance(spec, TableSpec):
            raise RunError(
                f"run {run.path} was trained on an imported table, whose columns cannot be computed from "
                "audio",
                "train on a view of `audiospec featurize --features tabular`",
            )
        own = run.chunking
        self.chunking = own if hop is None else Chunking(seconds=own.seconds, hop=hop, min_fill=own.min_fill)
        self.row_shape = tuple(run.info.row_shape)
        self.writer = _writer(run, device)
        row_bytes = 4 * math.prod(self.row_shape)
        #: Most rows of a block: whole batches of the writer, of about `BLOCK_BYTES`.
        self.most = max(1, BLOCK_BYTES // row_bytes // self.writer.batch) * self.writer.batch

    def blocks(self, sound: Sound) -> Iterator[RowBlock]:
        """Yield the rows of a file as it is decoded.

        Raises
        ------
        AudioError
            The file cannot be used, is too short for a chunk, or too loud for the spec's dtype. Damage may
            be found only after some of its rows.
        """
        cutter = Cutter(self.spec, self.chunking)
        ready: list[CutChunk] = []
        for wave in sound:
            ready += cutter.feed(wave)
            # Whole batches, as `featurize` computes them: on a device, the size of a batch may matter.
            while len(ready) >= self.writer.batch:
                whole = min(self.most, len(ready) - len(ready) % self.writer.batch)
                yield self._block(ready[:whole])
                ready = ready[whole:]
        assert sound.info is not None
        ready += cutter.end(sound.info.samples(self.spec.sample_rate))
        for first in range(0, len(ready), self.most):
            yield self._block(ready[first : first + self.most])

    def of_wave(self, wave: Wave) -> NDArray[np.float32]:
        """Return the rows of a whole file (chunks, *row_shape); for errors see `blocks`."""
        return self._block(Cutter(self.spec, self.chunking).whole(wave)).rows

    def _block(self, chunks: list[CutChunk]) -> RowBlock:
        spec = self.spec
        # In the store's dtype: otherwise the numbers would differ from those in training.
        rows = np.empty((len(chunks), *self.row_shape), spec.dtype)
        first = 0
        while first < len(chunks):
            batch = chunks[first : first + self.writer.batch]
            length = len(batch[0].wave)  # a last chunk that is not padded may be shorter
            batch = [chunk for chunk in batch if len(chunk.wave) == length]
            self.writer.write([chunk.wave for chunk in batch], list(rows[first : first + len(batch)]))
            first += len(batch)
        return RowBlock(
            np.array([chunk.start for chunk in chunks], np.int64),
            np.array([chunk.samples for chunk in chunks], np.int64),
            rows.astype(np.float32) if spec.code is None else spec.code.decode(rows),
        )


def _writer(run: Run, device: str) -> RowWriter:
    announce(run.spec)
    try:
        return row_writer(run.spec, run.info.backend or None, device)
    except SpecError:
        return row_writer(run.spec, None, device)


def features_of(run: Run, wave: Wave, device: str = "cpu") -> NDArray[np.float32]:
    """Compute the rows of a file as the run's view would have them.

    Parameters
    ----------
    run : Run
    wave : ndarray, shape (samples,), float32
        The file's sound, of the spec's channel and at its rate.
    device : str

    Returns
    -------
    ndarray, shape (chunks, *row_shape), float32

    Raises
    ------
    AudioError
        The file is too short for a chunk, or too loud for the spec's dtype.
    """
    return RowComputer(run, device=device).of_wave(wave)
