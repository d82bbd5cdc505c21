"""Look at files in the workers of an engine: whether they are what they were, and what their headers say.

A file may crash or hang its decoder. A worker that dies costs a second try of one file, alone: if that dies
too, the file is named, and the others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from audiospec.audio.ahead import MEMORY
from audiospec.audio.deaths import is_final, problem_of
from audiospec.audio.fetched import AudioFile, open_source
from audiospec.audio.guard import Guard
from audiospec.audio.info import AudioInfo
from audiospec.audio.partial import for_each_object
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.source import SourceFile
from audiospec.engines.base import Engine
from audiospec.errors import AudioError

#: Least and most files of one task. A task may need another process, which takes as long to start as a
#: thousand small files take on a fast disk.
FILES_PER_TASK = (250, 512)
#: Files that one result answers for: each result wakes the caller, which takes longer than to probe a file.
FILES_PER_RESULT = 50

#: What is found: the header, why the file cannot be used, or None for a file with the hash that it had.
Look: TypeAlias = AudioInfo | AudioError | None


class UnknownFile(NamedTuple):
    """A file to look at.

    Attributes
    ----------
    file : AudioFile
    hash : str
        Content hash of its bytes when it was decoded. If they have it still, its header is not read.
    """

    file: AudioFile
    hash: str = ""


def look(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function: look at files one by one.

    Parameters
    ----------
    task : dict
        ``files``, a list of number, `AudioFile` and hash; ``reading``; ``whole``, whether to fetch whole
        objects, because a decoder died over parts of one.

    Yields
    ------
    dict
        ``answers``, a list of number, and info or problem as lists of their fields, for the next files. Both
        are None for a file that has its hash.
    """
    reading = Reading.from_json(task["reading"])
    files = [(n, UnknownFile(AudioFile.from_json(file), hash)) for n, file, hash in task["files"]]
    for first in range(0, len(files), FILES_PER_RESULT):
        part = files[first : first + FILES_PER_RESULT]
        yield {"answers": list(_answers(part, reading, task["whole"]))}


def _answers(files: Sequence[tuple[int, UnknownFile]], reading: Reading, whole: bool) -> Iterator[list[Any]]:
    objects: dict[bool, list[tuple[int, UnknownFile]]] = {False: [], True: []}
    for number, unknown in files:
        if isinstance(unknown.file.place, Path):
            try:
                with open_source(unknown.file) as source:
                    yield _answer(number, _look(source, unknown.hash, reading))
            except AudioError as error:
                yield _answer(number, error)
        else:
            objects[whole or bool(unknown.hash)].append((number, unknown))
    ends = [unknown.file for _, unknown in objects[False]]
    found = for_each_object(ends, partial(_look, hash="", reading=reading))
    for (number, _), result in zip(objects[False], found, strict=True):
        yield _answer(number, result)
    for number, unknown in objects[True]:
        use = partial(_look, hash=unknown.hash, reading=reading)
        yield _answer(number, *for_each_object([unknown.file], use, whole=True))


def _look(source: SourceFile, hash: str, reading: Reading) -> Look:
    from audiospec.audio.recording import probe

    if hash and source.content_hash() == hash:
        return None
    with Guard(source.size, MEMORY).step():
        return probe(source, reading)


def _answer(number: int, found: Look) -> list[Any]:
    if isinstance(found, AudioError):
        return [number, None, [found.reason, found.hint]]
    return [number, None if found is None else fields_of(found), None]


def fields_of(info: AudioInfo) -> list[Any]:
    """Return an info as a JSON list: what `AudioInfo` takes."""
    return [info.sample_rate, info.channels, info.frames, info.exact]


def look_at(engine: Engine, files: Sequence[UnknownFile], reading: Reading = STRICT) -> list[Look]:
    """Look at files in an engine's workers.

    Parameters
    ----------
    engine : Engine
    files : sequence of UnknownFile
    reading : Reading
        What to do with files of which a part is missing.

    Returns
    -------
    list of AudioInfo, AudioError or None
        For each file, in order, what `probe` returns or raises; None for one that has its hash. A death of
        the decoder is an error, too.

    Raises
    ------
    StorageError
        A bucket does not answer, or refuses.
    """
    answers: dict[int, Look] = {}
    deaths: Counter[int] = Counter()
    least, most = FILES_PER_TASK
    count = min(most, max(least, -(-len(files) // (engine.workers or 1))))
    waiting: list[Sequence[int]] = [
        range(first, min(first + count, len(files))) for first in range(0, len(files), count)
    ]
    alone: set[int] = set()
    policy = reading.to_json()
    while waiting:
        tasks = (
            {
                "files": [[n, files[n].file.to_json(), files[n].hash] for n in part],
                "reading": policy,
                "whole": part[0] in alone,
            }
            for part in waiting
        )
        again: list[Sequence[int]] = []
        for value in engine.run(f"{__name__}:look", tasks):
            if isinstance(value, dict):
                for number, info, problem in value["answers"]:
                    found = None if info is None else AudioInfo(*info)
                    answers[number] = found if problem is None else AudioError(*problem)
                continue
            left = [number for number, _, _ in value.task["files"] if number not in answers]
            whole = value.task["whole"] or isinstance(files[left[0]].file.place, Path) if left else False
            if whole and len(value.task["files"]) == 1:
                deaths[left[0]] += 1
                if is_final(value, deaths[left[0]]):
                    answers[left[0]] = AudioError(problem_of(value, files[left[0]].file.length()))
                    continue
            again += [[number] for number in left]  # each in a task of its own
            alone.update(left)
        waiting = again
    return [answers[number] for number in range(len(files))]
