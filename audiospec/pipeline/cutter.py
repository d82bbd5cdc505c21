"""Cut the chunks of one view out of a stream of decoded audio."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from audiospec.audio.waves import Wave, pad_or_trim
from audiospec.pipeline.filling import PendingShard, ReadyChunk, ViewFiller, WantedRow


class ChunkStream:
    """Cuts the wanted rows of one view and one track out of a stream, and has them computed."""

    def __init__(self, view: ViewFiller, wanted: list[WantedRow]) -> None:
        self.view = view
        self.wanted = wanted
        self.closing = wanted[-1].shard
        self._queue = deque(wanted)
        self._ready: list[ReadyChunk] = []
        self._held, self._position = np.zeros(0, np.float32), 0  # `_held[0]` is sample `_position`

    @property
    def wants_more(self) -> bool:
        """Whether the stream has to go on: for a row, or to learn the length of the track."""
        return bool(self._queue) or self.wanted[-1].row.last

    def feed(self, wave: Wave) -> None:
        """Take the next samples of the stream."""
        queue, length = self._queue, self.view.length
        if not queue:
            return
        # A row that is planned to be short waits for the end, where the length is certain; it is the
        # track's last, and needs no more than its own length.
        short = queue[0].row.samples < length
        if short and self._position == queue[0].row.start and len(self._held) >= length:
            return
        self._held = np.concatenate([self._held, wave]) if len(self._held) else wave
        while queue:
            want = queue[0]
            skip = min(want.row.start - self._position, len(self._held))
            self._held, self._position = self._held[skip:], self._position + skip
            if want.row.samples < length or self._position < want.row.start or len(self._held) < length:
                return
            self._ready.append(ReadyChunk(queue.popleft(), self._held[:length], length))
        self._held = self._held[:0]

    def end(self, total: int) -> None:
        """Take note that the stream has ended after so many samples."""
        length = self.view.length
        for want in self._queue:
            samples = min(length, total - want.row.start)
            if samples >= (1 if self.view.pads else self.view.least):
                wave = self._held[max(0, want.row.start - self._position) :][:samples]
                wave = pad_or_trim(wave, length if self.view.pads else samples)
                self._ready.append(ReadyChunk(want, wave, samples))

    def transform(self, source: int, last: bool = False) -> Iterator[PendingShard]:
        """Compute the rows that are ready, batch by batch; yields shards as they fill, but for the last."""
        while self._ready and (last or len(self._ready) >= self.view.batch):
            length = len(self._ready[0].wave)  # one that is not padded goes alone
            batch = [ready for ready in self._ready[: self.view.batch] if len(ready.wave) == length]
            self._ready = self._ready[len(batch) :]
            self.view.transform_batch(source, batch)
            for shard in dict.fromkeys(ready.want.shard for ready in batch):
                if shard.is_full and shard is not self.closing:
                    yield shard

    def fill_up(self) -> None:
        """Fill the rows for which there was no audio; they are never put into a view."""
        for want in self.wanted:
            if want.shard.rows[want.index] is None:
                want.array[...] = 0
                self.view.fill(want, samples=0, source=0)
