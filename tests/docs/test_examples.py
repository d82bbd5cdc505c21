"""The examples of docs/extend keep the contracts that they show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXTEND = Path(__file__).parents[2] / "docs" / "extend"
BLOCK = re.compile(r"<!-- (file: ([\w.]+)|entry point) -->\n```(?:python|toml)\n(.*?)```", re.DOTALL)
PAGES = {page.stem: BLOCK.findall(page.read_text(encoding="utf-8")) for page in sorted(EXTEND.glob("*.md"))}
#: Pages that have an example to test.
EXAMPLES = [page for page, blocks in PAGES.items() if blocks]


def test_the_examples_are_found() -> None:
    assert set(EXAMPLES) == {
        *(
            "dataset",
            "feature",
            "store",
            "model",
            "engine",
            "score",
            "loss",
            "annotation-format",
            "check",
            "preset",
        ),
    }


#: Runs every n-th test of a contract.
SAMPLE = """
def pytest_collection_modifyitems(items):
    items[:] = items[::{every}]
"""


@pytest.mark.parametrize("every", [12, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("page", EXAMPLES)
def test_the_examples_keep_their_contracts(page: str, every: int, tmp_path: Path) -> None:
    """The files of an extend page, installed as a package's entry points, pass the page's own test.

    The short form runs every twelfth test of the contract.
    """
    for _, file, text in PAGES[page]:
        if file:
            with (tmp_path / file).open("a", encoding="utf-8") as example:  # a page may show a file in parts
                example.write(text)
    (points,) = (text for mark, _, text in PAGES[page] if mark == "entry point")
    group = re.search(r'entry-points\."([\w.]+)"', points)
    assert group is not None
    lines = [line.replace('"', "") for line in points.splitlines()[1:]]
    installed = tmp_path / "example-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("\n".join([f"[{group[1]}]", *lines]) + "\n")
    (tests,) = tmp_path.glob("test_*.py")
    (tmp_path / "conftest.py").write_text(SAMPLE.format(every=every))
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", tests.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
