"""The built site: strict, complete, and readable without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import audiospec

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

ROOT = Path(__file__).parents[2]
pytest.importorskip("mkdocs", reason="the site is built by mkdocs: pip install -e '.[dev]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make check` does, into a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_is_documented(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text(encoding="utf-8")
    for name in audiospec.__all__:
        assert f'id="audiospec.{name}"' in page


def test_every_base_class_is_documented(site: Path) -> None:
    page = (site / "reference" / "plugins.html").read_text(encoding="utf-8")
    for name in (
        "registry.Registry",
        "datasets.base.Dataset",
        "features.base.Frontend.compute",
        "specs.base.FeatureSpec.row_shape",
        "stores.base.FeatureStore.publish",
        "stores.layout.view.View.read",
        "zoo.base.Model.fit",
        "zoo.network.NetworkModel.network",
        "zoo.estimator.SklearnModel.estimator",
        "engines.base.Engine.run",
        "testing.models.ModelContract",
    ):
        assert f'id="audiospec.{name}"' in page


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= 30
    for page in pages:
        loads = re.findall(r"<(?:script|link|img|iframe)\b[^>]*", page.read_text(encoding="utf-8"))
        assert [tag for tag in loads if re.search(r"(?:src|href)=\"?(?:https?:)?//", tag)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.parametrize("width", [375, pytest.param(1200, marks=pytest.mark.long)])
def test_no_page_scrolls_sideways(site: Path, browser: Chrome, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    for page in sorted(site.rglob("*.html")):
        browser.get(page.as_uri())
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"{page.relative_to(site)} is {wide} px wide"
