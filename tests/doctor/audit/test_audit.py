"""The audit of labels: planted errors are found, and accepted corrections change what is trained on."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import audiospec
from audiospec.corrections.applied import Applied
from audiospec.corrections.corrections import FILE, Corrections
from audiospec.corrections.decision import Decision, to_csv
from audiospec.corrections.view import CorrectedView
from audiospec.doctor.audit.accepting import accept
from audiospec.doctor.audit.labels import audit
from audiospec.doctor.audit.ranking import METHODS, rank
from audiospec.doctor.audit.suspect import Audit
from audiospec.errors import ModelError, RunError, StoreError
from audiospec.stores.layout.view import View
from audiospec.tables.importing import import_table
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

pytest.importorskip("cleanlab", reason="no cleanlab: pip install 'audiospec[audit]'")

CLASSES = ("ant", "bee", "cat")
#: Tracks whose label in the table is wrong → the right one.
WRONG = {"t.03": "ant", "t.14": "bee", "t.25": "cat"}
#: Two tracks that hold the same sound.
SAME = ("t.08", "t.18")


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """A view of 30 tracks in two pieces, whose classes are apart; three labels are wrong."""
    folder = tmp_path_factory.mktemp("audited")
    random = np.random.default_rng(0)
    lines = ["filename,length,a,b,c,d,cluster,label"]
    for number in range(30):
        place, name = number // 10, f"t.{number:02d}"
        label = CLASSES[(place + 1) % 3] if name in WRONG else CLASSES[place]
        for piece in range(2):
            values = random.normal(size=4) + 4 * np.eye(4)[place]
            cluster = "x" if name in SAME else ""
            cells = ",".join(map(str, values.round(4)))
            lines.append(f"{name}.{piece}.wav,22050,{cells},{cluster},{label}")
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return import_table(folder / "t.csv", folder / "t.zarr", columns=["a", "b", "c", "d"])


@pytest.fixture(scope="module")
def run(view: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train("lr", view, folds=3, out=tmp_path_factory.mktemp("runs") / "folds")


@pytest.fixture(scope="module")
def found(run: Run) -> Audit:
    return audit(run)


@pytest.fixture
def no_corrections(view: View) -> Path:
    """The file beside the store, which does not exist before and after a test."""
    file = Path(str(view.store.path.with_name(FILE)))
    file.unlink(missing_ok=True)
    return file


def test_wrong_labels_are_ranked_first(found: Audit) -> None:
    first = {one.track: one.suggestion for one in found.suspects[: len(WRONG)]}
    assert first == WRONG
    assert {one.track for one in found.likely} >= {*WRONG}
    assert [one.rank for one in found.suspects] == list(range(1, 31))
    probabilities = [one.probability for one in found.suspects]
    assert probabilities == sorted(probabilities)
    assert {*found.thresholds} == {*CLASSES}
    assert found.agreement == pytest.approx(27 / 30)


def test_tracks_of_one_sound_and_two_labels_are_flagged(found: Audit) -> None:
    assert {one.track: one.same_sound for one in found.contradictions} == {
        SAME[0]: (SAME[1],),
        SAME[1]: (SAME[0],),
    }


@pytest.mark.parametrize("method", METHODS)
def test_methods_find_planted_errors_and_spare_clear_labels(method: str) -> None:
    labels = np.repeat([0, 1, 2], 20)
    probabilities = np.full((60, 3), 0.05)
    probabilities[np.arange(60), labels] = 0.9
    labels[[3, 27]] = 2, 0
    ranking = rank(labels, probabilities, method)
    assert np.flatnonzero(ranking.is_likely_wrong).tolist() == [3, 27]
    assert ranking.suggestion[[3, 27]].tolist() == [0, 1]
    assert ranking.quality[[3, 27]].tolist() == [0.05, 0.05]
    assert ranking.thresholds[1] == pytest.approx(0.9)


def test_a_plain_run_is_trained_again_by_folds_once(view: View, tmp_path: Path, no_corrections: Path) -> None:
    plain = train("lr", view, runs=tmp_path)
    first = audit(plain, folds=3)
    assert {one.track for one in first.suspects[: len(WRONG)]} == {*WRONG}
    assert len(first.suspects) == 30
    assert first.about.startswith(f"run {plain.path.name} has one model, so it was trained again by 3 folds")
    again = audit(plain, folds=3)
    assert (again.run, again.suspects) == (first.run, first.suspects)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([plain.path.name, first.run.name])


def test_what_was_decided_is_not_a_suspect_again(view: View, run: Run, no_corrections: Path) -> None:
    tracks = view.store.tracks
    Corrections.of(view.store).add(tracks, tracks.index["t.03"], "bee", why="it is right")
    try:
        after = audit(run)
    finally:
        no_corrections.unlink()
    assert after.decided == ("t.03",)
    assert "t.03" not in {one.track for one in after.suspects}


def test_suggestions_are_edited_accepted_and_trained_on(
    view: View, run: Run, found: Audit, tmp_path: Path, no_corrections: Path
) -> None:
    file = tmp_path / "suspects.csv"
    file.write_text(to_csv(found.decisions(found.suspects[:3])))
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        assert (row["who"], row["when"]) == ("", "")  # filled in when they are accepted
    rows[1]["new"] = ""  # excluded
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    try:
        accepted = accept(view.store, file, "Ann")
        assert [(one.track, one.new, one.who) for one in accepted.added] == [
            (row["track"], row["new"], "Ann") for row in rows
        ]
        for one in accepted.corrections.decisions:
            assert one.when.endswith("Z")
            assert one.why.startswith("audit: rank")
        assert (accept(view.store, file).added, accept(view.store, file).known) == ([], 3)
        after = train("lr", view, folds=3, out=tmp_path / "run")
        assert (after.info.corrections["labels"], after.info.corrections["excluded"]) == (2, 1)
        # The labels that were corrected are those of the store in a new decision on them.
        corrected = {one["track"]: one["new"] for one in after.info.corrections["decisions"]}
        assert {**WRONG, rows[1]["track"]: ""} == corrected
    finally:
        no_corrections.unlink()
    score = "macro_f1"
    assert after.metrics["test"]["track"][score] > run.metrics["test"]["track"][score]


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (Decision("", "t.99", "ant", "bee"), "decides on 1 tracks that"),
        (Decision("", "t.00", "cat", "bee"), "is stale and not applied"),
    ],
)
def test_a_file_for_another_store_is_refused_as_a_whole(
    view: View, tmp_path: Path, no_corrections: Path, decision: Decision, expected: str
) -> None:
    file = tmp_path / "suspects.csv"
    file.write_text(to_csv([Decision("", "t.01", "ant", "bee"), decision]))
    with pytest.raises(StoreError, match=expected):
        accept(view.store, file)
    assert not no_corrections.exists()


def test_a_new_label_is_named(view: View, tmp_path: Path, no_corrections: Path) -> None:
    file = tmp_path / "suspects.csv"
    file.write_text(to_csv([Decision("", "t.01", "ant", "amt")]))
    try:
        assert accept(view.store, file).new_labels == ["amt"]
    finally:
        no_corrections.unlink()


def test_a_label_that_was_corrected_before_is_changed_from_that_of_the_store(
    view: View, tmp_path: Path, no_corrections: Path
) -> None:
    decision = Decision("", "t.00", "ant", "bee")
    changed = CorrectedView(view, Applied({0: "bee"}, (), (decision,)), "given", "")
    made = audit(train("lr", changed, folds=3, out=tmp_path / "run"))
    (suspect,) = (one for one in made.suspects if one.track == "t.00")
    assert (suspect.label, suspect.stored, suspect.suggestion) == ("bee", "ant", "ant")
    assert suspect.decision().keeps


def test_without_the_store_a_cross_validation_is_audited_all_the_same(
    tmp_path: Path, view: View, run: Run, found: Audit
) -> None:
    place = Path(str(view.store.path))
    place.rename(tmp_path / "moved.zarr")
    try:
        assert audit(run).suspects == found.suspects
        opened = audiospec.open_store(tmp_path / "moved.zarr")
        assert audit(run, store=opened).store == str(opened.path)
    finally:
        (tmp_path / "moved.zarr").rename(place)


def test_other_runs_and_methods_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ModelError, match="no method of an audit is called 'cleanlap'; did you mean 'cleanlab'"
    ):
        audit(run, method="cleanlap")
    monkeypatch.setitem(run.info.target, "name", "multi-label")
    with pytest.raises(RunError, match="expected a run of one label a track"):
        audit(run)


def test_without_cleanlab_the_other_method_works(
    run: Run, found: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiospec.doctor.audit.ranking.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs cleanlab: pip install 'audiospec\[audit\]'"):
        audit(run)
    assert [one.track for one in audit(run, method="thresholds").suspects] == [
        one.track for one in found.suspects
    ]


def test_the_command_prints_writes_and_accepts(
    view: View, run: Run, tmp_path: Path, no_corrections: Path
) -> None:
    def call(*words: object) -> str:
        command = [sys.executable, "-m", "audiospec", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    file = tmp_path / "suspects.csv"
    lines = call("audit", run.path, "--top", 3, "--out", file).splitlines()
    assert lines[0] == f"labels of 30 tracks of {view.store.path}"
    table = [line.split() for line in lines if "  t." in line and "%" in line]
    assert {cells[1]: cells[5] for cells in table} == WRONG
    try:
        accepted = json.loads(call("audit", run.path, "--accept", file, "--who", "Ann", "--json"))
        assert accepted["event"] == "accepted"
        assert accepted["corrected"] >= len(WRONG)
        decisions = Corrections.of(view.store).decisions
        assert {one.track for one in decisions} >= {*WRONG}
        assert {one.who for one in decisions} == {"Ann"}
        trained = call(*("train", "lr", "--store", view.store.path, "--folds", 3, "--out", tmp_path / "runs"))
        assert f"{accepted['corrected']} labels corrected by corrections.csv" in trained
    finally:
        no_corrections.unlink()
