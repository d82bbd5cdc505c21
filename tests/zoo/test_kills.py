"""A training that dies anywhere goes on from its checkpoint, and ends as one that did not die."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

from audiospec.errors import ModelError, RunError
from audiospec.features.base import one_thread
from audiospec.stores.layout.view import View
from audiospec.zoo.fitting.checkpoint import read_checkpoint, write_checkpoint
from audiospec.zoo.report.collect import find_runs
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import stopped_otherwise
from audiospec.zoo.training import train

Python = Callable[..., "subprocess.CompletedProcess[str]"]

#: Trains in forked processes, each of which dies at another operation on the files of its folder: before it,
#: or, if a file is opened for writing, after half of it is written. Each training is then resumed.
SCRIPT = """
import errno, functools, json, os, shutil, signal, sys, traceback
from pathlib import Path
import importlib.metadata as metadata
import audiospec.zoo.runs.pictures as pictures
import audiospec.zoo.runs.write as write
import audiospec.zoo.scores.measuring.bootstrap as bootstrap
from audiospec import open_store
from audiospec.errors import AudiospecError
from audiospec.zoo.base import CHECKPOINT, models
from audiospec.zoo.models.lr import Lr
from audiospec.zoo.runs.training_folder import writing_run
from audiospec.zoo.training import train

store, view, folder, how, step = sys.argv[1:]
view, folder = open_store(store).view(view), Path(folder)

class Epochs(Lr):
    "lr with two epochs, a checkpoint, and a log as TensorBoard writes it"
    trainings = 0
    def fit(self, train, valid, *, seed, work, progress):
        file = work / CHECKPOINT
        done = int(file.read_text()) if file.exists() else 0
        for epoch in range(1, 3):
            if epoch > done:
                Epochs.trainings += 1
                with writing_run(work):
                    (work / f"events.out.tfevents.{os.getpid()}").write_text("x")
                    (work / "checkpoint.partial").write_text(str(epoch))
                    os.replace(work / "checkpoint.partial", file)
            progress({"epoch": epoch, "loss": 1 / epoch, "seconds": 1.0})
        super().fit(train, valid, seed=seed)
        return [{"epoch": epoch, "loss": 1 / epoch, "seconds": 1.0} for epoch in (1, 2)]

def draw(work, *_):  # the pictures themselves take most of the time
    for name in ("confusion.png", "curves.png"):
        (work / name).write_bytes(b"picture" * 1000)

pictures.save_pictures = draw
write.sync = lambda path: None  # a process that dies loses nothing that it has written
bootstrap.RESAMPLES = 20
metadata.entry_points = functools.cache(metadata.entry_points)  # takes half of a training as short as this
models["lr"]
models._entries["lr"] = Epochs

def content(run):
    "What two runs of one training have in common: archives have times, logs have names of processes."
    names = {path.name for path in run.path.iterdir() if "tfevents" not in path.name}
    files = {name: (run.path / name).read_bytes() for name in names - {"run.json", "model.skops"}}
    return names, files, run.info, run.history(), run.model().predict_proba(view.read()).tolist()

def attempt(out, **options):
    Epochs.trainings = 0
    return train("lr", view, out=out, **options)

def killing(number, top, write):
    "Die at operation `number` below the folder `top`."
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
            write(event, path)
    sys.addaudithook(hook)
    return lambda: count

def die(event, path):
    if event == "open":
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(descriptor, b"half")
    os.kill(os.getpid(), signal.SIGKILL)

def fail(event, path):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

def forked(function):
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException as error:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]

