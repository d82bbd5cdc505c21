"""Read files of annotations that are stored beside the audio that they are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from audiospec.annotations.annotation import Annotation
from audiospec.annotations.formats.base import AnnotationFormat, Event
from audiospec.datasets.own.search import Found
from audiospec.datasets.own.segments import refuse_doubled_segments
from audiospec.errors import DatasetError
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.text import printable

Read = dict[str, tuple[Annotation, ...]]


def read_companions(
    root: Location, found: Found, kind: AnnotationFormat, target: str, label_column: str | None = None
) -> tuple[Read, list[str]]:
    """Return the annotations of each audio file that has a file of them, and those files.

    A file of annotations has the name of its audio file, or its events name their audio files, which are in
    its folder or below.

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
    of_sound = _companions(root, found, kind)
    taken = set(of_sound.values())
    ends = tuple({PurePosixPath(end).suffix for end in kind.suffixes}) if kind.names_files else ()
    rest = [file for file in found.others if file not in taken and file.lower().endswith(ends)]
    contents = _contents(root, [*dict.fromkeys(of_sound.values()), *rest])
    sounds: dict[str, list[str]] = defaultdict(list)
    for sound in found.sound:
        sounds[PurePosixPath(sound).name.lower()].append(sound)

    events: dict[str, list[tuple[str, int, Event]]] = {sound: [] for sound in of_sound}
    for sound, file in of_sound.items():
        place = printable(str(root / file))
        numbered = [*enumerate(kind.read(contents[file], place, label_column), 1)]
        is_of_one = len({event.file for _, event in numbered}) < 2
        for number, event in numbered:
            about = sound if is_of_one else _sound_of(sounds, file, event.file, place)
            events.setdefault(about, []).append((file, number, event))
    used = dict.fromkeys(of_sound.values())
    for file in rest:
        place = printable(str(root / file))
        try:
            read = kind.read(contents[file], place, label_column)
        except DatasetError:
            if file.lower().endswith(kind.suffixes) and kind.suffixes != ends:
                raise
            continue  # about something else: it is named among the files left out
        if not read or not all(event.file for event in read):
            continue
        used[file] = None
        for number, event in enumerate(read, 1):
            about = _sound_of(sounds, file, event.file, place)
            events.setdefault(about, []).append((file, number, event))
    if not used:
        names = ", ".join(kind.companions(PurePosixPath(found.sound[0]).name)[:3])
        raise DatasetError(
            f"no audio file under {root} has a file of annotations beside it: for "
            f"{printable(found.sound[0])!r} expected {printable(names)}",
            "choose another format with `annotations`",
        )
    return {sound: _annotations(root, sound, rows, target) for sound, rows in events.items()}, [*used]


def _companions(root: Location, found: Found, kind: AnnotationFormat) -> dict[str, str]:
    """Return the file of annotations that has the name of each audio file."""
    others: dict[str, list[str]] = defaultdict(list)
    for file in found.others:
        folder, slash, name = file.rpartition("/")
        others[folder + slash + name.lower()].append(file)
    of_sound = {}
    for sound in found.sound:
        folder, slash, name = sound.rpartition("/")
        names = dict.fromkeys(companion.lower() for companion in kind.companions(name))
        files = [file for companion in names for file in others.get(folder + slash + companion, ())]
        if len(files) > 1:
            raise DatasetError(
                f"{printable(sound)!r} under {root} has {len(files)} files of annotations: "
                f"{', '.join(map(printable, files))}",
                "keep one",
            )
        if files:
            (of_sound[sound],) = files
    return of_sound


def _sound_of(sounds: dict[str, list[str]], file: str, named: str, place: str) -> str:
    """Return the audio file that an event names: the one that has most of its path, below `file`'s folder."""
    folder, slash, _ = file.rpartition("/")
    parts = [part for part in named.lower().replace("\\", "/").split("/") if part]
    files = [
        sound for sound in sounds.get(parts[-1] if parts else "", ()) if sound.startswith(folder + slash)
    ]
    for count in range(2, len(parts) + 1):
        if len(files) < 2:
            break
        end = "/" + "/".join(parts[-count:])
        files = [sound for sound in files if f"/{sound.lower()}".endswith(end)] or files
    if len(files) != 1:
        raise DatasetError(
            f"{place} has annotations of {printable(named)!r}: {len(files)} such files are in its folder",
            "put it in the folder of the audio, or list the annotations in a CSV file for the dataset 'csv'",
        )
    return files[0]


def _annotations(
    root: Location, sound: str, rows: Iterable[tuple[str, int, Event]], target: str
) -> tuple[Annotation, ...]:
    """Return the annotations of an audio file, which do not contradict each other."""
    of_files: dict[str, list[tuple[int, Annotation]]] = defaultdict(list)
    for file, number, event in rows:
        of_files[file].append((number, event.annotation))
    if len(of_files) > 1:
        raise DatasetError(
            f"{printable(sound)!r} under {root} has {len(of_files)} files of annotations: "
            f"{', '.join(map(printable, of_files))}",
            "keep one",
        )
    for file, pairs in of_files.items():
        refuse_doubled_segments(printable(str(root / file)), sound, pairs, target, "annotation")
    return tuple(annotation for pairs in of_files.values() for _, annotation in pairs)


def _contents(root: Location, files: list[str]) -> dict[str, bytes]:
    """Return the contents of files; many are read at a time from a bucket."""

    def read(file: str) -> bytes:
        try:
            return (root / file).read_bytes() if isinstance(root, Path) else folder.read(file)
        except OSError as error:
            raise DatasetError(f"cannot read {printable(str(root / file))}: {error.strerror}") from error

    folder = open_folder(root)
    return dict(zip(files, folder.map(read, files), strict=True))
