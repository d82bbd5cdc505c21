"""What earlier versions wrote is read as it was written: stores, runs, reports.

Each folder v… holds samples that one version wrote, and `expected.json`, what that version said of them;
`make.py` made both. Tests take public names and the command line only, so they outlive what is inside.
A later version may say more of a store or a run, but nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import audiospec

FOLDERS = {folder.name: folder for folder in sorted(Path(__file__).parent.glob("v*"))}
#: The reason why a track is skipped is no stored text: reading makes it. Version 0.1.0 named an option in it.
REWORDED = ("(--min-fill ", "(min_fill=")
EXPECTED = {
    version: json.loads((folder / "expected.json").read_text(encoding="utf-8").replace(*REWORDED))
    for version, folder in FOLDERS.items()
}

#: Of what a test is called with: the version that wrote it, and what.
versions = pytest.mark.parametrize("version", list(FOLDERS))
stores = pytest.mark.parametrize(
    ("version", "store"), [(version, store) for version, said in EXPECTED.items() for store in said["stores"]]
)
runs = pytest.mark.parametrize(
    ("version", "run"), [(version, run) for version, said in EXPECTED.items() for run in said["runs"]]
)


@dataclass
class Result:
    """What a call has returned and printed."""

    status: int
    out: str

    def json(self) -> list[Any]:
        """The objects that were printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Result]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Call `audiospec ARGUMENTS` in this process, which is quicker, by `python -m audiospec`, which stays."""

    def audiospec_(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["audiospec", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("audiospec", run_name="__main__")
        said = capfd.readouterr()
        assert said.err == ""
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, said.out)

    before = signal.getsignal(signal.SIGTERM)
    yield audiospec_
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def kept(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a version's samples, unpacked, as the current folder: samples name one another from there."""
    copy = Path(shutil.copytree(FOLDERS[version], tmp_path / "kept"))
    for archive in sorted(copy.glob("*.zip")):
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                assert (copy / name).resolve().is_relative_to(copy), f"{archive} would write {name}"
            packed.extractall(copy)
        archive.unlink()
    for file in copy.glob("audio/*/*"):
        os.utime(file, ns=(EXPECTED[version]["modified"],) * 2)
    monkeypatch.chdir(copy)
    return copy


def agrees(found: Any, expected: Any) -> bool:
    """Whether what was found has all that was expected; mappings may have more."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            key in found and agrees(found[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(expected)
            and all(agrees(one, other) for one, other in zip(found, expected, strict=True))
        )
    return type(found) is type(expected) and bool(found == expected)


def without_intervals(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores without intervals, which are by other methods now."""
    return {
        name: without_intervals(value) if isinstance(value, dict) else value
        for name, value in scores.items()
        if not name.endswith("_interval")
    }


