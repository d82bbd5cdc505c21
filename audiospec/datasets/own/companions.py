"""Read files of annotations that are stored beside the audio that they are about."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from audiospec.annotations.annotation import Annotation
from audiospec.annotations.formats.base import AnnotationFormat, Event
from audiospec.datasets.own.search import Found
from audiospec.datasets.own.segments import refuse_doubled_segments
from audiospec.errors import DatasetError
from audiospec.storage.location import Location
from audiospec.storage.opening import read_file
from audiospec.text import printable

Read = dict[str, tuple[Annotation, ...]]


def read_companions(
    root: Location, found: Found, kind: AnnotationFormat, target: str, label_column: str | None = None
) -> tuple[Read, list[str]]:
    """Return the annotations of each audio file that has a file of them, and those files.

    Parameters
    ----------
    root : Location
    found : Found
        The files of `root`.
    kind : AnnotationFormat
    target : str
    label_column : str or None

    Raises
    ------
    DatasetError
        An audio file has several files of annotations, or one of these is damaged; or there is none.
    """
    others = _by_name(found.others)
    sounds = _by_name(found.sound)
    rows: dict[str, list[tuple[int, Event]]] = {}
    sources: dict[str, str] = {}
    used: dict[str, None] = {}
    for sound in found.sound:
        folder, name = _split(sound)
        files = [
            file
            for companion in dict.fromkeys(map(str.lower, kind.companions(name)))
            for file in others.get((folder, companion), ())
        ]
        if len(files) > 1:
            raise DatasetError(
                f"{printable(sound)!r} under {root} has {len(files)} files of annotations: "
                f"{', '.join(map(printable, files))}",
                "keep one",
            )
        if not files:
            continue
        (file,) = files
        used[file] = None
        events = [*enumerate(_read(root, file, kind, label_column), 1)]
        about = {event.file for _, event in events if event.file}
        rows.setdefault(sound, [])
        sources.setdefault(sound, file)
        for number, event in events:
            sound_of = sound if len(about) < 2 else _sound_of(sounds, folder, event.file, root / file)
            rows.setdefault(sound_of, []).append((number, event))
            sources.setdefault(sound_of, file)
    if not used:
        names = ", ".join(kind.companions(PurePosixPath(found.sound[0]).name)[:3])
        raise DatasetError(
            f"no audio file under {root} has a file of annotations beside it: for "
            f"{printable(found.sound[0])!r} expected {printable(names)}",
            "choose another format with `annotations`",
        )
    annotations: Read = {}
    for sound, events in rows.items():
        pairs = [(number, event.annotation) for number, event in events]
        refuse_doubled_segments(printable(str(root / sources[sound])), sound, pairs, target, "annotation")
        annotations[sound] = tuple(annotation for _, annotation in pairs)
    return annotations, list(used)


def _by_name(files: list[str]) -> dict[tuple[str, str], list[str]]:
    """Return (folder, name in lower case) → files."""
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files:
        folder, name = _split(file)
        names[folder, name.lower()].append(file)
    return names


def _split(file: str) -> tuple[str, str]:
    folder, _, name = file.rpartition("/")
    return folder, name


def _sound_of(sounds: dict[tuple[str, str], list[str]], folder: str, file: str, source: Location) -> str:
    """Return the audio file that an event names, in the folder of its annotations."""
    name = PurePosixPath(file.replace("\\", "/")).name
    files = sounds.get((folder, name.lower()), [])
    if len(files) != 1:
        raise DatasetError(
            f"{source} has annotations of {printable(name)!r}: {len(files)} such audio files are beside it",
            "put it beside the audio, or list the annotations in a CSV file for the dataset 'csv'",
        )
    return files[0]


def _read(root: Location, file: str, kind: AnnotationFormat, label_column: str | None) -> list[Event]:
    place = root / file
    try:
        content = place.read_bytes() if isinstance(place, Path) else read_file(place)
    except OSError as error:
        raise DatasetError(f"cannot read {printable(str(place))}: {error.strerror}") from error
    return kind.read(content, printable(str(place)), label_column)
