"""The README, and every help text it relies on, against the program."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audiospec.benchmarks.formatting import describe_target
from audiospec.specs.tabular import FAMILIES, PUBLISHED
from audiospec.zoo.base import models

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"(<!-- run -->\n)?```(bash|python)\n(.*?)```", re.DOTALL)
BLOCKS = [(bool(run), language, text) for run, language, text in _BLOCK.findall(README)]


def _commands(text: str) -> list[list[str]]:
    """The audiospec commands of a bash block, as lists of words after the name."""
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["audiospec"]]


def _audiospec(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "audiospec", *words], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_tour_runs_as_it_stands(tmp_path: Path) -> None:
    tour = [(language, text) for run, language, text in BLOCKS if run]
    assert len(tour) >= 5
    for language, text in tour:
        if language == "python":
            script = [sys.executable, "-W", "error", "-c", text]
            done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), text
            continue
        for words in _commands(text):
            done = _audiospec(words, tmp_path)
            assert done.returncode == 0, done.stderr
    assert (tmp_path / "waltz.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    "words",
    [words for _, language, text in BLOCKS if language == "bash" for words in _commands(text)],
    ids=" ".join,
)
def test_every_option_in_the_readme_is_in_the_help(words: list[str], tmp_path: Path) -> None:
    command = words[:2] if words[0] in ("store", "table") else words[:1]
    done = _audiospec([*command, "--help"], tmp_path)
    assert done.returncode == 0
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"{word}\b", done.stdout), f"{word} is not an option of {command}"


def test_every_command_is_in_the_readme(tmp_path: Path) -> None:
    listed = re.findall(r"^[│ ]+([a-z]+) +[A-Z]", _audiospec(["--help"], tmp_path).stdout, re.MULTILINE)
    assert {"featurize", "datasets", "features", "stores", "show", "store", "table"} <= set(listed)
    for name in listed:
        assert f"audiospec {name}" in README


def test_every_family_of_columns_is_in_the_readme() -> None:
    table = README.partition("<!-- families -->\n")[2].partition("\n\n")[0].splitlines()[2:]
    for line, (name, family) in zip(table, FAMILIES.items(), strict=True):
        mark = "" if name in PUBLISHED else " (not published)"
        formula = family.formula.replace("|", r"\|")
        assert line == f"| `{name}`{mark} | {family.unit or 1} | {formula} |"


def test_every_model_is_in_the_readme() -> None:
    table = README.partition("<!-- models -->\n")[2].partition("\n\n")[0].splitlines()[2:]
    assert table == [f"| `{name}` | {models[name].input} | {models.summary(name)} |" for name in models]


def test_scores_are_those_of_the_results() -> None:
    tables = re.findall(r"<!-- (zoo-[\w-]+) -->\n((?:\|.*\n)+)", README)
    assert {name for name, _ in tables} == {"zoo-gtzan-part", "zoo-esc10", "zoo-fsdd"}
    for name, table in tables:
        made = (ROOT / "benchmarks" / "results" / f"{name}.md").read_text().splitlines()
        assert f"python -m benchmarks.studies.zoo {name.removeprefix('zoo-')}" in README
        for line in table.splitlines():
            assert line in made


def test_speeds_are_those_of_the_results() -> None:
    tables = re.findall(r"<!-- speed: (\w+) -->\n((?:\|.*\n)+)", README)
    assert "speed" in [name for name, _ in tables]
    for name, table in tables:
        result = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
        expected = []
        for suite, findings in result["suites"].items():
            assert all(finding["kind"] != "failed" for finding in findings)
            for finding in findings:
                case = finding.get("case") or finding["name"]
                for target in map(describe_target, finding.get("targets", ())):
                    cells = (f"{suite}: {case}", target.what, target.bound, target.measured, target.verdict)
                    expected.append(f"| {' | '.join(cells)} |")
        assert table.splitlines()[2:] == expected
        assert f"`{result['command']}`" in README
        assert result["date"] in README
        assert f"{result['machine']['cores']} cores of an {result['machine']['processor']}" in README


def test_the_model_in_the_readme_keeps_the_contract(
    tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    text = README.partition("<!-- model -->\n```python\n")[2].partition("```")[0]
    (tmp_path / "small.py").write_text(text)
    installed = tmp_path / "small-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[audiospec.models]\nsmall = small:Small\n")
    (tmp_path / "test_small.py").write_text(
        "from audiospec.testing.models import ModelContract\n"
        "class TestSmall(ModelContract):\n"
        "    name, many, close = 'small', 24, 1e-5\n"
        "    settings = {'epochs': 2, 'batch': 8, 'device': 'cpu'}\n"
        "    learning = {'epochs': 20}\n"
    )
    script = (
        "import sys, pytest; sys.path.insert(0, sys.argv[1]); "
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '--rootdir', *sys.argv[1:]]))"
    )
    assert " passed" in python(script, tmp_path, tmp_path / "test_small.py").stdout


def test_the_two_commands_are_in_the_makefile() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()
