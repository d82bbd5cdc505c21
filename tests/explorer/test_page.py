"""The page to look and listen, in a browser: sort, filter, play, correct, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import audiospec
from audiospec.doctor.diagnosis import Diagnosis
from audiospec.doctor.finding import Finding
from audiospec.doctor.fixes.clusters import write_clusters
from audiospec.explorer.export import export
from audiospec.tables.importing import import_table
from audiospec.testing.audio import noise, tone, write
from audiospec.testing.explorer import Client, serve
from audiospec.testing.pages import CONTRAST
from audiospec.zoo.training import train

pytest.importorskip("starlette", reason="the page is served by Starlette: pip install 'audiospec[explore]'")
pytest.importorskip("uvicorn", reason="the page is served by uvicorn: pip install 'audiospec[explore]'")
pytest.importorskip("selenium", reason="selenium drives the browser: pip install -e '.[dev]'")

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement


#: Seconds that a test waits for what it expects; the machine of a CI may stall.
LONGEST = 60
HOSTILE = '<img src=x onerror="window.hit=1">'
LABELS = (HOSTILE, "ant", "bee")
PER_LABEL = 5
#: The tracks that the finding about duplicates groups, as ids.
TWINS = ("ant/ant0.wav", "bee/copy.wav")
#: Panel → something that it draws from its data.
PANELS = {
    "tracks": ".row[data-track]",
    "findings": ".finding",
    "map": ".legend button",
    "confusion": "td button",
    "histograms": "svg",
}


class Explored:
    """The page in a browser.

    Parameters
    ----------
    browser : Chrome
    client : Client
        Of the page's server.
    corrections : Path
        The file that decisions are written to.
    """

    def __init__(self, browser: Chrome, client: Client, corrections: Path) -> None:
        self.browser, self.client, self.corrections = browser, client, corrections
        self.address = client.page.address

    def open(self, state: str = "", width: int = 1400, **media: str) -> None:
        """Load the page anew; `state` is what its address says after the hash."""
        self.resize(width)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(f"{self.address}#{state}")
        self.settled()

    def show(self, panel: str) -> None:
        """Show a panel, and wait for what it draws."""
        self.find(f"[data-panel={panel}]").click()
        self.find(f".panel.{panel} {PANELS[panel]}")

    def resize(self, width: int) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def settled(self) -> None:
        """Wait until the table has its rows, and the findings are there."""
        self.until("return document.querySelector('.grid[aria-rowcount]')")
        self.until("return !document.querySelector('[aria-busy]')")
        self.until("return !document.body.innerText.includes('still running')")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def until(self, script: str, *arguments: Any) -> Any:
        """Wait until a script returns something true, and return that."""
        from selenium.common.exceptions import JavascriptException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.browser, LONGEST, 0.03, [JavascriptException])
        return wait.until(lambda browser: browser.execute_script(script, *arguments), script)

    def find(self, css: str, text: str = "") -> WebElement:
        """Wait for a visible element whose text, or whose accessible name, begins with `text`."""
        found: WebElement = self.until(
            """return [...document.querySelectorAll(arguments[0])].find(one => one.checkVisibility()
              && ((one.getAttribute('aria-label') ?? '').startsWith(arguments[1])
                  || one.textContent.trim().startsWith(arguments[1])))""",
            css,
            text,
        )
        return found

    def press(self, *keys: str) -> None:
        """Press keys, wherever the keyboard is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def column(self, name: str) -> list[str]:
        """Return the texts of the rows in a column of the table, from the top."""
        texts: list[str] = self.run(
            """const head = [...document.querySelectorAll('[role=columnheader]')];
            const at = head.findIndex(one => one.textContent.startsWith(arguments[0]));
            return [...document.querySelectorAll('.rows .row')].map(one => one.children[at].innerText)""",
            name,
        )
        return texts

    def until_column(self, name: str, holds: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the texts of a column are as expected."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, LONGEST, 0.03).until(lambda _: holds(self.column(name)), name)
        return self.column(name)

    def until_total(self, text: str) -> None:
        self.until(
            "return document.querySelector('.total').textContent.trim() === arguments[0]"
            " && !document.querySelector('.grid[aria-busy]')",
            text,
        )

    def opened(self, track: str) -> None:
        """Wait until a track is open."""
        self.until(
            "return document.querySelector('#detail h2')?.textContent === arguments[0]"
            " && !document.querySelector('#detail[aria-busy]')",
            track,
        )

    def label_of(self, track: str) -> list[str]:
        """Return the text of a track's label in the table, in lines."""
        return self.column("Label")[self.column("Track").index(track)].split()

    def until_label(self, track: str, *words: str) -> None:
        self.until_column("Label", lambda _: self.label_of(track) == list(words))

    def api(self, name: str) -> Any:
        return self.client.get(f"api/{name}").json


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracks of three labels; one label is markup. A track of `ant` is in `bee`, too, at another level."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(PER_LABEL):
        seconds = 2.6 + 0.1 * number
        low = tone(seconds, 8000, hertz=200 + 20 * number) + noise(seconds, 8000, level=0.01, seed=number)
        high = tone(seconds, 8000, hertz=2000 + 99 * number) + noise(seconds, 8000, level=0.01, seed=number)
        hiss = noise(seconds, 8000, level=0.2, seed=100 + number)
        for label, wave in zip(LABELS, (hiss, low, high), strict=True):
            name = "img" if label == HOSTILE else label
            write(folder / label / f"{name}{number}.wav", wave, 8000)
        if number == 0:
            write(folder / "bee" / "copy.wav", 0.5 * low, 8000)
    return folder


@pytest.fixture(scope="module")
def explored(browser: Chrome, music: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explored]:
    """The page of a store of `music` with a run, and with a diagnosis that names duplicates."""
    folder = tmp_path_factory.mktemp("explored")
    path = folder / "music.zarr"
    mel = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=32, fmax=4000)
    tabular = audiospec.TabularSpec(
        sample_rate=8000, families=("rms", "mfcc"), n_fft=512, hop_length=128, n_mels=40, n_mfcc=8
    )
    for spec in (mel, tabular):
        audiospec.featurize("folder", data=music, spec=spec, chunk=1.0, store=path, workers=0)
    store = audiospec.open_store(path)
    ids = store.tracks["id"].tolist()
    twins = tuple(map(ids.index, TWINS))
    write_clusters(store, [twins])
    store = audiospec.open_store(path)
    view = next(view for view in store.views() if view.spec == tabular)
    train("svm", view, out=folder / "runs" / "svm", seed=3)
    findings = (
        Finding(
            check="near-duplicates",
            severity="error",
            title=f"2 tracks in 1 cluster hold the same sound, one of {HOSTILE}",
            advice="keep them on one side",
            tracks=twins,
            groups=(twins,),
            details=("the same sound",),
        ),
        Finding(
            check="quality",
            severity="warning",
            title="3 tracks are clipped",
            advice="listen to the worst",
            tracks=(7, 2, 5),
            details=("9 %", "4 %", "1 %"),
        ),
    )
    found = Diagnosis(str(path), len(ids), findings, {"confounds": "too few tracks"}, ())
    with serve(path, runs=folder / "runs", findings=found) as client:
        yield Explored(browser, client, folder / "corrections.csv")


