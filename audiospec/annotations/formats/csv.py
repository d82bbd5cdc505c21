"""csv: a table with the columns file, onset, offset, label and score."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from audiospec.annotations.formats.base import AnnotationFormat, Event, annotation_formats, text_of
from audiospec.annotations.formats.tables.columns import COLUMNS, events_of
from audiospec.errors import DatasetError


@annotation_formats.register
class Csv(AnnotationFormat):
    """A table of events, in UTF-8, with commas, semicolons or tabs between its cells."""

    suffixes = (".csv", ".tsv")
    has_files = names_files = True

    def read(self, content: bytes, source: str, label_column: str | None = None) -> list[Event]:
        """Return the events of a table."""
        text = text_of(content, source)
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        try:
            lines = [*csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)]
        except csv.Error as error:
            raise DatasetError(f"{source} is not CSV ({error})") from error
        rows = [(n, line) for n, line in enumerate(lines, 1) if any(map(str.strip, line))]
        return events_of(rows[0][1], rows[1:], source, label_column) if rows else []

    def write(self, events: Sequence[Event], seconds: float | None = None) -> bytes:
        """Return a table, with the shortest digits that read back as the same numbers."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in events:
            score = "" if one.score is None else repr(float(one.score))
            writer.writerow([one.file, repr(float(one.onset)), repr(float(one.offset)), one.label, score])
        return text.getvalue().encode()
