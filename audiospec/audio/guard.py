"""Guard: limits for the decoder of one file, in proportion to the file's bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from audiospec.errors import AudioError
from audiospec.limits import Limits

T = TypeVar("T")

#: Seconds until a decoder must have returned, for any file.
STEP_SECONDS = 30.0
#: Bytes a second that are got through in one step at least: added to that, for a file that has to be read or
#: decoded through before its first samples are known.
STEP_RATE = 250e3
#: Bytes a second that a slow decoder gets through in all: 48 times real time for speech at 6 kbit/s.
DECODER_RATE = 36e3
#: Bytes of memory that a decoder may ask for at once. Those of ordinary files need less than 100 MB.
DECODER_MEMORY = 768 << 20


def step_seconds(size: int) -> float:
    """Return the seconds within which a decoder must make progress on a file of `size` bytes."""
    return STEP_SECONDS + size / STEP_RATE


class Guard:
    """Limits for the decoder of one file. Those that end the process hold in a worker process only.

    Parameters
    ----------
    size : int
        Bytes of the file.
    beside : int
        Bytes of memory that other threads may ask for meanwhile.
    """

    def __init__(self, size: int, beside: int = 0) -> None:
        self._limits = Limits(step_seconds(size), DECODER_MEMORY + beside)
        self._seconds = STEP_SECONDS + size / DECODER_RATE

    @contextmanager
    def step(self) -> Iterator[None]:
        """Limit the block, in which a decoder runs.

        Raises
        ------
        AudioError
            The decoder asks for more memory than there is, or takes too long in all.
        """
        try:
            with self._limits:
                yield
        except MemoryError as error:
            raise AudioError(
                f"not decodable: its decoder asks for more memory than a file may take "
                f"({DECODER_MEMORY >> 20} MiB)"
            ) from error
        if self._limits.used > self._seconds:
            raise AudioError(f"not decodable: its decoder is not done after {self._seconds:.0f} s")

    def steps(self, parts: Iterator[T]) -> Iterator[T]:
        """Yield what an iterator yields; only the time and memory that it takes itself are limited."""
        while True:
            with self.step():
                part = next(parts, None)
            if part is None:
                return
            yield part