# --- the table ---------------------------------------------------------------------------------------------


def test_the_page_loads_without_messages_and_from_here_alone(explored: Explored) -> None:
    explored.open("track=3")
    explored.until("return document.querySelector('.picture')?.naturalWidth > 0")
    assert explored.run("return document.title") == "music.zarr – audiospec explore"
    assert explored.browser.get_log("browser") == []
    loaded = explored.run("return performance.getEntriesByType('resource').map(one => one.name)")
    assert len(loaded) > 20
    assert [name for name in loaded if not name.startswith(explored.address)] == []


def test_columns_sort_and_the_address_keeps_the_order(explored: Explored) -> None:
    explored.open()
    order = explored.column("Track")
    assert len(order) == 3 * PER_LABEL + 1
    assert order == [row["id"] for row in explored.api("tracks.json")["rows"]]
    header = "return document.querySelector('[data-sort=seconds]').parentElement.getAttribute('aria-sort')"
    assert explored.run(header) == "none"
    explored.find("[data-sort=seconds]").click()
    rising = explored.until_column("Length", lambda texts: texts == sorted(texts) and "2.6 s" in texts[0])
    assert explored.run(header) == "ascending"
    explored.find("[data-sort=seconds]").click()
    explored.until_column("Length", lambda texts: texts == rising[::-1])
    explored.browser.refresh()
    explored.settled()
    assert explored.run(header) == "descending"
    assert explored.column("Length") == rising[::-1]
    explored.browser.back()
    explored.until_column("Length", lambda texts: texts == rising)
    assert explored.run(header) == "ascending"
    # An address that was typed names no run: the first is shown.
    explored.run("location.hash = 'sort=loss'")
    ordered = [row["id"] for row in explored.api("tracks.json?run=svm&sort=loss")["rows"]]
    explored.until_column("Track", lambda ids: ids == ordered)


