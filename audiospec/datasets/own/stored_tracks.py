"""Tracks that are too many for memory: a file of JSON Lines, sorted by id, which is read as needed."""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, overload

from audiospec.annotations.annotation import Annotation
from audiospec.errors import DatasetError
from audiospec.files import atomic_write
from audiospec.manifest import Track

#: Tracks that are sorted in memory at a time.
SORTED_AT_ONCE = 100_000


class StoredTracks(Sequence[Track]):
    """The tracks of a file that `store_tracks` wrote, for `Manifest`. Memory holds one at a time.

    Parameters
    ----------
    file : Path

    Raises
    ------
    DatasetError
        The file cannot be read. While reading: a line is no track.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            with file.open("rb") as lines:
                self._length = sum(1 for _ in lines)
        except OSError as error:
            raise DatasetError(f"cannot read {file}: {error.strerror}") from error

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Track]:
        with self.file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield _track(line, self.file, number)

    @overload
    def __getitem__(self, index: int) -> Track: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Track]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return a track, or some, by reading the file from its beginning."""
        if isinstance(index, slice):
            chosen = range(*index.indices(len(self)))
            found = dict(zip(sorted(chosen), self._some(sorted(chosen)), strict=True))
            return [found[number] for number in chosen]
        number = range(len(self))[index]
        return next(islice(self, number, None))

    def _some(self, numbers: Sequence[int]) -> Iterator[Track]:
        wanted = set(numbers)
        return (track for number, track in enumerate(self) if number in wanted)


def store_tracks(file: Path, tracks: Iterable[Track], at_once: int = SORTED_AT_ONCE) -> StoredTracks:
    """Write tracks in any order into a file, sorted by id; memory holds `at_once` of them.

    Parameters
    ----------
    file : Path
        Written as a whole or not at all, JSON Lines with the fields of `Track`.
    tracks : iterable of Track
    at_once : int

    Raises
    ------
    DatasetError
        Two tracks have one id.
    DiskFullError
        No space is left.

    Examples
    --------
    >>> tracks = store_tracks(Path("tracks.jsonl"), read_my_catalogue())  # doctest: +SKIP
    >>> manifest = audiospec.Manifest("music", Path("/music"), tracks)  # doctest: +SKIP
    >>> report = audiospec.run(manifest, views=views, store="music.zarr")  # doctest: +SKIP
    """
    with ExitStack() as stack, atomic_write(file) as unfinished:
        source, runs = iter(tracks), []
        while part := sorted(islice(source, at_once), key=lambda track: track.id):
            run = stack.enter_context(tempfile.TemporaryFile(dir=file.parent))
            run.writelines(_line(track) for track in part)
            run.seek(0)
            runs.append(_read(run, file))
        before = None
        with unfinished.open("wb") as out:
            for track in heapq.merge(*runs, key=lambda track: track.id):
                if track.id == before:
                    raise DatasetError(f"two tracks have the id {track.id!r}", "keep one, or change an id")
                before = track.id
                out.write(_line(track))
    return StoredTracks(file)


def _read(run: IO[bytes], file: Path) -> Iterator[Track]:
    return (_track(line, file, number) for number, line in enumerate(run, 1))


def _line(track: Track) -> bytes:
    values = _given(track) | {name: getattr(track, name) for name in ("id", "path", "label")}
    if track.annotations:
        values["annotations"] = [_given(annotation) for annotation in track.annotations]
    return json.dumps(values).encode() + b"\n"


def _given(one: Track | Annotation) -> dict[str, Any]:
    """Return the fields that are not at their defaults, so that a line is short and has no infinity."""
    return {
        field.name: value for field in fields(one) if (value := getattr(one, field.name)) != field.default
    }


def _track(line: bytes, file: Path, number: int) -> Track:
    try:
        values = json.loads(line)
        annotations = tuple(Annotation(**one) for one in values.pop("annotations", ()))
        columns = tuple((name, text) for name, text in values.pop("columns", ()))
        texts = [*values.values(), *chain.from_iterable(columns)]
        texts += [text for one in annotations for text in (one.label, one.column)]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a value is not text")
        numbers = [number for one in annotations for number in (one.start, one.end, one.value or 0.0)]
        if not all(isinstance(number, int | float) for number in numbers):
            raise ValueError("a time or value is not a number")
        return Track(**values, annotations=annotations, columns=columns)
    except (ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f"line {number} of {file} is no track ({error})") from error
