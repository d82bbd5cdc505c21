"""Cross-validation: one run of all folds, its pooled scores; searches on inner folds; learning curves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest

from audiospec.errors import AudiospecError, ModelError, RunError, SplitError
from audiospec.stores.layout.view import View
from audiospec.zoo.base import models
from audiospec.zoo.comparison.compare import compare
from audiospec.zoo.evaluation import evaluate
from audiospec.zoo.models.lr import Lr
from audiospec.zoo.report.collect import find_runs
from audiospec.zoo.report.leaderboard import tasks
from audiospec.zoo.report.page import report_page
from audiospec.zoo.runs.predictions import Predictions
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.chunks import score_chunks
from audiospec.zoo.scores.measuring.pooled import spread_of_folds
from audiospec.zoo.splits.folds import make_folds
from audiospec.zoo.splits.split import make_split
from audiospec.zoo.splits.units import units_of
from audiospec.zoo.training import train

Python = Callable[..., "subprocess.CompletedProcess[str]"]
SHARES = (0.8, 0.0, 0.2)


@pytest.fixture(scope="module")
def whole(table: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A cross-validation of lr: five folds, drawn twice."""
    return train("lr", table, folds=5, repeats=2, out=tmp_path_factory.mktemp("runs") / "cv")


def one_line(error: AudiospecError) -> str:
    assert "\n" not in str(error)
    return str(error)


# --- the run of the whole ----------------------------------------------------------------------------------


def test_a_cross_validation_is_one_run(whole: Run, table: View) -> None:
    folders = {f"fold-{number}" for number in range(1, 11)}
    files = {
        "run.json",
        "metrics.json",
        "history.csv",
        "predictions.csv",
        "tracks.csv",
        "card.md",
        "confusion.png",
    }
    assert {path.name for path in whole.path.iterdir()} == folders | files
    assert list(whole.path.parent.iterdir()) == [whole.path]
    assert Run(whole.path).info == whole.info
    split = whole.info.split
    assert (split["strategy"], split["name"], split["leaky"]) == ("5 folds x 2", "5 folds x 2", False)
    assert split["digest"] == make_folds(table, folds=5, repeats=2, shares=SHARES).digest
    assert split["sides"] == {
        "train": {"rows": 72, "tracks": 24},
        "valid": {"rows": 0, "tracks": 0},
        "test": {"rows": 90, "tracks": 30},
    }
    stated = whole.info.cross_validation
    assert (stated["folds"], stated["repeats"], len(stated["runs"])) == (5, 2, 10)
    assert whole.info.seconds == sum(run.info.seconds for run in whole.folds())


def test_each_fold_is_a_full_run(whole: Run, table: View) -> None:
    folds = make_folds(table, folds=5, repeats=2, shares=SHARES)
    for fold, run in zip(folds.folds, whole.folds(), strict=True):
        assert run.info.split["digest"] == fold.split.digest
        assert np.array_equal(
            run.predictions().of("test").probabilities, run.model().predict_proba(table.read(fold.split.test))
        )


