"""The report page: its HTML is valid and escaped; in a browser it is readable and loads nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audiospec.testing.pages import CONTRAST, Page
from audiospec.zoo.report.chart import chart, ticks
from audiospec.zoo.report.page import write_report
from audiospec.zoo.runs.run import Run

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

Make = Callable[..., Run]

CURVES = "epoch,seconds,train_loss,train_accuracy,train_f1,valid_loss,valid_accuracy,valid_f1\n" + "".join(
    f"{n},1.5,{2 / n},{1 - 1 / n},{1 - 1 / n},{1.5 + abs(n - 4) / 9},{0.9 - 1 / n / 2},{0.8 - 1 / n / 2}\n"
    for n in range(1, 9)
)


# --- the HTML ----------------------------------------------------------------------------------------------


def write(runs: list[Run], folder: Path, **more: Any) -> str:
    return write_report(runs, folder / "report.html", **more).read_text(encoding="utf-8")


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "' onmouseover='alert(3)",
    "</style><svg onload=alert(4)>",
    "&lt;b&gt;",
    "w" * 2000,
    "\u202egnol\u202c \u05d0\u05d1\u05d2 \u0627\u0644",
    "two\nlines\r\x00\x1b[31m\udcff\u2028",
]


def hostile(make_run: Make, path: Path) -> Run:
    """Make a run in which every text that a user can choose is hostile."""
    text = HOSTILE[1]
    return make_run(
        path,
        classes=HOSTILE,
        model=HOSTILE[0],
        dataset=HOSTILE[1],
        view=HOSTILE[2],
        store=HOSTILE[3],
        settings={text: text},
        versions={text: text},
        date=text,
        spec={"feature": text, text: [text] * 9},
        tracks=80,
        history=CURVES,
    )


def test_hostile_names_are_text(make_run: Make, tmp_path: Path) -> None:
    page = write([hostile(make_run, tmp_path / "<b>&x")], tmp_path, problems={HOSTILE[0]: HOSTILE[1]})
    parsed = Page(page)
    kinds = {tag for tag, _ in parsed.tags}
    assert not kinds & {"script", "img", "b", "iframe"}
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")], tag
    assert HOSTILE[0] in parsed.texts
    assert HOSTILE[4] in parsed.texts
    assert HOSTILE[6] in parsed.texts
    assert "two\\nlines\\r\\x00\\x1b[31m\\udcff\\u2028" in parsed.texts


def test_the_page_can_load_nothing(make_run: Make, tmp_path: Path) -> None:
    page = write([make_run(tmp_path / "run", history=CURVES)], tmp_path)
    parsed = Page(page)
    (policy,) = (str(tag["content"]) for name, tag in parsed.tags if "http-equiv" in tag and name == "meta")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    links = [value for _, tag in parsed.tags for name, value in tag.items() if name in ("href", "src")]
    assert all(str(link).startswith(("#", "data:,")) for link in links)
    assert "://" not in page
    ids = [tag["id"] for _, tag in parsed.tags if "id" in tag]
    assert len(ids) == len(set(ids))
    assert {str(link)[1:] for link in links if str(link).startswith("#")} <= set(ids)


def test_a_leaky_split_is_always_marked(make_run: Make, tmp_path: Path) -> None:
    page = write([make_run(tmp_path / "run", strategy="random")], tmp_path)
    assert "Leaky, so not ranked" in page
    assert "These scores are" in page
    assert not re.search(r"random(?! \(leaky: tracks\))", page)


def test_curves_are_drawn_from_the_columns_that_exist(make_run: Make, tmp_path: Path) -> None:
    def drawn(history: str) -> list[str]:
        page = Page(write([make_run(tmp_path / str(len(os.listdir(tmp_path))), history=history)], tmp_path))
        return [str(tag["aria-label"]) for name, tag in page.tags if name == "svg" and "aria-label" in tag]

    loss, f1 = drawn(CURVES)
    assert loss == "loss over 8 epochs: training from 2 to 0.25; validation from 1.83 to 1.94; best epoch 4"
    assert f1.startswith("macro F1, % over 8 epochs: training from 0 to 87.5")
    without_f1 = "epoch,train_loss,train_accuracy,valid_loss\n1,2,0.5,nan\n2,inf,0.6,x\n3,1,0.7,\n"
    loss, accuracy = drawn(without_f1)
    assert loss == "loss over 3 epochs: training from 2 to 1"
    assert accuracy == "accuracy, % over 3 epochs: training from 50 to 70"
    assert drawn("step,reward\n1,2\n") == []
    assert "no loss, F1 or accuracy: <bdi>step, reward" in (tmp_path / "report.html").read_text()
    assert len(drawn("train_loss\n1\n")) == 1
    assert len(drawn("epoch,train_loss\nx,1\n,2,3,4\n")) == 1
    assert drawn("epoch\n") == drawn("") == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.13, 2.4, [0, 0.5, 1, 1.5, 2, 2.5]),
        (1, 8, [0, 2, 4, 6, 8]),
        (-3, -3, [-5, -4, -3, -2, -1]),
        (0, 0, [-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6]),
        (1e-9, 4e-9, [1e-9, 2e-9, 3e-9, 4e-9]),
    ],
)
def test_ticks_are_round_and_span_the_values(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


def test_a_chart_of_one_epoch_or_of_one_value_can_be_drawn() -> None:
    for values in ([1.0], [1.0, 1.0], [None, 0.0]):
        drawn = chart("loss", [float(n) for n in range(len(values))], {"train": values}, 0.0)
        assert "nan" not in drawn


# --- in a browser -------------------------------------------------------------------------------------------


OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"


@pytest.fixture(scope="module")
def page(run: Run, make_run: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a real run, one with hostile names, one with 50 classes, and a leaky one."""
    folder = tmp_path_factory.mktemp("report")
    fifty = [f"species number {number} of fifty" for number in range(50)]
    runs = [
        run,
        hostile(make_run, folder / "hostile"),
        make_run(folder / "fifty", 0.7, tracks=200, classes=fifty, history=CURVES),
        make_run(folder / "leaky", 0.9, strategy="random"),
    ]
    return write_report(runs, folder / "report.html", problems={HOSTILE[0]: HOSTILE[1]}, unfinished=1)