whole = content(attempt(folder / "whole"))
number, operations = 1, 0
while True:
    out = folder / f"{number}"
    out.mkdir()
    out /= "run"
    def interrupted():
        made = killing(number, str(out), die if how == "kill" else fail)
        try:
            attempt(out)
        except AudiospecError as error:
            assert "No space left" in str(error) or "disk is full" in str(error), error
            kept = out.with_name("run.training") / CHECKPOINT
            assert kept.exists() == ("`resume=True`" in str(error)), error
            os._exit(3)
        (folder / "operations").write_text(str(made()))
    def resumed():
        work = out.with_name("run.training")
        had = int((work / CHECKPOINT).read_text()) if (work / CHECKPOINT).exists() else 0
        finished = (out / "run.json").exists()
        run = attempt(out, resume=True)
        assert Epochs.trainings == (0 if finished else 2 - had), (Epochs.trainings, had, finished)
        assert content(run) == whole
        assert [p.name for p in out.parent.iterdir()] == ["run"], list(out.parent.iterdir())
    status = forked(interrupted)
    if status == 0 and not os.path.exists(folder / "operations"):
        sys.exit("the child said nothing")
    if how == "kill" and status == 0:
        assert int((folder / "operations").read_text()) < number
        break
    if how == "full" and status == 0 and int((folder / "operations").read_text()) < number:
        break
    assert os.WIFSIGNALED(status) or status in (0, 3 << 8), (number, status)
    resumed()
    shutil.rmtree(out.parent)
    number += int(step)
print(number - int(step))
"""


@pytest.mark.parametrize(("how", "step"), [("kill", 1), ("full", 5)])
def test_a_training_that_dies_anywhere_is_resumed(
    python: Python, table: View, tmp_path: Path, how: str, step: int
) -> None:
    done = python(SCRIPT, table.store.path, table.name, tmp_path, how, step)
    assert int(done.stdout) >= 30


#: Trains until the run is written, and dies while the file whose name is given is renamed.
KILLED = """
import os, signal, sys
from audiospec import open_store
from audiospec.features.base import one_thread
from audiospec.zoo.training import train

store, view, out, name, seed = sys.argv[1:]

def hook(event, arguments):
    if event == "os.rename" and os.path.basename(os.fsdecode(arguments[1])) == name:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
with one_thread():
    settings = {"epochs": 1, "device": "cpu"}
    train("crnn-base", open_store(store).view(view), settings=settings, out=out, seed=int(seed))
"""


@pytest.fixture(scope="module")
def unfinished(mel: View, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of a network that was killed when its run was about to be finished."""
    folder = tmp_path_factory.mktemp("unfinished")
    command = [sys.executable, "-c", KILLED, mel.store.path, mel.name, folder / "run", "run.json", 0]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder / "run.training"


@pytest.fixture
def work(unfinished: Path, tmp_path: Path) -> Path:
    """A copy of `unfinished`."""
    return Path(shutil.copytree(unfinished, tmp_path / "runs" / "run.training"))


def resumed(mel: View, work: Path) -> Run:
    with one_thread():
        return train(
            "crnn-base",
            mel,
            settings={"epochs": 1, "device": "cpu"},
            out=work.with_name("run"),
            resume=True,
        )