def test_pooled_predictions_have_each_row_once_a_repeat(whole: Run, table: View) -> None:
    pooled = whole.predictions()
    assert pooled.repeats is not None
    assert pooled.folds is not None
    assert set(pooled.sides.tolist()) == {"test"}
    for repeat in pooled.by_repeat():
        places = sorted(zip(repeat.tracks.tolist(), repeat.starts.tolist(), strict=True))
        assert places == sorted(
            zip(table.ids.astype(str).tolist(), table.rows["start"].tolist(), strict=True)
        )
    for number, run in enumerate(whole.folds()):
        rows = (pooled.repeats == number // 5 + 1) & (pooled.folds == number % 5 + 1)
        assert np.array_equal(pooled.where(rows).probabilities, run.predictions().of("test").probabilities)


def test_scores_are_the_means_over_repeats_of_pooled_predictions(whole: Run) -> None:
    classes = whole.info.classes
    repeats = [
        score_chunks(part.probabilities, part.truth, part.tracks, classes)
        for part in whole.predictions().by_repeat()
    ]
    for level in ("chunk", "track"):
        tables = [getattr(one, level) for one in repeats]
        score = whole.metrics["test"][level]
        assert score["macro_f1"] == fmean(table.macro_f1 for table in tables)
        assert score["macro_f1_interval"] == [
            fmean(t.macro_f1_interval[end] for t in tables) for end in (0, 1)
        ]
        assert score["count"] == tables[0].count
        assert np.sum(score["confusion"]) == 2 * tables[0].count
    assert score["macro_f1"] not in {table.macro_f1 for table in tables}


def test_fold_scores_equal_those_of_scikit_learn(table: View, tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = make_folds(table, folds=4, repeats=2, seed=3, shares=SHARES)
    run = train("lr", table, strategy=folds, settings={"C": 0.3}, out=tmp_path / "cv")
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=5000))
    rows, labels = table.read().astype(np.float64), table.labels.astype(str)
    for key, scoring in (("accuracy", "accuracy"), ("macro_f1", "f1_macro")):
        expected = cross_val_score(pipeline, rows, labels, cv=folds, scoring=scoring)
        got = [fold["scores"]["chunk"][key] for fold in run.info.cross_validation["runs"]]
        assert got == pytest.approx(expected.tolist(), abs=1e-12)
        spread = run.info.cross_validation["spread"]["chunk"][key]
        assert spread["mean"] == pytest.approx(expected.mean())
        assert spread["deviation"] == pytest.approx(expected.std(ddof=1))


def test_the_standard_error_is_corrected() -> None:
    tables = [{"f": value, "f_interval": [0, 1], "count": 9} for value in (0.5, 0.6, 0.8)]
    spread = spread_of_folds(tables, [20, 20, 20], [10, 10, 10])
    assert set(spread) == {"f"}
    deviation = stdev([0.5, 0.6, 0.8])
    assert spread["f"]["deviation"] == deviation
    assert spread["f"]["error"] == pytest.approx(
        deviation * (1 / 3 + 1 / 2) ** 0.5
    )  # Nadeau and Bengio, eq. 9


def test_the_same_seed_gives_the_same_scores(table: View, tmp_path: Path, whole: Run) -> None:
    again = train("lr", table, folds=5, repeats=2, out=tmp_path / "again")
    assert again.metrics == whole.metrics
    assert (again.path / "predictions.csv").read_bytes() == (whole.path / "predictions.csv").read_bytes()
    assert (again.path / "tracks.csv").read_bytes() == (whole.path / "tracks.csv").read_bytes()


def test_it_has_no_model(whole: Run) -> None:
    with pytest.raises(RunError) as raised:
        whole.model()
    message = one_line(raised.value)
    assert "is a cross-validation: it has a model for each of its 10 folds" in message
    assert (
        f"use the run of a fold, such as {whole.path / 'fold-1'}, or train one model without folds" in message
    )


def test_it_is_evaluated_by_the_models_of_its_folds(whole: Run, table: View) -> None:
    scores = evaluate(whole)
    assert json.loads(json.dumps(scores.to_dict()))["track"] == whole.metrics["test"]["track"]
    assert scores.leaks is not None
    assert (scores.leaks.rows, scores.leaks.leaking, scores.unknown) == (180, 0, None)
    with pytest.raises(RunError, match="is a cross-validation"):
        evaluate(whole, table.store)


def test_it_is_one_entry_of_the_report(whole: Run, run: Run, tmp_path: Path) -> None:
    found = find_runs([whole.path.parent, run.path.parent])
    assert [one.path for one in found.runs] == sorted([whole.path, run.path], key=str)
    assert (found.problems, found.unfinished) == ({}, 0)
    (task,) = tasks(found.runs)
    assert {board.strategy: len(board.entries) for board in task.boards} == {"track": 1, "5 folds x 2": 1}
    page = report_page(found.runs, {}, 0)
    assert page.count("<h4>Folds</h4>") == 1
    assert "fold 5 of 5, repeat 2" in page
    card = (whole.path / "card.md").read_text()
    assert "cross-validation: each of 5 folds is tested once in each of 2 repeats" in card
    assert "| macro F1 by track |" in card


