"""The benchmark's page: it is complete, hostile names are shown as text, and it fits any width."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audiospec.benchmarks.formatting import case_table, describe_target
from audiospec.benchmarks.page import write_page
from audiospec.errors import BenchmarkError
from audiospec.testing.pages import Page

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "' onmouseover='alert(3)",
    "</style><svg onload=alert(4)>",
    "&lt;b&gt;",
    "w" * 300,
    "\u202egnol\u202c \u05d0\u05d1\u05d2",
    "two\nlines\r\x00\x1b[31m\udcff\u2028",
]


def contender(name: str, role: str = "peer", ratio: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "role": role,
        "seconds": 0.002 * ratio,
        "quartiles": [0.0019 * ratio, 0.0021 * ratio],
        "repeats": 12,
        "per_second": 10 / (ratio or 1),
        "ratio": ratio,
        "ratio_quartiles": [0.9 * ratio, 1.2 * ratio],
        "memory_bytes": None,
        "difference": None,
        "note": "",
        **more,
    }


def case(*contenders: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "kind": "case",
        "case": "log-mel",
        "amount": 10,
        "unit": "s of audio",
        "difference_unit": "dB",
        "memory": "process",
        "contenders": list(contenders),
        "targets": [],
        "missing": {},
        "note": "",
        **more,
    }


def full_result(names: list[str]) -> dict[str, Any]:
    """Return a result with every kind of finding; `names` may be hostile."""
    a, b, c, d, e, long, g, h = names
    frontend = case(
        contender(a, "ours", memory_bytes=10**7),
        contender(b, ratio=4.4, difference=0.01, memory_bytes=10**8, note=c),
        contender(long, ratio=2.0, difference=0.0),
        contender(g, "floor", ratio=0.5),
        case=h,
        targets=[
            {"what": b, "at_least": 2.8, "found": 4.4, "met": True},
            {"what": long, "at_least": 3, "found": 2.0, "met": False},
            {"what": f"speed over {d}", "at_least": 1, "found": None, "met": None},
        ],
        missing={d: e, f"{g} and more": b},
        note=d,
    )
    wide = case(contender(a, "ours"), contender(b, ratio=4000.0), case=g, unit=c, amount=32)
    table = {
        "kind": "table",
        "name": e,
        "head": [a, b, long],
        "rows": [[c, 1234, 0.5], [d, 5678, 1.5]],
        "targets": [{"what": g, "unit": "bytes", "at_most": 2e6, "found": 1234567, "met": True}],
        "note": h,
    }
    not_run = {"kind": "not run", "name": f"{a} on CUDA", "why": b}
    return {
        "command": f"audiospec benchmark {d}",
        "date": c,
        "machine": {"processor": b, "cores": 2, "memory_gib": None},
        "versions": {a: c, "torch": "2.6.0"},
        "device": e,
        "full": True,
        "suites": {b: [frontend, not_run], long: [table, wide], g: []},
    }


PLAIN = full_result(
    ["audiospec", "librosa", "no resampling", "kaldifeat", "not installed", "long", "FFT", "case"]
)


def written(result: dict[str, Any], folder: Path) -> str:
    return write_page(result, folder / "speed.html").read_text(encoding="utf-8")


# --- the text ----------------------------------------------------------------------------------------------


def test_the_page_has_everything_in_the_result(tmp_path: Path) -> None:
    page = Page(written(PLAIN, tmp_path))
    text = "".join(page.texts)
    for suite, findings in PLAIN["suites"].items():
        assert suite in page.texts
        for finding in findings:
            assert (finding.get("case") or finding["name"]) in page.texts
            notes = [finding.get("note", ""), finding.get("why", "")]
            notes += [f"{peer}: {why}" for peer, why in finding.get("missing", {}).items()]
            notes += [each["note"] for each in finding.get("contenders", ())]
            assert all(note in text for note in notes)
            for target in map(describe_target, finding.get("targets", ())):
                # In the table of all targets, and in the section of the finding.
                assert text.count(target.bound) >= 2
                assert text.count(target.what) >= 2
                assert target.measured in page.texts or not target.measured
            cells = case_table(finding) if finding["kind"] == "case" else ([], finding.get("rows", []))
            assert {str(cell) for row in [cells[0], *cells[1]] for cell in row if cell != ""} <= set(
                page.texts
            )
    for value in ("audiospec benchmark kaldifeat", "no resampling", "not installed", "all"):
        assert value in page.texts
    assert "audiospec no resampling, torch 2.6.0" in page.texts
    assert "processor librosa, cores 2, memory (GiB) not known" in page.texts
    assert "kaldifeat: not installed; FFT and more: librosa" in page.texts
    assert "4 targets: 2 met, 1 missed, 1 not measured." in page.texts
    for verdict in ("✓ met", "✗ missed", "– not measured"):
        assert page.texts.count(verdict) >= 2
    assert "This suite has no result." in page.texts
    assert "1 not run; the reasons are below." in page.texts


def test_the_labels_of_charts_have_their_numbers(tmp_path: Path) -> None:
    first, second = Page(written(PLAIN, tmp_path)).labels
    assert first == (
        "time over ours: audiospec (ours) 2 ms; librosa (peer) 4.4×, quartiles 3.96 to 5.28; "
        "long (peer) 2×, quartiles 1.8 to 2.4; FFT (floor) 0.5×, quartiles 0.45 to 0.6"
    )
    assert second == (
        "time over ours, logarithmic scale: audiospec (ours) 2 ms; librosa (peer) 4,000×, "
        "quartiles 3,600 to 4,800"
    )


def drawn_bars(folder: Path, *ratios: float) -> list[tuple[str, float]]:
    """Return class and width of the bars in a chart of ours and of peers with these ratios."""
    contenders = [contender("ours", "ours"), *(contender(f"{ratio}", ratio=ratio) for ratio in ratios)]
    page = Page(written({"suites": {"a": [case(*contenders)]}}, folder))
    assert not [value for _, tag in page.tags for value in tag.values() if "nan" in str(value)[:20]]
    return [(str(tag["class"]), float(str(tag["width"]))) for name, tag in page.tags if name == "rect"]


def test_bars_are_as_long_as_the_ratio_or_its_logarithm(tmp_path: Path) -> None:
    (kind, ours), (other, twice), (_, half) = drawn_bars(tmp_path, 2.0, 0.5)
    assert (kind, other) == ("ours", "peer")
    assert twice == pytest.approx(2 * ours, abs=0.2)
    assert half == pytest.approx(ours / 2, abs=0.2)
    (_, ours), (_, hundred), (_, tenthousand) = drawn_bars(tmp_path, 100.0, 10_000.0)
    assert ours >= 5
    assert hundred - ours == pytest.approx(tenthousand - hundred, abs=0.2)


@pytest.mark.parametrize("ratio", [math.nan, math.inf, 0.0, -1.0, 1e-12, 1e12])
def test_odd_ratios_do_not_stop_the_page(tmp_path: Path, ratio: float) -> None:
    bars = drawn_bars(tmp_path, ratio, 2.0)
    assert len(bars) == (3 if 0 < ratio < math.inf else 2)
    assert all(0 < width <= 340 for _, width in bars)


def test_a_single_contender_has_no_chart(tmp_path: Path) -> None:
    assert drawn_bars(tmp_path) == []


def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    page = Page(written(full_result(HOSTILE), tmp_path))
    assert not {tag for tag, _ in page.tags} & {"script", "img", "b", "iframe"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")], tag
    for name in HOSTILE[:5]:
        assert name in page.texts
    assert "two\\nlines\\r\\x00\\x1b[31m\\udcff\\u2028" in page.texts
    assert page.texts.count(HOSTILE[5]) > 2  # complete in tables, shortened in a chart


@pytest.mark.parametrize("result", [PLAIN, full_result(HOSTILE), {}], ids=["plain", "hostile", "empty"])
def test_the_page_loads_nothing_and_its_links_have_targets(tmp_path: Path, result: dict[str, Any]) -> None:
    text = written(result, tmp_path)
    page = Page(text)
    (policy,) = (str(tag["content"]) for name, tag in page.tags if "http-equiv" in tag and name == "meta")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "://" not in text
    links = [str(tag["href"]) for _, tag in page.tags if "href" in tag]
    ids = [str(tag["id"]) for _, tag in page.tags if "id" in tag]
    assert len(ids) == len(set(ids))
    assert {link for link in links if link != "data:,"} <= {f"#{id}" for id in ids}


def test_an_empty_result_says_so(tmp_path: Path) -> None:
    for result in ({}, {"suites": {}}):
        page = Page(written(result, tmp_path))
        assert "Nothing was measured: no suite was run." in page.texts
        assert "None of the results has a target." in page.texts
    only = {"suites": {"start": [{"kind": "not run", "name": "help", "why": "no Python"}], "store": []}}
    page = Page(written(only, tmp_path))
    assert "Nothing was measured." in page.texts
    assert "no Python" in page.texts
    assert "This suite has no result." in page.texts


def test_an_existing_page_is_replaced_and_a_failure_is_an_error(tmp_path: Path) -> None:
    path = write_page(PLAIN, tmp_path / "new" / "folder" / "speed.html")
    before = path.read_bytes()
    write_page({}, path)
    assert path.read_bytes() != before
    assert [file.name for file in path.parent.iterdir()] == ["speed.html"]
    with pytest.raises(BenchmarkError, match=r"cannot write .*choose another `path`$"):
        write_page(PLAIN, tmp_path)


# --- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["plain", "hostile"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = PLAIN if request.param == "plain" else full_result(HOSTILE)
    return write_page(result, tmp_path_factory.mktemp("page") / "speed.html")


def opened(browser: Chrome, page: Path, width: int, **media: str) -> Chrome:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())
    return browser


@pytest.mark.parametrize("width", [375, 1200])
def test_the_page_does_not_scroll_sideways(browser: Chrome, page: Path, width: int) -> None:
    opened(browser, page, width)
    scrolls = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not browser.execute_script(scrolls)
    # Wide tables scroll inside their box; nothing else is wider than the page, and no text leaves a chart.
    outside = """return [...document.querySelectorAll('body *')].filter(one => {
        const box = one.getBoundingClientRect(), plot = one.closest('svg');
        const edges = (plot ?? document.body).getBoundingClientRect();
        return plot ? box.right > edges.right + 1 || box.left < edges.left - 1
            : !one.closest('.scroll') && box.right > innerWidth + 1;
    }).map(one => one.outerHTML.slice(0, 80))"""
    assert browser.execute_script(outside) == []
    boxes = "return [...document.querySelectorAll('.scroll')].map(one => one.getBoundingClientRect().right)"
    assert max(browser.execute_script(boxes)) <= width


def test_the_page_logs_nothing_and_requests_nothing(browser: Chrome, page: Path) -> None:
    opened(browser, page, 1200)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in requested if not url.startswith("data:")} == {page.as_uri()}
    assert browser.execute_script("return document.querySelectorAll('script, img, iframe').length") == 0
    assert (
        browser.execute_script("return getComputedStyle(document.querySelector('.ours')).fill")
        != "rgb(0, 0, 0)"
    )


def test_no_table_is_cut_off_in_print(browser: Chrome, tmp_path: Path) -> None:
    opened(browser, write_page(PLAIN, tmp_path / "speed.html"), 718)  # A4 within the browser's margins
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    rights = "return [...document.querySelectorAll('table')].map(one => one.getBoundingClientRect().right)"
    widest = max(browser.execute_script(rights))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert widest <= 718


CONTRAST = """
const parse = colour => colour.match(/[\\d.]+/g).map(Number);
const back = one => {
  const [r, g, b, alpha = 1] = parse(getComputedStyle(one).backgroundColor);
  return alpha || !one.parentElement ? [r, g, b] : back(one.parentElement);
};
const light = colour => {
  const [r, g, b] = colour.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const ratio = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
return [...document.querySelectorAll('body *')].map(one => {
  const style = getComputedStyle(one);
  const text = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  const ink = one.matches('.ours, svg text') ? style.fill
    : one.matches('.peer, .floor, .whisker') ? style.stroke : text ? style.color : null;
  return [ink && ratio(light(parse(ink).slice(0, 3)), light(back(one))), text, one.outerHTML.slice(0, 90)];
}).filter(([found, text]) => found !== null && found < (text ? 4.5 : 3));
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_bars_meet_the_aa_contrast(browser: Chrome, page: Path, scheme: str) -> None:
    opened(browser, page, 1200, prefers_color_scheme=scheme)
    assert browser.execute_script(CONTRAST) == []
    dark = (
        browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    )
    assert dark == (scheme == "dark")


def test_tables_and_charts_have_names_for_screen_readers(browser: Chrome, page: Path) -> None:
    opened(browser, page, 375)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [node.get("role", {}).get("value") for node in tree]
    tables = browser.execute_script("return document.querySelectorAll('table').length")
    assert roles.count("table") == tables == 4
    pictures = [node["name"]["value"] for node in tree if node.get("role", {}).get("value") == "image"]
    assert len(pictures) == 2
    assert all(name.startswith("time over ours") for name in pictures)
