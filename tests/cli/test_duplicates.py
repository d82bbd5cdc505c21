"""featurize and store info say which files are equal, and whose labels contradict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest

EQUAL = "2 tracks are equal files (1 set): 'loud/song1.wav' = 'quiet/copy.wav'"
WRONG = (
    "1 set of equal files has contradictory labels (correct them, or keep one): "
    "'loud/song1.wav' is 'loud', 'quiet/copy.wav' is 'quiet'"
)
NEAR = (
    "1 set of near-duplicates (clusters) has contradictory labels (correct them, or keep one): "
    "'loud/song3.wav' is 'loud', 'quiet/song0.wav' is 'quiet'"
)


@pytest.fixture(scope="module")
def work(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the music, a copy of a file under another label, and a cluster of two labels."""
    work = tmp_path_factory.mktemp("duplicates")
    shutil.copytree(music, work / "music")
    shutil.copy(music / "loud" / "song1.wav", work / "music" / "quiet" / "copy.wav")
    rows = [
        ("quiet/song0.wav", "near"),
        ("loud/song1.wav", ""),
        ("quiet/copy.wav", ""),
        ("loud/song3.wav", "near"),
        ("quiet/song2.wav", ""),
    ]
    lines = [f"music/{path},{path},{path.partition('/')[0]},{cluster}" for path, cluster in rows]
    (work / "list.csv").write_text("\n".join(["path,id,label,alike", *lines]))
    return work


@pytest.fixture(scope="module")
def made(work: Path, run) -> CompletedProcess[str]:
    return run(
        *("featurize", "csv", "--data", "list.csv", "--cluster-column", "alike", "--store", "x.zarr"),
        *("--chunk", 2, "--workers", 0, "--features", "tabular", "--families", "rms"),
        cwd=work,
    )


def test_featurize_says_it(
    made: CompletedProcess[str], work: Path, call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made.returncode == 0, made.stderr  # the progress, if it takes long, is there, too
    lines = made.stdout.splitlines()
    for line in (EQUAL, WRONG, NEAR):
        assert line in lines
    again = ("featurize", "csv", "--data", "list.csv", "--cluster-column", "alike", "--store", "x.zarr")
    again += ("--chunk", 2, "--workers", 0, "--features", "tabular", "--families", "rms")
    monkeypatch.chdir(work)
    quiet = call(*again, "--quiet")
    assert (quiet.status, quiet.out.splitlines()) == (0, [EQUAL, WRONG, NEAR])
    for more, event in (((), "done"), (("--dry-run",), "plan")):
        done = call(*again, "--json", *more)
        last = json.loads(done.out.splitlines()[-1])
        assert last["event"] == event
        (same,) = last["duplicates"]["files"]
        assert same["tracks"] == {"loud/song1.wav": "loud", "quiet/copy.wav": "quiet"}
        assert same["contradictory"] is True
        (near,) = last["duplicates"]["clusters"]
        assert near == {
            "cluster": "near",
            "tracks": {"quiet/song0.wav": "quiet", "loud/song3.wav": "loud"},
            "contradictory": True,
        }


def test_info_counts_and_lists_it(made: CompletedProcess[str], work: Path, run) -> None:
    done = run("store", "info", "x.zarr", cwd=work)
    more = "2 tracks in 1 set, 1 with contradictory labels (audiospec store info x.zarr --problems)"
    facts = dict(line.strip().split("  ", 1) for line in done.stdout.splitlines()[1:6])
    assert (facts["equal files"].strip(), facts["clusters"].strip()) == (more, more)
    listed = run("store", "info", "x.zarr", "--problems", cwd=work).stdout.splitlines()
    info = json.loads(run("store", "info", "x.zarr", "--json", cwd=work).stdout)
    (same,) = info["duplicates"]["files"]
    assert listed[:4] == [
        "1 set of equal files:",
        f"  {same['hash']}: 'loud/song1.wav' is 'loud', 'quiet/copy.wav' is 'quiet'",
        "1 set of near-duplicates (clusters):",
        "  near: 'loud/song3.wav' is 'loud', 'quiet/song0.wav' is 'quiet'",
    ]
    assert [near["cluster"] for near in info["duplicates"]["clusters"]] == ["near"]


def test_clusters_survive_a_table_but_tracks_without_audio_are_no_equal_files(
    made: CompletedProcess[str], work: Path, run
) -> None:
    assert run("table", "export", "x.zarr", "--out", "out.csv", cwd=work).returncode == 0
    header = (work / "out.csv").read_text().partition("\n")[0].split(",")
    assert (header[:3], header[-1]) == (["filename", "length", "cluster"], "label")
    done = run("table", "import", "out.csv", "--columns", "all", "--store", "table.h5", cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    info = json.loads(run("store", "info", "table.h5", "--json", cwd=work).stdout)
    assert info["duplicates"]["files"] == []
    assert [[*near["tracks"].values()] for near in info["duplicates"]["clusters"]] == [["loud", "quiet"]]


def test_nothing_is_said_of_tracks_that_differ(call, store: Path) -> None:
    info = call("store", "info", store)
    assert (info.status, "equal files" in info.out, "clusters" in info.out) == (0, False, False)
    assert json.loads(call("store", "info", store, "--json").out)["duplicates"] == {
        "files": [],
        "clusters": [],
    }
