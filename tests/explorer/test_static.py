"""The files of the page: small, whole, and without anything that a policy for content must forbid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import audiospec.explorer
from audiospec.testing.pages import Page

STATIC = Path(audiospec.explorer.__file__).with_name("static")
SCRIPTS = sorted(STATIC.glob("*.js"))
#: What would run text, or make elements of it.
FORBIDDEN = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "://")
#: What the browser itself provides, and what the export calls.
OF_THE_BROWSER = ("http://www.w3.org/2000/svg",)


def test_files_are_small() -> None:
    assert len(SCRIPTS) > 15
    for file in (*SCRIPTS, STATIC / "explorer.css", STATIC / "index.html"):
        assert len(file.read_text(encoding="utf-8").splitlines()) < 400, file.name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_a_script_makes_no_elements_of_text_and_loads_nothing_from_elsewhere(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    for name in OF_THE_BROWSER:
        text = text.replace(name, "")
    assert [word for word in FORBIDDEN if word in text] == []
    assert not re.search(r"""setAttribute\(["'](style|on\w+)""", text)
    assert '"use strict";' in text


def test_the_document_has_no_script_or_style_within_and_lists_every_file() -> None:
    page = Page((STATIC / "index.html").read_text(encoding="utf-8"))
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert sorted(str(one["src"]) for one in scripts) == [f"static/{file.name}" for file in SCRIPTS]
    for tag, attributes in page.tags:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    (policy,) = (str(one["content"]) for tag, one in page.tags if "http-equiv" in one)
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy


def test_scripts_come_after_those_whose_names_they_use() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    known: set[str] = set()
    for name in re.findall(r'src="static/(\w+\.js)"', page):
        text = (STATIC / name).read_text(encoding="utf-8")
        used = re.search(r"const \{([^}]*)\}\s*=\s*Explorer;", text)
        names = {one.strip() for one in used[1].split(",") if one.strip()} if used else set()
        assert names <= known, name
        body = text.replace(used[0], "") if used else text
        assert [one for one in sorted(names) if not re.search(rf"\b{one}\b", body)] == [], f"{name}: unused"
        for made in re.findall(r"Object\.assign\(Explorer, \{([^}]*)\}\)", text):
            known |= {one.strip() for one in made.split(",") if one.strip()}
    assert {"Table", "Player", "connect"} <= known
