"""Decode files in a worker of an engine, because a file may crash or hang its decoder.

The function that runs in a worker comes first; what the caller uses follows. A worker that dies costs a
second try of one file, alone: if that dies too, the file is named, and the others go on.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from audiospec.audio.deaths import is_final, problem_of
from audiospec.audio.fetched import AudioFile, open_source
from audiospec.audio.guard import Guard
from audiospec.audio.info import AudioInfo
from audiospec.audio.looking import fields_of
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.waves import Wave, pad_or_trim
from audiospec.engines.base import Engine, WorkerDied, make_engine
from audiospec.errors import AudioError
from audiospec.storage.location import Location, location


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
                yield {"wave": base64.b64encode(wave.astype("<f4", copy=False).tobytes()).decode("ascii")}
            assert recording.info is not None
            yield {"info": fields_of(recording.info), "note": recording.note}
    except AudioError as error:
        yield {"problem": [error.reason, error.hint]}


class Sound(NamedTuple):
    """A whole file, decoded to mono.

    Attributes
    ----------
    wave : ndarray, shape (samples,), float32
        As `load` returns it.
    note : str
        See `Recording`.
    """

    wave: Wave
    note: str


def load_files(
    files: Iterable[Location], sample_rate: int, channel: str = "mix", reading: Reading = STRICT
) -> Iterator[Sound | AudioError]:
    """Decode whole files to mono, as `load` does, in a process of their own.

    Parameters
    ----------
    files : iterable of Location
        One is taken at a time.
    sample_rate, channel, reading
        See `load`.

    Yields
    ------
    Sound or AudioError
        For each file, in order, what `load` returns or raises. A death of the decoder is an error, too.
    """
    engine = make_engine("local", 1)
    how = {"sample_rate": sample_rate, "channel": channel, "reading": reading.to_json()}
    tasks = ({"file": str(file), "about": str(file), **how} for file in files)
    parts: list[Wave] = []
    for value in engine.run(f"{__name__}:decode_in_worker", tasks):
        if isinstance(value, WorkerDied):
            yield _load_alone(engine, value.task)
            parts = []
        elif "wave" in value:
            parts.append(_wave(value))
        else:
            yield _assemble(parts, value, sample_rate)
            parts = []


def _load_alone(engine: Engine, task: dict[str, Any]) -> Sound | AudioError:
    """Decode a file over which a worker died once more, until a death is the file's own."""
    deaths = 0
    while True:
        parts: list[Wave] = []
        for value in engine.run(f"{__name__}:decode_in_worker", [task]):
            if isinstance(value, WorkerDied):
                deaths += 1
                if is_final(value, deaths):
                    return AudioError(problem_of(value, AudioFile(location(task["file"])).length()))
            elif "wave" in value:
                parts.append(_wave(value))
            else:
                return _assemble(parts, value, task["sample_rate"])


def _wave(value: dict[str, Any]) -> Wave:
    return np.frombuffer(base64.b64decode(value["wave"]), "<f4").astype(np.float32, copy=False)


def _assemble(parts: list[Wave], value: dict[str, Any], sample_rate: int) -> Sound | AudioError:
    if "problem" in value:
        return AudioError(*value["problem"])
    wave = np.concatenate([np.zeros(0, np.float32), *parts])
    return Sound(pad_or_trim(wave, AudioInfo(*value["info"]).samples(sample_rate)), value["note"])