@pytest.mark.parametrize("level", ["track", "chunk"])
def test_cross_validations_are_compared_by_all_their_repeats(
    whole: Run, table: View, tmp_path: Path, level: str
) -> None:
    other = train("knn-1", table, folds=5, repeats=2, out=tmp_path / "other")
    found = compare(whole, other, level=level)
    assert found.scores == pytest.approx([run.metrics["test"][level]["macro_f1"] for run in (whole, other)])
    assert (found.runs, found.left_out) == ((1, 1), (0, 0))
    assert found.items == {"track": 30, "chunk": 90}[level]
    (task,) = tasks([whole, other])
    (board,) = task.boards
    assert [len(entry.runs) for entry in board.entries] == [1, 1]
    once = train("knn-1", table, folds=5, out=tmp_path / "once")  # the same tracks, tested in other folds
    assert compare(whole, once, level=level).items == found.items
    with pytest.raises(RunError, match="tested on the same tracks"):
        compare(whole, train("knn-1", table, out=tmp_path / "single"))


@pytest.mark.parametrize("name", ["fold-3", "fold-10"])
def test_a_fold_that_was_changed_is_refused(table: View, tmp_path: Path, name: str) -> None:
    whole = train("knn-1", table, folds=5, repeats=2, out=tmp_path / "cv")
    other = train("knn-1", table, out=tmp_path / "other")
    (whole.path / name).rename(tmp_path / "kept")
    with pytest.raises(RunError, match=f"no run at .*{name}"):
        Run(whole.path).folds()
    other.path.rename(whole.path / name)
    with pytest.raises(RunError, match=f"was changed: its {name} is not what was written"):
        Run(whole.path).folds()


def test_folds_that_leak_are_called_leaky(make_grouped: Any, tmp_path: Path) -> None:
    view = make_grouped()
    leaky = train("knn-1", view, strategy="track", folds=4, out=tmp_path / "leaky")
    assert leaky.info.split["name"] == "4 folds by track (leaky: groups)"
    scores = evaluate(leaky)
    assert scores.leaks is not None
    assert scores.leaks.to_dict() == leaky.info.split["leaks"]
    assert scores.unknown is not None
    assert scores.unknown.chunk.count == len(view) - scores.leaks.leaking
    assert not train("knn-1", view, folds=4, out=tmp_path / "honest").info.split["leaky"]
    each = train("knn-1", view, strategy="leave-one-group-out", out=tmp_path / "each")
    assert len(each.info.cross_validation["runs"]) == len(set(view.groups.tolist()))
    own = train("knn-1", view, strategy="folds", out=tmp_path / "own")
    assert [fold["split"] for fold in own.info.cross_validation["runs"]] == ["fold-0", "fold-1"]


@pytest.fixture(scope="module")
def make_grouped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], View]:
    """A view of tones in three classes, with groups and folds of the dataset."""
    import audiospec
    from audiospec.testing.audio import noise, tone, write

    folder = tmp_path_factory.mktemp("grouped")
    lines = ["path,label,group,fold"]
    for label, hertz in (("ant", 200), ("bee", 700), ("cat", 2100)):
        for number in range(9):
            wave = tone(1.2, 8000, hertz=hertz + 30 * number) + noise(
                1.2, 8000, level=0.3, seed=hertz + number
            )
            write(folder / f"{label}{number}.wav", wave, 8000)
            group = number if number == 8 else number % 4  # one is alone
            lines.append(f"{label}{number}.wav,{label},{label}-{group},{number % 4 % 2}")
    (folder / "made.csv").write_text("\n".join(lines) + "\n")
    spec = audiospec.TabularSpec(
        sample_rate=8000, families=("rms", "mfcc"), n_fft=512, hop_length=128, n_mels=40, n_mfcc=8
    )
    store = folder / "made.zarr"
    audiospec.featurize("csv", data=folder / "made.csv", spec=spec, chunk=0.6, store=store, workers=0)
    return lambda: audiospec.open_store(store).views()[0]


