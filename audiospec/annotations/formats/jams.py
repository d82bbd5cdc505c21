"""jams: JSON files of annotated music and sound, with a namespace for each kind of annotation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audiospec.annotations.formats.base import (
    AnnotationFormat,
    Event,
    annotation_formats,
    checked,
    text_of,
)
from audiospec.errors import DatasetError, nearest
from audiospec.text import printable

_VERSION = "0.3.4"
#: Beginnings of the namespaces of labels with times.
_EVENTS = ("tag_", "segment_")


@annotation_formats.register
class Jams(AnnotationFormat):
    """Annotations of the namespaces ``tag_…`` and ``segment_…``, and the foreground events of ``scaper``.

    A file that has several of these is read by the one that `label_column` names.
    """

    suffixes = (".jams",)

    def read(self, content: bytes, source: str, label_column: str | None = None) -> list[Event]:
        """Return the events of a file's annotations."""
        text = text_of(content, source)
        if not text.strip():
            return []
        try:
            jam = json.loads(text)
            annotations = [(str(one["namespace"]), one["data"]) for one in jam["annotations"]]
        except (ValueError, RecursionError, LookupError, TypeError) as error:
            raise DatasetError(
                f"{source} is no JAMS file: expected a JSON object with annotations of a namespace",
                "choose another format",
            ) from error
        if not annotations:
            return []
        namespaces = list(dict.fromkeys(name for name, _ in annotations))
        if label_column is not None:
            if label_column not in namespaces:
                raise DatasetError(
                    f"{source} has no namespace {label_column!r}{nearest(label_column, namespaces)} "
                    f"(it has: {', '.join(map(printable, namespaces))})",
                    "give another `label_column`",
                )
            chosen = [label_column]
        else:
            chosen = [name for name in namespaces if name == "scaper" or name.startswith(_EVENTS)]
        if len(chosen) != 1:
            what = f"{len(chosen)} namespaces" if chosen else "no namespace"
            raise DatasetError(
                f"{source} has {what} of events (it has: {', '.join(map(printable, namespaces))})",
                "name one with `label_column`",
            )
        return [
            event
            for name, data in annotations
            if name == chosen[0]
            for n, row in enumerate(_rows(data, source), 1)
            if (event := _event(row, f"{source}, observation {n} of {name}")) is not None
        ]

    def write(self, events: Sequence[Event], seconds: float | None = None) -> bytes:
        """Return a file with one annotation of the namespace ``tag_open``."""
        length = seconds if seconds is not None else max((one.offset for one in events), default=0.0)
        data = [
            {
                "time": float(one.onset),
                "duration": float(one.offset) - float(one.onset),
                "value": one.label,
                "confidence": None if one.score is None else float(one.score),
            }
            for one in events
        ]
        metadata = {
            "curator": {"name": "", "email": ""},
            "annotator": {},
            "version": "",
            "corpus": "",
            "annotation_tools": "audiospec",
            "annotation_rules": "",
            "validation": "",
            "data_source": "program",
        }
        annotation = {
            "annotation_metadata": metadata,
            "namespace": "tag_open",
            "data": data,
            "sandbox": {},
            "time": 0,
            "duration": length,
        }
        of_file = {
            "title": "",
            "artist": "",
            "release": "",
            "duration": length,
            "identifiers": {},
            "jams_version": _VERSION,
        }
        jam = {"annotations": [annotation], "file_metadata": of_file, "sandbox": {}}
        return (json.dumps(jam, indent=2) + "\n").encode()


def _rows(data: Any, source: str) -> Iterable[Mapping[str, Any]]:
    """Return the observations: a list of objects or, in old files, an object of lists."""
    if isinstance(data, Mapping):
        names = ("time", "duration", "value", "confidence")
        lists = [data.get(name) or [] for name in names]
        lists = [one or [None] * len(lists[0]) for one in lists]
        if all(isinstance(one, list) and len(one) == len(lists[0]) for one in lists):
            return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    elif isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        return data
    raise DatasetError(f"{source} is no JAMS file: its data is no list of observations")


def _event(row: Mapping[str, Any], place: str) -> Event | None:
    """Return the event of an observation; None for the background of a soundscape."""
    value = row.get("value")
    if isinstance(value, Mapping):  # scaper: what it was made of
        if value.get("role") == "background":
            return None
        value = value.get("label")
    times = [row.get("time"), row.get("duration")]
    confidence = row.get("confidence")
    if not all(isinstance(time, int | float) for time in times) or not isinstance(value, str):
        raise DatasetError(f"{place}: expected a time, a duration and a text as value", "correct it")
    start, duration = (float(time) for time in times if time is not None)
    score = float(confidence) if isinstance(confidence, int | float) else None
    return checked(Event(onset=start, offset=start + duration, label=value.strip(), score=score), place)
