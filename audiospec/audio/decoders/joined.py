"""Decode files that were joined end to end, each with a header of its own, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from audiospec.audio.decoders.base import Block, Decoder
from audiospec.audio.info import AudioInfo

#: Opens one of the files.
Opener = Callable[[], Decoder]


class JoinedDecoder(Decoder):
    """Decodes joined files in order.

    Parameters
    ----------
    files : sequence of callable
        Each opens one of the files; at least one.

    Raises
    ------
    AudioError
        One of them cannot be read.
    """

    def __init__(self, files: Sequence[Opener]) -> None:
        self._files = files
        infos, self.loss = [], ""
        for number, opens in enumerate(files, 1):
            with opens() as decoder:
                infos.append(decoder.info)
                self.loss = self.loss or self._named(decoder.loss, number)
        rate = infos[0].sample_rate
        one_rate = all(info.sample_rate == rate for info in infos)
        frames = round(sum(info.seconds for info in infos) * rate)
        if one_rate:
            frames = sum(info.frames for info in infos)
        exact = one_rate and all(info.exact for info in infos)
        self.info = AudioInfo(rate, infos[0].channels, frames, exact)

    def _named(self, loss: str, number: int) -> str:
        """Return a loss with the number of the file that it is of."""
        if not loss:
            return ""
        if len(self._files) == 1:
            return loss
        kind, _, rest = loss.partition(": ")
        return f"{kind}: in file {number} of {len(self._files)} that were joined: {rest}"

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield the samples of each file, up to the first that is damaged."""
        for number, opens in enumerate(self._files, 1):
            with opens() as decoder:
                yield from decoder.blocks(most)
                self.loss = self._named(decoder.loss, number)
            if self.loss:
                return

    def close(self) -> None:
        """Do nothing: `blocks` opens and closes the files."""
