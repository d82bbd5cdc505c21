"""Corrections of labels when a model is trained: as if the store had the corrected labels."""

from __future__ import annotations

import json
import pickle
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import pytest

import audiospec
from audiospec.annotations.annotation import Labelling
from audiospec.corrections.corrections import FILE, Corrections
from audiospec.corrections.decision import Decision, to_csv
from audiospec.corrections.view import CorrectedView, corrected
from audiospec.errors import RunError, SplitError, StoreError
from audiospec.manifest import Track
from audiospec.stores.layout.view import View
from audiospec.tables.importing import import_table
from audiospec.zoo.comparison.compare import compare
from audiospec.zoo.evaluation import evaluate
from audiospec.zoo.prediction import corrected_truth
from audiospec.zoo.report.leaderboard import tasks
from audiospec.zoo.runs.run import Run
from audiospec.zoo.splits.folds import make_folds
from audiospec.zoo.splits.split import SIDES
from audiospec.zoo.splits.split_file import write_split
from audiospec.zoo.splits.strategies import split
from audiospec.zoo.training import train

CLASSES = ("ant", "bee", "cat")
#: What is decided on some tracks.
CHANGED = {"t.00": "bee", "t.13": "cat", "t.22": "ant"}
EXCLUDED = ("t.05", "t.17")