def test_filters_narrow_the_table_and_can_be_cleared(explored: Explored) -> None:
    from selenium.webdriver.support.ui import Select

    explored.open()
    labels = Select(explored.find("label", "Label").find_element("css selector", "select"))
    assert [option.text for option in labels.options][:3] == ["all", f"{HOSTILE} (5)", "ant (5)"]
    labels.select_by_value("ant")
    explored.until_total("5 of 16 tracks")
    assert set(explored.column("Label")) == {"ant"}
    explored.find("input[type=search]").send_keys("NT3")
    explored.until_total("1 of 16 tracks")
    assert explored.column("Track") == ["ant/ant3.wav"]
    assert "query=NT3" in explored.browser.current_url
    explored.find("button", "Clear filters").click()
    explored.until_total("16 tracks")
    explored.find(".box", "wrong predictions").click()
    wrong = [
        row
        for row in explored.api("tracks.json?run=svm")["rows"]
        if row["predicted"] not in ("", row["label"])
    ]
    explored.until_total(f"{len(wrong)} of 16 tracks")


def test_markup_in_a_label_is_text(explored: Explored) -> None:
    explored.open("track=0")
    explored.opened(f"{HOSTILE}/img0.wav")
    for panel in PANELS:
        explored.show(panel)
    explored.press("c")
    explored.find("[role=option]", HOSTILE)
    explored.press("\ue00c")
    images = "return [...document.querySelectorAll('img:not(.picture), [onerror]')].length"
    assert explored.run(images) == 0
    # Even an element that is made from markup by mistake can run nothing.
    explored.run("document.body.insertAdjacentHTML('beforeend', arguments[0])", HOSTILE)
    explored.until("return performance.getEntriesByType('resource').some(one => one.name.endsWith('/x'))")
    assert explored.run("return window.hit === undefined")


@pytest.mark.long
def test_a_hundred_thousand_rows_scroll_and_each_shows_its_track(
    browser: Chrome, explored: Explored, tmp_path: Path
) -> None:
    total = 100_000
    lines = (f"{'abc'[n % 3]}.{n:06d}.wav,22050,{n},{'abc'[n % 3]}" for n in range(total))
    (tmp_path / "many.csv").write_text("\n".join(("filename,length,a,label", *lines)) + "\n")
    path = tmp_path / "many.zarr"
    import_table(tmp_path / "many.csv", path, columns="all")
    ids = audiospec.open_store(path).tracks["id"].tolist()
    with serve(path) as client:
        many = Explored(browser, client, tmp_path / "corrections.csv")
        many.open()
        many.until_total("100,000 tracks")
        grid = "document.querySelector('.grid')"
        for top in (0.5, 0.123, 0.9999, 0):
            # Through many places, as a mouse that drags the bar does.
            for step in range(5):
                many.run(f"{grid}.scrollTop = {grid}.scrollHeight * arguments[0]", top + step / 1e5)
            many.until(
                f"""const top = {grid}.scrollTop, height = {grid}.clientHeight;
                const rows = [...document.querySelectorAll('.rows .row')].filter(
                  row => row.offsetTop + 34 > top && row.offsetTop < top + height - 40);
                return rows.length > 15 && rows.every(row => row.dataset.track)"""
            )
            shown = many.run(
                "return [...document.querySelectorAll('.rows .row[data-track]')].map(row =>"
                " [Number(row.getAttribute('aria-rowindex')), row.firstChild.textContent])"
            )
            assert len(shown) < 80
            assert all(ids[index - 2] == id for index, id in shown), top
        many.run(f"{grid}.scrollTop = 0")
        many.find(".rows .row[aria-rowindex='2']").click()
        many.opened(ids[0])
        many.press("\ue00c")
        many.until("return document.activeElement.matches('.rows .row')")
        many.press("\ue010")
        last = "return document.activeElement.getAttribute('aria-rowindex') === '100001'"
        many.until(f"{last} && document.activeElement.textContent.startsWith(arguments[0])", ids[-1])
    explored.open()


