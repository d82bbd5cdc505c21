"""table import and table export."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from audiospec import open_store
from audiospec.specs.tabular import TabularSpec

HEADER = ["filename", "length", *TabularSpec().columns, "label"]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Twelve rows in the layout of the published table, with one more column."""
    values = np.random.default_rng(0).normal(0, 1000, (12, 57)).tolist()
    names = [f"{label}.{number:05}" for label in ("blues", "jazz", "rock") for number in range(4)]
    rows = [
        [f"{name}.wav", 661794, *row, name.partition(".")[0], "x"]
        for name, row in zip(names, values, strict=True)
    ]
    file = tmp_path / "features_30_sec.csv"
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([[*HEADER, "note"], *rows])
    return file


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_import_then_export(run, published: Path, tmp_path: Path, suffix: str) -> None:
    store = f"gtzan.{suffix}"
    done = run("table", "import", published.name, "--store", store, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    view = open_store(tmp_path / store).view()
    assert done.stdout.splitlines() == [
        f"{store}: 12 tracks",
        f"  {view.name}  12 tracks  12 × 57  float32  2.74 kB",
        "1 column not imported (see --columns): note",
        f"next: audiospec store info {store}",
    ]
    again = run("table", "import", published.name, "--store", store, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, done.stdout)

    done = run("table", "export", store, "--chunk", 30, "--out", "out.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"out.csv: 12 rows of 57 features from {view.name} (")
    with published.open(newline="") as old, (tmp_path / "out.csv").open(newline="") as new:
        expected, got = [line[:-1] for line in csv.reader(old)], list(csv.reader(new))
    assert got[0] == expected[0] == HEADER
    assert [line[:2] + line[-1:] for line in got] == [line[:2] + line[-1:] for line in expected]
    numbers = [np.array([line[2:-1] for line in table[1:]], float).astype("f4") for table in (got, expected)]
    assert np.array_equal(*numbers)

    done = run("table", "export", store, "--out", "out.parquet", cwd=tmp_path)
    assert done.returncode == 0
    done = run("table", "import", "out.parquet", "--store", "other.zarr", "--dataset", "gtzan", cwd=tmp_path)
    assert done.returncode == 0
    assert np.array_equal(open_store(tmp_path / "other.zarr").view().read(), view.read())


def test_import_as_json(call, published: Path, tmp_path: Path) -> None:
    arguments = ("table", "import", published, "--store", tmp_path / "mine.zarr", "--json")
    done = call(*arguments, "--columns", "tempo,rms_mean", "--chunk", 29)
    assert (done.status, done.err) == (0, "")
    event = json.loads(done.out)
    (view,) = event["views"]
    assert (event["event"], event["tracks"], view["rows"], view["shape"]) == ("done", 12, 12, [12, 2])
    assert event["columns"] == ["tempo", "rms_mean"]
    assert len(event["left_out"]) == 56
    assert view["name"].startswith("table-29s-")
    error = json.loads(call(*arguments, "--columns", "temp").out)
    assert error["event"] == "error"
    assert "there is no column 'temp'; did you mean 'tempo'?" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "{table}"), "Missing option '--store'"),
        (("import", "none.csv", "--store", "x.zarr"), "error: cannot read table none.csv: No such file"),
        (("import", "{table}", "--store", "x.txt"), "error: cannot tell the kind of store"),
        (
            ("import", "{table}", "--store", "x.zarr", "--chunk", "-1"),
            "error: parameter chunk must be above 0",
        ),
        (
            ("import", "{table}", "--store", "x.zarr", "--columns", "all"),
            "row 2, column 'note': expected a num",
        ),
        (("export", "none.zarr", "--out", "x.csv"), "error: no store at none.zarr"),
        (("export", "{store}", "--out", "x.csv"), "expected a table of features; "),
        (("export", "{store}"), "Missing option '--out'"),
    ],
)
def test_errors_are_one_line(
    call,
    published: Path,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("table", *(word.format(table=published, store=store) for word in arguments))
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {published.name}


def test_info_and_verify_of_a_table(call, published: Path, tmp_path: Path) -> None:
    path = tmp_path / "gtzan.zarr"
    assert call("table", "import", published, "--store", path).status == 0
    lines = call("store", "info", path).out.splitlines()
    assert "  audio     none (all tracks were imported from tables)" in lines
    facts = dict(line.strip().split("  ", 1) for line in lines if line.startswith("  "))
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["feature"].startswith(
        "table with columns 57 (chroma_stft_mean, chroma_stft_var, rms_mean, …), sha256 "
    )
    assert facts["made from"] == published.name
    assert facts["data"] == "12 × 57 float32, 2.74 kB"
    assert facts["skipped"] == facts["stale"] == "none"
    assert "parity" not in facts
    assert len(json.loads(call("store", "info", path, "--json").out)["views"][0]["spec"]["columns"]) == 57

    view = open_store(path).view()
    assert call("store", "verify", path).out == (
        f"tables and metadata: checked, all as written\n{view.name}: 12 rows checked, all as written\n"
    )
    shard = path / "views" / view.name / "data" / "c" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[0] ^= 1
    shard.write_bytes(content)
    done = call("store", "verify", path)
    assert done.status == 1
    assert done.out.splitlines() == [
        "tables and metadata: checked, all as written",
        f"{view.name}: 12 rows checked, 1 damaged, in 1 track: blues.00000",
        f"{view.name}: import it again: audiospec table import {published.name} --store {path} --chunk 30",
    ]
    assert call("store", "verify", path, "--repair") == done
    assert call("table", "import", published, "--store", path).status == 0
    assert call("store", "verify", path).status == 0


def test_a_store_with_tables_and_spectrograms(call, published: Path, copy: Path) -> None:
    # The store of `copy` has other tracks and labels: a table must be of the same dataset.
    done = call("table", "import", published, "--store", copy)
    assert done.status == 2
    assert "row 2, column 'label': 'blues' is not a label of the dataset" in done.err
    text = published.read_text().replace("blues", "loud").replace("jazz", "loud").replace("rock", "quiet")
    rows = [line for line in csv.reader(text.splitlines()) if not line[0].startswith("loud")]
    rows[1][0] = "song0.wav"  # matched by file name: the id is quiet/song0.wav
    with published.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert call("table", "import", published, "--store", copy, "--json").status == 0
    store = open_store(copy)
    view = store.view("table")
    assert view.ids.tolist()[0] == "quiet/song0.wav"
    assert len(store.tracks) == 6 + 3
    assert call("table", "export", copy, "--out", published.with_name("x.csv")).status == 0
    assert call("store", "verify", copy).status == 0
    assert f"  audio     {store.root}" in call("store", "info", copy).out
