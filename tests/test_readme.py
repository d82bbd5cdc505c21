"""The README: short, with links that lead somewhere, and figures that a command made."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short() -> None:
    lines = README.splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120] == []


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README)
    local = [link for link in links if not link.startswith("http")]
    assert len(local) >= 20
    for link in local:
        assert (ROOT / link).is_file(), link


def test_every_guide_is_linked() -> None:
    for page in (ROOT / "docs" / "guide").glob("*.md"):
        assert f"({page.relative_to(ROOT)})" in README


def test_every_page_of_what_can_be_added_is_linked() -> None:
    extend = ROOT / "docs" / "extend"
    index = (extend / "index.md").read_text(encoding="utf-8")
    assert "(docs/extend/index.md)" in README
    for page in extend.glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index


def test_the_two_commands_are_there_and_in_the_makefile() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "test", "check", "docs", "generated"} <= set(targets)
    assert "\nmake demo " in README
    assert "\nmake test " in README
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_speeds_name_their_machine_and_date() -> None:
    for version in ("313", "311"):
        file = ROOT / "benchmarks" / "results" / f"speed-python{version}.json"
        result = json.loads(file.read_text(encoding="utf-8"))
        assert all(found["kind"] != "failed" for suite in result["suites"].values() for found in suite)
        if version == "313":  # the run that the README shows
            assert result["date"] in README
            assert f"{result['machine']['cores']} cores of an {result['machine']['processor']}" in README
            assert f"Python {result['machine']['python']}" in README
