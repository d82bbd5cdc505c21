"""Every page against the program: blocks run, options exist, the reference is complete."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import audiospec
from audiospec.cli import app

ROOT = Path(__file__).parents[2]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text(encoding="utf-8")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
BLOCK = re.compile(r"(?:<!-- ([^>]+) -->\n)?```(bash|python|toml)\n(.*?)```", re.DOTALL)
#: Page → (mark, language, text) of each block.
BLOCKS = {page: BLOCK.findall(text) for page, text in PAGES.items()}
RUN = [page for page, blocks in BLOCKS.items() if any(mark == "run" for mark, _, _ in blocks)]


def commands() -> dict[str, set[str]]:
    """Command → its options."""

    def walk(command: object, path: str) -> dict[str, set[str]]:
        options = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        found = {path: {*options, "--help"}}
        for name, child in getattr(command, "commands", {}).items():
            found |= walk(child, f"{path} {name}".strip())
        return found

    return walk(typer.main.get_command(app), "")


def test_the_marked_blocks_are_found() -> None:
    assert {"README.md", "docs/quickstart.md", "docs/guide/stores.md", "docs/guide/training.md"} <= set(RUN)
    marks = {mark for blocks in BLOCKS.values() for mark, _, _ in blocks}
    known = ("file: ", "step: ")  # of pages that have tests of their own
    assert all(mark in ("", "run", "entry point") or mark.startswith(known) for mark in marks), marks
    # A mark that stands before no block, such as one with a space too many, would run nothing.
    for page, text in PAGES.items():
        assert text.count("<!-- run") == sum(mark == "run" for mark, _, _ in BLOCKS[page]), page


#: Pages whose blocks train for a quarter of a minute or more.
LONG = (
    "docs/guide/audit.md",
    "docs/guide/augmentation.md",
    "docs/guide/comparing.md",
    "docs/guide/events.md",
    "docs/guide/export.md",
    "docs/guide/targets.md",
    "docs/guide/training.md",
)


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.long) if page in LONG else page for page in RUN]
)
def test_the_blocks_run_as_they_stand(
    page: str, tmp_path: Path, environment: dict[str, str], prepare: Callable[[str, Path], None]
) -> None:
    blocks = [(language, text) for mark, language, text in BLOCKS[page] if mark == "run"]
    prepare(blocks[0][1], tmp_path)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "docs" / "run_blocks.py")],
        input=json.dumps(blocks),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_every_option_exists(page: str) -> None:
    known = commands()
    for _, language, text in BLOCKS[page]:
        if language != "bash":
            continue
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] != ["audiospec"]:
                continue
            name = " ".join(words[1:3]) if " ".join(words[1:3]) in known else words[1]
            assert name in known or words[1].startswith("--"), line
            for word in words[2:]:
                if word.startswith("--"):
                    assert word in known[name], f"{page}: {word} is not an option of {name}: {line}"


@pytest.mark.parametrize("page", PAGES)
def test_every_python_block_is_python(page: str) -> None:
    for _, language, text in BLOCKS[page]:
        if language == "python":
            compile(text, page, "exec")


def test_every_command_is_in_the_reference() -> None:
    reference = PAGES["docs/reference/cli.md"]
    for name in commands():
        assert f"\n## {f'audiospec {name}'.strip()}\n" in reference


def test_every_public_name_is_in_the_reference() -> None:
    reference = PAGES["docs/reference/api.md"].splitlines()
    for name in audiospec.__all__:
        assert f"::: audiospec.{name}" in reference


def test_every_variable_is_in_the_reference() -> None:
    sources = [
        file for folder in ("audiospec", "zoo", "cli", "benchmarks") for file in (ROOT / folder).rglob("*.py")
    ]
    used = {
        name
        for file in sources
        for name in re.findall(r"\bAUDIOSPEC_[A-Z_]+", file.read_text(encoding="utf-8"))
    }
    assert len(used) >= 3
    for name in used:
        assert f"`{name}`" in PAGES["docs/reference/environment.md"]


def test_every_column_is_in_the_reference() -> None:
    from audiospec.stores.layout.schema import ROW_DTYPE, TRACK_COLUMNS

    for name in (*TRACK_COLUMNS, *(ROW_DTYPE.names or ())):
        assert f"| `{name}` |" in PAGES["docs/reference/formats.md"]
