"""Open audio files with libsndfile, and recognise truncated ones."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

from audiospec.audio.info import AudioInfo
from audiospec.audio.mp3 import has_frame_count
from audiospec.errors import AudioError

#: Formats of libsndfile whose header may only estimate the length.
ESTIMATED_LENGTHS = {"MP3", "MPEG"}
#: Lines of libsndfile's log for fewer bytes than the header announces, in WAV, AIFF, AU, W64 and RF64.
_TRUNCATED = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)
#: Held while the standard error of the process is redirected.
_STDERR_LOCK = threading.Lock()


@contextmanager
def open_sound_file(source: int | io.RawIOBase) -> Iterator[soundfile.SoundFile]:
    """Open a file descriptor or a stream with libsndfile; neither is closed at the end."""
    with silenced_stderr():
        file = soundfile.SoundFile(source, closefd=False)
    with file:
        yield file


def read_header(file: soundfile.SoundFile, path: Path) -> AudioInfo:
    """Return the info that libsndfile has of an open file; AudioError if its end is missing."""
    match = _TRUNCATED.search(file.extra_info)
    if match:
        announced, present = (int(number) for number in match.groups())
        # A program that writes to a pipe does not know the length and announces the largest number.
        if present < announced < 0x7FFFFF00:
            raise AudioError(
                f"truncated: the header announces {announced} bytes of samples, the file has {present}"
            )
    if file.format == "OGG" and not _has_ogg_end(path):
        raise AudioError("truncated: the Ogg stream has no end")
    exact = file.format not in ESTIMATED_LENGTHS or has_frame_count(path)
    return AudioInfo(file.samplerate, file.channels, file.frames, exact)


def _has_ogg_end(path: Path) -> bool:
    """Whether an Ogg file's last page is complete and marked as the last of its stream."""
    with path.open("rb") as file:
        # A page has at most 65307 bytes; a tag of another format may follow.
        file.seek(max(0, path.stat().st_size - (1 << 17)))
        tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    complete = len(page) > 26 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return complete and bool(page[5] & 4)


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


def one_line(text: str) -> str:
    """Return a library's message as a part of another: on one line, without a full stop."""
    return " ".join(text.split()).rstrip(".").strip() or "unknown format"
