"""raven: selection tables, as Raven and BirdNET write them: a header, columns separated by tabs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from audiospec.annotations.formats.base import (
    AnnotationFormat,
    Event,
    annotation_formats,
    checked,
    number,
    text_of,
)
from audiospec.errors import DatasetError, nearest
from audiospec.text import printable

_BEGIN, _END = "Begin Time (s)", "End Time (s)"
_FILES = ("begin file", "begin path")
_IN_FILE = "file offset (s)"
_SCORES = ("score", "confidence")
#: Usual names of the column of labels; of the last two, which are of one label, the first counts.
_LABELS = (
    *("annotation", "annotations", "label", "labels", "species", "class", "category", "type", "call type"),
    *("call_type", "tag", "tags", "sound type", "common name", "species code"),
)


@annotation_formats.register
class Raven(AnnotationFormat):
    """A selection table. A selection with a row for each view counts once.

    Labels are in the column ``Annotation``, ``Species``, ``Label`` or the like. If the table has the columns
    ``Begin File`` and ``File Offset (s)``, it may be about several audio files.
    """

    suffixes = (".selections.txt", ".selection.table.txt")
    names_files = True

    def companions(self, audio: str) -> tuple[str, ...]:
        """Return ``x.Table.1.selections.txt`` and its variants, BirdNET's name, and ``x.txt``."""
        stem = PurePosixPath(audio).stem
        return tuple(
            f"{name}{end}"
            for name in dict.fromkeys((stem, audio))
            for end in (
                *(".Table.1.selections.txt", ".Table01.selections.txt", ".Table.01.selections.txt"),
                *(".selections.txt", ".BirdNET.selection.table.txt", ".selection.table.txt", ".txt"),
            )
        )

    def read(self, content: bytes, source: str, label_column: str | None = None) -> list[Event]:
        """Return the selections of a table."""
        lines = [
            (n, [cell.strip() for cell in line.split("\t")])
            for n, line in enumerate(text_of(content, source).splitlines(), 1)
            if line.strip()
        ]
        if not lines:
            return []
        (_, header), rows = lines[0], lines[1:]
        names = [name.lower() for name in header]
        for name in (_BEGIN, _END):
            if name.lower() not in names:
                raise DatasetError(
                    f"{source} is no selection table: it has no column {name!r}{nearest(name, header)}",
                    "choose another format",
                )
        if not rows:
            return []
        place_of = {name: n for n, name in reversed(list(enumerate(names)))}
        label = _label(header, names, source, label_column)
        file = next((place_of[name] for name in _FILES if name in place_of), None)
        score = next((place_of[name] for name in _SCORES if name in place_of), None)
        offset = place_of.get(_IN_FILE)
        if (
            file is not None
            and offset is None
            and len({cells[file] for _, cells in rows if file < len(cells)}) > 1
        ):
            raise DatasetError(
                f"{source} is about several audio files and has no column 'File Offset (s)'",
                "export the table with that column",
            )
        events, views = [], dict[str, str]()
        for row, cells in rows:
            cells += [""] * (len(header) - len(cells))
            place = f"{source}, row {row}"
            if "view" in place_of and "selection" in place_of:
                view = cells[place_of["view"]]
                if views.setdefault(cells[place_of["selection"]], view) != view:
                    continue  # the same selection in another view
            begin, end = (number(cells[place_of[name.lower()]], place) for name in (_BEGIN, _END))
            start = begin if offset is None else number(cells[offset], place)
            event = Event(
                onset=start,
                offset=end if offset is None else start + (end - begin),
                label=cells[label],
                score=number(cells[score], place) if score is not None and cells[score] else None,
                file=cells[file] if file is not None else "",
            )
            events.append(checked(event, place))
        return events

    def write(self, events: Sequence[Event], seconds: float | None = None) -> bytes:
        """Return a selection table of whole columns of the waveform: events have no frequencies."""
        lines = ["Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tAnnotation\tScore"]
        for n, one in enumerate(events, 1):
            score = "" if one.score is None else repr(float(one.score))
            lines.append(f"{n}\tWaveform 1\t1\t{one.onset:.6f}\t{one.offset:.6f}\t{one.label}\t{score}")
        return "".join(f"{line}\n" for line in lines).encode()


def _label(header: list[str], names: list[str], source: str, asked: str | None) -> int:
    """Return the column of labels."""
    if asked is not None:
        if asked.strip().lower() not in names:
            has = ", ".join(map(printable, header))
            raise DatasetError(
                f"{source} has no column {asked!r}{nearest(asked, header)} (it has: {has})",
                "give another `label_column`",
            )
        return names.index(asked.strip().lower())
    found = [name for name in _LABELS if name in names]
    if found == ["common name", "species code"]:
        found = found[:1]
    if len(found) != 1:
        what = f"{len(found)} columns of labels" if found else "no column of labels"
        has = ", ".join(map(printable, found or header))
        raise DatasetError(f"{source} has {what} (it has: {has})", "name it with `label_column`")
    return names.index(found[0])