def make(folder: Path, changed: Mapping[str, str] | None = None, without: Collection[str] = ()) -> View:
    """Import a table of 24 tracks of three classes in two pieces, some of them with other labels."""
    random = np.random.default_rng(0)
    lines = ["filename,length,a,b,c,d,label"]
    for number in range(24):
        label, name = CLASSES[number // 8], f"t.{number:02d}"
        for piece in range(2):
            values = random.normal(size=4) + 1.5 * np.eye(4)[number // 8]
            if name not in without:
                cells = ",".join(map(str, values.round(4)))
                lines.append(f"{name}.{piece}.wav,22050,{cells},{(changed or {}).get(name, label)}")
    folder.mkdir()
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return import_table(folder / "t.csv", folder / "t.zarr", columns="all")


def decide(view: View, new: Mapping[str, str]) -> Corrections:
    """Decide on tracks of a view, in the file beside its store."""
    corrections, tracks = Corrections.of(view.store), view.store.tracks
    for track, label in new.items():
        corrections = corrections.add(tracks, tracks.find(track, view.store.path), label, who="Ann")
    return corrections


def contents(view: View) -> dict[str, bytes]:
    store = Path(str(view.store.path))
    return {str(file): file.read_bytes() for file in store.rglob("*") if file.is_file()}


@pytest.fixture
def view(tmp_path: Path) -> View:
    return make(tmp_path / "own")


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> View:
    """A view on whose tracks decisions were made; the store has its own labels."""
    made = make(tmp_path_factory.mktemp("decided") / "own")
    before = contents(made)
    decide(made, {**CHANGED, **dict.fromkeys(EXCLUDED, "")})
    assert contents(made) == before
    return made


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> View:
    """A view of the same rows, whose store has the labels that were decided on."""
    return make(tmp_path_factory.mktemp("twin") / "own", CHANGED, EXCLUDED)


@pytest.fixture(scope="module")
def run(decided: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train("svm", decided, out=tmp_path_factory.mktemp("runs") / "run")


def same(a: Run, b: Run) -> None:
    """Assert that two runs have the same scores and the same predictions, to the bit."""
    assert a.metrics == b.metrics
    one, other = a.predictions(), b.predictions()
    for name in ("tracks", "starts", "sides", "truth", "probabilities"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert [(t.known.track, t.label, t.side) for t in a.tracks()] == [
        (t.known.track, t.label, t.side) for t in b.tracks()
    ]


def test_a_run_is_that_of_a_store_with_the_corrected_labels(
    run: Run, decided: View, twin: View, tmp_path: Path
) -> None:
    before = contents(decided)
    same(run, train("svm", twin, out=tmp_path / "twin"))
    assert contents(decided) == before


def test_a_cross_validation_is_that_of_a_store_with_the_corrected_labels(
    decided: View, twin: View, tmp_path: Path
) -> None:
    runs = [
        train("lr", each, folds=3, out=tmp_path / each.store.path.parent.parent.name)
        for each in (decided, twin)
    ]
    same(*runs)
    for fold in (runs[0], *runs[0].folds()):
        assert (fold.info.corrections["labels"], fold.info.corrections["excluded"]) == (3, 2)


def test_the_run_states_what_was_corrected(run: Run, decided: View) -> None:
    stated = run.info.corrections
    assert (stated["labels"], stated["excluded"], stated["file"]) == (3, 2, FILE)
    assert stated["sha256"] == Corrections.of(decided.store).sha256
    assert {(one["track"], one["new"], one["who"]) for one in stated["decisions"]} == {
        *((track, label, "Ann") for track, label in CHANGED.items()),
        *((track, "", "Ann") for track in EXCLUDED),
    }
    assert json.loads((run.path / "run.json").read_text())["audiospec_run"] == 5
    card = (run.path / "card.md").read_text()
    assert "labels: 3 labels corrected, 2 tracks excluded by corrections.csv" in card


def test_without_corrections_a_run_is_as_before(decided: View, tmp_path: Path) -> None:
    run = train("svm", decided, corrections=None, out=tmp_path / "run")
    assert run.info.corrections == {}
    stated = json.loads((run.path / "run.json").read_text())
    assert stated["audiospec_run"] == 4
    assert "corrections" not in stated


def test_a_run_keeps_its_truth_when_the_file_changes(run: Run, decided: View, tmp_path: Path) -> None:
    file = decided.store.path.with_name(FILE)
    kept = file.read_bytes()
    try:
        file.unlink()
        assert evaluate(run).to_dict()["track"] == run.metrics["test"]["track"]
    finally:
        file.write_bytes(kept)


def test_another_store_is_scored_with_the_labels_of_the_run(
    run: Run, decided: View, twin: View, tmp_path: Path
) -> None:
    shutil.copytree(str(decided.store.path), tmp_path / "t.zarr")  # without the corrections
    scored = evaluate(run, audiospec.open_store(tmp_path / "t.zarr")).track.to_dict()
    assert {name: of_class["support"] for name, of_class in scored["per_class"].items()} == Counter(
        twin.store.tracks["label"].tolist()
    )


def test_runs_on_other_labels_are_not_compared_nor_ranked_together(
    run: Run, decided: View, tmp_path: Path
) -> None:
    plain = train("svm", decided, corrections=None, out=tmp_path / "plain", strategy=_split_of(run, decided))
    assert [(task.corrections, len(task.boards)) for task in tasks([plain, run])] == [
        ("", 1),
        ("3 labels corrected, 2 tracks excluded by corrections.csv", 1),
    ]
    with pytest.raises(RunError, match="expected runs that were tested"):
        compare(run, plain)


def _split_of(run: Run, view: View) -> audiospec.Split:
    return split(view, "track", shares=run.info.split["shares"])


@pytest.mark.parametrize("given", ["name", "split", "folds", "file"])
def test_an_excluded_track_is_on_no_side(decided: View, tmp_path: Path, given: str) -> None:
    shares = (0.6, 0.2, 0.2)
    made = split(decided, "track", shares=shares)
    strategy = {
        "name": "track",
        "split": made,
        "folds": make_folds(decided, folds=3, shares=shares),
        "file": write_split(made, decided, tmp_path / "split.json"),
    }[given]
    run = train("lr", decided, strategy=strategy, shares=shares, out=tmp_path / "run")
    tracks = {track.known.track: track.label for track in run.tracks()}
    assert not {*tracks} & set(EXCLUDED)
    assert not {*run.predictions().tracks.tolist()} & set(EXCLUDED)
    assert len(tracks) == 22
    for track, label in CHANGED.items():
        assert tracks[track] == label


def test_a_split_of_the_corrected_view_is_taken_as_it_is(decided: View, tmp_path: Path) -> None:
    view = corrected(decided)
    made = split(view, "track")
    run = train("lr", view, strategy=made, out=tmp_path / "run")
    assert run.info.split["digest"] == made.digest
    for side in SIDES:
        assert run.info.split["sides"][side]["rows"] == len(getattr(made, side))


def test_a_run_is_resumed_by_its_decisions_not_by_who_made_them(view: View, tmp_path: Path) -> None:
    decide(view, {"t.00": "bee"})
    run = train("lr", view, runs=tmp_path)
    decide(view, {"t.00": "bee", "t.01": "bee"})
    corrections = decide(view, {"t.01": "ant"})  # its own label: the latest decision counts
    assert train("lr", view, runs=tmp_path, resume=True).path == run.path
    corrections.add(view.store.tracks, 1, "")
    other = train("lr", view, runs=tmp_path, resume=True)
    assert other.path != run.path


def test_stale_decisions_and_those_of_others_are_not_applied(
    view: View, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [Decision("", "t.00", "dog", "bee"), Decision("f" * 32, "x", "ant", "bee")]
    view.store.path.with_name(FILE).write_text(to_csv(rows))
    run = train("lr", view, out=tmp_path / "run")
    assert run.info.corrections == {}
    assert caplog.messages == [
        "1 decision of corrections.csv is stale and not applied, as the store has another label there now: "
        "t.00 (dog → bee): decide again"
    ]


def test_a_new_class_needs_tracks_enough(view: View, tmp_path: Path) -> None:
    decide(view, {"t.00": "dog"})
    with pytest.raises(SplitError, match="class 'dog' has 1 track"):
        train("lr", view, out=tmp_path / "run")


def test_a_class_that_is_gone_is_no_class(view: View, tmp_path: Path) -> None:
    decide(view, {f"t.{number:02d}": "" if number % 2 else "bee" for number in range(8)})
    made = split(view, "track", shares=(0.7, 0, 0.3))
    assert train("lr", view, strategy=made, out=tmp_path / "run").info.classes == ["bee", "cat"]


def test_corrections_of_another_place_are_given(view: View, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(to_csv([Decision("", "t.00", "ant", "bee")]))
    run = train("lr", view, corrections=file, out=tmp_path / "run")
    assert run.info.corrections["file"] == "mine.csv"
    with pytest.raises(StoreError, match="no corrections at"):
        train("lr", view, corrections=tmp_path / "none.csv", out=tmp_path / "other")


def test_other_targets_are_left_as_they_are(view: View, caplog: pytest.LogCaptureFixture) -> None:
    decide(view, {"t.00": "bee"})
    assert corrected(view, label_column="device") is view
    view.store.labelling = Labelling(target="number", column="age")
    assert corrected(view) is view
    assert caplog.messages == [
        "corrections.csv is not applied: it corrects labels of whole tracks, and the labels are from column "
        "'device'",
        "corrections.csv is not applied: it corrects labels of whole tracks, and the target of the rows is "
        "number",
    ]


def test_a_corrected_view_is_pickled_and_read_like_its_view(decided: View) -> None:
    view = corrected(decided)
    assert isinstance(view, CorrectedView)
    again = pickle.loads(pickle.dumps(view))
    for one in (view, again):
        assert one.labels.tolist() == view.labels.tolist() != decided.labels.tolist()
        assert one.classes == list(CLASSES)
        assert np.array_equal(one.read([3, 0]), decided.read([3, 0]))
        assert one.words == "3 labels corrected, 2 tracks excluded by corrections.csv"
    assert not len(view.damaged())


def test_the_truth_of_files_is_corrected_by_their_content(
    run: Run, make_corrected_run: Callable[[Path], Run], tmp_path: Path
) -> None:
    paths = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    for path in paths:
        path.write_bytes(path.name.encode())
    tracks = {path: Track(id=path.name, path=path.name, label="ant") for path in paths}
    truth = corrected_truth(make_corrected_run(paths[0]), tracks)
    assert [(path.name, track.label) for path, track in truth.items()] == [
        ("a.wav", "bee"),
        ("b.wav", "ant"),
        ("c.wav", "ant"),
    ]


@pytest.fixture
def make_corrected_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Run]:
    """Return a run that was trained with the label of one file corrected."""
    from audiospec.digests import content_hash

    def make(file: Path) -> Run:
        decision = {**run.info.corrections["decisions"][0]}
        decision |= {"hash": content_hash(file), "track": "a", "old": "ant", "new": "bee"}
        monkeypatch.setitem(run.info.corrections, "decisions", [decision])
        return run

    return make
