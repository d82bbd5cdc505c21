"""audacity: label tracks, as Audacity exports them: start, end and label, separated by tabs."""

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
from audiospec.errors import DatasetError


@annotation_formats.register
class Audacity(AnnotationFormat):
    r"""Lines of start, end and label; lines that begin with ``\`` have frequencies and are skipped.

    Times have six decimals, after a point or a comma. A label that starts where it ends is a point.
    """

    suffixes = (".txt",)
    has_scores = False

    def companions(self, audio: str) -> tuple[str, ...]:
        """Return ``x.txt``, ``x.wav.txt``, ``x.labels.txt`` and ``x_labels.txt``."""
        stem = PurePosixPath(audio).stem
        return (f"{stem}.txt", f"{audio}.txt", f"{stem}.labels.txt", f"{stem}_labels.txt")

    def read(self, content: bytes, source: str, label_column: str | None = None) -> list[Event]:
        """Return the events of a label track."""
        if label_column is not None:
            raise DatasetError(f"{source}: label tracks have no columns", "leave out `label_column`")
        events = []
        for line_number, line in enumerate(text_of(content, source).splitlines(), 1):
            if not line.strip() or line.startswith("\\"):
                continue
            cells = line.split("\t")
            place = f"{source}, row {line_number}"
            if len(cells) < 2:
                raise DatasetError(
                    f"{place}: expected start, end and label, separated by tabs", "choose another format"
                )
            label = "\t".join(cells[2:]).strip()
            event = Event(onset=number(cells[0], place), offset=number(cells[1], place), label=label)
            events.append(checked(event, place))
        return events

    def write(self, events: Sequence[Event], seconds: float | None = None) -> bytes:
        """Return a label track."""
        lines = (f"{one.onset:.6f}\t{one.offset:.6f}\t{one.label}\n" for one in events)
        return "".join(lines).encode()
