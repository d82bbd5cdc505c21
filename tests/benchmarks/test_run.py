"""Suites in separate processes: their findings, their failures; and the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import audiospec
from audiospec import cli
from audiospec.benchmarks.base import suites
from audiospec.benchmarks.run import benchmark
from audiospec.errors import RegistryError

Add = Callable[..., Path]

HEAD = """
import os, sys
from audiospec.benchmarks.base import Case, Contender, Limit, NotRun, Suite, Table, Target

class {name}(Suite):
    def cases(self, setup):
"""
TABLE = 'yield Table(name="sizes", head=["store", "bytes"], rows=[["zarr", 12]], note="invented")'
CASE = """
yield Case(
    name="nothing", amount=1, unit="calls", memory="", min_rounds=2, seconds=0.0,
    contenders=[
        Contender(name="ours", role="ours", call=lambda _: (1.0, 0), has_own_clock=True),
        Contender(name="peer", call=lambda _: (3.0, PEER), has_own_clock=True),
    ],
    targets=[Target("peer", TIMES)], difference=lambda one, other: abs(one - other),
    missing={"other": "not installed"},
)
""".strip()


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    """Add a suite through an entry point, as another package does: add("name", "body of cases")."""
    folder = tmp_path / "package"
    metadata = folder / "made_up-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
    points = metadata / "entry_points.txt"
    points.write_text("[audiospec.benchmarks]\n")
    monkeypatch.setattr(suites, "_entries", {**suites._entries})

    def add(name: str, *body: str) -> Path:
        module = f"made_up_{name}"
        lines = "\n".join(body).splitlines()
        code = HEAD.format(name=name.capitalize()) + "".join(f"        {line}\n" for line in lines)
        (folder / f"{module}.py").write_text(code)
        with open(points, "a") as file:
            file.write(f"{name} = {module}:{name.capitalize()}\n")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)
        return folder

    return add


def equal_case(peer: float = 0, times: float = 2.5) -> str:
    return CASE.replace("PEER", str(peer)).replace("TIMES", str(times))


# --- findings ----------------------------------------------------------------------------------------------


def test_findings_are_passed_on_one_by_one_and_are_all_in_the_result(add: Add) -> None:
    add("tiny", TABLE, 'yield NotRun("on CUDA", "no such device")', equal_case())
    add("empty", "return iter(())")
    passed: list[tuple[str, dict[str, Any]]] = []
    result = benchmark(
        ["tiny", "empty", "tiny"], on_finding=lambda suite, finding: passed.append((suite, finding))
    )
    assert list(result["suites"]) == ["tiny", "empty"]
    assert result["suites"]["empty"] == []
    assert passed == [("tiny", finding) for finding in result["suites"]["tiny"]]
    table, not_run, case = result["suites"]["tiny"]
    assert (table["kind"], table["rows"], table["targets"]) == ("table", [["zarr", 12]], [])
    assert not_run == {"kind": "not run", "name": "on CUDA", "why": "no such device"}
    assert (case["kind"], case["contenders"][1]["ratio"], case["targets"][0]["met"]) == ("case", 3.0, True)
    assert result["versions"]["audiospec"] == audiospec.__version__
    assert {"processor", "cores", "python"} <= set(result["machine"])
    assert (result["device"], result["full"]) == ("cpu", False)
    assert result == json.loads(json.dumps(result))


def test_a_suite_gets_the_options_and_one_thread(add: Add, tmp_path: Path) -> None:
    add(
        "options",
        "(setup.folder / 'file').touch()",
        "row = [setup.device, setup.full, str(setup.data), str(setup.folder), os.environ['OMP_NUM_THREADS']]",
        "yield Table(name='options', head=['a'] * 5, rows=[row])",
    )
    result = benchmark(["options"], full=True, data=tmp_path)
    ((device, full, data, folder, threads),) = result["suites"]["options"][0]["rows"]
    assert (device, full, data, threads) == ("cpu", True, str(tmp_path), "1")
    assert not Path(folder).exists()


# --- failures ----------------------------------------------------------------------------------------------


def failure(name: str) -> tuple[str, str]:
    """Return why a suite failed, and its output; check that its earlier findings are kept."""
    *before, last = benchmark([name])["suites"][name]
    assert all(finding["kind"] == "table" for finding in before)
    assert (last["kind"], last["name"]) == ("failed", name)
    return last["why"], last["said"]


def test_a_suite_that_raises_is_quoted(add: Add) -> None:
    add("broken", TABLE, "print('so far so good')", "{}['nowhere']")
    add("working", TABLE)
    result = benchmark(["broken", "working"])["suites"]
    assert [[finding["kind"] for finding in findings] for findings in result.values()] == [
        ["table", "failed"],
        ["table"],
    ]
    why, output = failure("broken")
    assert why == "KeyError: 'nowhere'"
    assert "Traceback" in output
    assert "so far so good" in output


def test_a_suite_that_dies_is_quoted(add: Add) -> None:
    add("dying", TABLE, "print('last words', file=sys.stderr, flush=True)", "os.kill(os.getpid(), 9)")
    assert failure("dying")[0] == "last words"
    add("silent", "os.kill(os.getpid(), 9)", "yield")
    assert failure("silent")[0] == "status -9"


def test_unequal_work_is_reported_without_a_traceback(add: Add) -> None:
    add("unequal", equal_case(peer=7))
    why, output = failure("unequal")
    assert why == "unequal work in 'nothing': peer differs from ours by 7, the tolerance is 0"
    assert "Traceback" not in output


def test_an_unknown_suite_is_refused_before_any_is_run(add: Add, tmp_path: Path) -> None:
    add("touches", f"open({str(tmp_path / 'ran')!r}, 'w')", TABLE)
    with pytest.raises(RegistryError, match=r"no suite is called 'strat'; did you mean 'start'\?"):
        benchmark(["touches", "strat"])
    assert not (tmp_path / "ran").exists()


# --- the command line --------------------------------------------------------------------------------------


def test_help_lists_exactly_the_registered_suites() -> None:
    command = typer.main.get_command(cli.app).commands["benchmark"]  # type: ignore[attr-defined]
    (argument,) = (parameter for parameter in command.params if parameter.param_type_name == "argument")
    listed = re.fullmatch(r"Suites to run: (.+) \(all\)\.?", argument.help)
    assert listed is not None
    assert sorted(listed[1].split(", ")) == suites.names()


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "audiospec", "benchmark", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, "AUDIOSPEC_DEBUG": "0"},
        capture_output=True,
        encoding="utf-8",
        timeout=200,
    )


def test_the_command_writes_json_and_a_page(add: Add, tmp_path: Path) -> None:
    folder = add("tiny", TABLE, equal_case())
    json_file, page = tmp_path / "speed.json", tmp_path / "speed.html"
    done = command(folder, "tiny", "--json", json_file, "--html", page)
    assert (done.returncode, done.stderr) == (0, "")
    assert "met: speed of ours over that of peer: 3 (at least 2.5)" in done.stdout
    assert "1 of 1 target met" in done.stdout
    result = json.loads(json_file.read_text())
    assert result["command"] == f"audiospec benchmark tiny --json {json_file} --html {page}"
    assert result["machine"]["cores"] >= 1
    assert result["versions"]["audiospec"] == audiospec.__version__
    assert [finding["kind"] for finding in result["suites"]["tiny"]] == ["table", "case"]
    html = page.read_text(encoding="utf-8")
    assert "1 target: 1 met." in html
    assert f"<dd><bdi>{result['command']}</bdi>" in html


def test_a_missed_target_or_a_failed_suite_is_status_1(add: Add, tmp_path: Path) -> None:
    folder = add("slow", equal_case(times=9))
    done = command(folder, "slow", "--html", tmp_path / "speed.html")
    assert done.returncode == 1
    assert "missed: speed of ours over that of peer: 3 (at least 9)" in done.stdout
    assert "1 target: 1 missed." in (tmp_path / "speed.html").read_text(encoding="utf-8")
    add("unequal", equal_case(peer=7))
    done = command(folder, "unequal")
    assert (done.returncode, done.stderr) == (1, "")
    assert "unequal: failed: unequal work in 'nothing': peer differs from ours by 7" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_file_that_cannot_be_written_is_reported_before_any_suite_runs(add: Add, tmp_path: Path) -> None:
    folder = add("touches", f"open({str(tmp_path / 'ran')!r}, 'w')", TABLE)
    done = command(folder, "touches", "--json", tmp_path / "missing" / "speed.json")
    assert done.returncode == 2
    assert "missing/speed.json: No such file or directory" in done.stderr
    assert not (tmp_path / "ran").exists()