def sha256(values: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of all files in a folder."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return {file.relative_to(path.parent).as_posix(): file.read_bytes() for file in files}


def assert_views_are_as_written(path: str, expected: dict[str, Any]) -> None:
    """Each view has its fingerprint and its rows to the bit; the track table is as it was."""
    store = audiospec.open_store(path)
    tracks = [asdict(record) for record in store.tracks.records()]
    assert agrees(tracks, expected["tracks"])
    for name, said in expected["views"].items():
        view = store.view(name)
        assert view.spec.fingerprint == said["fingerprint"]
        rows = view.read()
        assert (list(rows.shape), str(rows.dtype)) == (said["shape"], said["dtype"])
        assert sha256(rows) == said["read"]
        assert {column: sha256(view.rows[column]) for column in said["rows"]} == said["rows"]
        mine = [tracks[number] for number in view.rows["track"].tolist()]
        assert view.ids.tolist() == [track["id"] for track in mine]
        assert view.labels.tolist() == [track["label"] for track in mine]
        assert view.groups.tolist() == [track["group"] for track in mine]
        assert view.folds.tolist() == [track["fold"] for track in mine]
        assert view.hashes.tolist() == [track["hash"] for track in mine]


# --- stores ------------------------------------------------------------------------------------------------


@stores
def test_an_old_store_is_read_as_it_was_written(version: str, store: str, kept: Path) -> None:
    expected = EXPECTED[version]["stores"][store]
    opened = audiospec.open_store(store)
    assert opened.dataset == expected["dataset"]
    assert opened.view_names() == list(expected["views"])
    before = contents(kept / store)
    assert_views_are_as_written(store, expected)
    assert contents(kept / store) == before


@stores
def test_an_old_store_is_found_whole(version: str, store: str, kept: Path, call: Call) -> None:
    expected = EXPECTED[version]["stores"][store]
    (info,) = call("store", "info", store, "--json").json()
    assert agrees(info, expected["info"])
    verified = call("store", "verify", store)
    assert verified.status == 0
    assert set(verified.out.splitlines()) >= set(expected["verify"])


@versions
def test_a_spec_made_now_has_the_old_fingerprint(version: str) -> None:
    for said in EXPECTED[version]["specs"]:
        spec = getattr(audiospec, said["class"])(**said["parameters"])
        assert spec.fingerprint == said["fingerprint"]
    for store in EXPECTED[version]["stores"].values():
        for view in store["info"]["views"]:
            spec = audiospec.FeatureSpec.from_dict(view["spec"])
            assert spec.fingerprint == view["fingerprint"]
            assert json.loads(json.dumps(spec.to_dict())) == view["spec"]


@versions
def test_the_old_commands_name_the_old_views(version: str, kept: Path, call: Call) -> None:
    """And nothing of them is missing, although the audio lies elsewhere and looks younger."""
    for file in kept.glob("audio/*/*"):
        file.touch()
    for command in EXPECTED[version]["featurize"]:
        done = call(*command, "--dry-run")
        assert done.status == 0
        plan = done.json()[-1]
        there = EXPECTED[version]["stores"][plan["store"]]["views"]
        assert plan["views"]
        for view in plan["views"]:
            assert view["name"] in there
            assert view["missing_shards"] == 0


@versions
def test_featurizing_again_changes_no_byte(version: str, kept: Path, call: Call) -> None:
    # A store names the folder of its audio. That is another one now, so it is told first.
    for store in EXPECTED[version]["stores"]:
        tell_root(kept / store, kept)
    for command in EXPECTED[version]["featurize"]:
        store = command[command.index("--store") + 1]
        before = contents(kept / store)
        done = call(*command)
        assert done.status == 0
        assert done.json()[-1]["computed_shards"] == 0
        assert contents(kept / store) == before


def tell_root(store: Path, kept: Path) -> None:
    """Write into a store that its audio lies in `kept`, in the same place below."""
    root = Path(audiospec.open_store(store).root)
    if not root.is_absolute():  # of a table: it has no audio
        return
    now = str(kept / "audio" if root.name == "audio" else kept)
    if store.is_file():
        with h5py.File(store, "r+") as file:
            file.attrs["root"] = now
    else:
        text = (store / "zarr.json").read_text(encoding="utf-8")
        assert text.count(json.dumps(str(root))) == 1
        text = text.replace(json.dumps(str(root)), json.dumps(now))
        (store / "zarr.json").write_text(text, encoding="utf-8")
    assert audiospec.open_store(store).root == Path(now)


@versions
def test_featurizing_where_the_audio_lies_now_computes_nothing(version: str, kept: Path, call: Call) -> None:
    """The store learns where its audio lies, by track ids and contents; all else stays."""
    for command in EXPECTED[version]["featurize"]:
        done = call(*command)
        assert done.status == 0
        assert done.json()[-1]["computed_shards"] == 0
        store = command[command.index("--store") + 1]
        assert audiospec.open_store(store).root.is_relative_to(kept)
        assert_views_are_as_written(store, EXPECTED[version]["stores"][store])


@versions
def test_an_old_store_gets_clusters_and_nothing_is_computed(version: str, kept: Path, call: Call) -> None:
    """It has none until its dataset names them; then its rows stay as they are."""
    lines = (kept / "tracks.csv").read_text(encoding="utf-8").splitlines()
    table = [f"{lines[0]},cluster", *(f"{line},twin" for line in lines[1:3]), *(f"{x}," for x in lines[3:])]
    told = [command for command in EXPECTED[version]["featurize"] if "csv" in command]
    for command in told:
        store = command[command.index("--store") + 1]
        assert set(audiospec.open_store(store).tracks["cluster"]) == {""}
    (kept / "tracks.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    for command in told:
        done = call(*command)
        assert done.status == 0
        assert done.json()[-1]["computed_shards"] == 0
        store = command[command.index("--store") + 1]
        tracks = audiospec.open_store(store).tracks
        assert [*tracks["cluster"]].count("twin") == 2
        assert_views_are_as_written(store, EXPECTED[version]["stores"][store])
        assert call("store", "verify", store).status == 0


@versions
def test_a_new_view_leaves_the_old_ones_as_they_are(version: str, kept: Path, call: Call) -> None:
    told = [command for command in EXPECTED[version]["featurize"] if "mel,tabular" in command]
    for command in told:
        longer = [*command]
        longer[longer.index("--chunk") + 1] = "2"
        done = call(*longer)
        assert done.status == 0
        assert done.json()[-1]["computed_shards"] > 0
        store = command[command.index("--store") + 1]
        expected = EXPECTED[version]["stores"][store]
        assert len(audiospec.open_store(store).view_names()) == len(expected["views"]) + 2
        assert_views_are_as_written(store, expected)
        assert call("store", "verify", store).status == 0


@versions
def test_a_table_that_is_imported_again_is_the_same_view(version: str, kept: Path, call: Call) -> None:
    assert call(*EXPECTED[version]["import"], "--store", "again.zarr").status == 0
    assert_views_are_as_written("again.zarr", EXPECTED[version]["stores"]["table.zarr"])


# --- runs --------------------------------------------------------------------------------------------------


@runs
def test_an_old_run_has_its_scores(version: str, run: str, kept: Path, call: Call) -> None:
    expected = EXPECTED[version]["runs"][run]
    opened = audiospec.Run(Path("runs") / run)  # compares all files with their digests
    assert agrees(
        opened.metrics["test"], {level: expected["evaluate"][level] for level in ("chunk", "track")}
    )
    (scores,) = call("evaluate", f"runs/{run}", "--json").json()
    assert agrees(scores, without_intervals(expected["evaluate"]))
    (scores,) = call("evaluate", f"runs/{run}", "--store", "three.h5", "--json").json()
    assert agrees(scores, without_intervals(expected["evaluate_h5"]))
    assert scores["leaks"] is None
    shown = call("evaluate", f"runs/{run}").out
    assert "was made by an older audiospec, which kept neither predictions nor the tracks" in shown


@runs
def test_an_old_run_predicts_what_it_did(version: str, run: str, kept: Path, call: Call) -> None:
    expected = EXPECTED[version]["runs"][run]["predict"]
    done = call("predict", f"runs/{run}", *(said["file"] for said in expected), "--json")
    assert done.status == 1  # one file is empty, one too short
    found = done.json()
    assert len(found) == len(expected)
    # To the bit on the kind of CPU that made the samples: libraries add in another order on another. A
    # network's bits depend on more, such as the number of threads; a regression's on the rows that are
    # multiplied together, which are always as many since files are predicted block by block.
    multiplied = (kept / "runs" / run / "model.safetensors").exists() or "lr-" in run
    exact = not multiplied and cpu() == EXPECTED[version]["cpu"]
    for one, other in zip(found, expected, strict=True):
        shares, kept_shares = one.pop("classes"), other["classes"]
        assert agrees(one, {key: value for key, value in other.items() if key != "classes"})
        assert list(shares) == list(kept_shares)
        assert shares == (kept_shares if exact else pytest.approx(kept_shares, abs=1e-6, rel=0))


def cpu() -> str:
    """The kind of CPU, as `make.py` says it."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    maker = next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")
    return f"{maker} {torch.backends.cpu.get_cpu_capability()}".strip()


@runs
def test_an_old_run_that_was_changed_is_refused(version: str, run: str, kept: Path) -> None:
    for file in sorted((kept / "runs" / run).iterdir()):
        whole = file.read_bytes()
        if whole:  # the history of a model without epochs has nothing
            file.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
            with pytest.raises(audiospec.AudiospecError, match=r"changed|damaged"):
                audiospec.Run(file.parent)
            file.write_bytes(whole)
    audiospec.Run(kept / "runs" / run)


# --- the report --------------------------------------------------------------------------------------------


class Boards(HTMLParser):
    """The leaderboards of a page: for each its rows, column → text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.boards: list[list[list[str]]] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table" and ("class", "board") in attrs:
            self.boards.append([])
            self._inside = True
        elif self._inside and tag == "tr":
            self.boards[-1].append([])
        elif self._inside and tag in ("td", "th"):
            self.boards[-1][-1].append("")
        elif self._inside:
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "table"

    def handle_data(self, data: str) -> None:
        if self._inside and self.boards[-1] and self.boards[-1][-1]:  # else it is the caption
            self.boards[-1][-1][-1] += data

    def rows(self) -> list[list[dict[str, str]]]:
        cleaned = [[[" ".join(cell.split()) for cell in row] for row in board] for board in self.boards]
        return [[dict(zip(head, row, strict=True)) for row in rest] for head, *rest in cleaned]


@versions
def test_a_report_on_old_runs_has_the_old_leaderboards(version: str, kept: Path, call: Call) -> None:
    done = call("report", "runs", "--out", "now.html", "--json")
    assert done.status == 0
    (said,) = done.json()
    assert said["runs"] == [f"runs/{run}" for run in EXPECTED[version]["runs"]]
    assert (said["refused"], said["unfinished"]) == ({}, 0)
    pages = [(kept / name).read_text(encoding="utf-8") for name in ("report.html", "now.html")]
    # Ties are of paired differences now, and old runs kept no predictions.
    pages[0] = pages[0].replace(">tied with the best<", ">not compared with the best<")
    before, now = (Boards(page).rows() for page in pages)
    assert sum(map(len, before)) == len(EXPECTED[version]["runs"])
    assert agrees(now, before)
