"""The short form of the trials: every kind of damage, a few of each; the long form is `benchmarks.trials`."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audiospec.benchmarks.trials.__main__ import TRIALS, main
from audiospec.benchmarks.trials.child import Child
from audiospec.benchmarks.trials.disks import DiskLane
from audiospec.benchmarks.trials.flips import FlipLane
from audiospec.benchmarks.trials.kills import KillLane
from audiospec.benchmarks.trials.mutants import lane
from audiospec.benchmarks.trials.mutants.sounds import KINDS
from audiospec.benchmarks.trials.trial import Lane, MakeLane, Record, Series, bad, run, save, table

pytest.importorskip("av", reason="mutants are compared with PyAV's decoders")

#: A series whose files do not depend on what lies beside the repository.
SERIES = Series(seed=12, count=0, seconds=30, data=Path("/nonexistent"))


def _assert_good(make: MakeLane, numbers: Iterable[int], series: Series = SERIES) -> list[Record]:
    records = run(make, series, numbers)
    assert [f"{record['outcome']}: {record['what']}: {record['detail']}" for record in bad(records)] == []
    return records


def test_mutants_are_refused_or_decoded_as_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "BATCH", 2 * len(KINDS) + 1)
    records = _assert_good(lane.MutantLane, range(lane.BATCH))  # the last is a run over the others
    assert {record["group"] for record in records} == {"runs", *(kind.name for kind in KINDS)}
    assert {record["outcome"] for record in records} >= {"refused", "equal"}


@pytest.mark.long
def test_flips_are_found_or_harmless() -> None:
    records = _assert_good(FlipLane, [*range(6), 40])
    assert {record["group"] for record in records} == {"zarr", "hdf5", "run"}
    assert {record["outcome"] for record in records} <= {"found", "harmless"}


def test_what_was_killed_ends_as_if_it_had_not_been() -> None:
    # Without workers, which take seconds to start: `tests/engines` has their deaths.
    records = _assert_good(KillLane, (4, 14, 25))
    groups = [record["group"] for record in records]
    assert groups == ["staging, new zarr", "training", "publish, new zarr"]


def test_every_kind_of_kill_has_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = {"operations": 300, "staging": 100, "shards": 9, "content": ["same"]}
    asked: list[dict[str, Any]] = []

    def ask(limit: float, /, **request: Any) -> dict[str, Any]:
        if request["do"] == "attempt":
            asked.append(request)
        end = "finished" if request.get("victim") == "worker" or request["do"] == "finish" else "killed"
        return {**usual, "end": end, "detail": "", "killed": 1, "lost": []}

    lane = KillLane(SERIES, tmp_path)
    monkeypatch.setattr(lane, "_ask", ask)
    records = [lane.do(number) for number in range(400)]
    assert {record["outcome"] for record in records} == {"equal"}
    shares = Counter(record["group"].partition(",")[0] for record in records)
    assert shares == {"staging": 140, "publish": 140, "training": 80, "workers": 40}
    victims = Counter(request["victim"] for request in asked if "victim" in request)
    assert min(victims[name] for name in ("parent", "worker", "group")) > 10
    operations = [request["operation"] for request in asked if "operation" in request]
    assert (min(operations), max(operations)) == (1, 300)
    assert 0.3 < sum(request["later"] > 0 for request in asked) / len(asked) < 0.5
    again = KillLane(SERIES, tmp_path)
    monkeypatch.setattr(again, "_ask", ask)
    assert again.do(39)["what"] == records[39]["what"]


def test_a_full_disk_loses_nothing() -> None:
    records = _assert_good(DiskLane, range(2), replace(SERIES, only="new hdf5"))
    assert "refused" in {record["reason"] for record in records}


# --- the harness itself ----------------------------------------------------------------------------------


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    child = Child("misbehaving:misbehave")
    yield child
    child.stop()


def test_a_child_that_hangs_or_dies_is_replaced(child: Child) -> None:
    assert child.ask({"how": "answer"}, 30).value == {"size": 0}
    assert child.ask({"how": "hang"}, 0.3).end == "hang"
    assert child.ask({"how": "die"}, 30).end == "signal 11"
    grown = child.ask({"how": "grow"}, 30)
    assert grown.value["size"] == 300 << 20
    assert grown.memory > 300 << 20
    assert child.ask({"how": "answer"}, 30).memory < 300 << 20  # the peak is the request's, not the process's
    with pytest.raises(RuntimeError, match="a fault of the harness"):
        child.ask({"how": "fail"}, 30)


class _Numbers(Lane):
    """Trials that depend on their number, and count how often they are done."""

    done = 0

    def __init__(self, series: Series, folder: Path) -> None:
        assert folder.is_dir()

    def do(self, number: int) -> Record:
        type(self).done += 1
        outcome = "unseen" if number == 3 else "found"
        return {
            "group": "some",
            "what": f"number {number}",
            "outcome": outcome,
            "detail": "",
            "memory": 5 << 20,
        }

    def close(self) -> None: ...


def test_a_series_goes_on_where_it_stopped(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    series = Series(1, 5)
    first = run(_Numbers, series, range(3), journal=journal)
    with journal.open("a") as file:
        file.write('{"seed": 1, "number": 3, "gro')  # killed while it wrote
        file.write("\n")
    before = _Numbers.done
    records = run(_Numbers, series, range(5), processes=2, journal=journal)
    assert _Numbers.done == before + 2
    assert records[:3] == first
    assert [record["number"] for record in records] == [0, 1, 2, 3, 4]
    assert [record["number"] for record in bad(records)] == [3]
    assert run(_Numbers, Series(2, 5), range(1), journal=journal)[0]["number"] == 0
    assert _Numbers.done == before + 3  # another seed is another series
    assert table(records)["some"]["outcomes"] == {"found": 4, "unseen": 1}
    save("flips", series, records, tmp_path / "trials.json")
    save("kills", series, records[:2], tmp_path / "trials.json")
    saved = json.loads((tmp_path / "trials.json").read_text())
    assert [saved[name]["figures"]["count"] for name in ("flips", "kills")] == [5, 2]
    assert saved["flips"]["figures"]["groups"]["some"]["memory_mb"] == 5


def test_an_error_of_a_lane_ends_the_series() -> None:
    class Failing(_Numbers):
        def do(self, number: int) -> Record:
            raise RuntimeError("a fault of the harness")

    with pytest.raises(RuntimeError, match="a fault of the harness"):
        run(Failing, Series(1, 5), range(5), processes=2)


def test_the_command_repeats_one_trial(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["mutants", "--only", "5", "--data", "/nonexistent", "--groups", "wav-float"])
    out = capsys.readouterr().out
    assert status == 0
    assert "number: 5" in out
    assert "group: wav-float" in out
    assert set(TRIALS) == {"mutants", "flips", "kills", "disks"}