def test_a_copy_opens_from_the_disk_without_a_server(explored: Explored, tmp_path: Path) -> None:
    export(explored.client.page.session, tmp_path / "copy", tell=lambda *_: None)
    copy = Explored(explored.browser, explored.client, explored.corrections)
    copy.address = (tmp_path / "copy" / "index.html").as_uri()
    copy.open("track=6")
    copy.opened("ant/ant1.wav")
    copy.until("return document.querySelector('.picture').naturalWidth > 0")
    copy.until("return document.querySelector('#detail audio').readyState > 0")
    assert "Labels cannot be corrected here" in copy.find(".corrections").text
    rows = explored.api("tracks.json?run=svm&sort=loss&descending=1")["rows"]
    copy.find("[data-sort=loss]").click()
    copy.find("[data-sort=loss]").click()
    copy.until_column("Track", lambda ids: ids == [row["id"] for row in rows])
    for panel in PANELS:
        copy.show(panel)
    copy.show("findings")
    copy.find(".finding button", "List 3 tracks").click()
    copy.until_total("3 of 16 tracks")
    ids = [row["id"] for row in explored.api("tracks.json")["rows"]]
    assert copy.column("Track") == [ids[number] for number in (7, 2, 5)]
    assert [entry for entry in copy.browser.get_log("browser") if entry["level"] == "SEVERE"] == []


# --- a track -----------------------------------------------------------------------------------------------


def test_a_track_plays_and_its_cursor_moves_across_chunks(explored: Explored) -> None:
    explored.open()
    explored.find(".rows .row", "ant/ant1.wav").click()
    explored.opened("ant/ant1.wav")
    explored.find("button", "Mute").click()
    explored.until("return document.querySelector('#detail audio').muted")
    picture = "return document.querySelector('.picture').alt"
    assert explored.run(picture) == "Spectrogram of ant/ant1.wav, 0.0 s to 1.0 s"
    left = "return parseFloat(document.querySelector('.cursor').style.left)"
    assert explored.run(left) == 0
    explored.run("document.querySelector('#detail audio').loop = true")  # else a slow machine hears its end
    explored.find("button", "Play ant").click()
    explored.until("return document.querySelector('#detail audio').currentTime > 0.1")
    explored.until(f"{left} > 0")
    explored.until("return !document.querySelector('.picture').alt.endsWith('0.0 s to 1.0 s')")
    explored.until("return location.hash.includes('chunk=')")
    explored.find("button", "Pause ant").click()
    explored.until("return document.querySelector('#detail audio').paused")


def test_chunks_change_by_button_and_key_and_a_click_seeks(explored: Explored) -> None:
    from selenium.webdriver import ActionChains

    explored.open("track=6")
    explored.find("button", "Next chunk").click()
    explored.until("return document.querySelector('.picture').alt.endsWith('1.0 s to 2.0 s')")
    explored.until("return document.querySelector('.picture').naturalWidth > 0")
    explored.until("return document.querySelector('#detail audio').currentTime === 1")
    explored.press("[")
    explored.until("return document.querySelector('.picture').alt.endsWith('0.0 s to 1.0 s')")
    assert not explored.find("button", "Previous chunk").is_enabled()
    explored.browser.refresh()
    explored.settled()
    explored.until("return document.querySelector('#detail audio')?.readyState > 0")
    ActionChains(explored.browser).move_to_element(explored.find(".plane")).click().perform()
    seconds = "return document.querySelector('#detail audio').currentTime"
    assert explored.until(seconds) == pytest.approx(0.5, abs=0.02)
    assert explored.run("return document.querySelector('.clock').textContent").startswith("0.5 s / ")


def test_the_prediction_and_the_findings_of_a_track_are_shown(explored: Explored) -> None:
    explored.open("track=7")
    row = explored.api("track/7.json?run=svm")
    bars = explored.until("return [...document.querySelectorAll('.bars tr')].map(one => one.innerText)")
    assert len(bars) == 3
    best = row["probabilities"][0]
    assert bars[0].startswith(best["label"])
    assert bars[0].endswith(f"{100 * best['probability']:.1f} %")
    assert "Warning quality: 9 %" in explored.find("section[aria-label=Findings]").text
    assert "listen to the worst" in explored.find("section[aria-label=Findings]").text


