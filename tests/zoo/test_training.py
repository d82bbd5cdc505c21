"""Training: a run's metadata is true, a seed reproduces it, and impossible trainings are refused."""

from __future__ import annotations

import csv
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.errors import AudiospecError, ModelError, RegistryError, RunError, SplitError, StoreError
from audiospec.find import find_store, find_view
from audiospec.stores.base import FeatureStore, open_store, stores
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Model, Rows, models
from audiospec.zoo.evaluation import predict_rows
from audiospec.zoo.models.lr import Lr
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.chunks import score_chunks
from audiospec.zoo.splits.split_file import write_split
from audiospec.zoo.splits.strategies import split
from audiospec.zoo.targets.single import Single
from audiospec.zoo.training import train

Python = Callable[..., "subprocess.CompletedProcess[str]"]
MakeTable = Callable[..., View]

FILES = {
    *("run.json", "metrics.json", "history.csv", "predictions.csv", "tracks.csv"),
    *("model.skops", "card.md", "confusion.png"),
}


def one_line(error: BaseException) -> str:
    assert isinstance(error, AudiospecError)
    assert "\n" not in str(error)
    return str(error)


# --- the content of a run ----------------------------------------------------------------------------------


def test_a_run_has_its_files_and_metadata(run: Run, table: View) -> None:
    assert {file.name for file in run.path.iterdir()} == FILES
    assert list(run.path.parent.iterdir()) == [run.path]
    assert (run.path / "history.csv").read_text() == ""
    info = run.info
    assert (info.model, info.settings) == ("lr", {"C": 1.0, "steps": 5000, "class_weights": False})
    assert info.classes == ["ant", "bee", "cat"]
    assert (info.view, info.dataset, info.store) == (table.name, "made", str(table.store.path))
    assert tuple(info.row_shape) == (4,)
    assert run.spec == table.spec
    assert run.chunking == table.chunking
    assert info.seconds > 0
    assert {"audiospec", "numpy", "scikit-learn", "skops"} <= set(info.versions)
    sides = {"train": (72, 24), "valid": (0, 0), "test": (18, 6)}
    assert {k: (v["rows"], v["tracks"]) for k, v in info.split["sides"].items()} == sides
    assert info.split["digest"] == split(table, shares=(0.8, 0, 0.2)).digest
    assert not info.split["leaky"]
    card = (run.path / "card.md").read_text()
    assert "leaky" not in card
    assert "The model learnt from no track of the test rows, nor from a copy" in card
    assert "to classify dataset made. 3 classes: ant, bee, cat." in card


@pytest.mark.parametrize("strategy", ["track", "random"])
@pytest.mark.parametrize("model", ["svm", "knn-5"])
def test_scores_are_those_of_the_saved_model(table: View, tmp_path: Path, model: str, strategy: str) -> None:
    run = train(model, table, strategy=strategy, seed=4, out=tmp_path / "run")
    table_split = split(table, strategy, seed=4, shares=(0.8, 0, 0.2))
    for side, rows in (("test", table_split.test), ("train", table_split.train)):
        probabilities = run.model().predict_proba(table.read(rows))
        targets = [run.info.classes.index(label) for label in table.labels[rows]]
        tracks = table.ids[rows].astype(str)
        expected = score_chunks(probabilities, targets, tracks, run.info.classes, seed=4)
        assert json.loads(json.dumps(expected.to_dict())) == run.metrics[side]
    assert run.metrics["test"]["track"]["accuracy"] > 0.5


