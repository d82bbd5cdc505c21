"""Run folders: they are read as they were written, or refused."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.digests import digest
from audiospec.errors import AudiospecError, ModelError, RegistryError, RunError, SpecError
from audiospec.specs.table import TableSpec
from audiospec.stores.layout.view import View
from audiospec.testing.pickles import pickles_in
from audiospec.zoo.prediction import predict
from audiospec.zoo.runs.card import model_card
from audiospec.zoo.runs.info import FORMAT_VERSION
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import training_folder
from audiospec.zoo.runs.write import write_run
from audiospec.zoo.training import train

MakeTable = Callable[..., View]

FILES = [
    *(
        "card.md",
        "confusion.png",
        "history.csv",
        "metrics.json",
        "model.skops",
        "predictions.csv",
        "run.json",
    ),
    "tracks.csv",
]


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return Path(shutil.copytree(run.path, tmp_path / "copy"))


def refusal(path: Path) -> str:
    """The one-line message with which a run is refused."""
    with pytest.raises(RunError) as caught:
        Run(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(path: Path, **changes: Any) -> None:
    """Change fields of run.json, and update its digest."""
    stated = {**json.loads((path / "run.json").read_text()), **changes}
    del stated["digest"]
    (path / "run.json").write_text(json.dumps({**stated, "digest": digest(stated)}))


# --- reading and writing ---------------------------------------------------------------------------------


def test_a_run_is_read_as_written(run: Run, table: View) -> None:
    again = Run(str(run.path))
    assert again.info == run.info
    assert again.metrics == run.metrics
    assert json.loads(json.dumps(dataclasses.asdict(run.info), allow_nan=False)) == dataclasses.asdict(
        run.info
    )
    assert again.spec == table.spec
    assert again.chunking == table.chunking
    assert repr(again) == f"<Run {run.path}: lr on {table.name}>"
    assert pickles_in(run.path) == []


def test_a_run_may_be_moved_and_written_again(run: Run, table: View, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "elsewhere")
    moved = Run(tmp_path / "elsewhere")
    rows = table.read()
    assert np.array_equal(moved.model().predict_proba(rows), run.model().predict_proba(rows))
    with training_folder(tmp_path / "again", {}, resume=False) as work:
        again = write_run(
            *(tmp_path / "again", work, run.info, run.model(), run.metrics, []),
            run.predictions(),
            run.tracks(),
        )
    assert again.info == run.info
    for name in ("card.md", "metrics.json", "history.csv", "predictions.csv", "tracks.csv"):
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes()


def test_other_files_in_the_folder_are_ignored(copy: Path, run: Run) -> None:
    (copy / "notes.txt").write_text("my own")
    assert Run(copy).info == run.info


def test_metrics_that_are_not_finite_are_not_written(run: Run, tmp_path: Path) -> None:
    content = (run.model(), {**run.metrics, "x": float("nan")}, [], run.predictions(), run.tracks())
    with (
        pytest.raises(ValueError, match="not JSON compliant"),
        training_folder(tmp_path / "run", {}, resume=False) as work,
    ):
        write_run(tmp_path / "run", work, run.info, *content)
    assert not list(tmp_path.iterdir())


# --- refused runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_found(copy: Path, name: str) -> None:
    file = copy / name
    before = file.read_bytes()
    places = range(0, len(before), max(1, len(before) // 150)) if before else [0]
    for place in [*places, len(before) - 1] if before else [0]:
        damaged = bytearray(before or b"\0")
        damaged[place] ^= 1
        file.write_bytes(damaged)
        message = refusal(copy)
        assert str(copy) in message
        assert "train again" in message or "upgrade audiospec" in message
        if name != "run.json":
            assert message == f"run {copy} was changed: its {name} is not what was written: train again"
    file.write_bytes(before)
    Run(copy)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["missing", "empty", "longer", "folder", "swapped"])
def test_every_file_must_be_intact(copy: Path, name: str, how: str) -> None:
    file = copy / name
    before = file.read_bytes()
    file.unlink()
    if how == "empty":
        if not before:
            pytest.skip("it is empty")
        file.touch()
    elif how == "longer":
        file.write_bytes(before + b" x")
    elif how == "folder":
        file.mkdir()
    elif how == "swapped":
        file.write_bytes((copy / FILES[FILES.index(name) - 1]).read_bytes())
    message = refusal(copy)
    if name == "run.json" and how in ("missing", "folder"):
        assert message == f"no run at {copy}: expected a folder that `audiospec train` made"
    else:
        assert message.endswith("train again")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "svm"},
        {"classes": ["bee", "ant", "cat"]},
        {"settings": {"C": 2.0, "steps": 5000}},
        {"seed": 1},
        {"chunking": {"seconds": 2.0, "hop": 1.0, "min_fill": 0.0}},
        {"files": {}},
        {"extra": 1},
        {"digest": "0" * 64},
        {"digest": None},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_field_that_was_edited(copy: Path, changes: dict[str, Any]) -> None:
    stated = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**stated, **changes}))
    assert refusal(copy) == f"run {copy} was changed: its run.json is not what was written: train again"


@pytest.mark.parametrize("name", ["model", "split", "files", "digest", "audiospec_run", "date"])
def test_a_field_that_is_missing(copy: Path, name: str) -> None:
    stated = json.loads((copy / "run.json").read_text())
    del stated[name]
    (copy / "run.json").write_text(json.dumps(stated))
    assert re.fullmatch(r"run .* (was changed: .*|is damaged \(.*\):.*) train again", refusal(copy))


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": 1},
        {"files": {"../run.json": "0"}},
        {"files": {"..": "0"}},
        {"files": {"nul\0": "0"}},
        {"files": [[1, 2]]},
        {"files": 7},
        {"audiospec_run": 0},
        {"audiospec_run": -1},
        {"audiospec_run": None},
        {"audiospec_run": "one"},
        {"audiospec_run": []},
    ],
    ids=repr,
)
def test_invalid_fields_with_a_valid_digest(copy: Path, changes: dict[str, Any]) -> None:
    rewrite(copy, **changes)
    assert "train again" in refusal(copy)


def test_a_newer_format(copy: Path) -> None:
    rewrite(copy, audiospec_run=FORMAT_VERSION + 1, new_field="value")
    assert refusal(copy) == (
        f"run {copy} has format {FORMAT_VERSION + 1}, this audiospec reads up to {FORMAT_VERSION}: "
        "upgrade audiospec (pip install -U audiospec)"
    )


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "null", '"text"', "{}", "\xff", "[" * 100_000, '{"audiospec_run": 1e999}', "NaN"],
    ids=["empty", "half", "list", "number", "null", "text", "nothing", "latin", "deep", "infinite", "nan"],
)
def test_a_run_json_that_is_not_valid(copy: Path, text: str) -> None:
    (copy / "run.json").write_bytes(text.encode("latin-1"))
    assert re.match(rf"run {copy} is damaged \(.+\): train again$", refusal(copy))


def test_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file", tmp_path / "file" / "below"):
        assert refusal(path) == f"no run at {path}: expected a folder that `audiospec train` made"


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_run_that_cannot_be_read(copy: Path) -> None:
    (copy / "metrics.json").chmod(0)
    assert "Permission denied" in refusal(copy)


# --- runs of other versions of audiospec -----------------------------------------------------------------


def test_a_model_that_is_not_installed(copy: Path) -> None:
    rewrite(copy, model="lrx")
    with pytest.raises(RegistryError, match=r"no model is called 'lrx'; did you mean 'lr'\? \(there are: "):
        Run(copy).model()


def test_a_parameter_that_was_removed(copy: Path) -> None:
    rewrite(copy, settings={"C": 1.0, "penalty": "l2"})
    with pytest.raises(ModelError, match="model 'lr' has no parameter 'penalty'"):
        Run(copy).model()


@pytest.mark.parametrize(
    "changes",
    [{"model": "svm", "settings": {}}, {"classes": ["ant", "bee"]}, {"row_shape": [5]}],
    ids=["model", "classes", "row_shape"],
)
def test_files_that_do_not_fit_the_model(copy: Path, changes: dict[str, Any]) -> None:
    rewrite(copy, **changes)
    with pytest.raises(ModelError, match=r"model\.skops is not a .*: train again") as caught:
        Run(copy).model()
    assert "\n" not in str(caught.value)


def test_a_feature_with_another_version(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TableSpec, "version", 2)
    run = Run(copy)  # its scores can still be read
    with pytest.raises(SpecError, match="has version 1, this audiospec computes version 2"):
        _ = run.spec
    with pytest.raises(AudiospecError, match="has version 1"):
        list(predict(run, []))


# --- the card --------------------------------------------------------------------------------------------

HOSTILE = ["<script>alert(1)</script>", "a|b`c`", "*bold* [link](x) # &lt; ~~no~~"]


def test_hostile_class_names_stay_text(make_table: MakeTable, tmp_path: Path) -> None:
    run = train("lr", make_table(dict.fromkeys(HOSTILE, 5)), out=tmp_path / "run")
    assert run.info.classes == sorted(HOSTILE)
    assert set(run.metrics["test"]["chunk"]["per_class"]) == set(HOSTILE)
    card = (run.path / "card.md").read_text()
    # Every character that Markdown would interpret has a backslash before it.
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", card)
    assert not re.search(r"[<>`*\[\]~&]", bare)
    assert r"\<script\>alert\(1\)\</script\>" in card
    assert r"a\|b\`c\`" in card
    tables = [line for line in card.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {3 + 2 * 6}


def test_the_card_of_a_run_that_lacks_a_score(run: Run) -> None:
    """The areas under curves of the tracks are not defined, or an older version stored none by chunk."""
    metrics = json.loads(json.dumps(run.metrics))
    for key in ("roc_auc", "roc_auc_interval"):
        del metrics["test"]["track"][key]
    by_chunk, by_track = (line for line in model_card(run.info, metrics).splitlines() if "| by " in line)
    assert by_chunk.count("–") == 0
    assert by_track.endswith("| – | – |")


def test_a_name_stays_on_its_line(run: Run) -> None:
    info = dataclasses.replace(run.info, classes=["ant\n\n# Heading", "bee\r\n- item"], dataset="a\u2028b")
    lines = model_card(info, run.metrics).splitlines()
    assert sum(line.startswith("#") for line in lines) == 2
    assert len(lines) == len((run.path / "card.md").read_text().splitlines())


def test_the_card_states_what_was_trained(run: Run, table: View) -> None:
    card = (run.path / "card.md").read_text()
    score = run.metrics["test"]["track"]
    assert card.startswith("# lr on table")
    for text in ("dataset made", "ant, bee, cat", "C 1.0; steps 5000", "columns a, b, c, d; sha256"):
        assert text in card
    assert "train 72 rows of 24 tracks, valid 0 rows of 0 tracks, test 18 rows of 6 tracks" in card
    assert f"| by track | 6 | {score['accuracy']:.3f} | " in card
