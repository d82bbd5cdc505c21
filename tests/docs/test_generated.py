"""The generated parts of the documentation are what the program says now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """`docs/generate.py`, as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_page_is_stale(generate: ModuleType) -> None:
    stale = [
        str(page.relative_to(ROOT))
        for page in generate.pages()
        if generate.generated(page.read_text(encoding="utf-8")) != page.read_text(encoding="utf-8")
    ]
    assert stale == [], "run `make generated`, and look at what has changed"


def test_every_part_stands_in_a_page(generate: ModuleType) -> None:
    found = []
    for page in generate.pages():
        text = page.read_text(encoding="utf-8")
        parts = [part[2] for part in generate.PART.finditer(text)]
        assert text.count("<!-- generated: ") == text.count("<!-- end -->") == len(parts), page
        found += parts
    assert sorted(found) == sorted(generate.PARTS)


def test_a_changed_part_is_noticed(generate: ModuleType) -> None:
    page = ROOT / "docs" / "guide" / "training.md"
    text = page.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("| `rf` |"))
    assert generate.generated(text.replace(f"{line}\n", "")) == text