def test_predictions_with_folds_are_read_as_they_were_written(whole: Run, tmp_path: Path) -> None:
    pooled = whole.predictions()
    pooled.write(tmp_path / "again.csv", whole.target)
    assert (tmp_path / "again.csv").read_bytes() == (whole.path / "predictions.csv").read_bytes()
    lines = (tmp_path / "again.csv").read_text().splitlines()
    assert lines[0] == "track,hash,start,side,truth,repeat,fold,p:ant,p:bee,p:cat"
    for bad in ([lines[0].replace("repeat", "times")], [lines[0], lines[1].replace(",1,1,", ",x,1,", 1)]):
        with pytest.raises(ValueError, match=r"columns|invalid literal"):
            Predictions.read(bad, whole.target)


# --- searches ----------------------------------------------------------------------------------------------


def test_a_search_chooses_on_inner_folds(table: View, tmp_path: Path) -> None:
    run = train("lr", table, search={"C": [1e-4, "1"], "steps": [50, 5000]}, out=tmp_path / "run")
    search = run.info.search
    assert search["grid"] == {"C": [1e-4, 1.0], "steps": [50, 5000]}
    assert [one["settings"] for one in search["candidates"]] == [
        {"C": C, "steps": steps} for C in (1e-4, 1.0) for steps in (50, 5000)
    ]
    assert all(
        len(one["scores"]) == 3 and one["score"] == fmean(one["scores"]) for one in search["candidates"]
    )
    assert search["chosen"] == {"C": 1.0, "steps": 50}
    assert run.info.settings == {**search["chosen"], "class_weights": False}
    given = train("lr", table, settings=search["chosen"], out=tmp_path / "given")
    assert given.metrics == run.metrics
    card = (run.path / "card.md").read_text()
    assert "searched, by macro_f1 by track on 3 inner folds of the training rows: C 0.0001, 1.0" in card
    page = report_page([run], {}, 0)
    assert "<h4>Search</h4>" in page
    assert "C 0.0001, steps 50" in page


class Watched(Lr):
    """lr that keeps the rows that it was trained on."""

    trained: list[set[int]]

    def fit(self, train: Any, valid: Any, **options: Any) -> Any:
        Watched.trained.append(set(train.numbers.tolist()))
        return super().fit(train, valid, **options)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    monkeypatch.setitem(models._entries, "lr", Watched)
    Watched.trained = []
    return Watched


@pytest.mark.parametrize("folds", [None, 4])
def test_the_search_reads_no_test_row(
    table: View, tmp_path: Path, watched: type[Watched], monkeypatch: pytest.MonkeyPatch, folds: int | None
) -> None:
    """The rows of the outer test side raise an error while a search is going on."""
    import audiospec.zoo.training as training

    untouched: set[int] = set()
    asked: list[int] = []
    read, choose_settings = type(table).read, training.choose_settings

    def guarded(self: View, rows: Any = None) -> Any:
        wanted = set(range(len(self))) if rows is None else set(np.atleast_1d(rows).tolist())
        assert not wanted & untouched, "a test row was read"
        asked.append(len(wanted))
        return read(self, rows)

    def searching(search: Any, cls: Any, settings: Any, rows: Any, split: Any, **options: Any) -> Any:
        untouched.update(split.test.tolist(), split.valid.tolist())
        assert untouched
        try:
            return choose_settings(search, cls, settings, rows, split, **options)
        finally:
            untouched.clear()

    monkeypatch.setattr(type(table), "read", guarded)
    monkeypatch.setattr(training, "choose_settings", searching)
    run = train("lr", table, search={"C": [0.1, 1]}, folds=folds, out=tmp_path / "run")
    outer = run.folds() or [run]
    assert len(watched.trained) == len(outer) * (2 * 3 + 1)
    assert len(asked) > len(watched.trained)
    untouched.update([0])
    with pytest.raises(AssertionError, match="a test row was read"):  # the guard works
        table.read([0])