def test_rows_are_scored_in_batches(run: Run, table: View, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(table, np.arange(len(table)), Single(run.info.classes))
    in_one_batch = predict_rows(run.model(), rows)
    sizes: list[int] = []
    monkeypatch.setattr("audiospec.zoo.evaluation.BATCH", 7)
    assert np.allclose(predict_rows(run.model(), rows, sizes.append), in_one_batch, rtol=1e-12, atol=0)
    assert sizes == [1] * len(rows)


@pytest.mark.parametrize("model", ["rf", "svm"])
def test_the_same_seed_gives_the_same_run(table: View, tmp_path: Path, model: str) -> None:
    settings = {"trees": 10} if model == "rf" else {}
    one, same, other = (
        train(model, table, settings=settings, seed=seed, out=tmp_path / name)
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    assert one.info.split == same.info.split
    assert one.metrics == same.metrics
    rows = table.read()
    assert np.array_equal(one.model().predict_proba(rows), same.model().predict_proba(rows))
    assert one.info.split["digest"] != other.info.split["digest"]
    assert not np.array_equal(one.model().predict_proba(rows), other.model().predict_proba(rows))


def test_a_run_on_random_chunks_is_marked_as_leaky(table: View, tmp_path: Path) -> None:
    run = train("knn-1", table, strategy="random", out=tmp_path / "run")
    assert json.loads((run.path / "run.json").read_text())["split"]["leaky"] is True
    card = (run.path / "card.md").read_text()
    assert r"- split: random \(leaky: tracks\), seed 0" in card
    assert "## Scores on the test rows (leaky)" in card
    assert "These scores may be inflated: the model learnt from 18 of the 18 test rows" in card
    assert "The model learnt from no track of the test rows" not in card


def test_some_classes_only(table: View, tmp_path: Path) -> None:
    run = train("svm", table, classes=["cat", "ant"], out=tmp_path / "run")
    assert run.info.classes == ["ant", "cat"]
    assert run.model().predict_proba(table.read([0, 1])).shape == (2, 2)
    assert set(run.metrics["test"]["chunk"]["per_class"]) == {"ant", "cat"}


def test_parameters_and_shares(table: View, tmp_path: Path) -> None:
    run = train("svm", table, settings={"C": "2", "gamma": 0.5}, shares=(0.5, 0.2, 0.3), out=tmp_path / "run")
    assert run.info.settings == {"C": 2.0, "gamma": 0.5, "class_weights": False}
    assert run.model().settings.C == 2
    assert run.info.split["shares"] == [0.5, 0.2, 0.3]
    assert [side["tracks"] for side in run.info.split["sides"].values()] == [15, 6, 9]


def test_the_default_folder_of_a_run(table: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = train("lr", table, seed=3)
    assert run.path == Path("runs") / f"lr-{table.name}-track-3"
    assert Run(tmp_path / run.path).info == run.info


# --- what a run learnt from, and how it was split ----------------------------------------------------------


def test_a_run_keeps_its_predictions_to_the_bit(run: Run, table: View) -> None:
    made = split(table, shares=(0.8, 0, 0.2))
    rows = np.concatenate([made.train, made.test])
    kept = run.predictions()
    assert kept.tracks.tolist() == table.ids[rows].tolist()
    assert kept.starts.tolist() == table.rows["start"][rows].tolist()
    assert kept.sides.tolist() == ["train"] * len(made.train) + ["test"] * len(made.test)
    assert [run.info.classes[number] for number in kept.truth] == table.labels[rows].tolist()
    assert np.array_equal(kept.probabilities, run.model().predict_proba(table.read(rows).astype(np.float32)))
    test = kept.of("test")
    scores = score_chunks(test.probabilities, test.truth, test.tracks, run.info.classes)
    assert scores.track.accuracy == run.metrics["test"]["track"]["accuracy"]


def test_a_run_keeps_what_it_learnt_from(tabular: View, tmp_path: Path) -> None:
    run = train("lr", tabular, out=tmp_path / "run", shares=(0.5, 0.25, 0.25))
    made = split(tabular, shares=(0.5, 0.25, 0.25))
    table = tabular.store.tracks
    expected = {
        side: {
            (id, str(table["hash"][table.index[id]]), str(table["label"][table.index[id]]))
            for id in tabular.ids[getattr(made, side)]
        }
        for side in ("train", "valid", "test")
    }
    kept = run.tracks()
    assert all(len(track.known.hash) == 32 for track in kept)
    for side, tracks in expected.items():
        found = [(track.known.track, track.known.hash, track.label) for track in kept if track.side == side]
        assert len(found) == len(set(found))
        assert set(found) == tracks
    learnt = {id for side in ("train", "valid") for id, _, _ in expected[side]}
    assert run.learnt().values["track"] == learnt


def test_models_of_both_kinds_are_tested_on_the_same_tracks(tabular: View, mel: View, tmp_path: Path) -> None:
    one = train("lr", tabular, out=tmp_path / "lr", seed=3)
    other = train("crnn-base", mel, out=tmp_path / "crnn", seed=3, settings={"epochs": 1})
    tested = [{track.known for track in run.tracks() if track.side == "test"} for run in (one, other)]
    assert tested[0] == tested[1]
    assert len(tested[0]) > 2


def test_the_seed_of_the_split_may_be_another(table: View, tmp_path: Path) -> None:
    runs = [
        train("rf", table, settings={"trees": 5}, seed=seed, split_seed=7, out=tmp_path / f"{seed}")
        for seed in (0, 1)
    ]
    assert [run.info.split["seed"] for run in runs] == [7, 7]
    digests = {run.info.split["digest"] for run in runs}
    assert digests == {split(table, seed=7, shares=(0.8, 0.0, 0.2)).digest}
    assert runs[0].metrics != runs[1].metrics


def test_a_split_file_is_used_and_named(table: View, tmp_path: Path) -> None:
    made = split(table, seed=5, shares=(0.6, 0.0, 0.4))
    file = write_split(made, table, tmp_path / "five.json")
    run = train("lr", table, strategy=str(file), out=tmp_path / "run")
    assert run.info.split["digest"] == made.digest
    assert (run.info.split["strategy"], run.info.split["name"]) == ("file", "file")
    assert run.info.split["reason"] == "read from five.json: track, seed 5"


# --- a model with epochs -----------------------------------------------------------------------------------


class Epochs(Lr):
    """lr, with a history."""

    def fit(
        self, train: Rows, valid: Rows, *, seed: int, work: Any = None, progress: Any = None
    ) -> list[dict[str, float]]:
        super().fit(train, valid, seed=seed)
        history = [{"epoch": epoch, "loss": 1 / epoch} for epoch in (1, 2, 3)]
        for entry in history:
            if progress is not None:
                progress(entry)
        return history


@pytest.fixture
def other_lr(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Model]], None]:
    """Register another class as lr, for one test."""
    from audiospec.zoo.base import models

    models["lr"]
    return lambda cls: monkeypatch.setitem(models._entries, "lr", cls)


def test_the_history_has_one_entry_per_epoch(
    table: View, tmp_path: Path, other_lr: Callable[[type[Model]], None]
) -> None:
    other_lr(Epochs)
    reported: list[Mapping[str, float]] = []
    run = train("lr", table, out=tmp_path / "run", progress=reported.append)
    with (run.path / "history.csv").open(newline="") as file:
        stored = [{name: float(value) for name, value in entry.items()} for entry in csv.DictReader(file)]
    assert stored == reported == [{"epoch": epoch, "loss": 1 / epoch} for epoch in (1, 2, 3)]
    assert {file.name for file in run.path.iterdir()} == FILES  # no curves of unknown columns


# --- imports -----------------------------------------------------------------------------------------------


def test_a_model_of_a_table_needs_no_torch(python: Python, table: View, tmp_path: Path) -> None:
    script = """
import sys
from audiospec import evaluate, open_store
from audiospec.zoo.training import train
run = train("svm", open_store(sys.argv[1]).view(sys.argv[2]), out=sys.argv[3])
evaluate(run)
assert "torch" not in sys.modules
import sklearn.externals.array_api_compat.torch  # hidden while skops was imported, not broken
"""
    python(script, table.store.path, table.name, tmp_path / "run")


# --- errors ------------------------------------------------------------------------------------------------


def test_two_runs_on_one_path_are_refused_before_training(
    table: View, tmp_path: Path, other_lr: Callable[[type[Model]], None]
) -> None:
    class Untrainable(Lr):
        def fit(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("the model was trained")

    before = train("lr", table, out=tmp_path / "run")
    contents = {file.name: file.read_bytes() for file in before.path.iterdir()}
    other_lr(Untrainable)
    with pytest.raises(RunError, match=r"run exists already: choose another `out`$"):
        train("lr", table, out=tmp_path / "run")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="file exists already"):
        train("lr", table, out=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    assert {file.name: file.read_bytes() for file in before.path.iterdir()} == contents


@pytest.mark.parametrize("moment", ["fit", "predict_proba", "save"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ModelError, ZeroDivisionError, OSError])
def test_a_training_that_fails_leaves_nothing(
    table: View,
    tmp_path: Path,
    other_lr: Callable[[type[Model]], None],
    moment: str,
    error: type[BaseException],
) -> None:
    def fail(self: Model, *args: Any, **kwargs: Any) -> None:
        if moment == "save":
            (args[0] / "model.half").write_text("half")
        raise error("on purpose")

    other_lr(type("Failing", (Lr,), {moment: fail}))
    written = moment == "save" and error is OSError
    with pytest.raises(RunError if written else error):
        train("lr", table, out=tmp_path / "runs" / "run")
    assert not [file for file in tmp_path.rglob("*") if file.name != "runs"]


def test_a_killed_training_leaves_no_run(python: Python, table: View, tmp_path: Path) -> None:
    script = """
import os, signal, sys
from audiospec import open_store
from audiospec.zoo.training import train
from audiospec.zoo.models.lr import Lr
save = Lr.save
def killed(self, folder):
    save(self, folder)
    os.kill(os.getpid(), signal.SIGKILL)
Lr.save = killed
train("lr", open_store(sys.argv[1]).view(sys.argv[2]), out=sys.argv[3])
"""
    command = [sys.executable, "-c", script, str(table.store.path), table.name, str(tmp_path / "run")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    assert not (tmp_path / "run").exists()
    for left in tmp_path.iterdir():
        assert left.name == "run.training"
        with pytest.raises(RunError, match="no run at"):
            Run(left)
    assert train("lr", table, out=tmp_path / "run").metrics["test"]


def test_a_folder_that_cannot_be_written_is_refused(table: View, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*choose another `out`$") as caught:
        train("lr", table, out=tmp_path / "file" / "run")
    one_line(caught.value)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": "svn"}, RegistryError, r"no model is called 'svn'; did you mean 'svm'\?"),
        ({"settings": {"gama": 1}}, ModelError, r"model 'svm' has no parameter 'gama'; did you mean 'gamma'"),
        ({"settings": {"C": "much"}}, ModelError, r"parameter C must be a finite number; got 'much'"),
        ({"settings": {"C": -1}}, ModelError, r"svm cannot learn from these rows: .*'C'"),
        ({"strategy": "tracks"}, SplitError, r"no split strategy is called 'tracks'; did you mean 'track'"),
        ({"strategy": "group"}, SplitError, r'has a group: .*, or use `strategy="track"`$'),
        ({"strategy": "fold-1"}, SplitError, r"dataset 'made' has no fold '1' \(it has none\)"),
        ({"strategy": "filtered"}, SplitError, r"for GTZAN"),
        ({"shares": (0.5, 0.6, 0.2)}, SplitError, r"three shares, of training, validation and test"),
        ({"shares": (float("nan"), 0.5, 0.5)}, SplitError, r"three shares"),
        ({"shares": (1.0, 0.0, 0.0)}, SplitError, r"three shares"),
        ({"shares": (0.99, 0.0, 0.01), "classes": ["ant", "bee"], "seed": -1}, SplitError, r"a seed of at"),
        ({"seed": "x"}, SplitError, r"a seed of at least 0; got 'x'"),
        ({"classes": "ant"}, SplitError, r"expected a list of labels; got the text 'ant'"),
        ({"classes": ["ant", "bea"]}, SplitError, r"no class 'bea'; did you mean 'bee'\?"),
        ({"classes": ["ant"]}, SplitError, r"has one class \(ant\): expected at least two"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_an_impossible_training_is_refused(
    table: View, tmp_path: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        train(**{"model": "svm", "view": table, "out": tmp_path / "run", **arguments})
    one_line(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_view_of_another_kind_is_refused(mel: View, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        train("svm", mel, out=tmp_path / "run")
    assert one_line(caught.value) == (
        f"model svm reads 'table' rows; view {mel.name} of feature 'mel' has 'spectrogram' rows of (mel, "
        "frame): choose another view, or another model (`audiospec models` lists them)"
    )


def test_one_class_only_is_refused(make_table: MakeTable, tmp_path: Path) -> None:
    with pytest.raises(SplitError, match=r"has one class \(ant\): expected at least two$"):
        train("svm", make_table({"ant": 5}), out=tmp_path / "run")


def test_a_class_of_one_track_is_refused_unless_it_is_left_out(make_table: MakeTable, tmp_path: Path) -> None:
    view = make_table({"ant": 10, "bee": 10, "owl": 1})
    with pytest.raises(SplitError, match=r"class 'owl' has 1 track, so it cannot be both"):
        train("svm", view, out=tmp_path / "run")
    assert train("svm", view, out=tmp_path / "run", classes=["ant", "bee"]).info.classes == ["ant", "bee"]


def test_rows_that_are_not_finite_are_refused(
    table: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = type(table)._read

    def broken(self: View, rows: Any, out: Any) -> None:
        read(self, rows, out)
        out[0] = np.nan

    monkeypatch.setattr(type(table), "_read", broken)
    with pytest.raises(ModelError, match="numbers that are not finite: verify the store"):
        train("svm", table, out=tmp_path / "run")


# --- which view, which store -------------------------------------------------------------------------------


def test_the_only_view_that_a_model_reads_is_chosen(store: FeatureStore, tabular: View) -> None:
    reads = models["svm"].input
    assert find_view(store, what=reads).name == tabular.name
    assert find_view(store, 1.0, what=reads).name == tabular.name
    assert find_view(store, view="tabular", what=reads).name == tabular.name
    assert find_view(store, what=models["crnn-base"].input).spec.feature == "mel"
    for arguments, problem in (
        ({"chunk": 3.0}, "has none that match `chunk=3`: "),
        ({"view": "mel"}, " of feature 'mel' has rows of (mel, frame): "),
        ({"view": tabular.name, "chunk": 2.0}, f'match `chunk=2` `view="{tabular.name}"`: '),
    ):
        with pytest.raises(StoreError) as caught:
            find_view(store, **arguments, what=reads, reader="svm")  # type: ignore[arg-type]
        message = one_line(caught.value)
        assert message.startswith("svm reads a table of features; ")
        assert message.endswith(f'{problem}choose one with `chunk=1` `view="{tabular.name}"`')


def test_several_matching_views_or_none_are_refused(music: Path, tmp_path: Path) -> None:
    import audiospec

    path = tmp_path / "music.h5"
    mel = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=8, fmax=4000)
    audiospec.featurize("folder", data=music, spec=mel, chunk=1.0, store=path, workers=0)
    with pytest.raises(
        StoreError, match=r"music\.h5 has none: make one with `audiospec featurize --features tab"
    ):
        find_view(open_store(path), what="table", reader="svm")
    with pytest.raises(StoreError, match=r"a view of loud; .* has none: make one with .* --features loud`$"):
        find_view(open_store(path), what="loud")
    spec = audiospec.TabularSpec(sample_rate=8000, families=("rms",), n_fft=512)
    views = [
        audiospec.featurize("folder", data=music, spec=spec, chunk=chunk, store=path, workers=0)
        for chunk in (1.0, 2.0)
    ]
    with pytest.raises(
        StoreError, match=r"svm reads a table of features; .* has 2: choose one with"
    ) as caught:
        find_view(open_store(path), what="table", reader="svm")
    for view in views:
        assert f'`chunk={view.chunking.seconds:g}` `view="{view.name}"`' in one_line(caught.value)
        assert find_view(open_store(path), view.chunking.seconds, what="table").name == view.name
        assert find_view(open_store(path), view=view.name, what="tabular").name == view.name


def test_the_only_store_of_a_folder_is_chosen(table: View, tmp_path: Path) -> None:
    assert find_store(table.store.path.parent).path == table.store.path
    with pytest.raises(
        StoreError, match=rf"^expected one store in {tmp_path}; got none: choose one with `store`$"
    ):
        find_store(tmp_path)
    for name in ("a.zarr", "b.H5", "c.txt"):
        (tmp_path / name).touch()
    with pytest.raises(StoreError, match=r"expected one store in .*; got a\.zarr, b\.H5: choose"):
        find_store(tmp_path)
    for wrong in ("nowhere", "a.zarr"):
        with pytest.raises(StoreError, match="cannot look for a store in"):
            find_store(tmp_path / wrong)


def test_a_store_of_another_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suffixes are those of the registered stores."""

    class Another(stores["zarr"]):  # type: ignore[misc]
        suffixes = (".another",)

    monkeypatch.setitem(stores._entries, "zarr", Another)
    (tmp_path / "x.another").mkdir()
    with pytest.raises(StoreError, match=r"x\.another is not a feature store"):
        find_store(tmp_path)


# --- models of other packages ------------------------------------------------------------------------------

PLUGIN = '''
from dataclasses import dataclass

import numpy as np

from audiospec.errors import ModelError
from audiospec.zoo.base import Model, ModelSettings, models


@models.register
class Centre(Model):
    """centre: the nearest mean of a class."""

    input, shares = "table", (0.5, 0.0, 0.5)

    @dataclass(frozen=True, kw_only=True)
    class Settings(ModelSettings):
        sharpness: float = 1.0

    def fit(self, train, valid, *, seed, work=None, progress=None):
        rows = train.read()
        self.means = np.stack([rows[train.targets == n].mean(0) for n in range(len(self.classes))])
        return []

    def predict_proba(self, rows):
        far = np.square(rows[:, None].astype(float) - self.means).sum(2) * self.settings.sharpness
        powers = np.exp(far.min(1, keepdims=True) - far)
        return powers / powers.sum(1, keepdims=True)

    def save(self, folder):
        np.save(folder / "model.npy", self.means, allow_pickle=False)

    def load(self, folder):
        try:
            self.means = np.load(folder / "model.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ModelError(f"{folder / 'model.npy'} cannot be read", "train again") from error
        if self.means.shape != (len(self.classes), *self.row_shape):
            raise ModelError(f"{folder / 'model.npy'} is of other rows or classes", "train again")

    @property
    def parameters(self):
        return self.means.size
'''


def install(folder: Path) -> None:
    """Install a fake distribution with one module and one entry point."""
    folder.mkdir()
    (folder / "centre.py").write_text(PLUGIN)
    info = folder / "centre-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: centre\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[audiospec.models]\ncentre = centre:Centre\n")
    importlib.invalidate_caches()


@pytest.mark.long
def test_a_model_of_another_package(python: Python, table: View, tmp_path: Path) -> None:
    install(tmp_path / "site")
    script = """
import sys
sys.path.insert(0, sys.argv[1])
import audiospec, pytest
from audiospec.testing.models import ModelContract
from audiospec.zoo.base import models
from audiospec.zoo.training import train
from audiospec.zoo.targets.single import Single
assert models.summary("centre") == "the nearest mean of a class."
view = audiospec.open_store(sys.argv[2]).views()[0]
run = train("centre", view, settings={"sharpness": "0.5"}, out=sys.argv[3])
assert run.info.split["shares"] == [0.5, 0.0, 0.5]
assert run.info.parameters == 12
assert run.metrics["test"]["track"]["accuracy"] > 0.6
assert {file.name for file in run.path.iterdir()} >= {"model.npy", "run.json", "card.md"}
assert audiospec.Run(run.path).model().settings.sharpness == 0.5
test = sys.argv[1] + "/test_centre.py"
with open(test, "w") as file:
    file.write("from audiospec.testing.models import ModelContract\\n"
               "class TestCentre(ModelContract):\\n    name = 'centre'\\n")
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", sys.argv[1], test]))
"""
    output = python(script, tmp_path / "site", table.store.path, tmp_path / "run").stdout
    assert " passed" in output
    assert "1 skipped" in output  # its files cannot name types
    # Without the package, the run can be opened, and the error names the missing model.
    run = Run(tmp_path / "run")
    assert run.info.model == "centre"
    with pytest.raises(RegistryError, match=r"no model is called 'centre' \(there are: ") as caught:
        run.model()
    one_line(caught.value)
