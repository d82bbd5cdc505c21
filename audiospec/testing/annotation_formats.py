"""AnnotationFormatContract: the tests that every format of annotations must pass, as a class to inherit from.

A format is tested by one subclass::

    class TestMine(AnnotationFormatContract):
        name = "mine"
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

import pytest

from audiospec.annotations.formats.base import AnnotationFormat, Event, annotation_formats, format_of
from audiospec.errors import DatasetError

#: Events of any kind: points, long and short ones, at one time, labels with signs and other alphabets.
EVENTS = (
    Event(onset=0.0, offset=0.0, label="point", score=0.0, file="a.wav"),
    Event(onset=0.0, offset=1.5, label="Fire, crackling", score=1.0, file="a.wav"),
    Event(onset=0.0, offset=1.5, label='"quoted"; |x| \\ y', score=0.123456789, file="a.wav"),
    Event(onset=0.1, offset=0.300001, label="дрозд 鳥 é", file="sub/b c.wav"),
    Event(onset=86_399.999999, offset=172_800.0, label="1.5", score=0.5, file="sub/b c.wav"),
)


class AnnotationFormatContract:
    """Tests that every format passes.

    Attributes
    ----------
    name : str
        The format's name in the registry.
    """

    name: ClassVar[str]

    def make(self) -> AnnotationFormat:
        """Return the format."""
        return annotation_formats[self.name]()

    def kept(self, events: Sequence[Event]) -> list[Event]:
        """Return events without what the format does not keep."""
        kind = self.make()
        without: dict[str, object] = {} if kind.has_files else {"file": ""}
        if not kind.has_scores:
            without["score"] = None
        return [replace(event, **without) for event in events]  # type: ignore[arg-type]

    def same(self, read: Sequence[Event], written: Sequence[Event]) -> bool:
        """Whether events were kept; times to the microsecond."""
        return len(read) == len(written) and all(
            (one.label, one.score, one.file) == (other.label, other.score, other.file)
            and math.isclose(one.onset, other.onset, rel_tol=0, abs_tol=1e-6)
            and math.isclose(one.offset, other.offset, rel_tol=0, abs_tol=1e-6)
            for one, other in zip(read, written, strict=True)
        )

    def test_is_registered(self) -> None:
        """The registry has it under its name, with a summary in one line."""
        assert issubclass(annotation_formats[self.name], AnnotationFormat)
        assert self.make().name == self.name
        assert 0 < len(annotation_formats.summary(self.name)) <= 110

    def test_suffixes_find_it(self) -> None:
        """A file with the suffix of new files is of this format."""
        suffixes = self.make().suffixes
        assert suffixes
        assert all(end.startswith(".") and end == end.lower() for end in suffixes)
        assert format_of(f"folder/events{suffixes[0].upper()}") == self.name

    def test_companions_are_other_names(self) -> None:
        """Each name is there once, and none is the audio's own."""
        names = self.make().companions("take 1.v2.wav")
        assert names
        assert len({*names}) == len(names)
        assert "take 1.v2.wav" not in names
        assert all("take 1" in name and "/" not in name for name in names)

    def test_what_is_written_is_read(self) -> None:
        """Events come back in their order, and are written to the same bytes again."""
        kind, events = self.make(), self.kept(EVENTS)
        content = kind.write(events, 200_000.0)
        read = kind.read(content, "x")
        assert self.same(read, events)
        assert self.same(kind.read(kind.write(read), "x"), events)
        assert kind.write(events, 200_000.0) == content

    def test_nothing_is_read_as_nothing(self) -> None:
        """An empty file has no events, and neither has a file that was written without any."""
        kind = self.make()
        assert kind.read(b"", "x") == []
        assert kind.read(kind.write([]), "x") == []

    @pytest.mark.parametrize(
        "event",
        [
            Event(onset=2.0, offset=1.0, label="x"),
            Event(onset=-1.0, offset=1.0, label="x"),
            Event(onset=0.0, offset=math.inf, label="x"),
            Event(onset=0.0, offset=1.0, label=""),
        ],
    )
    def test_an_impossible_event_is_refused(self, event: Event) -> None:
        """The message is one line that names the file and the row."""
        kind = self.make()
        with pytest.raises(DatasetError) as caught:
            kind.read(kind.write([self.kept(EVENTS)[0], event]), "folder/x")
        assert "folder/x" in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "content", [b"\xff\xfe\x00", b"\x00\x01", b"RIFF....WAVE", b"{", b"a,b\n1\n", b"\xe9"]
    )
    def test_another_file_is_read_or_refused(self, content: bytes) -> None:
        """No content leads to another error than a `DatasetError`."""
        with suppress(DatasetError):
            assert isinstance(self.make().read(content, "x"), list)
