"""reproduce: the study on the command line, and its error messages."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from audiospec.datasets.gtzan import GENRES
from audiospec.specs.tabular import TabularSpec


def listed(genre: str, side: str, count: int) -> list[int]:
    """Return the numbers of tracks of a genre on one side of the fault-filtered list."""
    file = files("audiospec.zoo") / "data" / "gtzan-filtered" / f"{side}.txt"
    return [int(id.rpartition(".")[2]) for id in file.read_text().split() if id.startswith(genre)][:count]


TRACKS = {
    genre: [*listed(genre, "train", 4), *listed(genre, "valid", 1), *listed(genre, "test", 1)]
    for genre in GENRES
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 30 s table with six tracks a genre, on all sides of the fault-filtered list, and no 3 s table."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    names = TabularSpec().columns
    lines = [",".join(["filename", "length", *names, "label"])]
    for number, genre in enumerate(GENRES):
        for track in TRACKS[genre]:
            values = random.normal(size=len(names))
            values[number] += 3
            lines.append(",".join([f"{genre}.{track:05d}.wav", "661504", *map(str, values), genre]))
    (folder / "features_30_sec.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def done(tables: Path, run, tmp_path_factory: pytest.TempPathFactory):
    """Return the folder where the command was run, and the process."""
    folder = tmp_path_factory.mktemp("done")
    arguments = ("--tables", tables, "--models", "knn-1,crnn-base", "--chunks", "10", "--seeds", 2)
    return folder, run("reproduce", "gtzan", *arguments, cwd=folder)


def test_it_prints_each_cell_and_what_is_missing(done) -> None:
    _, process = done
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    rows = [line for line in lines if line.startswith("  knn-1 ")]
    assert [" ".join(row.split()[1:6]) for row in rows] == [
        "57 columns track 100 /",
        "57 columns filtered 100 /",
        "57 and length track 100",
        "57 and length filtered 100",
        "random (leaky: tracks) 99.89 /",
        "track 99.89 / 91.47 not",
        "filtered 99.89 / 91.47 not",
    ]
    # The difference from the measured mean, with its interval.
    assert [bool(re.search(r" [-+]\d+\.\d \[-?\d+\.\d, -?\d+\.\d\]  +(yes|no) ", row)) for row in rows] == [
        *(True, False, True, False),
        *[False] * 3,
    ]
    assert any(
        re.match(r"  10 s +crnn-base +random \(leaky: tracks\) +99.71 / 77.52 / 76.72 +not run", x)
        for x in lines
    )
    (title,) = (number for number, line in enumerate(lines) if line == "not run, 9 cells of 13:")
    assert lines[title + 1].startswith("  3 s table: 3 cells (knn-1): ")
    assert (
        "has no features_3_sec.csv: give --tables, a folder with features_30_sec.csv and" in lines[title + 1]
    )
    assert lines[title + 2].startswith(
        "  deep: 3 cells (crnn-base): give --data, a folder with GTZAN's audio"
    )
    assert lines[title + 3].startswith("  songs: 3 cells (crnn-base): give --songs, a folder of songs")
    files = ", ".join(f"reproduce-gtzan/result.{suffix}" for suffix in ("md", "html", "json"))
    assert lines[-1] == f"written: {files}"


def test_the_plan_comes_first(done) -> None:
    _, process = done
    lines = process.stdout.splitlines()
    assert re.fullmatch(r"plan: 0 of 6 runs done, about \d.* left", lines[0])
    assert lines[1].split() == [
        "section",
        "model",
        "chunks",
        "features",
        "split",
        "runs",
        "done",
        "time",
        "left",
    ]
    rows = [re.split(r"  +", line.strip()) for line in lines[2:6]]
    assert [(row[3], row[4], row[5]) for row in rows] == [
        ("57 columns", "track", "0 of 2"),
        ("57 columns", "filtered", "0 of 1"),
        ("57 and length", "track", "0 of 2"),
        ("57 and length", "filtered", "0 of 1"),
    ]
    assert all(re.fullmatch(r"\d+(\.\d)? s|\d+ min \d\d s", row[6]) for row in rows)
    assert lines[6] == "  estimated from a part of the table, by rows"
    assert lines[7].startswith("  not run: 3 s table: 3 cells (knn-1): ")


def test_a_dry_run_of_what_is_done(done, tables: Path, call, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = done
    monkeypatch.chdir(folder)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    arguments = ("reproduce", "gtzan", "--tables", tables, "--models", "knn-1,crnn-base", "--chunks", "10")
    process = call(*arguments, "--seeds", 3, "--dry-run")
    assert (process.status, process.err) == (0, "")
    lines = process.out.splitlines()
    assert re.fullmatch(r"plan: 6 of 8 runs done, about \d.* left", lines[0])
    ends = [re.split(r"  +", line.strip())[-2:] for line in lines[2:6]]
    assert [runs for runs, _ in ends] == ["2 of 3", "1 of 1", "2 of 3", "1 of 1"]
    assert [left == "done" for _, left in ends] == [False, True, False, True]
    assert lines[6] == "  estimated from finished runs of the same model on the same rows"
    process = call(*arguments, "--seeds", 2, "--dry-run", "--json")
    (event,) = map(json.loads, process.out.splitlines())
    assert (event["event"], event["runs"], event["done"], event["seconds_left"]) == ("plan", 6, 6, 0)
    assert {cell["missing"][:11] for cell in event["cells"] if cell["section"] == "deep"} == {"give --data"}
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before


def test_it_writes_the_result(done, tables: Path) -> None:
    folder, _ = done
    result = json.loads((folder / "reproduce-gtzan" / "result.json").read_text())
    assert len(result["cells"]) == 13
    assert result["command"].startswith(f"audiospec reproduce gtzan --tables {tables} --models")
    assert len(result["cells"][0]["runs"]) == 2
    assert (folder / "reproduce-gtzan" / result["cells"][0]["runs"][0] / "run.json").is_file()
    text = (folder / "reproduce-gtzan" / "result.md").read_text()
    assert "## Not run" in text
    assert "give `data`, a folder with GTZAN's audio" in text


def test_a_second_run_as_json(done, tables: Path, call, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = done
    monkeypatch.chdir(folder)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("run.json")}
    process = call(
        *("reproduce", "gtzan", "--tables", tables, "--models", "knn-1,crnn-base"),
        *("--chunks", "10", "--seeds", 2, "--json"),
    )
    assert (process.status, process.err) == (0, "")
    events = [json.loads(line) for line in process.out.splitlines()]
    assert [event["event"] for event in events] == ["plan", *["cell"] * 13, "done"]
    plan, *events = events
    assert (plan["runs"], plan["done"]) == (6, 6)
    assert events[0]["found"]["test"]["chunk"]["deviation"] is not None
    missing = {event["section"]: event["missing"] for event in events[:-1] if event["missing"]}
    assert missing["3 s table"].startswith(f"{tables} has no features_3_sec.csv: give --tables, a folder")
    assert missing["deep"].startswith("give --data, a folder")
    assert missing["songs"].startswith("give --songs, a folder")
    assert [line.rpartition("give ")[2].partition(",")[0] for line in events[-1]["not_run"]] == [
        "--tables",
        "--data",
        "--songs",
    ]
    assert events[-1]["result"] == "reproduce-gtzan/result.json"
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("run.json")} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gtzn",), "no study is called 'gtzn'; did you mean 'gtzan'? (there are: gtzan)"),
        ((), "Missing argument 'STUDY'"),
        (("gtzan", "--models", "crnn"), "no model of the study is called 'crnn'; did you mean 'crnn-base'?"),
        (("gtzan", "--classes", "jaz"), "no genre of GTZAN is called 'jaz'; did you mean 'jazz'?"),
        (("gtzan", "--chunks", "long"), "expected seconds with commas, such as 30,10; got 'long'"),
        (("gtzan", "--chunks", "0"), "chunk must be above 0 seconds"),
        (("gtzan", "--seeds", "0"), "--seeds"),
        (("gtzan", "--network-seeds", "0"), "--network-seeds"),
        (("gtzan", "--dry-run", "--tables", "gone"), "expected a folder of tables: there is no gone"),
        (("gtzan", "--set", "n_mel=3"), "no parameter 'n_mel'; did you mean 'n_mels'?"),
        (("gtzan", "--tables", "gone"), "expected a folder of tables: there is no gone"),
        (("gtzan", "--data", "gone"), "expected a folder of audio: there is no gone"),
        (("gtzan", "--songs", "."), "expected songs under .; got 0 audio files"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_one_line(call, tmp_path: Path, monkeypatch, arguments, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    process = call("reproduce", *arguments)
    assert (process.status, process.out) == (2, "")
    assert re.fullmatch(r"error: [^\n]+\n", process.err), process.err
    assert message in process.err
    assert not list(tmp_path.iterdir())


def test_a_damaged_table_is_one_line(run, tmp_path: Path) -> None:
    (tmp_path / "features_30_sec.csv").write_text("filename,tempo,label\njazz.00000.wav,much,jazz\n")
    process = run("reproduce", "gtzan", "--tables", ".", cwd=tmp_path)
    assert process.returncode == 2
    assert re.fullmatch(r"error: features_30_sec\.csv, row 1: there is no column [^\n]+\n", process.stderr)
