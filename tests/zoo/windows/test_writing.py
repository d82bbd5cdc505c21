"""Windows and events are written as they are predicted; a call that was interrupted is resumed."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.annotations.formats.base import annotation_formats
from audiospec.errors import DiskFullError, ModelError, RegistryError
from audiospec.storage.location import Location
from audiospec.testing.audio import tone, write
from audiospec.zoo.events.rules import EventRules
from audiospec.zoo.runs.run import Run
from audiospec.zoo.windows.outputs import Predictor
from audiospec.zoo.windows.partial import PartialTable
from audiospec.zoo.windows.windows import EventMaking, Making, WindowMaking, predict_events, predict_windows
from audiospec.zoo.windows.writing import write_predictions

RULES = EventRules(threshold=0.4, merge=0.3)


@pytest.fixture
def svm(runs: dict[str, Run]) -> Run:
    return runs["svm"]


@pytest.fixture
def files(sounds: Path) -> list[Location]:
    return sorted(sounds.rglob("*.wav"))[:4]


def rows_of(file: Path) -> list[list[str]]:
    with file.open(newline="") as stream:
        return list(csv.reader(stream))


def left_beside(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir() if path.name.startswith(out.name))


def test_windows_as_csv_and_parquet(svm: Run, files: list[Location], tmp_path: Path) -> None:
    import pandas

    expected = list(predict_windows(svm, files))
    classes = svm.info.classes
    for name in ("windows.csv", "windows.parquet"):
        ends = list(write_predictions(WindowMaking(Predictor(svm)), files, tmp_path / name))
        assert [end.file for end in ends] == files
        assert [end.problem for end in ends] == [""] * len(files)
        assert left_beside(tmp_path / name) == [name]
    table = pandas.read_parquet(tmp_path / "windows.parquet")
    head, *rows = rows_of(tmp_path / "windows.csv")
    assert head == list(table)
    assert [[str(cell) for cell in row] for row in table.itertuples(index=False)] == rows
    kinds = {name: str(kind) for name, kind in table.dtypes.items() if name not in ("file", "prediction")}
    assert set(kinds.values()) == {"float64"}
    assert list(table) == ["file", "start", "end", "prediction", *(f"p:{name}" for name in classes)]
    assert table["file"].tolist() == [str(window.file) for window in expected]
    assert table["end"].tolist() == [window.end for window in expected]
    outputs = table[[f"p:{name}" for name in classes]].to_numpy()
    assert np.array_equal(outputs, [window.outputs for window in expected])
    assert table["prediction"].tolist() == [classes[row.argmax()] for row in outputs]


@pytest.mark.parametrize("name", list(annotation_formats))
def test_events_in_each_format(svm: Run, files: list[Location], tmp_path: Path, name: str) -> None:
    expected = list(predict_events(svm, files, RULES))
    kind = annotation_formats[name]()
    out = tmp_path / (f"events{kind.suffixes[0]}" if kind.has_files else "events")
    list(write_predictions(EventMaking(Predictor(svm), RULES), files, out, name))
    if kind.has_files:
        assert kind.read(out.read_bytes(), "events") == expected
        return
    assert sorted(out.iterdir()) == [out / f"{Path(str(file)).stem}{kind.suffixes[0]}" for file in files]
    for file in files:
        content = (out / f"{Path(str(file)).stem}{kind.suffixes[0]}").read_bytes()
        events = [event for event in expected if event.file == str(file)]
        read = kind.read(content, "events")
        assert [event.label for event in read] == [event.label for event in events]
        assert [event.offset for event in read] == pytest.approx([event.offset for event in events])
    assert left_beside(out) == ["events"]


def test_one_file_of_a_format_of_one_file(svm: Run, files: list[Location], tmp_path: Path) -> None:
    list(write_predictions(EventMaking(Predictor(svm), RULES), files[:1], tmp_path / "x.txt"))
    assert (
        (tmp_path / "x.txt").read_text().count("\t") == 2 * (tmp_path / "x.txt").read_text().count("\n") > 0
    )
    with pytest.raises(ModelError, match=r"has a file for each audio file, and .*x\.txt is a file"):
        list(write_predictions(EventMaking(Predictor(svm), RULES), files, tmp_path / "x.txt"))


def test_files_of_one_name_keep_their_folders(svm: Run, tmp_path: Path) -> None:
    files = [write(tmp_path / "in" / at / "x.wav", tone(1.5, 8000), 8000) for at in ("a", "b/c")]
    list(write_predictions(EventMaking(Predictor(svm), RULES), files, tmp_path / "out", "jams"))
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.jams"))
    assert found == ["a/x.wav.jams", "b/c/x.wav.jams"]


def test_formats_that_do_not_fit(svm: Run, files: list[Location], tmp_path: Path) -> None:
    making = WindowMaking(Predictor(svm))
    with pytest.raises(ModelError, match="format 'jams' has events only: give `threshold`"):
        list(write_predictions(making, files, tmp_path / "x.jams"))
    with pytest.raises(ModelError, match="does not end as a file of a known format: give `format`: audacity"):
        list(write_predictions(making, files, tmp_path / "x.png"))
    with pytest.raises(RegistryError, match="'ravn'"):
        list(write_predictions(making, files, tmp_path / "x.csv", "ravn"))
    assert list(tmp_path.iterdir()) == []


class StoppedError(Exception):
    """In the middle of a file."""


class Counted(WindowMaking):
    """Windows; an interruption in the middle of a file, and the files that are predicted."""

    def __init__(self, run: Run, stop: int = -1) -> None:
        super().__init__(Predictor(run))
        self.left, self.seen = stop, list[Any]()

    def rows(self, files: Any) -> Iterator[Any]:
        self.seen = list(files)
        for row in super().rows(files):
            if self.left == 0:
                raise StoppedError
            self.left -= 1
            yield row


def whole(svm: Run, files: list[Location], out: Path) -> bytes:
    list(write_predictions(WindowMaking(Predictor(svm)), files, out))
    return out.read_bytes()


def test_an_interrupted_call_is_resumed(
    svm: Run, files: list[Location], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiospec.zoo.windows.writing.FLUSH", 1)
    expected, out = whole(svm, files, tmp_path / "whole.csv"), tmp_path / "out.csv"
    with pytest.raises(StoppedError):
        list(write_predictions(Counted(svm, stop=15), files, out))
    assert not out.exists()
    partial = (tmp_path / "out.csv.partial").read_bytes()
    assert expected.startswith(partial)  # whole lines, also of the file that was not done
    assert partial.endswith(b"\n")
    assert partial.count(b"\n") == 14  # the head, and 13 windows: two of 15 items were ends of files
    resumed = Counted(svm)
    ends = list(write_predictions(resumed, files, out))
    assert resumed.seen == files[2:]
    assert [end.file for end in ends] == files
    assert out.read_bytes() == expected
    assert left_beside(out) == ["out.csv"]


@pytest.mark.parametrize("change", ["file", "hop", "rules", "files", "torn", "none"])
def test_what_has_changed_is_begun_anew(svm: Run, files: list[Location], tmp_path: Path, change: str) -> None:
    out = tmp_path / "out.csv"
    copies: list[Location] = []
    for number, file in enumerate(files):
        copies.append(tmp_path / f"{number}.wav")
        (tmp_path / f"{number}.wav").write_bytes(Path(str(file)).read_bytes())
    with pytest.raises(StoppedError):
        list(write_predictions(Counted(svm, stop=15), copies, out))
    resumed: Making = Counted(svm)
    again = copies
    kept = {"file": 1, "files": 0, "torn": 0, "none": 2}.get(change, 0)
    if change == "file":
        write(tmp_path / "1.wav", tone(2, 8000), 8000)
    elif change == "hop":
        resumed.predictor = Predictor(svm, hop=0.25)
    elif change == "files":
        again = copies[::-1]
    elif change == "torn":
        journal = tmp_path / "out.csv.partial.files"
        journal.write_bytes(journal.read_bytes()[1:])
    if change == "rules":
        events = EventMaking(Predictor(svm), RULES)
        list(write_predictions(events, again, out))
        assert rows_of(out)[0][-1] == "score"
        return
    list(write_predictions(resumed, again, out))
    assert isinstance(resumed, Counted)
    assert resumed.seen == again[kept:]
    fresh = WindowMaking(Predictor(svm, hop=0.25 if change == "hop" else None))
    list(write_predictions(fresh, again, tmp_path / "fresh.csv"))
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_a_file_with_a_problem_has_no_rows(svm: Run, files: list[Location], tmp_path: Path) -> None:
    silent = write(tmp_path / "silent.wav", tone(300, 8000, level=0), 8000)
    expected = whole(svm, files[:2], tmp_path / "whole.csv")
    ends = list(
        write_predictions(WindowMaking(Predictor(svm)), [files[0], silent, files[1]], tmp_path / "x.csv")
    )
    assert [end.problem.partition(":")[0] for end in ends] == ["", "silent", ""]
    assert (tmp_path / "x.csv").read_bytes() == expected


def test_two_processes_do_not_write_one_file(svm: Run, tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    with PartialTable(out, {}, [], ["file"]), pytest.raises(ModelError, match="another process writes"):
        PartialTable(out, {}, [], ["file"])
    PartialTable(out, {}, [], ["file"]).__exit__(None, None, None)


def test_a_full_disk(
    svm: Run, files: list[Location], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def full(descriptor: int, data: Any, offset: int) -> int:
        if offset > 1000:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(DiskFullError, match="the disk is full"):
        list(write_predictions(WindowMaking(Predictor(svm)), files, tmp_path / "x.csv"))
    monkeypatch.undo()
    lines = (tmp_path / "x.csv.partial.files").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) >= 2
    list(write_predictions(WindowMaking(Predictor(svm)), files, tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_bytes() == whole(svm, files, tmp_path / "whole.csv")