def test_duplicates_play_side_by_side(explored: Explored) -> None:
    explored.open("finding=near-duplicates")
    explored.until_total("2 of 16 tracks")
    explored.find(".rows .row", TWINS[0]).click()
    explored.until("return document.querySelectorAll('.card audio').length === 2")
    assert [card.text.split("\n")[0] for card in explored.browser.find_elements("css selector", ".card")] == [
        f"A {TWINS[0]}",
        f"B {TWINS[1]}",
    ]
    explored.until("return [...document.querySelectorAll('.card audio')].every(one => one.readyState > 0)")
    # The first plays around, and the second slowly, so that neither ends on a slow machine.
    explored.run(
        """const [one, other] = document.querySelectorAll('.card audio');
        Object.assign(one, { muted: true, loop: true });
        Object.assign(other, { muted: true, playbackRate: 0.0625 });"""
    )
    explored.find(".card button", f"Play {TWINS[0]}").click()
    one, other = "document.querySelectorAll('.card audio')[0]", "document.querySelectorAll('.card audio')[1]"
    explored.until(f"return {one}.currentTime > 0.3")
    explored.press("b")
    explored.until(f"return {one}.paused && !{other}.paused && !{other}.seeking")
    explored.until(f"return Math.abs({other}.currentTime - {one}.currentTime) < 0.2")
    explored.find("button", "Switch A/B").click()
    explored.until(f"return !{one}.paused && {other}.paused")


# --- corrections -------------------------------------------------------------------------------------------


def test_a_label_is_corrected_by_keyboard_and_survives_a_reload(explored: Explored) -> None:
    track = "ant/ant2.wav"
    explored.open("label=ant")
    explored.find(".rows .row", track).click()
    explored.opened(track)
    explored.press("c")
    explored.find("dialog input")
    offered = [one.text for one in explored.browser.find_elements("css selector", "[role=option]")]
    number = int(explored.run("return new URLSearchParams(location.hash.slice(1)).get('track')"))
    ranked = [one["label"] for one in explored.api(f"track/{number}.json?run=svm")["probabilities"]]
    assert offered == [*(label for label in ranked if label != "ant"), "ant"]
    explored.press("be", "\ue007")
    explored.until_label(track, "bee", "ant")
    explored.browser.refresh()
    explored.settled()
    explored.opened(track)
    assert explored.label_of(track) == ["bee", "ant"]
    assert explored.run("return document.querySelector('.rows ins').textContent") == "bee"
    assert explored.run("return document.querySelector('.rows del').textContent") == "ant"
    assert ",ant,bee,ann," in explored.corrections.read_text()
    explored.press("x")
    explored.until_label(track, "ant", "excluded")
    explored.press("a")
    explored.until_label(track, "ant", "accepted")
    explored.press("u")
    explored.until_label(track, "ant")
    assert "Decisions (4)" in explored.find("#detail summary", "Decisions").text


def test_keys_do_nothing_while_typing(explored: Explored) -> None:
    explored.open("track=8")
    before = explored.api("track/8.json")["decisions"]
    explored.find("input[type=search]").click()
    explored.press("xa")
    explored.until_total("0 of 16 tracks")
    why = explored.find(".why input")
    why.click()
    explored.press("x j?")
    assert why.get_attribute("value") == "x j?"
    assert explored.api("track/8.json")["decisions"] == before
    assert explored.run("return !document.querySelector('dialog[open]')")


def test_a_second_tab_is_noticed(explored: Explored) -> None:
    track = "bee/bee4.wav"
    number = [row["id"] for row in explored.api("tracks.json")["rows"]].index(track)
    explored.open(f"track={number}")
    explored.opened(track)
    first = explored.browser.current_window_handle
    explored.browser.switch_to.new_window("tab")
    try:
        explored.open(f"track={number}")
        explored.opened(track)
        explored.press("x")
        explored.until_label(track, "bee", "excluded")
    finally:
        explored.browser.close()
        explored.browser.switch_to.window(first)
    explored.press("a")
    question = explored.find("[role=alertdialog]").text
    assert "it is excluded from training (ann, " in question
    explored.until_label(track, "bee", "excluded")
    explored.find("[role=alertdialog] button", "Yes, set bee").click()
    explored.until_label(track, "bee", "accepted")
    explored.find("#detail button", "Take back").click()
    explored.until_label(track, "bee")


