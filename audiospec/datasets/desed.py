"""desed: events in homes with onsets and offsets, ten classes, synthetic and recorded (Turpault 2019)."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath

from audiospec.annotations.annotation import Annotation
from audiospec.datasets.base import DownloadedDataset, Reader, datasets
from audiospec.datasets.download.remote import Remote
from audiospec.datasets.own.folds import fold_named
from audiospec.datasets.own.search import Found
from audiospec.datasets.own.tables import read_table
from audiospec.datasets.published.tables import Entry
from audiospec.errors import DatasetError
from audiospec.manifest import Track
from audiospec.storage.location import Location
from audiospec.text import printable

COLUMNS = ("filename", "onset", "offset", "event_label")
"""Columns of a table of strong labels."""

_YOUTUBE = re.compile(r"Y(.{11})_[0-9.]+_[0-9.]+")


@datasets.register
class Desed(DownloadedDataset):
    """DESED and the sets of DCASE task 4: ``audio/PART/SET/*.wav`` and ``metadata/PART/SET.tsv``.

    A table of strong labels has the columns filename, onset, offset and event_label; a file without events
    has one row without them. The table ``metadata/PART/SET.tsv`` is of the files in ``audio/PART/SET`` or,
    if there is no such folder, in ``audio/PART``; some of them may be missing. The fold is ``"train"``,
    ``"valid"`` or ``"test"`` for the PART train, validation or eval. The group of a recording is its video.
    The id is the path below ``audio`` without its suffix.

    Audio without strong labels is left out: weakly labelled and unlabelled clips, single sounds.
    """

    citation = (
        "N. Turpault, R. Serizel, A. Parag Shah and J. Salamon, Sound event detection in domestic "
        "environments with weakly labeled data and soundscape synthesis, Workshop on Detection and "
        "Classification of Acoustic Scenes and Events, 2019"
    )
    group_noun = "videos"
    licence = "stated for each file in the archives"
    homepage = "https://project.inria.fr/desed"
    layout = "audio/PART/SET/*.wav and metadata/PART/SET.tsv"
    target = "frames"
    refuses_others = False
    # The synthetic training and validation sets, and the public evaluation set; no checksums are known.
    remotes = (
        Remote(
            "https://zenodo.org/records/6026841/files/dcase_synth.zip",
            parts=(Remote("https://zenodo.org/records/4560759/files/DESED_public_eval.tar.gz"),),
        ),
    )

    def reader(self, root: Location, found: Found) -> Reader:
        """Read the tables of strong labels, and return what maps a file to its track."""
        sound: dict[str, set[str]] = {}
        for path in found.sound:
            sound.setdefault(str(PurePosixPath(path).parent), set()).add(path)
        listed: dict[str, tuple[str, list[Annotation]]] = {}
        tables = 0
        for table in found.others:
            parts = PurePosixPath(table).parts
            if not table.lower().endswith(".tsv") or "metadata" not in parts[:-1]:
                continue
            events = _events(root / table)
            if events is None:
                continue
            tables += 1
            folder = _folder(PurePosixPath(table), sound)
            for name, of_file in events.items():
                path = f"{folder}/{name}"
                other, known = listed.setdefault(path, (table, of_file))
                if known != of_file:
                    raise DatasetError(
                        f"{root / table}: the events of {printable(name)!r} differ from those in {other}",
                        "keep one of the two tables",
                    )
        if not tables:
            raise DatasetError(
                f"dataset {self.name!r} expects {self.layout} under {root}: found no table in a folder "
                f"metadata with the columns {', '.join(COLUMNS)}",
                "give the folder that has both audio and metadata",
            )

        def read(path: PurePosixPath) -> Track | None:
            if str(path) not in listed:
                return None
            below = path.parts[_last(path.parts, "audio") + 1 :]
            video = _YOUTUBE.fullmatch(path.stem)
            return Track(
                id=printable(str(PurePosixPath(*below).with_suffix(""))),
                path=str(path),
                label="",
                group=printable(video[1]) if video else "",
                fold=fold_named(below[0]),
                annotations=tuple(listed[str(path)][1]),
            )

        return read


def _last(parts: tuple[str, ...], name: str) -> int:
    return max(number for number, part in enumerate(parts) if part == name)


def _folder(table: PurePosixPath, sound: dict[str, set[str]]) -> PurePosixPath:
    """Return the folder of the audio that a table is of."""
    parts = table.parts
    place = _last(parts[:-1], "metadata")
    folder = PurePosixPath(*parts[:place], "audio", *parts[place + 1 : -1])
    own = folder / table.stem
    return own if str(own) in sound else folder


def _events(file: Location) -> dict[str, list[Annotation]] | None:
    """Return the events of each file that a table lists, or None if it has no strong labels."""
    table = read_table(file)
    if not set(COLUMNS) <= set(table.columns):
        return None
    events: dict[str, list[Annotation]] = {}
    for number, cells in table.rows:
        entry = Entry(f"{file}, row {number}", dict(zip(table.columns, cells, strict=True)))
        listed = events.setdefault(entry.cells["filename"], [])
        texts = [entry.cells[column] for column in COLUMNS[1:]]
        if any(text and text.lower() != "nan" for text in texts):
            listed.append(_event(entry))
    for name, listed in events.items():
        events[name] = sorted(listed, key=lambda one: (one.start, one.end, one.label))
    return events


def _event(entry: Entry) -> Annotation:
    """Return the event of a row."""
    times = []
    for column in ("onset", "offset"):
        try:
            times.append(float(entry.cells[column]))
        except ValueError:
            times.append(math.nan)
        if not 0 <= times[-1] < math.inf:
            raise DatasetError(
                f"{entry.place}, column {column!r}: expected seconds of at least 0; "
                f"got {printable(entry.cells[column])!r}",
                "correct the row",
            )
    if times[0] > times[1]:
        raise DatasetError(
            f"{entry.place}: the onset {times[0]:g} is after the offset {times[1]:g}", "correct the row"
        )
    if not entry.cells["event_label"]:
        raise DatasetError(f"{entry.place}, column 'event_label' is empty", "name the event")
    return Annotation(start=times[0], end=times[1], label=printable(entry.cells["event_label"]))
