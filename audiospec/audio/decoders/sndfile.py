"""Decode with libsndfile, through a descriptor of the decoder's own or a corrected view of the file."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiospec.audio.decoders.base import Block, Decoder, cut, with_rest
from audiospec.audio.decoders.view import FileView
from audiospec.audio.info import AudioInfo
from audiospec.audio.source import SourceFile

#: Formats of libsndfile whose decoder prints notes.
_PRINTS = {"MP3", "MPEG"}
#: Lines of libsndfile's log for fewer bytes than the header announces, in formats whose chunks are not walked
#: here.
_TRUNCATED = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)
#: Frames for each byte of a file above which its length is not believed. No format of libsndfile except FLAC,
#: which is checked elsewhere, has more.
_MOST_FRAMES_A_BYTE = 64
#: Frames that are decoded at a time to find the place of damage.
_PIECE = 512
#: Held while the standard error of the process is redirected.
_STDERR_LOCK = threading.Lock()


class SoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """soundfile's object, read from the first sample to the last.

    soundfile seeks to the position where it is after each block. With an announced length that is false,
    libsndfile refuses that, and the block is lost.
    """

    def seekable(self) -> bool:
        """Return False, so that nothing is sought."""
        return False


def open_sound_file(source: BinaryIO | io.RawIOBase) -> SoundFile:
    """Open a file or a stream with libsndfile; it is not closed with it.

    A file that has a descriptor is read by that, so that libsndfile need not call a Python object for every
    few bytes. soundfile would take any bytes for samples if a name ends in .raw, so it is given none.
    """
    opened: int | io.RawIOBase | BinaryIO = source
    try:
        opened = source.fileno()
    except io.UnsupportedOperation:
        if hasattr(source, "name"):
            opened = FileView(b"", cast(BinaryIO, source), [(0, source.seek(0, os.SEEK_END))])
    with silenced_stderr():
        return SoundFile(opened, closefd=False)


class SndfileDecoder(Decoder):
    """Decodes what libsndfile reads.

    Parameters
    ----------
    source : SourceFile
    view : callable or None
        Returns a corrected view of an open file. None: the file is read by descriptor, which is faster.
    loss : str
        See `Decoder`.
    exact : bool
        Whether the length is counted if libsndfile's is plausible.

    Raises
    ------
    AudioError
        The file cannot be read, or is another one by now.
    soundfile.LibsndfileError
        libsndfile does not know the format, or finds its header damaged.
    """

    def __init__(
        self,
        source: SourceFile,
        view: Callable[[BinaryIO], io.RawIOBase] | None = None,
        *,
        loss: str = "",
        exact: bool = True,
    ) -> None:
        self.source, self.view, self.loss = source, view, loss
        self._raw = source.open()
        try:
            file = self._file = self._opened(self._raw)
        except BaseException:
            self._raw.close()
            raise
        frames = min(int(file.frames), _MOST_FRAMES_A_BYTE * source.size)
        exact = exact and frames == file.frames
        self.info = AudioInfo(int(file.samplerate), int(file.channels), frames, exact)
        self.format, self.subtype = str(file.format), str(file.subtype)
        self._prints = self.format in _PRINTS

    def _opened(self, raw: BinaryIO) -> SoundFile:
        return open_sound_file(self.view(raw) if self.view else raw)

    @property
    def bytes_missing(self) -> tuple[int, int] | None:
        """Bytes that the header announces, and bytes that are there, if libsndfile found too few."""
        match = _TRUNCATED.search(self._file.extra_info)
        if match is None:
            return None
        announced, present = (int(number) for number in match.groups())
        return (announced, present) if present < announced else None

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all samples that can be decoded."""
        # 16-bit samples are converted to float later: libsndfile takes eight times as long for it.
        frames = 0
        for samples in self.read(most, "int16" if self.subtype == "PCM_16" else "float32"):
            frames += len(samples)
            yield Block(samples, self.info.sample_rate)
        if self.info.exact and frames < self.info.frames and not self.loss:
            self.loss = cut(self.info.seconds, frames / self.info.sample_rate)

    def read(self, most: int, dtype: str) -> Iterator[NDArray[Any]]:
        """Yield the samples (n, channels) in `dtype`, and set `loss` if the decoder finds damage."""
        frames = 0
        try:
            while len(samples := self._piece(self._file, self._next(frames, most), dtype)):
                frames += len(samples)
                yield samples
        except soundfile.LibsndfileError as error:
            # What was decoded in this call before the damage is lost: decode it again, in small pieces.
            for samples in self._again(frames, frames + most, dtype):
                frames += len(samples)
                yield samples
            text = one_line(error.error_string.removeprefix("Error : "), "the decoder lost its place")
            self.loss = with_rest(f"damaged: {text}", frames / self.info.sample_rate)

    def _next(self, frames: int, most: int) -> int:
        """Return how many samples to ask for after `frames`: memory for all of them is reserved."""
        return min(most, max(_PIECE, self.info.frames - frames)) if self.info.exact else most

    def _piece(self, file: SoundFile, most: int, dtype: str) -> NDArray[Any]:
        with silenced_stderr() if self._prints else nullcontext():
            samples: NDArray[Any] = file.read(most, dtype=dtype, always_2d=True)
        return samples

    def _again(self, start: int, stop: int, dtype: str) -> Iterator[NDArray[Any]]:
        """Yield the samples from `start` until damage is met, at most to `stop`."""
        with self.source.open() as raw, self._opened(raw) as file:
            at = 0
            with suppress(soundfile.LibsndfileError):
                while at < stop:
                    piece = _PIECE if at >= start else min(1 << 16, start - at)
                    samples = self._piece(file, piece, dtype)
                    if not len(samples):
                        return
                    if at >= start:
                        yield samples
                    at += len(samples)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Keep the MP3 decoder's notes off the terminal: audiospec's error says what is wrong with a file."""
    if sys.stderr is None:  # closed: there is no terminal
        yield
        return
    with _STDERR_LOCK:
        sys.stderr.flush()
        saved = os.dup(2)
        try:
            with open(os.devnull, "wb") as null:
                os.dup2(null.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def one_line(text: str, otherwise: str = "unknown format") -> str:
    """Return a library's message as a part of another: on one line, without a full stop."""
    return " ".join(text.split()).rstrip(".").strip() or otherwise


def as_float(samples: NDArray[Any], bits: int) -> NDArray[np.float32]:
    """Return left-justified int32 samples of at most 24 bits as float32; full scale is ±1."""
    assert bits <= 24, "float32 has 24 bits"
    floats: NDArray[np.float32] = samples.astype(np.float32)
    floats *= np.float32(2.0**-31)
    return floats
