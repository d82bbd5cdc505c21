"""AnnotationFormat: a file format of events in audio; the registry of formats."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from audiospec.annotations.annotation import Annotation
from audiospec.errors import DatasetError
from audiospec.registry import Registry
from audiospec.text import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A labelled stretch of an audio file.

    Attributes
    ----------
    onset, offset : float
        Seconds from the start of the file; the offset is not before the onset.
    label : str
    score : float or None
        Probability of a predicted event, 0 to 1; None if it has none.
    file : str
        The audio file, as a path or a name. ``""``: the one that the annotations are beside.
    """

    onset: float
    offset: float
    label: str
    score: float | None = None
    file: str = ""

    @property
    def annotation(self) -> Annotation:
        """The event without its file and score."""
        return Annotation(start=self.onset, end=self.offset, label=self.label)


class AnnotationFormat(ABC):
    """A file format of events. A subclass is one file with one decorator, ``@annotation_formats.register``.

    Attributes
    ----------
    name : str
        Name in the registry: the module's name with dashes, unless the class sets it.
    suffixes : tuple of str
        Ends of the names of its files, in lower case, with the dot; the first is that of new files.
    has_files : bool
        Whether a file that `write` makes can be about several audio files.
    names_files : bool
        Whether the events that are read may name their audio files.
    has_scores : bool
        Whether scores are kept.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    has_files: ClassVar[bool] = False
    names_files: ClassVar[bool] = False
    has_scores: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2].replace("_", "-")

    def companions(self, audio: str) -> tuple[str, ...]:
        """Return the names that the annotations of an audio file may have in its folder, in any case.

        Parameters
        ----------
        audio : str
            Name of the audio file, such as ``"x.wav"``.
        """
        stem = PurePosixPath(audio).stem
        return tuple(f"{name}{suffix}" for suffix in self.suffixes for name in dict.fromkeys((stem, audio)))

    @abstractmethod
    def read(self, content: bytes, source: str, label_column: str | None = None) -> list[Event]:
        """Return the events in a file, in its order; an empty file has none.

        Parameters
        ----------
        content : bytes
        source : str
            The file, for messages.
        label_column : str or None
            Column (or, of JAMS, namespace) of the labels. None: the one with a usual name.

        Raises
        ------
        DatasetError
            It is no such file, or an event has no label or impossible times; the message names the row.
        """

    @abstractmethod
    def write(self, events: Sequence[Event], seconds: float | None = None) -> bytes:
        """Return a file of events, in their order; of one audio file, unless `has_files`.

        Parameters
        ----------
        events : sequence of Event
            Labels are one line of text.
        seconds : float or None
            Length of the audio file, if it is known.
        """


def checked(event: Event, place: str) -> Event:
    """Return an event that was read, if it is possible.

    Parameters
    ----------
    event : Event
    place : str
        File and row, for the message.

    Raises
    ------
    DatasetError
        A time is not finite or is negative, the start is after the end, or there is no label.
    """
    for what, value in (("start", event.onset), ("end", event.offset)):
        if not math.isfinite(value) or value < 0:
            raise DatasetError(f"{place}: {what} {value:g} s, expected at least 0", "correct the row")
    if event.onset > event.offset:
        raise DatasetError(
            f"{place}: start {event.onset:g} s is after end {event.offset:g} s", "correct the row"
        )
    if not event.label:
        raise DatasetError(f"{place}: an annotation without a label", "give it a label, or remove it")
    return event


def text_of(content: bytes, source: str) -> str:
    """Return the text of a file in UTF-8 or, if it starts with a byte order mark of UTF-16, in UTF-16.

    Raises
    ------
    DatasetError
        It is neither.
    """
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{source}, line {line} is not UTF-8 ({error.reason})", "save the file as UTF-8"
        ) from error


def number(text: str, place: str) -> float:
    """Return the number that a text is, with a point or a comma before its decimals.

    Raises
    ------
    DatasetError
        It is none.
    """
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise DatasetError(
            f"{place}: {printable(text)!r} is not a time: expected seconds", "correct the row"
        ) from error


def format_of(file: str) -> str | None:
    """Return the name of the format that a file's name ends as; None if there is none.

    The longest end decides: ``x.selections.txt`` is Raven's, any other ``.txt`` is Audacity's.
    """
    ends = {end: name for name in annotation_formats for end in annotation_formats[name].suffixes}
    fitting = [end for end in ends if file.lower().endswith(end)]
    return ends[max(fitting, key=len)] if fitting else None


annotation_formats: Registry[type[AnnotationFormat]] = Registry(
    "annotation format", "audiospec.annotations.formats", "audiospec.annotation_formats"
)
