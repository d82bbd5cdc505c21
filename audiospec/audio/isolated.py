"""Decode files in workers of an engine, because a file may crash or hang its decoder.

The function that runs in a worker comes first; what the caller uses follows. A worker that dies costs a
second try of one file, in a new worker: if that dies too, the file is named, and the others go on.
"""

from __future__ import annotations

import base64
import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from audiospec.audio.deaths import is_final, problem_of
from audiospec.audio.fetched import AudioFile, open_source
from audiospec.audio.guard import Guard
from audiospec.audio.info import AudioInfo
from audiospec.audio.looking import fields_of
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.waves import Wave
from audiospec.engines.base import WorkerDied
from audiospec.engines.local import LocalEngine
from audiospec.errors import AudioError
from audiospec.machine import usable_cores
from audiospec.storage.location import Location, location

#: Files that are decoded at a time, or are decoded already and wait for their turn.
AHEAD = 10
#: Bytes of samples that a file holds until its decoder waits.
HELD = 4 << 20
#: Most samples that a worker hands over at a time.
PIECE = 1 << 18


def decode_in_worker(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function: decode one file.

    Parameters
    ----------
    task : dict
        ``file``, ``sample_rate``, ``channel``, ``reading``.

    Yields
    ------
    dict
        ``wave``, the next samples as base64 of little-endian float32, until ``info`` and ``note``, or
        ``problem``.
    """
    from audiospec.audio.recording import Recording

    try:
        with open_source(AudioFile(location(task["file"]))) as source:
            guard = Guard(source.size)
            with guard.step():
                recording = Recording(source, Reading.from_json(task["reading"]))
            for wave in guard.steps(recording.waves(task["sample_rate"], task["channel"])):
                samples = wave.astype("<f4", copy=False)
                for first in range(0, len(samples), PIECE):
                    piece = samples[first : first + PIECE].tobytes()
                    yield {"wave": base64.b64encode(piece).decode("ascii")}
            assert recording.info is not None
            yield {"info": fields_of(recording.info), "note": recording.note}
    except AudioError as error:
        yield {"problem": [error.reason, error.hint]}


class Sound:
    """One file that is being decoded to mono: its samples, block by block, while later ones are decoded.

    Parameters
    ----------
    file : Location

    Attributes
    ----------
    info : AudioInfo or None
        What was decoded; None until the last block has been read.
    note : str
        See `Recording`; ``""`` until the last block has been read.
    """

    def __init__(self, file: Location) -> None:
        self.file = file
        self.info: AudioInfo | None = None
        self.note = ""
        self.is_closed = False
        self._change = threading.Condition()
        self._items: deque[Wave | dict[str, Any] | Exception] = deque()
        self._held = 0

    def __iter__(self) -> Iterator[Wave]:
        """Yield consecutive blocks, shape (n,), float32, full scale at ±1.

        Raises
        ------
        AudioError
            What `Recording.waves` raises. A death of the decoder is one, too.
        """
        while True:
            with self._change:
                self._change.wait_for(lambda: self._items)
                item = self._items.popleft()
                if isinstance(item, np.ndarray):
                    self._held -= item.nbytes
                    self._change.notify_all()
            if isinstance(item, Exception):
                raise item
            if isinstance(item, dict):
                self.info, self.note = AudioInfo(*item["info"]), item["note"]
                return
            yield item

    def add(self, item: Wave | dict[str, Any] | Exception) -> bool:
        """Add a block, the end or an error, once there is room; return whether the rest is wanted."""
        with self._change:
            self._change.wait_for(lambda: self.is_closed or self._held < HELD)
            if isinstance(item, np.ndarray):
                self._held += item.nbytes
            self._items.append(item)
            self._change.notify_all()
            return not self.is_closed

    def close(self) -> None:
        """Free the samples; the rest of the file is not decoded."""
        with self._change:
            self.is_closed = True
            self._items.clear()
            self._change.notify_all()


def decode_files(
    files: Iterable[Location],
    sample_rate: int,
    channel: str = "mix",
    reading: Reading = STRICT,
    workers: int | None = None,
) -> Generator[Sound, None, None]:
    """Decode files to mono, each in a process that it may kill, while the files before are used.

    Parameters
    ----------
    files : iterable of Location
        `AHEAD` are taken at a time.
    sample_rate, channel, reading
        See `load`.
    workers : int or None
        Number of processes that decode. None: one for each usable core but one.

    Yields
    ------
    Sound
        One for each file, in order. It is closed when the next is taken. Memory is bounded: each of `AHEAD`
        files holds about `HELD` bytes of samples at most.
    """
    how = {"sample_rate": sample_rate, "channel": channel, "reading": reading.to_json()}
    most = min(AHEAD, max(1, usable_cores() - 1) if workers is None else workers)
    sounds: queue.Queue[Sound | None] = queue.Queue()
    decoders: list[_Decoder] = []
    begun: deque[Sound] = deque()
    waiting = iter(files)
    try:
        while True:
            for file in islice(waiting, AHEAD - len(begun)):
                begun.append(Sound(file))
                sounds.put(begun[-1])
                if len(decoders) < most:
                    decoders.append(_Decoder(sounds, how))
            if not begun:
                return
            yield begun[0]
            begun.popleft().close()
    finally:
        for sound in begun:
            sound.close()
        for _ in decoders:
            sounds.put(None)
        for decoder in decoders:
            decoder.end()


class _Decoder:
    """A thread that decodes one file after another, in a process of its own."""

    def __init__(self, sounds: queue.Queue[Sound | None], how: dict[str, Any]) -> None:
        self._sounds, self._how = sounds, how
        self._engine = LocalEngine(1)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait for the thread; its process is killed if it still decodes a file that was closed."""
        while self._thread.is_alive():
            self._engine.interrupt()
            self._thread.join(0.05)

    def _run(self) -> None:
        with self._engine:
            is_fresh = True  # whether the process has had no other file, which may have damaged it
            while (sound := self._sounds.get()) is not None:
                try:
                    is_fresh = self._decode(sound, is_fresh)
                except Exception as error:
                    sound.add(error)
                    is_fresh = True

    def _decode(self, sound: Sound, is_fresh: bool) -> bool:
        """Decode a file into a `Sound`, until a death is the file's own; return if the process is new."""
        task = {"file": str(sound.file), "about": str(sound.file), **self._how}
        delivered = deaths = 0
        while not sound.is_closed:
            place = 0
            for value in self._engine.run(f"{__name__}:decode_in_worker", [task]):
                if isinstance(value, WorkerDied):
                    deaths += is_fresh
                    if is_fresh and is_final(value, deaths):
                        sound.add(AudioError(problem_of(value, AudioFile(sound.file).length())))
                        return True
                    is_fresh = True
                    break
                if "wave" not in value:
                    sound.add(AudioError(*value["problem"]) if "problem" in value else value)
                    continue
                # After a death the file is decoded anew: what was delivered is the same again.
                wave = np.frombuffer(base64.b64decode(value["wave"]), "<f4").astype(np.float32, copy=False)
                place += len(wave)
                rest = wave[max(0, len(wave) - (place - delivered)) :] if place > delivered else wave[:0]
                delivered += len(rest)
                if len(rest) and not sound.add(rest):
                    return True
            else:
                return False
        return is_fresh
