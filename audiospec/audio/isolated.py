"""Probe and decode files in the workers of an engine, because a file may crash or hang its decoder.

The functions that run in a worker come first; those that the caller uses follow. A worker that dies costs a
second try of one file, alone: if that dies too, the file is named, and the others go on.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from audiospec.audio.deaths import is_final, problem_of
from audiospec.audio.guard import Guard
from audiospec.audio.info import AudioInfo
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.waves import Wave, pad_or_trim
from audiospec.engines.base import Engine, WorkerDied, make_engine
from audiospec.errors import AudioError

#: Least and most files that one task probes. A task may need another process, which takes as long to start as
#: a thousand small files take on a fast disk.
FILES_PER_TASK = (250, 1000)
#: Files that one result answers for: each result wakes the caller, which takes longer than to probe a file.
FILES_PER_RESULT = 50


def probe_in_worker(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function: probe files one by one.

    Parameters
    ----------
    task : dict
        ``files``, a list of number and path; ``reading``.

    Yields
    ------
    dict
        ``answers``, a list of number, and info or problem as lists of their fields, for the next files.
    """
    from audiospec.audio.recording import probe

    reading = Reading.from_json(task["reading"])
    answers: list[Any] = []
    for number, name in task["files"]:
        path, info, problem = Path(name), None, None
        try:
            with _guard(path).step():
                info = _fields(probe(path, reading))
        except AudioError as error:
            problem = [error.reason, error.hint]
        answers.append([number, info, problem])
        if len(answers) == FILES_PER_RESULT:
            yield {"answers": answers}
            answers = []
    yield {"answers": answers}


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

    path = Path(task["file"])
    guard = _guard(path)
    try:
        with guard.step():
            recording = Recording(path, Reading.from_json(task["reading"]))
        for wave in guard.steps(recording.waves(task["sample_rate"], task["channel"])):
            yield {"wave": base64.b64encode(wave.astype("<f4", copy=False).tobytes()).decode("ascii")}
        assert recording.info is not None
        yield {"info": _fields(recording.info), "note": recording.note}
    except AudioError as error:
        yield {"problem": [error.reason, error.hint]}


def _fields(info: AudioInfo) -> list[Any]:
    return [info.sample_rate, info.channels, info.frames, info.exact]


def _guard(path: Path) -> Guard:
    return Guard(_size(path))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # the decoder's error says more
        return 0


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


def probe_files(
    engine: Engine, files: Sequence[Path], reading: Reading = STRICT
) -> list[AudioInfo | AudioError]:
    """Read the headers of files in an engine's workers.

    Parameters
    ----------
    engine : Engine
    files : sequence of Path
    reading : Reading
        What to do with files of which a part is missing.

    Returns
    -------
    list of AudioInfo or AudioError
        For each file, in order, what `probe` returns or raises. A death of the decoder is an error, too.
    """
    answers: dict[int, AudioInfo | AudioError] = {}
    deaths: Counter[int] = Counter()
    least, most = FILES_PER_TASK
    count = min(most, max(least, -(-len(files) // (engine.workers or 1))))
    numbers = list(range(len(files)))
    waiting = [numbers[first : first + count] for first in range(0, len(files), count)]
    policy = reading.to_json()
    while waiting:
        tasks = [{"files": [[n, str(files[n])] for n in part], "reading": policy} for part in waiting]
        waiting = []
        for value in engine.run(f"{__name__}:probe_in_worker", tasks):
            if isinstance(value, dict):
                for number, info, problem in value["answers"]:
                    answers[number] = AudioInfo(*info) if problem is None else AudioError(*problem)
                continue
            left = [number for number, _ in value.task["files"] if number not in answers]
            if len(value.task["files"]) == 1 and left:
                deaths[left[0]] += 1
                if is_final(value, deaths[left[0]]):
                    answers[left[0]] = AudioError(problem_of(value, _size(files[left[0]])))
                    continue
            waiting += [[number] for number in left]  # each in a task of its own
    return [answers[number] for number in numbers]


def load_files(
    files: Iterable[Path], sample_rate: int, channel: str = "mix", reading: Reading = STRICT
) -> Iterator[Sound | AudioError]:
    """Decode whole files to mono, as `load` does, in a process of their own.

    Parameters
    ----------
    files : iterable of Path
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
                    return AudioError(problem_of(value, _size(Path(task["file"]))))
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