def opened(browser: Chrome, page: Path, width: int = 1200, **media: str) -> Chrome:
    """Load the page at a width in pixels; `media` are features such as ``prefers_color_scheme``."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())
    return browser


def evaluate(browser: Chrome, script: str) -> Any:
    return browser.execute_script(script)


def test_the_page_renders_without_messages_and_requests_nothing(browser: Chrome, page: Path) -> None:
    opened(browser, page)
    evaluate(browser, OPEN_ALL)
    assert evaluate(browser, "return document.querySelector('h1').textContent") == "Report on 4 runs"
    assert (
        evaluate(browser, "return getComputedStyle(document.body).maxWidth") == "1248px"
    )  # the style is applied
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in requested if not url.startswith("data:")} == {page.as_uri()}
    assert evaluate(browser, "return performance.getEntriesByType('resource').length") == 0


def test_hostile_text_is_displayed_and_does_nothing(browser: Chrome, page: Path) -> None:
    opened(browser, page)
    assert (
        evaluate(browser, "return document.querySelectorAll('script, img, iframe, [onmouseover]').length")
        == 0
    )
    shown = evaluate(browser, "return document.body.innerText")
    for label in (*HOSTILE[:5], HOSTILE[6]):
        assert label in shown
    # Even elements that were inserted by mistake cannot run or load, because of the policy.
    evaluate(
        browser, "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hit = 1\">')"
    )
    evaluate(
        browser,
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.hit=1'}))",
    )
    assert evaluate(browser, "return window.hit === undefined")


@pytest.mark.parametrize("width", [320, 375, 768, 1200])
def test_the_page_does_not_scroll_sideways(browser: Chrome, page: Path, width: int) -> None:
    opened(browser, page, width)
    evaluate(browser, OPEN_ALL)
    page_scrolls = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not evaluate(browser, page_scrolls)
    # Wide content scrolls inside its box; nothing else is wider than the page.
    outside = """return [...document.querySelectorAll('body *')].filter(one =>
        !one.closest('.scroll, .wide, svg, thead') && one.getBoundingClientRect().right > innerWidth + 1
    ).map(one => one.outerHTML.slice(0, 80))"""
    assert evaluate(browser, outside) == []
    boxes = "return [...document.querySelectorAll('.scroll')].map(one => one.getBoundingClientRect().right)"
    assert max(evaluate(browser, boxes)) <= width


def test_a_matrix_of_fifty_classes_scrolls_in_its_box(browser: Chrome, page: Path) -> None:
    opened(browser, page, 375)
    evaluate(browser, OPEN_ALL)
    wide = "return [...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > 1500).length"
    assert evaluate(browser, wide) == 1


def test_the_first_run_is_open_and_links_open_the_others(browser: Chrome, page: Path) -> None:
    opened(browser, page)
    state = "return [...document.querySelectorAll('details.run')].map(one => one.open)"
    assert evaluate(browser, state) == [True, False, False, False]
    evaluate(browser, "document.querySelectorAll('.board th a')[1].click()")
    assert evaluate(browser, state)[:2] == [True, True]
    evaluate(browser, "document.querySelectorAll('details.run > summary')[2].click()")
    assert evaluate(browser, state)[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_of_aa(browser: Chrome, page: Path, scheme: str) -> None:
    opened(browser, page, prefers_color_scheme=scheme)
    evaluate(browser, OPEN_ALL)
    assert evaluate(browser, CONTRAST) == []
    dark = evaluate(browser, "return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    assert dark == (scheme == "dark")


def test_tables_are_tables_to_a_screen_reader(browser: Chrome, page: Path) -> None:
    opened(browser, page, 375)
    evaluate(browser, OPEN_ALL)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [node.get("role", {}).get("value") for node in tree]
    tables = evaluate(browser, "return document.querySelectorAll('table').length")
    assert sum(role == "table" for role in roles) == tables
    assert roles.count("rowheader") > tables
    without = "return [...document.querySelectorAll('table')].filter(one => !one.caption).length"
    assert evaluate(browser, without) == 0