# --- findings, map, confusion, histograms ------------------------------------------------------------------


def test_a_finding_lists_its_tracks_worst_first(explored: Explored) -> None:
    explored.open("panel=findings")
    assert [
        one.text.split("\n")[0] for one in explored.browser.find_elements("css selector", ".finding")
    ] == [
        f"Error 2 tracks in 1 cluster hold the same sound, one of {HOSTILE}",
        "Warning 3 tracks are clipped",
    ]
    assert "confounds: too few tracks" in explored.find("section[aria-label='Not checked']").text
    explored.find(".finding button", "List 3 tracks").click()
    explored.until_total("3 of 16 tracks")
    ids = [row["id"] for row in explored.api("tracks.json")["rows"]]
    assert explored.column("Track") == [ids[number] for number in (7, 2, 5)]
    explored.until("return document.activeElement.matches('.rows .row')")
    explored.browser.back()
    explored.find("#panel h2", "Findings")


def test_audio_that_moved_is_named_and_a_thousand_findings_come_in_parts(
    browser: Chrome, explored: Explored, music: Path
) -> None:
    path = explored.corrections.with_name("music.zarr")
    parts = tuple(
        Finding(check=check, severity=severity, title=f"part {number}", advice="look", tracks=(number % 16,))
        for check, severity in (("quality", "error"), ("groups", "note"))
        for number in range(600)
    )
    moved = music.rename(music.with_name("elsewhere"))
    try:
        with serve(path, findings=Diagnosis(str(path), 16, parts, {}, ())) as client:
            page = Explored(browser, client, explored.corrections)
            page.open("track=1&panel=findings")
            assert f"the audio is not in {music} any more" in page.find(".message").text
            page.until("return document.querySelector('.picture')?.naturalWidth > 0")
            assert not page.find(".play").is_enabled()
            shown = "return [...document.querySelectorAll('.check')].map(one => one.innerText)"
            (errors,) = page.run(shown)
            assert errors.startswith("quality 600 findings")
            assert errors.count("Error part ") == 20
            page.find("button", "Show 480 more findings").click()
            page.until("return document.querySelectorAll('.finding').length === 500")
            page.find("button", "Fetch more (700 are left)").click()
            page.until("return document.querySelectorAll('.check').length === 2")
            page.find("button", "Fetch more (200 are left)").click()
            page.until("return !document.body.innerText.includes('are left')")
            page.find("button", "List all tracks of groups").click()
            page.until_total("16 of 16 tracks")
    finally:
        moved.rename(music)
    explored.open()


def test_a_cell_of_the_confusion_matrix_lists_its_tracks(explored: Explored) -> None:
    matrix = explored.api("confusion.json?run=svm")
    row, column, number = next(
        (row, column, number)
        for row, counts in enumerate(matrix["counts"])
        for column, number in enumerate(counts)
        if number
    )
    explored.open("panel=confusion")
    truth, predicted = matrix["labels"][row], matrix["labels"][column]
    noun = "track" if number == 1 else "tracks"
    explored.find(".confusion button", f"{number} {noun} of {truth} predicted as {predicted}").click()
    explored.until_total(f"{number} of 16 tracks")
    assert set(explored.column("Label")) == {truth}
    assert {text.split("\n")[0] for text in explored.column("Predicted")} == {predicted}
    assert set(explored.column("Side")) == {matrix["side"]}


def test_a_point_of_the_map_names_and_opens_its_track(explored: Explored) -> None:
    from selenium.webdriver import ActionChains

    explored.open("panel=map")
    explored.until("return document.querySelectorAll('.legend button').length === 3")
    drawn = explored.api("map.json")
    at, point = min(enumerate(drawn["points"]), key=lambda one: one[1][1])
    highs = [one[2] for one in drawn["points"]]
    width, height = explored.run(
        "const one = document.querySelector('canvas'); return [one.clientWidth, one.clientHeight]"
    )
    share = (point[2] - min(highs)) / (max(highs) - min(highs))
    offset = 16 - width / 2, height - 16 - share * (height - 32) - height / 2
    canvas = explored.find("canvas")
    explored.until(
        "return document.querySelector('canvas').getContext('2d').getImageData(0, 0, 999, 499)"
        ".data.some(Boolean)"
    )
    mouse = ActionChains(explored.browser)
    mouse.move_to_element_with_offset(canvas, round(offset[0]), round(offset[1])).perform()
    name = drawn["names"][at]
    explored.until("return document.querySelector('.tip').textContent.startsWith(arguments[0])", name)
    mouse.click().perform()
    explored.opened(name)


