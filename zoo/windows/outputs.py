"""The outputs of a run's model for the windows of files: block by block, in memory that does not grow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.isolated import Sound, decode_files
from audiospec.audio.reading import STRICT, Reading
from audiospec.errors import AudioError
from audiospec.storage.location import Location
from audiospec.zoo.base import Model
from audiospec.zoo.runs.run import Run
from audiospec.zoo.windows.rows import BLOCK_BYTES, RowBlock, RowComputer

#: Most rows that are predicted at a time; a multiple of the batches of networks.
MOST_ROWS = 512


class WindowBlock(NamedTuple):
    """Consecutive windows of a file.

    Attributes
    ----------
    file : Location
    starts, ends : ndarray of float64, shape (n,)
        Seconds from the start of the file. A last window ends with the audio.
    outputs : ndarray of float64, shape (n, …)
        What `Model.predict_proba` returns for each.
    """

    file: Location
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    outputs: NDArray[np.float64]


class FileEnd(NamedTuple):
    """The end of a file.

    Attributes
    ----------
    file : Location
    seconds : float
        Its length; 0 if it has a problem.
    windows : int
        Number of its windows.
    problem : str
        Why it cannot be used; ``""`` if it can. It may be found after some windows: they are not to be used.
    note : str
        What is odd about a file that is used nevertheless: truncated, damaged or silent.
    """

    file: Location
    seconds: float
    windows: int
    problem: str = ""
    note: str = ""


class Predictor:
    """A run's model and what computes its rows, to predict windows of files.

    Parameters
    ----------
    run : Run
    hop : float or None
        Seconds from one window to the next; above 0, at most the length of a window, which is that of the
        run's chunks. None: as the run's view.
    device : str or None
        A torch device, for features and the model. None: the CPU for features, and the device that the
        model was trained with the parameter `device` for.
    reading : Reading
        What to do with truncated, damaged and silent files. By default they are not used.

    Raises
    ------
    RunError
        The run was trained on an imported table, or is a cross-validation.
    SpecError
        The hop is outside its range, or the device is not available.
    """

    def __init__(
        self,
        run: Run,
        *,
        hop: float | None = None,
        device: str | None = None,
        reading: Reading = STRICT,
    ) -> None:
        self.run, self.reading = run, reading
        self.computer = RowComputer(run, hop, device or "cpu")
        self.model: Model = run.model(device)
        self.rate = self.computer.spec.sample_rate
        assert self.computer.chunking.hop is not None
        #: Seconds from one window to the next, and the length of a window, both of whole samples.
        self.hop = max(1, round(self.computer.chunking.hop * self.rate)) / self.rate
        self.length = self.computer.chunking.samples(self.rate) / self.rate

    def outputs(self, files: Sequence[Location]) -> Iterator[WindowBlock | FileEnd]:
        """Predict the windows of files, while the next files are decoded.

        Windows are those of `Chunking.chunks`. Rows of several files are predicted together; the outputs of
        a row do not depend on the others.

        Yields
        ------
        WindowBlock or FileEnd
            For each file, in order: its windows, then its end.
        """
        row_bytes = 4 * math.prod(self.computer.row_shape)
        batch = _Batch(self.model, min(MOST_ROWS, max(16, BLOCK_BYTES // row_bytes // 16 * 16)))
        spec = self.computer.spec
        with closing(decode_files(files, spec.sample_rate, spec.channel, self.reading)) as sounds:
            for sound in sounds:
                yield from self._file(sound, batch)
        yield from batch.flush()

    def _file(self, sound: Sound, batch: _Batch) -> Iterator[WindowBlock | FileEnd]:
        """Predict one file, as far as its rows fill batches."""
        windows = 0
        try:
            for block in self.computer.blocks(sound):
                windows += len(block.rows)
                starts = block.starts / self.rate
                yield from batch.add(sound.file, starts, (block.starts + block.samples) / self.rate, block)
        except AudioError as error:
            end = FileEnd(sound.file, 0.0, windows, problem=str(error))
        else:
            assert sound.info is not None
            seconds = sound.info.samples(self.rate) / self.rate
            end = FileEnd(sound.file, seconds, windows, note=sound.note)
        yield from batch.end(end)


class _Batch:
    """Rows of files that wait until there are enough of them to be predicted together."""

    def __init__(self, model: Model, size: int) -> None:
        self.model, self.size = model, size
        self._waiting: list[WindowBlock | FileEnd] = []  # with rows in place of outputs
        self._count = 0

    def add(
        self, file: Location, starts: NDArray[Any], ends: NDArray[Any], block: RowBlock
    ) -> Iterator[WindowBlock | FileEnd]:
        """Add rows; yield what was waiting whenever a batch is full."""
        first = 0
        while first < len(starts):
            part = slice(first, first + self.size - self._count)
            rows: NDArray[Any] = block.rows[part]
            self._waiting.append(WindowBlock(file, starts[part], ends[part], rows))
            self._count += len(rows)
            first += len(rows)
            if self._count == self.size:
                yield from self.flush()

    def end(self, end: FileEnd) -> Iterator[WindowBlock | FileEnd]:
        """Add the end of a file; yield it if nothing waits before it."""
        self._waiting.append(end)
        if not self._count:
            yield from self.flush()

    def flush(self) -> Iterator[WindowBlock | FileEnd]:
        """Predict and yield what is waiting."""
        waiting, self._waiting, self._count = self._waiting, [], 0
        parts = [item.outputs for item in waiting if isinstance(item, WindowBlock)]
        outputs = self.model.predict_proba(np.concatenate(parts)) if parts else np.zeros(0)
        first = 0
        for item in waiting:
            if isinstance(item, FileEnd):
                yield item
            else:
                count = len(item.starts)
                yield item._replace(outputs=outputs[first : first + count])
                first += count
