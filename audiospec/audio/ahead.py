"""FetchedAhead: the audio of tracks is fetched from a bucket while the tracks before are decoded."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from audiospec.audio.fetched import PIECE_BYTES, AudioFile, open_source
from audiospec.audio.source import SourceFile
from audiospec.storage.location import Url

#: Most objects that are fetched ahead, and most bytes of them together: two large ones, or more small ones. A
#: clip of a second is computed in 2 ms, and takes 30 ms to arrive.
LARGE, SMALL = (2, 256 << 20), (8, 2 * PIECE_BYTES)
#: Bytes of memory that the threads may ask for while a decoder runs: what arrives, and its copy.
MEMORY = 4 * PIECE_BYTES


class FetchedAhead:
    """Opens audio files in order; the next objects are fetched meanwhile, each by a thread.

    Parameters
    ----------
    files : iterable of AudioFile
        In the order in which they are taken.
    """

    def __init__(self, files: Iterable[AudioFile]) -> None:
        self._left = deque(files)
        self._begun: deque[_Fetch] = deque()

    @property
    def memory(self) -> int:
        """Bytes of memory that the threads which are running may ask for."""
        return MEMORY if self._begun else 0

    def next(self) -> SourceFile:
        """Open the next file, and begin to fetch those that follow.

        Raises
        ------
        AudioError
            The file cannot be read, or has changed.
        StorageError
            Its bucket does not answer, or refuses.
        """
        fetch = self._begun.popleft() if self._begun else None
        file = fetch.file if fetch is not None else self._left.popleft()
        try:
            source = fetch.result() if fetch is not None else None
            return source or open_source(file)
        finally:
            self._begin()

    def _begin(self) -> None:
        """Begin to fetch as many of the next objects as may be held."""
        while self._left:
            file, count = self._left[0], len(self._begun) + 1
            held = sum(fetch.file.size for fetch in self._begun) + file.size
            fits = any(count <= most and held <= size for most, size in (LARGE, SMALL))
            if not isinstance(file.place, Url) or file.size < 0 or not fits:
                return
            self._begun.append(_Fetch(self._left.popleft()))

    def close(self) -> None:
        """Give back what was fetched and not taken."""
        self._left.clear()
        while self._begun:
            self._begun.popleft().drop()


class _Fetch:
    """One object that is being fetched."""

    def __init__(self, file: AudioFile) -> None:
        self.file = file
        self._source: SourceFile | None = None
        self._error: Exception | None = None
        # It does not keep the process from ending: a request may be tried for minutes.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # What a decoder leaves may be too little memory. Then the object is fetched once it has ended.
        with suppress(MemoryError):
            try:
                self._source = open_source(self.file)
            except MemoryError:
                raise
            except Exception as error:
                self._error = error

    def result(self) -> SourceFile | None:
        """Wait for the object, and return it; None if there was too little memory for it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._source

    def drop(self) -> None:
        """Free the object once it has arrived."""
        self._thread.join(0)
        if self._source is not None:
            self._source.close()