def test_inner_folds_are_of_units(make_grouped: Any, tmp_path: Path, watched: type[Watched]) -> None:
    view = make_grouped()
    train("lr", view, search={"C": [1]}, inner_folds=2, out=tmp_path / "run")
    *inner, outer = watched.trained
    assert len(inner) == 2
    units = units_of(view)
    for rows in inner:
        assert rows < outer
        assert not {units[row] for row in rows} & {units[row] for row in outer - rows}


def test_a_search_in_each_fold(table: View, tmp_path: Path) -> None:
    run = train("lr", table, search={"C": [0.01, 1, 100]}, folds=3, out=tmp_path / "run")
    search = run.info.search
    assert search["chosen"] == [fold.info.search["chosen"] for fold in run.folds()]
    assert all(fold.info.settings["C"] == fold.info.search["chosen"]["C"] for fold in run.folds())
    same = len({fold["C"] for fold in search["chosen"]}) == 1
    assert ("C" in run.info.settings) == same
    assert run.info.settings["steps"] == 5000
    assert (
        train("lr", table, search={"C": [0.01, 1, 100]}, folds=3, out=run.path, resume=True).digest
        == run.digest
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": {"D": [1]}}, "model 'lr' has no parameter 'D'"),
        ({"search": {"seed": [1, 2]}}, "model 'lr' has no parameter 'seed'"),
        ({"search": {"C": []}}, "expected a list of values of parameter C to search"),
        ({"search": {"C": "1"}}, "expected a list of values of parameter C to search"),
        ({"search": {"C": ["x"]}}, "parameter C must be a finite number; got 'x'"),
        (
            {"search": {"C": [1]}, "settings": {"C": 2}},
            "expected parameter C to be given or searched; got both",
        ),
        ({"search": {"C": [1]}, "inner_folds": 1}, "expected at least 2 inner folds; got 1"),
        (
            {"search": {"C": [1]}, "inner_folds": 9},
            "class 'ant' has 8 of the units .*, fewer than 9 inner folds",
        ),
        ({"search": {"C": [0.0]}}, "lr cannot learn from these rows"),
    ],
)
def test_a_search_that_is_not_possible(table: View, tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises((ModelError, SplitError), match=message) as raised:
        train("lr", table, out=tmp_path / "run", **options)
    one_line(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_search_on_test_rows_is_refused(table: View, tmp_path: Path) -> None:
    rows = np.arange(len(table))
    both = make_split(table, "made", (rows, rows[:0], rows[:10]), seed=0, shares=(0.8, 0, 0.2), reason="")
    with pytest.raises(
        SplitError, match="expected a search on training rows alone; 10 of them are test rows"
    ):
        train("lr", table, strategy=both, search={"C": [1]}, out=tmp_path / "run")


def test_a_network_is_searched_with_validation_rows(mel: View, tmp_path: Path) -> None:
    settings = {"epochs": 1, "device": "cpu"}
    shares = (0.5, 0.25, 0.25)
    stages = []
    run = train(
        "crnn-base",
        mel,
        settings=settings,
        shares=shares,
        search={"learning_rate": [1e-3, 1e-4]},
        inner_folds=2,
        out=tmp_path / "run",
        watch=lambda now: stages.append((now.stage, now.rows, now.rows_total)),
    )
    assert [stage for stage in stages if stage[0] == "searching"] == [("searching", n, 4) for n in range(4)]
    assert run.info.settings["learning_rate"] == run.info.search["chosen"]["learning_rate"]
    assert len(run.history()) == 1


# --- learning curves ---------------------------------------------------------------------------------------


def test_a_share_of_the_training_rows(table: View, tmp_path: Path) -> None:
    runs = [train("lr", table, train_share=share, runs=tmp_path) for share in (0.25, 0.5, 1)]
    assert [run.info.train_share for run in runs] == [0.25, 0.5, 1.0]
    assert [run.path.name.removeprefix(f"lr-{table.name}-track-0") for run in runs] == [
        "-share-0.25",
        "-share-0.5",
        "",
    ]
    assert [run.info.split["sides"]["train"]["tracks"] for run in runs] == [6, 12, 24]
    tested = [{track for track in run.tracks() if track.side == "test"} for run in runs]
    assert tested[0] == tested[1] == tested[2]
    learnt = [run.learnt().values["track"] for run in runs]
    assert learnt[0] < learnt[1] < learnt[2]
    (task,) = tasks(runs)
    (board,) = task.boards
    assert sorted(len(entry.runs) for entry in board.entries) == [1, 1, 1]
    page = report_page(runs, {}, 0)
    assert "<h3>Learning curves</h3>" in page
    assert "over 6 to 24 training tracks: by track from" in page
    assert "0.25 of the training rows" in page
    assert "Learning curves" not in report_page(runs[:1], {}, 0)
    assert "a share of 0.25 of the training rows" in (runs[0].path / "card.md").read_text()


def test_shares_of_a_cross_validation(table: View, tmp_path: Path) -> None:
    small = train("lr", table, folds=3, train_share=0.5, out=tmp_path / "small")
    whole = train("lr", table, folds=3, out=tmp_path / "whole")
    assert [fold.info.train_share for fold in small.folds()] == [0.5] * 3
    assert small.info.train_share == 0.5
    # 6 or 7 tracks of each class in a fold, of which 3 are taken.
    assert [one.info.split["sides"]["train"]["tracks"] for one in (small, whole)] == [9, 20]
    assert {fold.info.split["sides"]["train"]["tracks"] for fold in small.folds()} == {9}
    assert small.predictions().tracks.tolist() == whole.predictions().tracks.tolist()


# --- interruptions -----------------------------------------------------------------------------------------

#: Cross-validations with a search in forked processes, each of which dies at another operation on the files
#: of its folder, or finds the disk full there. Each is then resumed.
SCRIPT = """
import errno, functools, json, os, shutil, signal, sys, traceback
from pathlib import Path
import importlib.metadata as metadata
import audiospec.zoo.runs.pictures as pictures
import audiospec.zoo.runs.write as write
import audiospec.zoo.scores.measuring.bootstrap as bootstrap
from audiospec import open_store
from audiospec.errors import AudiospecError
from audiospec.zoo.base import models
from audiospec.zoo.models.lr import Lr
from audiospec.zoo.training import train

store, view, folder, how, step = sys.argv[1:]
view, folder, step = open_store(store).view(view), Path(folder), int(step)

class Counted(Lr):
    "lr that counts its trainings"
    trainings = 0
    def fit(self, train, valid, **options):
        Counted.trainings += 1
        return super().fit(train, valid, **options)

pictures.save_pictures = lambda work, *_: (work / "confusion.png").write_bytes(b"picture" * 1000)
write.sync = lambda path: None  # a process that dies loses nothing that it has written
bootstrap.RESAMPLES = 20
metadata.entry_points = functools.cache(metadata.entry_points)
models["lr"]
models._entries["lr"] = Counted
FITS = 2 * 2 + 1  # of a fold: two values on two inner folds, and the training

def content(run):
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*")}
    files = {name: (run.path / name).read_bytes() for name in names if name.endswith((".csv", ".md"))}
    for name in [name for name in files if name.endswith(".md")]:
        files[name] = [line for line in files[name].splitlines() if b"training took" not in line]
    return names, files, run.metrics, run.info.split, run.info.search

def attempt(out, **options):
    Counted.trainings = 0
    return train("lr", view, folds=3, search={"C": [0.1, 1]}, inner_folds=2, out=out, **options)

def interrupting(number, top):
    count, active = 0, True
    def hook(event, arguments):
        nonlocal count, active
        changing = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
        if not active or event not in changing:
            return
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes, os.PathLike)) else ""
        if not path.startswith(top) or event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        count += 1
        if count == number:
            active = False
            if how == "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            if event == "open":
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.write(descriptor, b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    return lambda: count

def forked(function):
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]

whole = content(attempt(folder / "whole"))
assert Counted.trainings == 3 * FITS
number, interrupted_by = 1, 0
while True:
    out = folder / f"{number}"
    out.mkdir()
    out /= "run"
    def interrupted():
        made = interrupting(number, str(out))
        try:
            attempt(out)
        except AudiospecError as error:
            assert "No space left" in str(error) or "disk is full" in str(error), error
            os._exit(3)
        (folder / "operations").write_text(str(made()))
    (folder / "operations").unlink(missing_ok=True)
    status = forked(interrupted)
    assert os.WIFSIGNALED(status) or status in (0, 3 << 8), (number, status)
    if status == 0 and int((folder / "operations").read_text()) < number:
        break
    work = out.with_name("run.training") / "checkpoint"
    done = 3 * FITS if (out / "run.json").exists() else 0
    if work.exists():
        finished = [path for path in work.glob("fold-*") if (path / "run.json").exists()]
        names = {path.name + ".training" for path in finished}
        current = [path for path in work.glob("fold-?.training") if path.name not in names]
        done = FITS * len(finished) + sum(
            len(json.loads((path / "search/scores.json").read_text()))
            for path in current if (path / "search/scores.json").exists()
        )
    def resumed():
        run = attempt(out, resume=True)
        assert Counted.trainings == 3 * FITS - done, (number, Counted.trainings, done)
        assert content(run) == whole, number
        assert [path.name for path in out.parent.iterdir()] == ["run"], list(out.parent.iterdir())
    assert forked(resumed) == 0, number
    shutil.rmtree(out.parent)
    interrupted_by += 1
    number += step
print(interrupted_by)
"""


@pytest.mark.parametrize(
    ("how", "step"),
    [
        ("kill", 15),
        *(pytest.param(how, step, marks=pytest.mark.long) for how, step in (("kill", 5), ("full", 17))),
    ],
)
def test_a_cross_validation_that_dies_anywhere_is_resumed(
    python: Python, table: View, tmp_path: Path, how: str, step: int
) -> None:
    done = python(SCRIPT, table.store.path, table.name, tmp_path, how, step)
    assert int(done.stdout) >= 3


def test_an_interrupted_cross_validation_is_not_a_run_yet(
    table: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Any, *_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    fitted = []
    fit = Lr.fit

    def third(self: Any, *rows: Any, **options: Any) -> Any:
        fitted.append(len(rows[0]))
        return (stop if len(fitted) == 3 else fit)(self, *rows, **options)

    monkeypatch.setattr(Lr, "fit", third)
    with pytest.raises(KeyboardInterrupt):
        train("lr", table, folds=5, runs=tmp_path)
    (work,) = tmp_path.iterdir()
    assert work.name == f"lr-{table.name}-5-folds-0.training"
    found = find_runs([tmp_path])
    assert (found.runs, found.problems, found.unfinished) == ([], {}, 1)
    with pytest.raises(RunError, match="was interrupted: resume it with `resume=True`"):
        train("lr", table, folds=5, out=work.with_suffix(""))
    with pytest.raises(RunError, match="has another interrupted training, which differs in split"):
        train("lr", table, folds=4, out=work.with_suffix(""), resume=True)
    run = train("lr", table, folds=5, runs=tmp_path, resume=True)
    assert len(fitted) == 2 + 1 + 3
    assert [path.name for path in tmp_path.iterdir()] == [run.path.name]
    assert train("lr", table, folds=5, runs=tmp_path, resume=True).digest == run.digest
    assert len(fitted) == 6


def test_a_fold_that_cannot_be_trained_leaves_nothing(table: View, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="lr cannot learn"):
        train("lr", table, folds=3, settings={"C": 0.0}, out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
