"""annotation_formats: what each format writes, it reads; and files of other tools are read or refused."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiospec.annotations.formats.base import AnnotationFormat, Event, annotation_formats, format_of
from audiospec.errors import DatasetError

NAMES = annotation_formats.names()

_line = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=12)
_line = _line.map(str.strip).filter(bool)
_events = st.lists(
    st.builds(
        lambda onset, length, label, score, file: Event(
            onset=onset, offset=onset + length, label=label, score=score, file=file
        ),
        st.floats(0, 1e5).map(lambda value: round(value, 6)),
        st.floats(0, 1e3).map(lambda value: round(value, 6)),
        _line,
        st.none() | st.floats(0, 1),
        _line,
    ),
    max_size=6,
)


def make(name: str) -> AnnotationFormat:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    return annotation_formats[name]()


def error(name: str, content: str | bytes, **options: str) -> str:
    content = content.encode() if isinstance(content, str) else content
    with pytest.raises(DatasetError) as caught:
        make(name).read(content, "x.any", **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("x.any")
    return str(caught.value)


def spans(name: str, content: str | bytes, **options: str) -> list[tuple[float, float, str]]:
    content = content.encode() if isinstance(content, str) else content
    return [(one.onset, one.offset, one.label) for one in make(name).read(content, "x.any", **options)]


# --- the contract of every format ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(events=_events)
def test_what_is_written_is_read(name: str, events: list[Event]) -> None:
    kind = make(name)
    if not kind.has_files:
        events = [replace(event, file="") for event in events]
    if not kind.has_scores:
        events = [replace(event, score=None) for event in events]
    read = kind.read(kind.write(events), "x")
    assert [(one.label, one.score, one.file) for one in read] == [
        (one.label, one.score, one.file) for one in events
    ]
    for one, event in zip(read, events, strict=True):
        assert one.onset == pytest.approx(event.onset, abs=1e-6)
        assert one.offset == pytest.approx(event.offset, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_usable(name: str) -> None:
    kind = make(name)
    assert kind.name == name
    assert annotation_formats.summary(name)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in kind.suffixes)
    assert format_of(f"events{kind.suffixes[0]}") == name
    companions = kind.companions("x.wav")
    assert companions
    assert len({*companions}) == len(companions)
    assert "x.wav" not in companions
    assert kind.read(b"", "x") == []
    assert kind.read(kind.write([]), "x") == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("event", "part"),
    [
        (Event(onset=2, offset=1, label="x"), "start 2 s is after end 1 s"),
        (Event(onset=-1, offset=1, label="x"), "start -1 s, expected at least 0"),
        (Event(onset=0, offset=float("inf"), label="x"), "end inf s"),
        (Event(onset=float("nan"), offset=1, label="x"), "nan s"),
        (Event(onset=0, offset=1, label=""), "without a label"),
    ],
)
def test_impossible_events_are_refused(name: str, event: Event, part: str) -> None:
    message = error(name, make(name).write([event]))
    assert part in message
    assert "row" in message or "observation 1" in message


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(content=st.binary(max_size=40))
def test_any_content_is_read_or_refused(name: str, content: bytes) -> None:
    with suppress(DatasetError):  # any other error fails
        assert isinstance(make(name).read(content, "x"), list)


def test_formats_by_names_of_files() -> None:
    assert format_of("a/X.Selections.TXT") == "raven"
    assert format_of("x.txt") == "audacity"
    assert format_of("x.tsv") == "csv"
    assert format_of("x.doc") is None


# --- audacity -----------------------------------------------------------------------------------------------


def test_label_tracks() -> None:
    text = "\ufeff0.500000\t1.25\tbird call\r\n\\\t200.0\t3000.0\r\n2,5\t2,5\tpoint\r\n\r\n"
    assert spans("audacity", text) == [(0.5, 1.25, "bird call"), (2.5, 2.5, "point")]
    assert "row 2: an annotation without a label" in error("audacity", "0\t1\tx\n1\t2\t\n")
    assert "row 1: expected start, end and label" in error("audacity", "0 1 x\n")
    assert "row 1: 'a' is not a time" in error("audacity", "a\t1\tx\n")
    assert "`label_column`" in error("audacity", "0\t1\tx\n", label_column="x")


# --- raven --------------------------------------------------------------------------------------------------

HEADER = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


def test_selection_tables() -> None:
    rows = (
        "1\tWaveform 1\t1\t0.5\t1\t0\t100\tWREN",
        "1\tSpectrogram 1\t1\t0.5\t1\t0\t100\tWREN",
        "2\tSpectrogram 1\t1\t3\t4,5\t0\t100\tROBIN",
    )
    text = "\r\n".join((f"{HEADER}\tSpecies", *rows))
    assert spans("raven", text) == [(0.5, 1, "WREN"), (3, 4.5, "ROBIN")]
    assert spans("raven", f"{HEADER}\n") == []
    assert "row 4: an annotation without a label" in error("raven", text.replace("ROBIN", ""))


def test_labels_of_selection_tables() -> None:
    two = f"{HEADER}\tType\tSpecies\n1\tS\t1\t0\t1\t0\t1\tcall\twren\n"
    assert "2 columns of labels (it has: species, type): name it with `label_column`" in error("raven", two)
    assert spans("raven", two, label_column="type") == [(0, 1, "call")]
    assert "no column 'kind'" in error("raven", two, label_column="kind")
    assert "no column of labels" in error("raven", f"{HEADER}\n1\tS\t1\t0\t1\t0\t1\n")
    birdnet = f"{HEADER}\tCommon Name\tSpecies Code\tConfidence\n1\tS\t1\t0\t3\t0\t1\tWren\twinwre\t0.9\n"
    (event,) = make("raven").read(birdnet.encode(), "x")
    assert (event.label, event.score) == ("Wren", 0.9)
    assert "is no selection table: it has no column 'Begin Time (s)'" in error("raven", "a\tb\n1\t2\n")


def test_selection_tables_of_several_files() -> None:
    header = f"{HEADER}\tBegin File\tFile Offset (s)\tAnnotation"
    text = f"{header}\n1\tS\t1\t60.5\t61\t0\t1\tb.wav\t0.5\tx\n2\tS\t1\t1\t2\t0\t1\tc:\\rec\\a.wav\t1\ty\n"
    read = make("raven").read(text.encode(), "x")
    assert [(one.file, one.onset, one.offset, one.label) for one in read] == [
        ("b.wav", 0.5, 1.0, "x"),
        ("c:\\rec\\a.wav", 1.0, 2.0, "y"),
    ]
    text = f"{HEADER}\tBegin File\tAnnotation\n1\tS\t1\t0\t1\t0\t1\ta.wav\tx\n2\tS\t1\t0\t1\t0\t1\tb.wav\tx\n"
    assert "no column 'File Offset (s)'" in error("raven", text)


# --- jams ---------------------------------------------------------------------------------------------------


def jam(*annotations: tuple[str, object]) -> str:
    listed = [{"namespace": name, "data": data} for name, data in annotations]
    return json.dumps({"annotations": listed, "file_metadata": {}})


def test_namespaces() -> None:
    row = {"time": 1.0, "duration": 0.5, "value": "x", "confidence": None}
    assert spans("jams", jam(("segment_open", [row]))) == [(1, 1.5, "x")]
    old = {"time": [1.0], "duration": [0.5], "value": ["x"]}
    assert spans("jams", jam(("beat", []), ("tag_open", old))) == [(1, 1.5, "x")]
    event = {**row, "value": {"label": "dog", "role": "foreground"}}
    background = {**row, "value": {"label": "park", "role": "background"}}
    assert spans("jams", jam(("scaper", [background, event]))) == [(1, 1.5, "dog")]
    two = jam(("tag_open", [row]), ("segment_open", [row, row]))
    assert "2 namespaces of events (it has: tag_open, segment_open)" in error("jams", two)
    assert len(spans("jams", two, label_column="segment_open")) == 2
    assert "no namespace 'tags'; did you mean" in error("jams", two, label_column="tags")
    assert "no namespace of events (it has: beat)" in error("jams", jam(("beat", [row])))
    assert "observation 1 of tag_open: expected" in error("jams", jam(("tag_open", [{**row, "time": "1"}])))
    assert "is no JAMS file" in error("jams", "{}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own
def test_the_jams_library_reads_what_is_written(tmp_path: Path) -> None:
    jams = pytest.importorskip("jams")
    file = tmp_path / "x.jams"
    events = [Event(onset=0.5, offset=2, label="x", score=0.25), Event(onset=3, offset=4, label="y")]
    file.write_bytes(make("jams").write(events, 10.0))
    read = jams.load(str(file), validate=True, strict=True)
    (annotation,) = read.search(namespace="tag_open")
    assert [(one.time, one.duration, one.value, one.confidence) for one in annotation] == [
        (0.5, 1.5, "x", 0.25),
        (3.0, 1.0, "y", None),
    ]
    assert read.file_metadata.duration == 10.0


# --- tables -------------------------------------------------------------------------------------------------


def test_tables_of_events() -> None:
    assert spans("csv", "start;end;label\n0,5;1;x\n") == [(0.5, 1, "x")]
    assert spans("csv", "onset,offset,kind\n0,1,x\n", label_column="Kind") == [(0, 1, "x")]
    assert "no column 'label'" in error("csv", "onset,offset\n0,1\n")
    assert "row 3: 'a' is not a time" in error("csv", "onset,offset,label\n0,1,x\na,1,x\n")
