"""`featurize` with segments, several labels and numbers: rows, counts, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiospec.stores.base import open_store

#: Small features, which take a millisecond for a second of audio; chunks of 1 s.
SMALL = (
    *("--sample-rate", 8000, "--fmax", 4000, "--n-mels", 16, "--n-fft", 256, "--hop-length", 128),
    *("--chunk", 1, "--workers", 0),
)
EVENTS = """path,start,end,label,device
rec/a.wav,0.2,1.3,dog,x
rec/a.wav,4,5.5,cat,x
rec/b.wav,3,3.7,dog,y
rec/c.wav,,,,z
rec/d.wav,5.2,6,cat,z
"""

Call = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four files of 6 s of noise, and tables of them; it is the current folder."""
    (tmp_path / "rec").mkdir()
    for name in "abcd":
        noise = 0.1 * np.random.default_rng(ord(name)).standard_normal(6 * 8000)
        soundfile.write(tmp_path / "rec" / f"{name}.wav", noise, 8000)
    (tmp_path / "events.csv").write_text(EVENTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def featurize(call: Call, folder: Path) -> Call:
    def run(table: str, *options: object) -> Any:
        return call("featurize", "csv", "--data", table, *SMALL, *options)

    return run


def test_segments_make_rows_where_they_are(featurize: Call, folder: Path) -> None:
    options = ("--hop", 0.5, "--store", "s.zarr")
    plan = featurize("events.csv", *options, "--dry-run")
    assert plan.status == 0
    assert "9 rows with an annotation, 35 chunks of background left out" in plan.out.splitlines()
    assert not (folder / "s.zarr").exists()
    done = featurize("events.csv", *options)
    lines = done.out.splitlines()
    assert (done.status, done.err) == (0, "")
    assert lines[2] == "9 rows with an annotation, 35 chunks of background left out"
    assert lines[4] == "1 track has no annotation: left out (--background makes rows of them)"
    store = open_store("s.zarr")
    view = store.view("mel")
    assert view.labels.tolist() == ["dog"] * 2 + ["cat"] * 4 + ["dog"] * 2 + ["cat"]
    assert store.tracks["device"].tolist() == ["x", "y", "z", "z"]
    again = featurize("events.csv", *options, "--json")
    event = json.loads(again.out.splitlines()[-1])
    assert (event["event"], event["computed_shards"]) == ("done", 0)
    assert event["targets"][view.name] == {
        "annotated": 9,
        "background": 0,
        "left_out": 35,
        "unused": 0,
        "bare": 1,
        "rows_of_bare": False,
    }


def test_background_is_everywhere_or_a_class_by_an_option(featurize: Call) -> None:
    assert featurize("events.csv", "--store", "k.zarr", "--background").status == 0
    kept = open_store("k.zarr").view("mel")
    assert (len(kept), kept.labels.tolist().count("")) == (24, 19)
    done = featurize("events.csv", "--store", "c.zarr", "--background-class", "none")
    assert "5 rows with an annotation, 19 of background" in done.out.splitlines()
    assert open_store("c.zarr").view("mel").classes == ["cat", "dog", "none"]
    refused = featurize("events.csv", "--store", "c.zarr")
    assert (refused.status, refused.err) == (
        2,
        "error: the targets of c.zarr were made with background 'class', background_class 'none'; "
        "got 'drop', 'background': "
        "give --background and --background-class none, or choose another --store\n",
    )
    refused = featurize("events.csv", "--store", "k.zarr", "--min-overlap", 0.2)
    assert refused.err.endswith(
        "got 0.2, 'drop': give --min-overlap 0.5 and --background, or choose another --store\n"
    )


def test_several_labels_and_numbers(featurize: Call, call: Call, folder: Path) -> None:
    (folder / "tags.csv").write_text('path,label\nrec/a.wav,"Music,Guitar"\nrec/b.wav,Music\n')
    assert featurize("tags.csv", "--store", "t.zarr", "--target", "multi-label").status == 0
    view = open_store("t.zarr").view("mel")
    assert view.labels.tolist() == ["Guitar;Music"] * 6 + ["Music"] * 6
    info = json.loads(call("store", "info", "t.zarr", "--json").out)
    assert info["labels"] == {"Guitar": 1, "Music": 2}
    (folder / "ratings.csv").write_text("path,valence\nrec/a.wav,0.5\nrec/b.wav,-1\n")
    options = ("--target", "number", "--label-column", "valence", "--store", "r.zarr")
    assert featurize("ratings.csv", *options).status == 0
    assert "labels " not in call("store", "info", "r.zarr").out
    store = open_store("r.zarr")
    targets = store.view("mel").targets
    assert targets is not None
    assert targets.value.tolist() == [0.5] * 6 + [-1.0] * 6
    assert (store.labelling.target, store.labelling.column) == ("number", "valence")


def test_annotations_beyond_the_end_end_with_2_and_lose_nothing(featurize: Call, folder: Path) -> None:
    (folder / "wrong.csv").write_text("path,start,end,label\nrec/a.wav,0,1,dog\nrec/b.wav,3,9,dog\n")
    done = featurize("wrong.csv", "--store", "s.zarr")
    problem = "annotated beyond the end of its audio, which lasts 6.000 s: 'dog' from 3 to 9 s"
    assert f"  rec/b.wav: {problem}; correct its times, or the file" in done.out.splitlines()
    assert (done.status, done.err) == (
        2,
        f"error: 1 track has annotations that are not inside the audio, such as rec/b.wav ({problem}): "
        "correct their times or the file, and run again; the rows of all other tracks are kept\n",
    )
    assert open_store("s.zarr").view("mel").ids.tolist() == ["rec/a.wav"]
    emitted = featurize("wrong.csv", "--store", "s.zarr", "--json")
    assert [json.loads(line)["event"] for line in emitted.out.splitlines()] == ["done", "error"]
    assert emitted.status == 2
    (folder / "wrong.csv").write_text("path,start,end,label\nrec/a.wav,0,1,dog\nrec/b.wav,3,5,dog\n")
    assert featurize("wrong.csv", "--store", "s.zarr").status == 0
    assert open_store("s.zarr").view("mel").ids.tolist() == ["rec/a.wav", "rec/b.wav", "rec/b.wav"]


def test_what_contradicts_is_refused(featurize: Call, folder: Path) -> None:
    (folder / "two.csv").write_text("path,start,end,label\nrec/a.wav,0,1,dog\nrec/a.wav,0.5,1,cat\n")
    done = featurize("two.csv", "--store", "s.zarr")
    assert done.status == 2
    assert done.err == (
        "error: track 'rec/a.wav': the chunk from 0 to 1 s has the labels 'cat' (50% of it) and "
        "'dog' (100% of it); the target 'single' allows one: "
        "give --target multi-label, a larger --min-overlap, or a shorter --chunk\n"
    )
    (folder / "plain.csv").write_text("path,label\nrec/a.wav,dog\nrec/b.wav,cat\n")
    done = featurize("plain.csv", "--store", "p.zarr", "--background")
    assert (done.status, done.err) == (
        2,
        "error: parameter background is of annotations, and no track of dataset 'csv' has any: leave it out, "
        "or read segments, several labels or numbers\n",
    )
    for value in ("0", "1.5", "-1"):
        done = featurize("events.csv", "--store", "s.zarr", "--min-overlap", value)
        assert done.status == 2
        assert "min_overlap must be above 0 and at most 1" in done.err
    done = featurize("events.csv", "--target", "multi-label", "--background-class", "none")
    assert done.err.endswith("keep it without a label with --background\n")
    assert not (folder / "s.zarr").exists()


@pytest.mark.realdata
def test_segments_of_real_recordings(shared_data: Path, call: Call, tmp_path: Path) -> None:
    """The rows of segments are those that the whole recordings have at the same times."""
    sounds = shared_data / "esc10"
    files = [sorted((sounds / name).glob("*.ogg"))[0] for name in ("001 - Dog bark", "009 - Rooster")]
    lines = [f"{file.relative_to(sounds).as_posix()},1,2.6,{file.parent.name[6:]}" for file in files]
    (tmp_path / "events.csv").write_text("\n".join(["path,start,end,label", *lines, ""]))
    for store, background in (("events.zarr", ()), ("all.zarr", ("--background",))):
        done = call(
            *("featurize", "csv", "--data", tmp_path / "events.csv", "--audio-root", sounds, "--chunk", 1),
            *("--hop", 0.5, "--workers", 0, "--store", tmp_path / store, *background),
        )
        assert (done.status, done.err) == (0, "")
    events, everywhere = (open_store(tmp_path / name).view("mel") for name in ("events.zarr", "all.zarr"))
    assert events.rows["start"].tolist() == [0.5, 1.0, 1.5, 2.0] * 2
    assert events.labels.tolist() == ["Dog bark"] * 4 + ["Rooster"] * 4
    labelled = np.flatnonzero(everywhere.labels != "")
    assert everywhere.rows["start"][labelled].tolist() == events.rows["start"].tolist()
    assert everywhere.read(labelled).tobytes() == events.read().tobytes()
    assert np.isfinite(events.read()).all()


def test_a_calibration_that_a_target_has_not_is_refused_before_the_training(
    featurize: Call, call: Call, folder: Path
) -> None:
    (folder / "tags.csv").write_text(
        "path,label\nrec/a.wav,x;y\nrec/b.wav,y\nrec/c.wav,x\nrec/d.wav,x;y\n", encoding="utf-8"
    )
    options = ("--target", "multi-label", "--store", "t.zarr")
    assert featurize("tags.csv", *options).status == 0
    refused = call("train", "crnn-base", "--store", "t.zarr", "--calibrate", "--split", "random")
    assert refused.status == 2
    assert refused.err.splitlines() == [
        "error: expected one label a row to calibrate probabilities; got the target 'multi-label': leave out "
        "--calibrate"
    ]
    assert "fitting" not in refused.out
    assert not list(folder.rglob("history.json*"))


def test_info_counts_the_labels_of_annotations(featurize: Call, call: Call, folder: Path) -> None:
    assert featurize("events.csv", "--target", "frames", "--store", "f.zarr").status == 0
    assert "  labels       cat 2, dog 2" in call("store", "info", "f.zarr").out.splitlines()


def test_a_store_is_named_after_its_table(featurize: Call, folder: Path) -> None:
    (folder / "tags.csv").write_text('path,label\nrec/a.wav,"Music,Guitar"\nrec/b.wav,Music\n')
    assert featurize("tags.csv", "--target", "multi-label").status == 0
    assert open_store("tags.zarr").dataset == "csv"
    assert not (folder / "csv.zarr").exists()


def test_an_annotated_file_that_is_not_there_ends_with_2_and_loses_nothing(
    featurize: Call, folder: Path
) -> None:
    (folder / "events.csv").write_text(
        "path,start,end,label\nrec/a.wav,0,1,dog\nrec/none.wav,0,1,cat\nrec/b.wav,0,1,cat\n"
    )
    done = featurize("events.csv", "--store", "e.zarr")
    assert done.status == 2
    assert "1 listed file is not there, such as rec/none.wav" in done.err
    assert "correct the path or remove its rows" in done.err
    assert len(open_store("e.zarr").view("mel")) == 2
