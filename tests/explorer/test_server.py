"""What the page's server answers."""

from __future__ import annotations

import io
import json
import math
import shutil
import struct
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.doctor.diagnosis import Diagnosis
from audiospec.doctor.finding import Finding
from audiospec.explorer.server import STATIC, static_files
from audiospec.stores.base import open_store
from audiospec.testing.explorer import Client, serve


def tracks(client: Client, **query: Any) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of tracks that a query finds, and the rows."""
    text = "&".join(f"{name}={value}" for name, value in {"limit": 100, **query}.items())
    found = client.get(f"api/tracks.json?{text}").json
    return found["total"], found["rows"]


def test_the_page_and_its_files(client: Client) -> None:
    page = client.get("")
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.body == client.get("index.html").body
    names = static_files()
    assert {"index.html"} < set(names)
    for name in set(names) - {"index.html"}:
        assert f"static/{name}".encode() in page.body
        reply = client.get(f"static/{name}")
        assert reply.body == names[name].read_bytes()
        assert reply.headers["Content-Type"].split(";")[0] in ("text/javascript", "text/css", "image/svg+xml")


def test_the_overview(client: Client, made: Path) -> None:
    value = client.get("api/store.json").json
    views = {view["feature"]: view for view in value.pop("views")}
    (run,) = value.pop("runs")
    assert value == {
        "name": "made.zarr",
        "dataset": "folder",
        "tracks": 15,
        "labels": [{"name": name, "count": 5} for name in ("<img src=x onerror=alert(1)>", "ant", "cat")],
        "columns": value["columns"],
        "can_correct": True,
        "audio": "present",
        "message": "",
        "problems": [],
        "static": False,
        "page": 0,
    }
    assert {"sample_rate", "channels"} <= {column["name"] for column in value["columns"]}
    assert views["mel"]["drawn"]
    assert not views["tabular"]["drawn"]
    assert views["mel"]["rows"] == 30
    assert [tick["text"] for tick in views["mel"]["ticks"]][:2] == ["2000", "1000"]
    places = [tick["at"] for tick in views["mel"]["ticks"]]
    assert sorted(places, reverse=True) == places
    assert 0 <= places[-1] <= places[0] <= 1
    assert (run["name"], run["model"]) == ("knn", "knn-1")
    assert run["score"].startswith("macro F1 ")
    assert run["score"].endswith(" %")


def test_rows_are_paged(client: Client) -> None:
    total, rows = tracks(client)
    assert total == len(rows) == 15
    assert [row["number"] for row in rows] == list(range(15))
    pages = [tracks(client, offset=offset, limit=4) for offset in (0, 4, 8, 12, 16)]
    assert [len(page) for _, page in pages] == [4, 4, 4, 3, 0]
    assert [row for _, page in pages for row in page] == rows
    assert {total for total, _ in pages} == {15}


def test_predictions_stand_beside_tracks(client: Client, runs: Path, made: Path) -> None:
    """They are those of the run's own file, and its errors are the page's."""
    from audiospec.zoo.runs.run import Run

    predictions = Run(runs / "knn").predictions()
    _, rows = tracks(client, run="knn")
    sides = dict(zip(predictions.tracks.tolist(), predictions.sides.tolist(), strict=True))
    assert {row["id"]: row["side"] for row in rows} == sides
    classes = Run(runs / "knn").info.classes
    for row in rows:
        mine = predictions.probabilities[predictions.tracks == row["id"]]
        logs = np.log(np.maximum(mine, 1e-6)).mean(axis=0)
        shares = np.exp(logs - logs.max())
        shares /= shares.sum()
        assert row["predicted"] == classes[int(shares.argmax())]
        assert row["probability"] == pytest.approx(shares.max(), abs=1e-6)
        assert row["loss"] == pytest.approx(-np.log(shares[classes.index(row["label"])]), abs=1e-3)
    assert tracks(client, run="knn", error=1)[1] == [row for row in rows if row["predicted"] != row["label"]]
    tested = [row for row in rows if row["side"] == "test"]
    assert tracks(client, run="knn", side="test")[1] == tested
    matrix = client.get("api/confusion.json?run=knn").json
    assert matrix["labels"] == classes
    assert np.sum(matrix["counts"]) == len(tested)
    assert np.trace(matrix["counts"]) == sum(row["predicted"] == row["label"] for row in tested)
    metrics = Run(runs / "knn").metrics["test"]["track"]["confusion"]
    assert matrix["counts"] == metrics
    assert rows[0]["probability"] is not None
    assert tracks(client)[1][0]["probability"] is None


def test_filters(client: Client) -> None:
    assert [row["id"] for row in tracks(client, label="ant")[1]] == [f"ant/ant{i}.wav" for i in range(5)]
    assert tracks(client, query="ANT3")[1][0]["id"] == "ant/ant3.wav"
    assert tracks(client, query="nothing")[0] == 0
    assert tracks(client, finding="near-duplicates")[0] == 2
    assert [row["number"] for row in tracks(client, finding="quality-2", sort="finding")[1]] == [9, 2, 0]
    assert tracks(client, finding="unknown")[0] == 0
    assert tracks(client, error=1)[0] == 0  # no run is chosen
    by_length = tracks(client, sort="seconds", descending=1)[1]
    assert [row["seconds"] for row in by_length] == sorted(
        (row["seconds"] for row in by_length), reverse=True
    )


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("api/tracks.json?sort=lable", 400, "no column 'lable'; did you mean 'label'?"),
        ("api/tracks.json?offset=-1", 400, "expected a whole number as `offset`"),
        ("api/tracks.json?error=2", 400, "expected 0 or 1 as `error`"),
        ("api/tracks.json?run=knm", 400, "there is no run 'knm'; did you mean 'knn'?"),
        ("api/track/0.json?view=none", 404, "no view 'none'"),
        ("api/histogram.json?column=id", 404, "no column of numbers 'id'"),
        ("api/map.json?method=tsne", 400, "expected a method of pca or umap; got 'tsne'"),
        ("api/spectrogram/30.png", 404, "has rows 0 to 29; got 30"),
        ("api/spectrogram/0.png?view={tabular}", 404, "has no spectrograms"),
        ("api/unknown.json", 404, "the page has no /api/unknown.json"),
    ],
)
def test_what_has_no_answer(client: Client, path: str, status: int, words: str) -> None:
    views = {view["feature"]: view["name"] for view in client.get("api/store.json").json["views"]}
    reply = client.get(path.format(**views))
    assert reply.status == status
    assert words in reply.json["error"]


def test_a_track(client: Client) -> None:
    value = client.get("api/track/2.json?run=knn").json
    assert [(chunk["start"], round(chunk["seconds"], 3)) for chunk in value["chunks"]] == [(0, 1), (1, 0.6)]
    assert not any(chunk["damaged"] for chunk in value["chunks"])
    assert value["cluster"] == [2, 7]
    assert value["duplicates"] == 2
    assert [(one["id"], one["detail"]) for one in value["findings"]] == [
        ("near-duplicates-1", "lag 0.1 s"),
        ("quality-2", "2 %"),
    ]
    probabilities = [one["probability"] for one in value["probabilities"]]
    assert sorted(probabilities, reverse=True) == probabilities
    assert sum(probabilities) == pytest.approx(1)
    assert value["audio_url"] == "audio/2"
    assert value["decisions"] == []


def test_findings_are_listed_in_parts(client: Client, found: Diagnosis) -> None:
    value = client.get("api/findings.json").json
    assert (value["state"], value["total_findings"]) == ("done", 2)
    first, second = value["findings"]
    assert (first["id"], first["count"], first["groups"]) == ("near-duplicates-1", 2, [[2, 7]])
    assert second["names"] == [open_store(found.store).tracks["id"][number] for number in (9, 2, 0)]
    assert second["details"][0] == "3 % \\x1b[31m"  # no escape codes
    assert value["not_checked"] == [{"check": "confounds", "reason": "too few tracks", "hint": ""}]
    assert client.get("api/findings.json?offset=1&limit=1").json["findings"] == [second]


def test_a_histogram(client: Client) -> None:
    value = client.get("api/histogram.json?column=seconds").json
    assert sum(value["counts"]) == 15
    assert len(value["edges"]) == len(value["counts"]) + 1
    assert (value["unit"], value["missing"], value["outliers"]) == ("s", 0, [])


def test_a_map(client: Client) -> None:
    client.get("api/map.json")
    for work in client.page.session._maps.values():
        work.wait()
    value = client.get("api/map.json").json
    assert value["state"] == "done"
    assert [point[0] for point in value["points"]] == list(range(15))
    assert [value["labels"][point[3]] for point in value["points"]] == [
        row["label"] for row in tracks(client)[1]
    ]
    assert len(value["names"]) == 15


def test_a_spectrogram_has_a_pixel_for_each_bin_and_frame(client: Client, made: Path) -> None:
    reply = client.get("api/spectrogram/4.png")
    assert reply.headers["Content-Type"] == "image/png"
    from PIL import Image

    image = Image.open(io.BytesIO(reply.body))
    view = open_store(made).view("mel")
    assert image.size == view.info.row_shape[::-1]
    colours = np.asarray(image.convert("RGB"), int)
    row = view.read(4)
    loudest = np.unravel_index(int(row.argmax()), row.shape)
    flipped = colours[::-1].sum(axis=2)  # low frequencies are at the bottom
    assert flipped[loudest] == flipped.max()
    order = np.argsort(row, axis=None)
    assert (np.diff(flipped.ravel()[order]) >= -3).all()  # louder is brighter


def test_audio_is_sent_as_it_is(client: Client, music: Path) -> None:
    rows = {row["id"]: row["number"] for row in tracks(client)[1]}
    for name, kind in (("ant/ant0.wav", "audio/wav"), ("cat/cat0.flac", "audio/flac")):
        reply = client.get(f"audio/{rows[name]}")
        assert reply.body == (music / name).read_bytes()
        assert reply.headers["Content-Type"] == kind
        assert reply.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("end", ["-1", "-", "-99999999"])
def test_ranges_of_audio(client: Client, music: Path, end: str) -> None:
    whole = (music / "ant" / "ant0.wav").read_bytes()
    number = next(row["number"] for row in tracks(client)[1] if row["id"] == "ant/ant0.wav")
    for first in (0, 100, len(whole) - 1):
        last = {"-1": f"{first + 1}", "-": "", "-99999999": "99999999"}[end]
        reply = client.get(f"audio/{number}", Range=f"bytes={first}-{last}")
        expected = whole[first : first + 2] if end == "-1" else whole[first:]
        assert (reply.status, reply.body) == (206, expected)
        assert reply.headers["Content-Range"] == f"bytes {first}-{first + len(expected) - 1}/{len(whole)}"
    assert client.get(f"audio/{number}", Range=f"bytes={len(whole)}-").status == 416
    assert client.get(f"audio/{number}", Range="bytes=-7").body == whole[-7:]


def test_what_browsers_do_not_play_is_decoded(client: Client, music: Path) -> None:
    number = next(row["number"] for row in tracks(client)[1] if row["id"] == "cat/cat1.au")
    reply = client.get(f"audio/{number}")
    assert reply.headers["Content-Type"] == "audio/wav"
    assert reply.body[:4] == b"RIFF"
    decoded, rate = soundfile.read(io.BytesIO(reply.body), dtype="int16")
    expected, _ = soundfile.read(music / "cat" / "cat1.au", dtype="int16")
    assert rate == 8000
    assert np.abs(decoded.astype(int) - expected).max() <= 1
    assert client.get(f"audio/{number}", Range="bytes=0-3").body == b"RIFF"


def test_a_wav_with_a_rare_codec_is_decoded(store: Path, tmp_path: Path, music: Path) -> None:
    from audiospec.explorer.audio import AudioFiles

    opened = open_store(store)
    opened._root = tmp_path
    wave = np.sin(np.arange(8000) / 9).astype(np.float32) / 2
    for number, (name, subtype) in enumerate([("a.wav", "ALAW"), ("b.wav", "FLOAT"), ("c.wav", "PCM_24")]):
        soundfile.write(tmp_path / name, wave, 8000, subtype=subtype)
        opened.tracks["path"][number] = name
    files = AudioFiles(opened, tmp_path)
    assert [files.playable(number).path.name for number in range(3)] == ["0.wav", "b.wav", "c.wav"]
    assert files.playable(1, decode=True).path.name == "1.wav"
    assert soundfile.info(files.playable(0).path).subtype == "PCM_16"


def test_moved_audio_leaves_the_rest(store: Path, music: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(music, tmp_path / "music"))
    audiospec.featurize(
        "folder",
        data=moved,
        spec=open_store(store).view("mel").spec,
        chunk=1.0,
        store=tmp_path / "moved.zarr",
        workers=0,
    )
    shutil.rmtree(moved)
    with serve(tmp_path / "moved.zarr") as client:
        value = client.get("api/store.json").json
        assert value["audio"] == "moved"
        assert "is not in" in value["message"]
        assert "any more" in value["message"]
        track = client.get("api/track/0.json").json
        assert track["audio_url"] == ""
        assert not track["audio"]
        assert "is not in" in track["audio_message"]
        assert client.get("audio/0").status == 404
        assert client.get("api/spectrogram/0.png").status == 200


@pytest.mark.parametrize("kind", ["zarr", "h5"])
@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_a_damaged_row_is_named(kind: str, dtype: str, tmp_path: Path) -> None:
    """Every kind of store and type of number is drawn; a row with another checksum is not."""
    from audiospec.stores.base import stores
    from audiospec.testing.stores.content import Content, publish

    content = Content.make(dtype=dtype)
    content.rows["checksum"][5] ^= 1
    path = tmp_path / f"s.{kind}"
    publish(stores["hdf5" if kind == "h5" else kind], path, content)
    with serve(path) as client:
        damaged = client.get("api/spectrogram/5.png")
        assert damaged.status == 409
        assert "row 5 of view" in damaged.json["error"]
        assert "does not match its checksum" in damaged.json["error"]
        assert client.get("api/spectrogram/4.png").status == 200
        owner = int(content.rows["track"][5])
        chunks = client.get(f"api/track/{owner}.json").json["chunks"]
        assert [chunk["row"] for chunk in chunks if chunk["damaged"]] == [5]


def test_a_store_that_is_written_to_says_so(store: Path) -> None:
    with serve(store) as client:
        assert client.get("api/store.json").status == 200
        attributes = store / "zarr.json"
        attributes.write_bytes(attributes.read_bytes() + b"\n")
        reply = client.get("api/store.json")
        assert reply.status == 410
        assert "was written to since this page was opened" in reply.json["error"]
        assert client.get("").status == 200  # the page itself, to show it


def test_a_store_without_spectrograms(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("filename,label,x\n1,ant,0.5\n2,bee,0.25\n3,bee,1\n")
    from audiospec.tables.importing import import_table

    import_table(tmp_path / "a.csv", tmp_path / "a.zarr", columns=["x"], chunk=1.0)
    with serve(tmp_path / "a.zarr") as client:
        value = client.get("api/store.json").json
        assert value["audio"] == "none"
        assert "--features mel" in value["message"]
        assert client.get("api/spectrogram/0.png").status == 404
        assert client.get("api/tracks.json").json["total"] == 3


def test_labels_are_corrected(store: Path) -> None:
    with serve(store) as client:
        given = client.get("api/track/0.json").json["label"]
        first = client.post({"track": 0, "new": "cat", "why": "meows", "seen": 0})
        assert first.status == 200
        assert first.json["corrected"] == "cat"
        assert first.json["label"] == given
        (decision,) = first.json["decisions"]
        assert {name: decision[name] for name in ("old", "new", "who", "why")} == {
            "old": given,
            "new": "cat",
            "who": "ann",
            "why": "meows",
        }
        other_tab = client.post({"track": 0, "new": "ant", "seen": 0})
        assert other_tab.status == 409
        assert other_tab.json["track"]["corrected"] == "cat"
        assert client.post({"track": 1, "new": "", "seen": 0}).json["corrected"] == ""
        accepted = client.get("api/track/2.json").json["label"]
        assert client.post({"track": 2, "new": accepted, "seen": 0}).json["corrected"] == accepted
        assert [row["number"] for row in tracks(client, corrected=1)[1]] == [0, 1, 2]
        taken_back = client.post({"track": 0, "new": None, "seen": 1}).json
        assert taken_back["corrected"] is None
        assert [row["number"] for row in tracks(client, corrected=1)[1]] == [1, 2]
        for label in ("x\n", " x", "x" * 300, "\x1b[31m"):
            assert client.post({"track": 3, "new": label, "seen": 0}).status == 400, label
    lines = (store.parent / "corrections.csv").read_text().splitlines()
    assert len(lines) == 5
    with serve(store) as client:  # opened again
        assert [row["number"] for row in tracks(client, corrected=1)[1]] == [1, 2]


def test_corrections_of_another_program_are_seen(store: Path) -> None:
    from audiospec.corrections.corrections import Corrections

    opened = open_store(store)
    with serve(store) as client:
        assert tracks(client, corrected=1)[0] == 0
        Corrections.of(opened).add(opened.tracks, 4, "cat", who="bob")
        assert [row["corrected"] for row in tracks(client, corrected=1)[1]] == ["cat"]
        assert client.post({"track": 4, "new": "ant", "seen": 0}).status == 409
        (store.parent / "corrections.csv").write_text("nonsense\n")
        assert "corrections.csv" in client.get("api/store.json").json["problems"][0]


def test_runs_of_other_tracks_are_left_out(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("filename,label,x\n1,ant,0.5\n2,bee,0.25\n3,bee,1\n")
    from audiospec.tables.importing import import_table

    import_table(tmp_path / "a.csv", tmp_path / "a.zarr", columns=["x"], chunk=1.0)
    with serve(tmp_path / "a.zarr", runs=runs) as client:
        value = client.get("api/store.json").json
        assert value["runs"] == []
        assert "1 of 1 runs" in value["problems"][0]


def test_a_run_on_labels_that_the_store_lacks(made: Path, runs: Path) -> None:
    """It may be of segments, or of a column that the store had: the probabilities are shown all the same."""
    with serve(made, runs=runs) as client:
        (run,) = client.page.session.runs
        run.run.info.target["column"] = "device"
        row = client.get("api/tracks.json?run=knn").json["rows"][0]
        assert row["predicted"]
        assert row["loss"] is None
        assert tracks(client, run="knn", error=1)[0] == 0
        assert "no test track has one label" in client.get("api/confusion.json?run=knn").json["message"]
        run.run.info.target["name"] = "multi-label"
        assert "no confusion matrix" in client.get("api/confusion.json?run=knn").json["message"]


def test_a_damaged_run_is_a_problem(made: Path, runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    (copy / "knn" / "metrics.json").write_text("{}")
    with serve(made, runs=copy) as client:
        value = client.get("api/store.json").json
        assert value["runs"] == []
        assert "was changed" in value["problems"][0]


def test_the_doctor_looks_while_the_page_is_used(store: Path) -> None:
    with serve(store, findings=None) as client:
        assert client.get("api/findings.json").json["state"] in ("running", "done")
        client.page.session.findings.wait()
        value = client.get("api/findings.json").json
        assert value["state"] == "done", value["message"]
        diagnosis = audiospec.diagnose(store)
        assert [one["title"] for one in value["findings"]] == [one.title for one in diagnosis.findings]
        assert len(value["not_checked"]) == len(diagnosis.not_checked)


def test_ten_thousand_findings_are_sent_in_parts(made: Path) -> None:
    findings = tuple(
        Finding(
            check="quality" if number % 2 else "confounds",
            severity="note",
            title=f"finding {number}",
            advice="listen",
            tracks=(number % 15,),
            figures={"share": math.nan},
        )
        for number in range(10_000)
    )
    with serve(made, findings=Diagnosis("x", 15, findings, {}, ())) as client:
        value = client.get("api/findings.json").json
        assert value["total_findings"] == 10_000
        assert len(value["findings"]) == 500
        assert [(one["check"], one["findings"]) for one in value["by_check"]] == [
            ("confounds", 5000),
            ("quality", 5000),
        ]
        assert value["findings"][0]["figures"] == {"share": None}
        last = client.get("api/findings.json?offset=9999&limit=500").json["findings"]
        assert [one["title"] for one in last] == ["finding 9999"]
        assert tracks(client, finding="quality")[0] == 15
        assert [row["number"] for row in tracks(client, finding=last[0]["id"])[1]] == [9999 % 15]
        assert tracks(client)[1][0]["findings"] == ["confounds", "quality"]


def test_many_tracks_of_a_finding_are_cut(made: Path) -> None:
    from audiospec.explorer import findings as module

    groups = tuple((number, number + 1) for number in range(14))
    one = Finding(
        check="near-duplicates",
        severity="error",
        title="t",
        advice="a",
        tracks=tuple(range(15)),
        groups=groups,
        details=tuple(map(str, range(14))),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_TRACKS", 3)
        patch.setattr(module, "MOST_GROUPS", 2)
        with serve(made, findings=Diagnosis("x", 15, (one,), {}, ())) as client:
            (cut,) = client.get("api/findings.json").json["findings"]
            assert (cut["tracks"], cut["groups"], cut["details"]) == ([0, 1, 2], [[0, 1], [1, 2]], ["0", "1"])
            assert (cut["count"], cut["group_count"]) == (15, 14)
            assert client.get("api/track/1.json").json["findings"][0]["detail"] == "0; 1"


@pytest.mark.parametrize(
    ("diagnosis", "words"),
    [
        (Diagnosis("x", 3, (), {}, ()), r"the findings are of 3 tracks; .* has 15"),
        (
            Diagnosis(
                *("x", 15),
                (Finding(check="c", severity="note", title="t", advice="a", groups=((3, 15),)),),
                *({}, ()),
            ),
            "name tracks that there are not",
        ),
    ],
)
def test_findings_of_another_store_are_refused(store: Path, diagnosis: Diagnosis, words: str) -> None:
    from audiospec.errors import StoreError

    with (
        pytest.raises(StoreError, match=words),
        serve(store, findings=diagnosis),
    ):
        pass


def test_no_answer_has_a_number_that_json_lacks(store: Path) -> None:
    with serve(store) as client:
        session = client.page.session
        session.catalogue.columns["channels"] = np.full(15, np.nan)
        session.catalogue.columns["sample_rate"][0] = np.inf
        rows = json.loads(client.get("api/tracks.json").body, parse_constant=pytest.fail)["rows"]
        assert rows[0]["channels"] is None
        assert rows[0]["sample_rate"] is None


def test_pictures_are_png(client: Client) -> None:
    """The parts of the file are complete: length, kind, content and checksum of each."""
    import zlib

    body = client.get("api/spectrogram/0.png").body
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    place, kinds = 8, []
    while place < len(body):
        (length,) = struct.unpack(">I", body[place : place + 4])
        content = body[place + 4 : place + 8 + length]
        (expected,) = struct.unpack(">I", body[place + 8 + length : place + 12 + length])
        assert zlib.crc32(content) == expected
        kinds.append(content[:4])
        place += 12 + length
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]


def test_the_page_is_in_the_wheel() -> None:
    """Setuptools puts in what these patterns name."""
    from fnmatch import fnmatch

    root = Path(audiospec.__file__).parents[1]
    named = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "audiospec.explorer" in named["packages"]
    patterns = named["package-data"]["audiospec.explorer"]
    files = [file for file in STATIC.iterdir() if file.is_file()]
    assert {file.name for file in files} == set(static_files())
    for file in files:
        assert any(fnmatch(f"static/{file.name}", pattern) for pattern in patterns), file
