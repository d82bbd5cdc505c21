"""leakage: the ladder by the command line, and its table in the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audiospec.tables.importing import import_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of 24 tracks in three pieces, each track with features of its own."""
    folder = tmp_path_factory.mktemp("leakage")
    random = np.random.default_rng(0)
    lines = ["filename,length,a,b,c,label"]
    for label, apart in (("low", 0.0), ("high", 1.0)):
        for track in range(12):
            own = random.normal(apart, 2, 3)
            for piece in range(3):
                a, b, c = (own + random.normal(0, 0.2, 3)).round(3)
                lines.append(f"{label}.{track:05d}.{piece}.wav,22050,{a},{b},{c},{label}")
    (folder / "made.csv").write_text("\n".join(lines) + "\n")
    import_table(folder / "made.csv", folder / "made.zarr", columns="all")
    return folder


def test_it_prints_a_rung_a_line_and_the_report_has_the_table(
    folder: Path, run, call, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("leakage", "knn-1", "--seeds", 3, cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("knn-1 on ")
    assert lines[2].split()[:2] == ["leaks", "leaking"]
    tracks, copies, groups = lines[3:6]
    assert tracks.split()[:4] == ["other", "chunks", "of", "the"]
    assert " points [" in tracks
    assert "over 3 seeds and" in tracks
    assert copies.endswith("nothing can leak here: the store has no content hashes and no clusters")
    assert groups.endswith("nothing can leak here: no track has a group")
    (written,) = (folder / "runs").glob("knn-1-*-leakage-*-0/leakage.json")
    assert lines[6] == f"written: {written.relative_to(folder)}"

    monkeypatch.chdir(folder)
    again = call("leakage", "knn-1", "--seeds", 3, "--json")
    assert again.status == 0
    *_, event = map(json.loads, again.out.splitlines())
    assert event["event"] == "leakage"
    assert event["rungs"][0]["verdict"] in tracks
    assert {**event, "path": 0, "event": 0} == {**json.loads(written.read_text()), "path": 0, "event": 0}
    kept = written.with_name("fits.jsonl").read_text().splitlines()
    assert len(kept) == 6

    assert call("train", "lr").status == 0
    done = call("report", "--json")
    assert json.loads(done.out)["ladders"] == [str(written.relative_to(folder))]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What leaks add" in page
    assert "nothing can leak here: no track has a group" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", 1), "Invalid value for '--seeds'"),
        (("--seed", -1), "expected a --seed of at least 0"),
        (("--rungs", "grups"), "--rungs of tracks, copies, groups; got 'grups'; did you mean 'groups'?"),
        (("--rungs", "store"), "got 'store': store needs --other"),
        (("--classes", "low"), "has one class (low)"),
        (("--other", "none.zarr"), "none.zarr"),
    ],
)
def test_what_is_refused(folder: Path, call, options, message: str) -> None:
    done = call("leakage", "knn-1", "--store", folder / "made.zarr", "--out", folder / "refused", *options)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (folder / "refused").exists()


def test_train_has_no_such_option_any_more(folder: Path, call) -> None:
    done = call("train", "lr", "--store", folder / "made.zarr", "--leakage")
    assert done.status == 2
    assert "--leakage" in done.err
