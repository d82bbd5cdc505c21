"""SketchFile: the sketches of all tracks, in temporary files that are mapped into memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.duplicates.fingerprints import HASHES
from audiospec.errors import DiskFullError

#: Most frames of a window.
MOST_WINDOW = 64


class SketchFile:
    """Sketches and hashes of tracks, written once and then read in any order.

    What is in memory does not grow with the number of frames: 8 bytes and a descriptor a track.

    Parameters
    ----------
    bands : int

    Attributes
    ----------
    tracks : list of int
        Number of each track in the store's table, in the order in which they were added. The places in this
        list are what the other methods take.
    """

    def __init__(self, bands: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="audiospec-duplicates-")
        folder = Path(self._folder.name)
        self._bands = bands
        self._files = [(folder / "sketches").open("wb"), (folder / "hashes").open("wb")]
        self.tracks: list[int] = []
        self._ends = [0]
        self._descriptors: list[NDArray[np.float32]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            with suppress(OSError):  # what is buffered may not find space, and is not needed
                file.close()
        self._folder.cleanup()

    def __len__(self) -> int:
        return len(self.tracks)

    def add(
        self,
        track: int,
        sketch: NDArray[np.int8],
        hashes: NDArray[np.uint32],
        descriptor: NDArray[np.float32],
    ) -> None:
        """Add a track.

        Parameters
        ----------
        track : int
        sketch : ndarray of int8, shape (n, bands)
        hashes : ndarray of uint32, shape (m, HASHES)
            With m up to n; the hashes of the patch that starts at each frame, 0 for none.
        descriptor : ndarray of float32, shape (numbers,)

        Raises
        ------
        DiskFullError
            The files cannot be written.
        """
        padded = np.zeros((len(sketch), HASHES), np.uint32)
        padded[: len(hashes)] = hashes
        with self._space():
            self._files[0].write(np.ascontiguousarray(sketch).data)
            self._files[1].write(padded.data)
        self.tracks.append(track)
        self._ends.append(self._ends[-1] + len(sketch))
        self._descriptors.append(descriptor)

    @contextmanager
    def _space(self) -> Iterator[None]:
        """Say that the disk is full, if that is why files cannot be written."""
        try:
            yield
        except OSError as error:
            raise DiskFullError(
                f"cannot write temporary files to {self._folder.name} ({error.strerror})",
                "set the environment variable TMPDIR to a folder with more space",
            ) from error

    def finish(self) -> None:
        """Map the files into memory; nothing can be added any more."""
        with self._space():
            self._files[0].write(bytes(MOST_WINDOW * self._bands))
            for file in self._files:
                file.close()
        self.ends = np.array(self._ends, np.int64)
        self.descriptors = np.stack(self._descriptors)
        self._descriptors.clear()
        sketches, hashes = (Path(file.name) for file in self._files)
        count = self._ends[-1]
        self._values = np.asarray(np.memmap(sketches, np.int8, "r"))
        self.hashes = np.asarray(np.memmap(hashes, np.uint32, "r", shape=(count, HASHES)))

    def sketch(self, place: int) -> NDArray[np.int8]:
        """Return the sketch of a track, int8 of shape (n, bands)."""
        first, stop = self.ends[place : place + 2].tolist()
        return self._values[first * self._bands : stop * self._bands].reshape(-1, self._bands)

    def windows(self, frames: NDArray[np.int64], length: int) -> NDArray[np.float32]:
        """Return some frames that follow each other, from any frames of all tracks on.

        Parameters
        ----------
        frames : ndarray of int64, shape (n,)
            The first frame of each window, counted through all tracks.
        length : int
            At most `MOST_WINDOW`. A window may reach into the next track.

        Returns
        -------
        ndarray of float32, shape (n, length, bands)
        """
        assert length <= MOST_WINDOW
        # Bytes that follow each other are copied at once.
        every = np.lib.stride_tricks.sliding_window_view(self._values, length * self._bands)
        return every[frames * self._bands].reshape(len(frames), length, -1).astype(np.float32)

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of frames of each track."""
        return np.diff(self.ends)