def test_histograms_have_words_and_a_table(explored: Explored) -> None:
    explored.open("panel=histograms")
    drawing = explored.find("svg[role=img]")
    assert "of 16 tracks" in str(drawing.get_attribute("aria-label"))
    explored.find(".histogram summary").click()
    counts = explored.run(
        "return [...document.querySelectorAll('.histogram td')].map(one => Number(one.innerText))"
    )
    assert sum(counts) == 16


# --- for everyone ------------------------------------------------------------------------------------------


def test_the_table_works_by_keyboard_alone(explored: Explored) -> None:
    explored.open()
    ids = explored.column("Track")
    for _ in range(60):
        explored.press("\ue004")
        if explored.run("return document.activeElement.matches('.rows .row')"):
            break
    here = "return document.activeElement.getAttribute('aria-rowindex')"
    assert explored.run(here) == "2"
    for key, row in (("\ue015", "3"), ("\ue010", "17"), ("\ue013", "16"), ("\ue011", "2"), ("\ue00f", "17")):
        explored.press(key)
        assert explored.run(here) == row
    explored.press("\ue007")
    explored.opened(ids[-1])
    explored.until("return document.activeElement.matches('#detail h2')")
    explored.press("k")
    explored.opened(ids[-2])
    explored.press("j")
    explored.opened(ids[-1])
    explored.press("?")
    explored.find("dialog h2", "Keys")
    explored.press("\ue00c")
    explored.until("return !document.querySelector('dialog[open]')")
    explored.press("\ue00c")
    explored.until("return document.querySelector('#detail').hidden")
    assert explored.run(here) == "17"
    assert explored.run("return document.querySelectorAll('.rows .row[tabindex=\"0\"]').length") == 1


def test_everything_has_a_role_and_a_name(explored: Explored) -> None:
    named = {"button", "combobox", "searchbox", "textbox", "checkbox", "slider", "grid", "image", "table"}
    explored.open("track=1&finding=near-duplicates")
    explored.until("return document.querySelector('.play')")
    for panel in PANELS:
        explored.show(panel)
        nodes = explored.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]
        assert [role for role, name in roles if role in named and not name.strip()] == []
        assert {"button", "combobox", "slider"} <= {role for role, _ in roles}
    explored.open()
    nodes = explored.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"]]
    assert roles.count("grid") == 1
    assert roles.count("rowheader") == 16
    assert explored.run("return document.querySelector('.grid').getAttribute('aria-rowcount')") == "17"
    ids = explored.run("return [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [375, 1400])
def test_the_page_does_not_scroll_sideways(explored: Explored, width: int) -> None:
    wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    outside = """return [...document.querySelectorAll('body *')].filter(one => one.checkVisibility()
        && !one.closest('.grid, .scroll, svg, .hidden') && one.getBoundingClientRect().right > innerWidth + 1
    ).map(one => one.outerHTML.slice(0, 80))"""
    explored.open("finding=near-duplicates", width)
    for panel in (*reversed(PANELS), ""):
        if panel:
            explored.show(panel)
        else:
            explored.find(".rows .row", TWINS[0]).click()
            explored.until("return document.querySelectorAll('.card audio').length === 2")
        assert not explored.run(wide), panel
        assert explored.run(outside) == [], panel
    # On a narrow screen the track covers the panels, and a panel that is chosen replaces it.
    covered = "return !document.querySelector('#panel').checkVisibility()"
    assert explored.run(covered) == (width == 375)
    explored.show("findings")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_of_aa(explored: Explored, scheme: str) -> None:
    explored.open("track=1", prefers_color_scheme=scheme)
    explored.until("return document.querySelector('.play')")
    for panel in PANELS:
        explored.show(panel)
        assert explored.run(CONTRAST) == [], panel
    back = explored.run("return getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(20, 23, 28)") == (scheme == "dark")
