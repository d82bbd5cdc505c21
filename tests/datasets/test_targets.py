"""csv: segments, several labels, numbers and free columns are read, or refused with the row."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.annotations.annotation import Annotation
from audiospec.datasets.csv import Csv
from audiospec.datasets.own.times import seconds_of
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest

INPUTS = Path(__file__).resolve().parents[2].parent / "shared" / "inputs" / "segments"


def read(root: Path, text: str | bytes, name: str = "list.csv", **options: object) -> Manifest:
    for file in ("a.wav", "b.wav"):
        (root / file).touch()
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Csv(root / name, **options).manifest()


def events(manifest: Manifest) -> dict[str, list[tuple[float, float, str]]]:
    return {track.id: [(one.start, one.end, one.label) for one in track.annotations] for track in manifest}


def labels(manifest: Manifest) -> dict[str, list[str]]:
    assert all(one.is_whole for track in manifest for one in track.annotations)
    return {track.id: [one.label for one in track.annotations] for track in manifest}


def error(root: Path, text: str, **options: object) -> str:
    with pytest.raises(DatasetError) as caught:
        read(root, text, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- segments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        *((pair, "0.5,1.5") for pair in ("start,end", "onset,offset", "begin,stop", "t0,t1", "tmin,tmax")),
        *((pair, "0.5,1.5") for pair in ("start_time,end_time", "Start (s),End (s)", "startTime,endTime")),
        *((pair, "0.5,1.5") for pair in ("Begin Time (s),End Time (s)", "from,to", "xmin,xmax")),
        *(
            (pair, "500,1500")
            for pair in ("start_ms,end_ms", "startMs,endMs", "onset_milliseconds,offset_ms")
        ),
        *(
            (pair, "0.5,1")
            for pair in ("start,duration", "offset,duration", "Time,Duration", "onset,length_s")
        ),
        ("start_ms,end_s", "500,1.5"),
        ("start,end", "0:00.5,0:01.5"),
        ("start,end", '"0,5","1,5"'),
        ("start,end", "500 ms,1.5s"),
        ("start_sample,end_sample,sr", "4000,12000,8000"),
        ("start_sample,start_s,end_s", "4000,0.5,1.5"),
        ("onset,offset,duration", "0.5,1.5,10"),
    ],
)
def test_columns_of_times(tmp_path: Path, columns: str, cells: str) -> None:
    other = cells.split(",")
    manifest = read(
        tmp_path, f"path,label,{columns}\na.wav,x,{cells}\nb.wav,,{','.join('' for _ in other)}\n"
    )
    assert events(manifest) == {"a.wav": [(0.5, 1.5, "x")], "b.wav": []}
    assert (manifest.target, manifest.column) == ("single", "label")
    assert manifest.labels == ["x"]


def test_rows_of_a_file_are_one_track(tmp_path: Path) -> None:
    text = "path,start,end,what,site\na.wav,1,2,y,s\nb.wav,0,9,x,t\n./a.wav,0,1.5,x,s\n"
    manifest = read(tmp_path, text, label_column="what", group_column="site")
    assert events(manifest) == {"a.wav": [(1, 2, "y"), (0, 1.5, "x")], "b.wav": [(0, 9, "x")]}
    assert [track.group for track in manifest] == ["s", "t"]
    assert manifest.column == "what"
    assert {one.column for track in manifest for one in track.annotations} == {"what"}


def test_columns_of_times_may_be_chosen(tmp_path: Path) -> None:
    text = "path,label,from_s,till,start,end\na.wav,x,1,2,2020,2021\n"
    manifest = read(tmp_path, text, start_column="from_s", end_column="TILL")
    assert events(manifest) == {"a.wav": [(1, 2, "x")]}
    assert manifest.tracks[0].columns == (("end", "2021"), ("start", "2020"))
    points = read(tmp_path, text, start_column="from_s", end_column="from_s")
    assert events(points) == {"a.wav": [(1, 1, "x")]}
    whole = read(tmp_path, text, start_column="none")
    assert [(track.label, track.annotations) for track in whole] == [("x", ())]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("start,end\na.wav,x,2,1\n", ["row 2: start 2 s is after end 1 s (columns 'start' and 'end')"]),
        ("start,end\na.wav,x,0,1\na.wav,x,a,2\n", ["row 3, column 'start' is 'a': expected a time"]),
        ("start,end\na.wav,x,0,1\na.wav,x,1,nan\n", ["row 3, column 'end' is 'nan'"]),
        ("start,end\na.wav,x,0,1\na.wav,x,1,inf\n", ["row 3, column 'end' is 'inf'"]),
        ("start,end\na.wav,x,-0.5,1\n", ["row 2, column 'start' is '-0.5'", "at least 0"]),
        ("start,duration\na.wav,x,1,-0.5\n", ["row 2, column 'duration' is '-0.5'"]),
        ("start,end\na.wav,x,0,\n", ["row 2, column 'end' is empty"]),
        ("start,end\na.wav,,0,1\n", ["row 2, column 'label' is empty: give each row a label, or remove"]),
        ("start,end\na.wav,x,0,1\nb.wav,x,,\n", ["row 3 has the label 'x' and no times"]),
        ("start\na.wav,x,1\n", ["no column of ends", "`end_column`", '`start_column="none"`']),
        ("x,end\na.wav,x,,1\n", ["no column of starts", "`start_column`"]),
        ("offset\na.wav,x,1\n", ["no column of ends"]),
        ("start,onset,end\na.wav,x,1,2,3\n", ["2 columns of starts (start, onset)"]),
        ("start_frame,end_frame\na.wav,x,1,2\n", ["column 'start_frame' is in frames"]),
        ("start_sample,end_sample\na.wav,x,1,2\n", ["'start_sample' is in samples", "sample_rate"]),
        ("start_sample,end_sample,sr\na.wav,x,1,2,0\n", ["row 2, column 'sr' is '0'"]),
        (
            "start,end\na.wav,x,0,1\na.wav,y,0,1\n",
            ["row 3: 'a.wav' from 0 to 1 s has the label 'x' in row 2, here 'y'", '`target="multi-label"`'],
        ),
        ("start,end\na.wav,x,0,1\na.wav,x,0,1\n", ["row 3", "with the label 'x' is already in row 2"]),
        ("start,end\na.wav,x;y,0,1\n", ["row 2: 'x;y' is several labels", '`target="multi-label"`']),
        (
            "start,end,group\na.wav,x,0,1,g\na.wav,x,1,2,h\n",
            ["row 3, column 'group' is 'h', and 'g' in row 2"],
        ),
        ("start,end,id\na.wav,x,0,1,1\na.wav,x,1,2,2\n", ["row 3, column 'id' is '2'", '`id_column="path"`']),
        ("start,end,id\na.wav,x,0,1,1\nb.wav,x,1,2,1\n", ["row 3, column 'id': '1' is already in row 2"]),
        ("start,end\nno.wav,x,0,1\nno.wav,x,1,2\n", ["none of its 1 files exists"]),
    ],
)
def test_segments_that_are_refused(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = error(tmp_path, f"path,label,{text}")
    for part in parts:
        assert part in message


def test_a_half_empty_label_column(tmp_path: Path) -> None:
    rows = "".join(f"a.wav,{n},{n + 1},{'x' if n % 2 else ''}\n" for n in range(10))
    message = error(tmp_path, f"path,start,end,label\n{rows}")
    assert "column 'label' is empty in 5 of 10 rows, such as row 2, 4, 6, …" in message


# --- several labels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        ('"x,y"', None),
        ("x;y", None),
        ("x | y", None),
        ("x;y;", None),
        ("\"['x', 'y']\"", None),
        ('"[""x"", ""y""]"', None),
        ("x/y", "/"),
        ("x y", " "),
    ],
)
def test_several_labels_in_a_cell(tmp_path: Path, cells: str, separator: str | None) -> None:
    text = f"path,label\na.wav,{cells}\nb.wav,x\n"
    manifest = read(tmp_path, text, target="multi-label", separator=separator)
    assert labels(manifest) == {"a.wav": ["x", "y"], "b.wav": ["x"]}
    assert (manifest.target, manifest.labels) == ("multi-label", ["x", "y"])
    assert {track.label for track in manifest} == {""}


def test_a_comma_may_be_in_a_label(tmp_path: Path) -> None:
    text = 'path,label\na.wav,"Fire, crackling;Wind"\nb.wav,Wind\n'
    assert labels(read(tmp_path, text, target="multi-label"))["a.wav"] == ["Fire, crackling", "Wind"]
    text = 'path,label\na.wav,"Fire, crackling"\nb.wav,Wind\n'
    assert "may be one label with a comma, or several" in error(tmp_path, text, target="multi-label")
    split = read(tmp_path, text, target="multi-label", separator=",")
    assert labels(split)["a.wav"] == ["Fire", "crackling"]
    text = 'path,label\na.wav,"Music,Fire, crackling"\nb.wav,Wind\n'
    assert "may be one label with a comma" in error(tmp_path, text, target="multi-label")


def test_several_rows_of_a_file(tmp_path: Path) -> None:
    text = "path,label\na.wav,x\nb.wav,y\na.wav,y\n"
    assert labels(read(tmp_path, text, target="multi-label")) == {"a.wav": ["x", "y"], "b.wav": ["y"]}
    message = error(tmp_path, f"{text}a.wav,x\n", target="multi-label")
    assert "row 5: 'a.wav' with the label 'x' is already in row 2" in message
    assert '`target="multi-label"`' in error(tmp_path, text)


def test_lists_of_json_and_parquet(tmp_path: Path) -> None:
    records = [{"path": "a.wav", "label": ["x|y", "z"]}, {"path": "b.wav", "label": []}]
    lines = "\n".join(map(json.dumps, records))
    expected = {"a.wav": ["x|y", "z"], "b.wav": []}
    assert labels(read(tmp_path, lines, "list.jsonl", target="multi-label")) == expected
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist(records), tmp_path / "list.parquet")
    content = (tmp_path / "list.parquet").read_bytes()
    assert labels(read(tmp_path, content, "list.parquet", target="multi-label")) == expected


def test_one_column_a_label(tmp_path: Path) -> None:
    text = "path,Guitar,piano,drums\na.wav,1,TRUE,no\nb.wav,0.0,false,0\n"
    manifest = read(tmp_path, text, target="multi-label", label_columns="guitar, piano,drums")
    assert labels(manifest) == {"a.wav": ["guitar", "piano"], "b.wav": []}
    assert [track.columns for track in manifest] == [(), ()]
    with_times = "path,start,end,guitar,piano\na.wav,0,1,1,1\na.wav,1,2,0,1\n"
    manifest = read(tmp_path, with_times, target="frames", label_columns=["guitar", "piano"])
    assert events(manifest) == {"a.wav": [(0, 1, "guitar"), (0, 1, "piano"), (1, 2, "piano")]}


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        ("path,label\na.wav,x;y\nb.wav,x|y\n", {}, ["separated by ; and by |", '`separator=";"`']),
        (
            "path,label\na.wav,x;y\n",
            {"separator": ","},
            ["no cell contains the separator ','", "row 2 is 'x;y'"],
        ),
        ("path,label\na.wav,x;;y\n", {}, ["row 2, column 'label' has an empty label"]),
        ("path,label\na.wav,x;x\n", {}, ["row 2", "the label 'x' is in it twice"]),
        ("path,label\na.wav,x\nb.wav,\n", {}, ["row 3, column 'label' is empty"]),
        ("path,g,p\na.wav,1,0.7\n", {"label_columns": "g,p"}, ["row 2, column 'p' is '0.7'", "probability"]),
        ("path,g,p\na.wav,1,\n", {"label_columns": "g,p"}, ["row 2, column 'p' is empty"]),
        ("path,g,p\na.wav,0,0\n", {"label_columns": "g,p"}, ["no annotation in any of its 1 rows"]),
        ("path,g,p\na.wav,1,0\n", {"label_columns": "g,q"}, ["no column 'q'", "`label_columns`"]),
        ("path,g\na.wav,1\n", {"label_columns": "g", "label_column": "g"}, ["two ways"]),
        ("path,g\na.wav,1\n", {"label_columns": "g", "separator": ";"}, ["separator"]),
        ("path,g\na.wav,1\n", {"label_columns": "g", "target": "single"}, ['`target="multi-label"`']),
        ("path,label\na.wav,x\n", {"separator": ";", "target": "single"}, ['`target="multi-label"`']),
        ("path,label\na.wav,x\n", {"target": "frames"}, ["no columns of times", '`target="multi-label"`']),
        ("path,label\na.wav,x\n", {"target": "multi"}, ["did you mean 'multi-label'"]),
    ],
)
def test_several_labels_that_are_refused(
    tmp_path: Path, text: str, options: dict[str, str], parts: list[str]
) -> None:
    message = error(tmp_path, text, **{"target": "multi-label", **options})
    for part in parts:
        assert part in message


def test_segments_with_several_labels(tmp_path: Path) -> None:
    text = "path,start,end,label\na.wav,0,1,x;y\na.wav,0,1,z\na.wav,1,2,x\n"
    manifest = read(tmp_path, text, target="frames")
    assert events(manifest) == {"a.wav": [(0, 1, "x"), (0, 1, "y"), (0, 1, "z"), (1, 2, "x")]}
    assert manifest.target == "frames"


# --- numbers ------------------------------------------------------------------------------------------------


def test_numbers(tmp_path: Path) -> None:
    text = "path,Valence,label\na.wav,-0.5,x\nb.wav,3e2,y\n"
    manifest = read(tmp_path, text, target="number", label_column="valence")
    assert [track.annotations for track in manifest] == [
        (Annotation(value=-0.5, column="Valence"),),
        (Annotation(value=300.0, column="Valence"),),
    ]
    assert [track.columns for track in manifest] == [(("label", "x"),), (("label", "y"),)]
    assert (manifest.target, manifest.column, manifest.labels) == ("number", "Valence", [])


def test_numbers_of_segments(tmp_path: Path) -> None:
    text = "path;start;end;v\na.wav;0;1;0,5\na.wav;1;2;2\n"
    manifest = read(tmp_path, text, target="number", label_column="v")
    assert [(one.start, one.value) for one in manifest.tracks[0].annotations] == [(0, 0.5), (1, 2)]
    message = error(tmp_path, f"{text}a.wav;0;1;7\n", target="number", label_column="v")
    assert "row 4: 'a.wav' from 0 to 1 s has the number 0.5 in row 2, here 7.0" in message


@pytest.mark.parametrize("cell", ["high", "nan", "inf", "1e999", '"1,234"', "0x10", "1_000"])
def test_what_is_no_number(tmp_path: Path, cell: str) -> None:
    message = error(tmp_path, f"path,v\na.wav,1\nb.wav,{cell}\n", target="number", label_column="v")
    assert f"row 3, column 'v' is {cell.strip(chr(34))!r}: expected a number" in message


def test_two_numbers_of_a_file(tmp_path: Path) -> None:
    message = error(tmp_path, "path,v\na.wav,1\na.wav,2\n", target="number", label_column="v")
    assert "row 3, column 'id': 'a.wav' is already in row 2 with the number '1', here with '2'" in message
    assert "multi-label" not in message


# --- free columns -------------------------------------------------------------------------------------------


def test_free_columns_of_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    header = "path,start,end,label,device,score,,note"
    text = f"{header}\na.wav,0,1,x,d1,1,7,\na.wav,1,2,y,d1,2,8,\nb.wav,0,1,x,d2,3,9,n\n"
    with caplog.at_level(logging.WARNING, "audiospec"):
        manifest = read(tmp_path, text)
    assert [track.columns for track in manifest] == [
        (("device", "d1"), ("note", "")),
        (("device", "d2"), ("note", "n")),
    ]
    (message,) = caplog.messages
    assert "1 column(s) left out" in message
    assert message.endswith(": score")


def test_any_column_may_be_label_and_group(tmp_path: Path) -> None:
    text = "path,label,device\na.wav,x,d1\nb.wav,y,d2\n"
    manifest = read(tmp_path, text, label_column="device", group_column="device")
    assert [(track.label, track.group, track.columns) for track in manifest] == [
        ("d1", "d1", (("label", "x"),)),
        ("d2", "d2", (("label", "y"),)),
    ]
    assert manifest.column == "label"


# --- times --------------------------------------------------------------------------------------------------


@given(st.floats(0, 1e6, allow_nan=False))
def test_seconds_are_read_exactly(value: float) -> None:
    assert seconds_of(repr(value)) == value
    assert seconds_of(f"{value!r} s", 1e-3) == value
    assert seconds_of(repr(value).replace(".", ",")) == value


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59_999))
def test_clock_times(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours}:{minutes:02d}:{milliseconds / 1000:06.3f}"
    expected = 3600 * hours + 60 * minutes + milliseconds / 1000
    assert math.isclose(seconds_of(text) or 0.0, expected, abs_tol=1e-9)


@pytest.mark.parametrize(
    "text", ["", "x", "1:60", "nan", "inf", "1 min", "1:2:3:4", "2024-05-01 10:00", "1.2.3"]
)
def test_what_is_no_time(text: str) -> None:
    assert seconds_of(text) is None


@pytest.mark.skipif(not INPUTS.is_dir(), reason=f"no shared inputs at {INPUTS}")
def test_the_shared_inputs() -> None:
    assert [len(track.annotations) for track in Csv(INPUTS / "seg.csv").manifest()] == [2]
    assert [len(track.annotations) for track in Csv(INPUTS / "seg1.csv").manifest()] == [1, 1]
    with pytest.raises(DatasetError, match="is several labels"):
        Csv(INPUTS / "multi.csv").manifest()
    assert Csv(INPUTS / "multi.csv", target="multi-label").manifest().labels == ["Guitar", "Music"]
