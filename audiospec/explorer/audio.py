"""The audio of tracks, as browsers can play it.

Files are found by a track's number only, inside the folder that the store records, and only files whose
content is sound are sent. Links are followed, as `featurize` follows them.
"""

from __future__ import annotations

import os
import stat
import threading
import wave
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audiospec.audio.sniff import HEAD_BYTES, begins_sound, container_of
from audiospec.errors import AudioError, StoreError
from audiospec.explorer.problems import NotFoundError
from audiospec.files import open_plain
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.anonymous_tracks import leaves_root

#: Containers that all browsers play → type of the content, and suffix.
PLAYED = {
    "wav": ("audio/wav", ".wav"),
    "flac": ("audio/flac", ".flac"),
    "mp3": ("audio/mpeg", ".mp3"),
    "ogg": ("audio/ogg", ".ogg"),
    "mp4": ("audio/mp4", ".m4a"),
}
#: Formats inside a WAV file that all browsers play: PCM, float, and the extended header of either.
_PLAYED_WAV = {b"\x01\x00", b"\x03\x00", b"\xfe\xff"}
#: Most seconds of a file that is decoded for the page.
MOST_SECONDS = 600
#: Most decoded files that are kept.
_MOST_KEPT = 16
#: Rates in Hz that browsers play; other files are resampled to the nearer end when they are decoded.
_RATES = (8000, 48000)
#: Tracks that are looked for to see whether the audio has moved.
_LOOKED_AT = 20


class Playable(NamedTuple):
    """A file that a browser plays.

    Attributes
    ----------
    path : Path
    media_type : str
    suffix : str
        As the content has it, such as ``".wav"``.
    """

    path: Path
    media_type: str
    suffix: str


class AudioFiles:
    """The audio files of a store's tracks.

    Parameters
    ----------
    store : FeatureStore
    work : Path
        A folder for decoded files; whoever made it removes it.

    Attributes
    ----------
    state : str
        ``"present"``; ``"moved"``: the store names files that are not there; ``"none"``: it names none.
    message : str
        What follows from that, and what to do; ``""`` if the audio is there.
    """

    def __init__(self, store: FeatureStore, work: Path) -> None:
        self._tracks, self._work = store.tracks, work
        self._decoded: OrderedDict[int, Playable] = OrderedDict()
        self._lock = threading.Lock()
        self._root: Location | None
        try:
            self._root = store.root
        except StoreError as error:
            self._root, reason = None, str(error)
        paths = [path for path in self._tracks["path"].tolist() if path]
        self.state, self.message = "present", ""
        if self._root is None or not paths:
            self.state = "none"
            self.message = reason if self._root is None else "the tracks of this store have no audio files"
        elif not isinstance(self._root, Path):
            self.state = "none"
            self.message = f"the audio is at {self._root}: only files of this machine can be played"
        elif not any(map(self._is_there, paths[:: max(1, len(paths) // _LOOKED_AT)])):
            self.state = "moved"
            self.message = (
                f"the audio is not in {self._root} any more, so nothing can be played: put it back, or run "
                "`audiospec featurize DATASET --data FOLDER --store STORE`, which records where it is now"
            )

    def _is_there(self, path: str) -> bool:
        assert isinstance(self._root, Path)
        return not _is_outside(path) and os.path.isfile(self._root / path)

    def has(self, number: int) -> bool:
        """Whether the file of a track is there."""
        path = str(self._tracks["path"][number])
        return self.state == "present" and bool(path) and self._is_there(path)

    def path_of(self, number: int) -> Path:
        """Return the file of a track.

        Raises
        ------
        NotFoundError
            The store does not name one inside its folder, it is not there, or it is not sound.
        """
        path = str(self._tracks["path"][number])
        if self._root is None or not isinstance(self._root, Path) or not path:
            raise NotFoundError(self.message or "the track has no audio file: it is from a table")
        if _is_outside(path):
            raise NotFoundError(
                "the track's path leads out of the folder that the store records, so it is not opened",
                "featurize again with a folder that has all files in it",
            )
        file = self._root / path
        try:
            if not stat.S_ISREG(os.stat(file).st_mode):
                raise NotFoundError(f"{file} is not a regular file")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise NotFoundError(f"{file} cannot be read: {reason}", "put the audio back") from error
        return file

    def why_not(self, number: int) -> str:
        """Return why the audio of a track cannot be played; ``""`` if its file is there."""
        try:
            self.path_of(number)
        except NotFoundError as error:
            return str(error)
        return ""

    def playable(self, number: int, *, decode: bool = False) -> Playable:
        """Return the audio of a track as a file that a browser plays.

        Parameters
        ----------
        number : int
        decode : bool
            Decode it in any case, for a browser that does not play what most do.

        Raises
        ------
        NotFoundError
            The file is not there, or is no audio.
        """
        file = self.path_of(number)
        try:
            with open_plain(file) as opened:
                head = opened.read(4 * HEAD_BYTES)
        except (OSError, ValueError) as error:
            raise NotFoundError(f"{file} cannot be read: {error}") from error
        container = container_of(head[:HEAD_BYTES])
        if not begins_sound(head, file.suffix):
            raise NotFoundError(f"{file} is not audio")
        if not decode and container in PLAYED and not _is_rare_wav(container, head):
            return Playable(file, *PLAYED[container])
        with self._lock:  # one at a time: each takes a core
            if number not in self._decoded:
                self._decoded[number] = self._decode(file, number)
                while len(self._decoded) > _MOST_KEPT:
                    _, old = self._decoded.popitem(last=False)
                    old.path.unlink(missing_ok=True)
            self._decoded.move_to_end(number)
            return self._decoded[number]

    def _decode(self, file: Path, number: int) -> Playable:
        """Decode a file to a mono WAV of 16 bits, in a process of its own, because decoders may crash."""
        from audiospec.audio.isolated import decode_files
        from audiospec.audio.reading import Reading

        rate = int(np.clip(int(self._tracks["sample_rate"][number]) or 22050, *_RATES))
        target = self._work / f"{number}.wav"
        left = MOST_SECONDS * rate
        reading = Reading(truncated="keep", keep_silent=True)
        try:
            with wave.open(str(target), "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(rate)
                for sound in decode_files([file], rate, reading=reading, workers=1):
                    for block in sound:
                        samples = np.rint(np.clip(block[:left], -1, 1) * 32767).astype("<i2")
                        out.writeframes(samples.tobytes())
                        left -= len(samples)
                        if left <= 0:
                            break
        except AudioError as error:
            target.unlink(missing_ok=True)
            raise NotFoundError(f"{file} cannot be decoded: {error}") from error
        return Playable(target, *PLAYED["wav"])


def _is_outside(path: str) -> bool:
    return leaves_root(path) or "\0" in path


def _is_rare_wav(container: str, head: bytes) -> bool:
    """Whether it is a WAV file that browsers do not play: of another byte order, size or codec."""
    if container != "wav":
        return False
    place = head.find(b"fmt ", 12)
    return head[:4] != b"RIFF" or place < 0 or head[place + 8 : place + 10] not in _PLAYED_WAV
