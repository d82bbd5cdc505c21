"""The library names its parameters; the command line names its options."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from audiospec import cli
from audiospec.cli._options import options_of, with_options

SOURCES = Path(cli.__file__).resolve().parents[1]


def options(*words: str) -> dict[str, str]:
    command = typer.main.get_command(cli.app)
    for word in words:
        command = command.commands[word]  # type: ignore[attr-defined]
    return options_of(command)


@pytest.mark.parametrize(
    ("command", "message", "expected"),
    [
        ("featurize", "choose another `store`", "choose another --store"),
        ("featurize", "`workers` must be at least 0; got -1", "--workers must be at least 0; got -1"),
        ("featurize", "run again with `workers=0`", "run again with --workers 0"),
        ("featurize", "give `min_fill=0.1`", "give --min-fill 0.1"),
        ("featurize", 'use `dtype="float16"`', "use --dtype float16"),
        ("featurize", "try `n_bands=4`", "try --set n_bands=4"),
        ("featurize", 'try `mel.dtype="uint8"`', "try --set mel.dtype=uint8"),
        ("featurize", "see `audiospec.run`", "see `audiospec.run`"),
        ("featurize", "run `audiospec store verify x --repair`", "run `audiospec store verify x --repair`"),
        ("train", "use `strategy='track'`", "use --split track"),
        ("train", "go on with `resume=True`", "go on with --resume"),
        ("train", "try `batch=8`", "try --set batch=8"),
        ("train", "start with `weights=None`", "start with --weights none"),
        ("evaluate", "choose another `shares`", "choose another shares"),
        ("evaluate", "a single ` mark", "a single ` mark"),
    ],
)
def test_parameters_become_options(command: str, message: str, expected: str) -> None:
    assert with_options(message, options(command)) == expected


def test_an_error_of_a_command_names_its_options(tmp_path: Path) -> None:
    """In the line of text and in the event of ``--json``."""
    command = [sys.executable, "-m", "audiospec", "featurize", "demo", "--workers", "-1"]
    line = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (line.returncode, line.stdout) == (2, "")
    assert line.stderr == "error: --workers must be at least 0; got -1\n"
    event = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert json.loads(event.stdout)["message"] == "--workers must be at least 0; got -1"


def _texts(file: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string in a file; the fields of an f-string are ``{}``."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, texts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value


def test_only_the_command_line_speaks_of_options() -> None:
    """No text of the library contains an option, except in a whole command or a style sheet."""
    allowed = r"`(?:audiospec|pip install) [^`]*`|var\(--[a-z]+\)|--[a-z]+: [#\d]|``--help``"
    violations = []
    for folder in ("audiospec", "zoo"):
        for file in sorted((SOURCES / folder).rglob("*.py")):
            name = file.relative_to(SOURCES).as_posix()
            if name.startswith(("audiospec/cli", "audiospec/zoo", "audiospec/benchmarks")):  # links
                continue
            for line, text in _texts(file):
                plain = re.sub(allowed, "", text)
                if re.search(r"(?<!-)--[a-z]", plain):
                    violations.append(f"{name}:{line}: {' '.join(text.split())[:120]}")
    assert violations == []