@pytest.fixture(scope="module")
def complete(mel: View, unfinished: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of `unfinished`."""
    folder = tmp_path_factory.mktemp("complete")
    return resumed(mel, Path(shutil.copytree(unfinished, folder / "run.training")))


def weights(run: Run) -> bytes:
    return (run.path / "model.safetensors").read_bytes()


def test_leftovers_of_any_kind_do_not_enter_the_run(mel: View, work: Path, complete: Run) -> None:
    """Also those of earlier versions, which wrote the run among them; files of others stay with the run."""
    assert (work / "finished" / "run.json.partial").exists()
    names = (
        "run.json",
        "metrics.json",
        "history.csv",
        "training.json",
        "checkpoint",
        "model.safetensors",
        "card.md",
    )
    for name in (*names, "confusion.png", "curves.png"):
        (work / f"{name}.partial").write_text("half")
        if name not in ("training.json", "checkpoint"):
            (work / name).write_text("half")
    (work / "notes.txt").write_text("mine")
    (work / "folder").mkdir()
    (work / "folder" / "deep").write_text("mine, too")
    run = resumed(mel, work)
    assert weights(run) == weights(complete)
    assert run.metrics == complete.metrics
    assert set(json.loads((run.path / "run.json").read_text())["files"]) == {
        *(path.name for path in complete.path.iterdir() if path.name != "run.json")
    }
    assert (run.path / "notes.txt").read_text() == "mine"
    assert (run.path / "folder" / "deep").read_text() == "mine, too"
    assert os.listdir(work.parent) == ["run"]


def test_a_training_killed_after_its_run_was_moved_is_cleaned_up(mel: View, work: Path) -> None:
    kept = shutil.copytree(work, work.with_name("kept"))
    run = resumed(mel, work)
    os.rename(kept, work)
    assert find_runs([work.parent]).unfinished == 0  # the run is there
    assert resumed(mel, work).info == run.info
    assert os.listdir(work.parent) == ["run"]


def test_another_interrupted_training_beside_a_finished_run_is_kept(mel: View, work: Path) -> None:
    kept = shutil.copytree(work, work.with_name("kept"))
    resumed(mel, work)
    os.rename(kept, work)
    stated = json.loads((work / "training.json").read_text())
    del stated["digest"]
    (work / "training.json").write_text(json.dumps({**stated, "seed": 5}))
    before = (work / "checkpoint").read_bytes()
    resumed(mel, work)
    assert (work / "checkpoint").read_bytes() == before


def test_a_run_that_was_moved_away_is_trained_again(mel: View, work: Path, complete: Run) -> None:
    run = resumed(mel, work)
    os.rename(run.path, run.path.with_name("moved"))
    again = resumed(mel, work)
    assert weights(again) == weights(complete)
    assert Run(run.path.with_name("moved")).metrics == again.metrics


@pytest.mark.long
def test_two_processes_that_resume_at_once(mel: View, work: Path, complete: Run) -> None:
    """One of them finishes the run; the other one returns it, or says that it has to wait."""
    command = [sys.executable, "-c", RESUME, mel.store.path, mel.name, work.with_name("run")]
    processes = [
        subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    for process, (out, err) in zip(processes, outputs, strict=True):
        assert process.returncode == 0 or "another process is training" in out, (out, err)
    assert 0 in [process.returncode for process in processes]
    assert weights(Run(work.with_name("run"))) == weights(complete)
    assert os.listdir(work.parent) == ["run"]


RESUME = """
import sys
from audiospec import open_store
from audiospec.errors import RunError
from audiospec.features.base import one_thread
from audiospec.zoo.training import train

store, view, out = sys.argv[1:]
try:
    with one_thread():
        view = open_store(store).view(view)
        train("crnn-base", view, settings={"epochs": 1, "device": "cpu"}, out=out, resume=True)
except RunError as error:
    sys.exit(print(error) or 1)
"""


def test_a_run_that_another_process_finished_meanwhile_is_returned(
    mel: View, work: Path, complete: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is finished after this process looked for it, and before this one has the lock."""
    acquire = FileLock.acquire

    def late(self: FileLock, *args: Any, **kwargs: Any) -> Any:
        if not work.with_name("run").exists():
            shutil.rmtree(work)
            work.mkdir()
            shutil.copytree(complete.path, work.with_name("run"))
        return acquire(self, *args, **kwargs)

    monkeypatch.setattr(FileLock, "acquire", late)
    assert resumed(mel, work).info == complete.info
    assert os.listdir(work.parent) == ["run"]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that becomes full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_becomes_full_loses_no_checkpoint(mel: View, work: Path, complete: Run) -> None:
    """Whichever file of the run is cut off: its model, its scores, its pictures, run.json."""
    checkpoint = (work / "checkpoint").read_bytes()
    sizes = sorted(file.stat().st_size for file in complete.path.iterdir())
    for size in (50, *(size - 1 for size in sizes if size > 100)):
        with (
            pytest.raises(
                RunError,
                match=r"cannot write .*training \(File too large\): the checkpoint is kept",
            ),
            largest_file(size),
        ):
            resumed(mel, work)
        assert (work / "checkpoint").read_bytes() == checkpoint
        assert not work.with_name("run").exists()
    assert weights(resumed(mel, work)) == weights(complete)


def test_a_disk_that_becomes_full_leaves_no_half_a_run(table: View, tmp_path: Path, run: Run) -> None:
    for size in (50, *(file.stat().st_size - 1 for file in run.path.iterdir() if file.stat().st_size > 100)):
        with pytest.raises(RunError, match=r"\(File too large\): choose another `out`"), largest_file(size):
            train("lr", table, out=tmp_path / "run")
        assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_cannot_be_written_keeps_the_one_before(work: Path) -> None:
    state = read_checkpoint(work / "checkpoint")
    before = (work / "checkpoint").read_bytes()
    with pytest.raises(RunError, match="the checkpoint is kept"), largest_file(len(before) - 1):
        write_checkpoint(work / "checkpoint", state)
    assert (work / "checkpoint").read_bytes() == before
    assert not (work / "checkpoint.partial").exists()


def test_a_folder_of_someone_else_is_not_touched(table: View, tmp_path: Path) -> None:
    (tmp_path / "run.training").mkdir()
    (tmp_path / "run.training" / "history.csv").write_text("mine")
    with pytest.raises(RunError, match="is not the folder of a training: choose another `out`, or move"):
        train("lr", table, out=tmp_path / "run")
    assert (tmp_path / "run.training" / "history.csv").read_text() == "mine"


# --- flipped bits ------------------------------------------------------------------------------------------


def flips(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield the content with one flipped bit: in the first and last 64 bytes, and at random."""
    random = np.random.default_rng(seed)
    places = [*range(min(64, len(content))), *range(max(0, len(content) - 64), len(content))]
    places = [*random.choice(places, count // 4), *random.integers(0, len(content), count - count // 4)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << int(random.integers(8))
        yield bytes(changed)


def outcome(function: Callable[[], Any]) -> Any:
    """Return a function's result, or the text of its `RunError`."""
    try:
        return function()
    except RunError as error:
        return str(error)


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_a_flipped_bit_in_a_checkpoint_is_found(work: Path, old: bool) -> None:
    """In one of an earlier version, it is found, or changes nothing."""
    file = work / "checkpoint"
    content = file.read_bytes()
    content = content[40:] if old else content
    file.write_bytes(content)
    state = read_checkpoint(file)
    found = 0
    for changed in flips(content, 24 if old else 60, seed=1):
        file.write_bytes(changed)
        try:
            read = read_checkpoint(file)
        except ModelError:
            found += 1
        else:
            assert old
            assert repr(read) == repr(state)
            pairs = [(read[name][key], state[name][key]) for name in ("net", "best") for key in state["net"]]
            assert all(torch.equal(one, other) for one, other in pairs)
    assert found > 15 if old else found == 60


def test_a_checkpoint_of_an_earlier_version_is_resumed(mel: View, work: Path, complete: Run) -> None:
    file = work / "checkpoint"
    file.write_bytes(file.read_bytes()[40:])
    stated = json.loads((work / "training.json").read_text())
    del stated["digest"]
    (work / "training.json").write_text(json.dumps(stated))
    assert weights(resumed(mel, work)) == weights(complete)


def test_a_flipped_bit_in_what_is_trained_is_found(mel: View, work: Path) -> None:
    file = work / "training.json"
    content = file.read_bytes()
    training = json.loads(content)
    del training["digest"]
    out = work.with_name("run")
    assert stopped_otherwise(out, training) == ""
    for changed in flips(content, 150, seed=2):
        file.write_bytes(changed)
        if (what := outcome(lambda: stopped_otherwise(out, training))) != "":
            assert "training.json is damaged: remove" in what
        else:
            assert json.loads(changed) == json.loads(content)


@pytest.mark.parametrize("name", ["table", "network"])
def test_a_flipped_bit_in_a_run_is_found(run: Run, complete: Run, tmp_path: Path, name: str) -> None:
    """Or it changes nothing, such as the case of an exponent's letter."""
    whole = run if name == "table" else complete
    copy = Path(shutil.copytree(whole.path, tmp_path / "copy"))
    for number, file in enumerate(sorted(copy.iterdir())):
        content = file.read_bytes()
        for changed in flips(content, 60, seed=number) if content else ():
            file.write_bytes(changed)
            if isinstance(opened := outcome(lambda: Run(copy)), str):
                assert str(copy) in opened
            else:
                assert file.name == "run.json"
                assert opened.info == whole.info
        file.write_bytes(content)
    assert Run(copy).metrics == whole.metrics
