"""Cut the chunks of one view out of a stream of decoded audio."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from audiospec.audio.waves import Wave, pad_or_trim
from audiospec.pipeline.filling import PendingShard, ReadyChunk, ViewFiller, WantedRow


class ChunkStream:
    """Cuts the wanted rows of one view and one track out of a stream of samples, and computes them.

    Parameters
    ----------
    view : ViewFiller
    wanted : list of WantedRow
        Rows of the track, in order of start; at least one.

    Attributes
    ----------
    last_shard : PendingShard
        The shard of the track's last wanted row; it waits for the `DecodeResult`.
    """

    def __init__(self, view: ViewFiller, wanted: list[WantedRow]) -> None:
        self.view = view
        self.wanted = wanted
        self.last_shard = wanted[-1].shard
        self._queue = deque(wanted)
        self._ready: list[ReadyChunk] = []
        self._buffer, self._position = np.zeros(0, np.float32), 0  # `_buffer[0]` is sample `_position`

    @property
    def needs_more(self) -> bool:
        """Whether decoding must continue: for a row, or to measure the length of the track."""
        return bool(self._queue) or self.wanted[-1].row.last

    def feed(self, wave: Wave) -> None:
        """Add the next samples of the stream, at the spec's rate, and cut the chunks that are complete."""
        queue, length = self._queue, self.view.length
        if not queue:
            return
        # A row that is planned to be short is cut in `end`, where the length is certain. It is the track's
        # last, and needs at most one chunk of samples.
        is_short = queue[0].row.samples < length
        if is_short and self._position == queue[0].row.start and len(self._buffer) >= length:
            return
        self._buffer = np.concatenate([self._buffer, wave]) if len(self._buffer) else wave
        while queue:
            want = queue[0]
            skip = min(want.row.start - self._position, len(self._buffer))
            self._buffer, self._position = self._buffer[skip:], self._position + skip
            if want.row.samples < length or self._position < want.row.start or len(self._buffer) < length:
                return
            self._ready.append(ReadyChunk(queue.popleft(), self._buffer[:length], length))
        self._buffer = self._buffer[:0]

    def end(self, total: int) -> None:
        """Cut the remaining chunks, now that the track is known to have `total` samples."""
        length = self.view.length
        for want in self._queue:
            samples = min(length, total - want.row.start)
            if samples >= (1 if self.view.pads else self.view.least_samples):
                wave = self._buffer[max(0, want.row.start - self._position) :][:samples]
                wave = pad_or_trim(wave, length if self.view.pads else samples)
                self._ready.append(ReadyChunk(want, wave, samples))

    def transform(self, source: int, last: bool = False) -> Iterator[PendingShard]:
        """Compute the rows that are ready, batch by batch.

        Parameters
        ----------
        source : int
            First 64 bits of the file's content hash.
        last : bool
            Whether to compute an incomplete batch, too.

        Yields
        ------
        PendingShard
            Each shard that is full now, except `last_shard`.
        """
        while self._ready and (last or len(self._ready) >= self.view.batch):
            length = len(self._ready[0].wave)  # chunks of another length, which are not padded, wait
            batch = [ready for ready in self._ready[: self.view.batch] if len(ready.wave) == length]
            self._ready = self._ready[len(batch) :]
            self.view.transform_batch(source, batch)
            for shard in dict.fromkeys(ready.want.shard for ready in batch):
                if shard.is_full and shard is not self.last_shard:
                    yield shard

    def fill_missing(self) -> None:
        """Fill the rows that there was no audio for with zeros; they never get into a view."""
        for want in self.wanted:
            if want.shard.rows[want.index] is None:
                want.array[...] = 0
                self.view.fill(want, samples=0, source=0)
