"""Decode with libsndfile, and recognise files that end too early."""

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
from audiospec.audio.mp3 import is_counted_mp3
from audiospec.errors import AudioError

#: Formats of libsndfile whose header may only estimate the length.
ESTIMATED_LENGTHS = {"MP3", "MPEG"}
#: How libsndfile's log says that fewer bytes follow than the header announces: WAV, AIFF, AU; W64; RF64.
_CUT = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
#: Held while the process's standard error is redirected.
_STDERR = threading.Lock()


@contextmanager
def open_sound_file(source: int | io.RawIOBase) -> Iterator[soundfile.SoundFile]:
    """Open a file, by number, or a stream with libsndfile."""
    with silenced_stderr():
        file = soundfile.SoundFile(source, closefd=False)
    with file:
        yield file


def read_header(file: soundfile.SoundFile, path: Path) -> AudioInfo:
    """Read what libsndfile says of an open file; AudioError if the file tells that its end is missing."""
    cut = _CUT.search(file.extra_info)
    if cut:
        announced, held = (int(number) for number in cut.groups())
        # A writer that did not know the length (a pipe) announces the largest number.
        if held < announced < 0x7FFFFF00:
            raise AudioError(f"truncated: its header announces {announced} bytes of samples, it holds {held}")
    if file.format == "OGG" and not _has_ogg_end(path):
        raise AudioError("truncated: the Ogg stream has no end")
    counted = file.format not in ESTIMATED_LENGTHS or is_counted_mp3(path)
    return AudioInfo(file.samplerate, file.channels, file.frames, counted)


def _has_ogg_end(path: Path) -> bool:
    """Whether an Ogg file's last page is whole and marked as the last of its stream."""
    with path.open("rb") as file:
        # A page has at most 65307 bytes; a foreign tag may follow.
        file.seek(max(0, path.stat().st_size - (1 << 17)))
        tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    whole = len(page) > 26 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return whole and bool(page[5] & 4)


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Keep the MP3 decoder's own notes off the terminal: what is wrong with a file is our message."""
    if sys.stderr is None:  # closed: there is no terminal
        yield
        return
    with _STDERR:
        sys.stderr.flush()
        saved = os.dup(2)
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def one_line(text: str) -> str:
    """Make a library's message a part of ours: one line, no full stop, no name of a path."""
    return " ".join(text.split()).rstrip(".").strip() or "unknown format"
