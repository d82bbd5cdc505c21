"""A copy of the page that opens without a server."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from audiospec.doctor.diagnosis import Diagnosis
from audiospec.errors import StoreError
from audiospec.explorer.export import LEFT_OUT, Exported, export
from audiospec.explorer.run import opened
from audiospec.explorer.server import static_files
from audiospec.testing.explorer import Client


def quiet(what: str, done: int, total: int) -> None:
    """Ignore progress."""


@pytest.fixture(scope="module")
def copy(made: Path, runs: Path, found: Diagnosis, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A copy of the page of `made`."""
    folder = tmp_path_factory.mktemp("copies") / "copy"
    with opened(made, runs, findings=found) as session:
        return export(session, folder, audio_cap=1.0, tell=quiet)


def answer(copy: Exported, name: str) -> Any:
    """Return what a script of the copy hands to the page."""
    text = (copy.folder / "api" / f"{name}.js").read_text(encoding="ascii")
    start = f'explorerData("api/{name}.json",'
    assert text.startswith(start)
    assert text.endswith(");\n")
    return json.loads(text[len(start) : -3])


def test_the_copy_has_what_the_server_answers(copy: Exported, client: Client) -> None:
    overview = answer(copy, "store")
    assert (overview["static"], overview["can_correct"], overview["page"]) == (True, False, 500)
    assert [view["feature"] for view in overview["views"]] == ["mel"]
    for place, run in (("none", ""), ("0", "knn")):
        served = client.get(f"api/tracks.json?run={run}&limit=100").json["rows"]
        rows = answer(copy, f"tracks/{place}/0")
        assert rows["total"] == 15
        assert rows["rows"] == served
        track = answer(copy, f"tracks-details/{place}/0/0")["tracks"][2]
        expected = client.get(f"api/track/2.json?run={run}").json
        assert track == {**expected, "audio_url": track["audio_url"]}
        assert answer(copy, f"confusion/{place}") == client.get(f"api/confusion.json?run={run}").json
    assert answer(copy, "histogram/seconds") == client.get("api/histogram.json?column=seconds").json
    findings = answer(copy, "findings")
    assert findings["findings"] == client.get("api/findings.json").json["findings"]
    assert len(answer(copy, "map/0/pca")["points"]) == 15
    for row in (0, 29):
        served = client.get(f"api/spectrogram/{row}.png").body
        assert (copy.folder / "api" / "spectrogram" / "0" / f"{row}.png").read_bytes() == served


def test_the_page_loads_files_beside_it_only(copy: Exported) -> None:
    page = (copy.folder / "index.html").read_text()
    assert page.count("<html data-static") == 1
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) > 3
    for link in links:
        if not link.startswith("data:"):
            assert (copy.folder / link).is_file(), link
    names = {file.name for file in (copy.folder / "static").iterdir()}
    assert names == set(static_files()) - {"index.html"}


def test_nothing_names_a_place_of_this_machine(copy: Exported, made: Path) -> None:
    for file in copy.folder.rglob("*"):
        assert not file.is_symlink()
        if file.suffix in (".js", ".html", ".txt", ".css"):
            text = file.read_text()
            assert str(made.parent) not in text, file
            assert os.path.expanduser("~/") not in text, file


def test_audio_is_copied(copy: Exported, music: Path) -> None:
    assert (copy.audio, copy.left_out) == (15, ())
    tracks = answer(copy, "tracks-details/none/0/0")["tracks"]
    assert len({track["audio_url"] for track in tracks}) == 15
    for track in tracks:
        copied = (copy.folder / track["audio_url"]).read_bytes()
        source = music / track["id"]
        if source.suffix == ".au":
            assert track["audio_url"].endswith(".wav")
            assert copied[:4] == b"RIFF"
        else:
            assert copied == source.read_bytes()
            assert track["audio_url"].endswith(source.suffix)


def test_audio_has_a_cap(made: Path, found: Diagnosis, tmp_path: Path, music: Path) -> None:
    """Tracks with findings come first, worst first; the others are named."""
    size = max(file.stat().st_size for file in music.rglob("*.wav"))
    with opened(made, findings=found) as session:
        done = export(session, tmp_path / "small", audio_cap=2.5 * size / 1e6, tell=quiet)
        ids = session.store.tracks["id"].tolist()
    assert done.audio == 2
    assert done.audio_bytes <= 2.5 * size
    assert {file.name.partition(".")[0] for file in (done.folder / "audio").iterdir()} == {"7", "2"}
    assert done.left_out == tuple(id for number, id in enumerate(ids) if number not in (7, 2))
    assert (done.folder / LEFT_OUT).read_text().splitlines() == list(done.left_out)
    rows = answer(done, "tracks/none/0")["rows"]
    assert [row["number"] for row in rows if row["audio"]] == [2, 7]
    assert "2 of 15 tracks" in answer(done, "store")["message"]


def test_a_folder_with_files_is_not_written_to(made: Path, found: Diagnosis, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with opened(made, findings=found) as session:
        with pytest.raises(StoreError, match="is not an empty folder: choose another `export`"):
            export(session, tmp_path, tell=quiet)
        (tmp_path / "file").touch()
        with pytest.raises(StoreError, match="cannot be written"):
            export(session, tmp_path / "file" / "copy", tell=quiet)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "mine.txt"]


def test_a_copy_that_fails_leaves_nothing(made: Path, found: Diagnosis, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "audio":
            raise KeyboardInterrupt

    with opened(made, findings=found) as session, pytest.raises(KeyboardInterrupt):
        export(session, tmp_path / "copy", tell=stop)
    assert list(tmp_path.iterdir()) == []
