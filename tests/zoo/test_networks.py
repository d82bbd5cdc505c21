"""The networks: the rows that they read, training, early stopping, resuming, and errors."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch.multiprocessing.spawn import ProcessRaisedException

import audiospec
from audiospec.benchmarks.base import absent
from audiospec.errors import ModelError, RunError
from audiospec.features.base import one_thread
from audiospec.stores.layout.view import View
from audiospec.testing.models import ModelContract
from audiospec.zoo.base import Rows, models
from audiospec.zoo.fitting import augment, devices, totals
from audiospec.zoo.fitting import batches as batches_module
from audiospec.zoo.fitting.checkpoint import read_checkpoint, write_checkpoint
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.losses.base import losses
from audiospec.zoo.models.crnn import Crnn, CrnnBase
from audiospec.zoo.runs.run import Run
from audiospec.zoo.targets.single import Single

NETWORKS = ("crnn-base", "crnn-large", "resnet18-gru", "efficientnet-lite0-gru")
RATE = 8000
SPEC = audiospec.MelSpec(sample_rate=RATE, n_fft=256, hop_length=256, n_mels=24, fmax=4000)


@pytest.fixture(autouse=True)
def single() -> Iterator[None]:
    """Keep torch on one thread, so that a network is the same in every process."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """Spectrograms of half a second, of 30 tracks in three classes that differ."""
    folder = tmp_path_factory.mktemp("networks")
    random = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for label, hertz in (("low", 200), ("middle", 900), ("high", 3000)):
        (folder / "audio" / label).mkdir(parents=True)
        for number in range(10):
            wave = 0.3 * np.sin(2 * np.pi * hertz * (1 + number / 50) * time)
            wave += 0.02 * random.standard_normal(len(time))
            soundfile.write(folder / "audio" / label / f"{number:02d}.wav", wave, RATE)
    return audiospec.featurize(
        "folder", data=folder / "audio", spec=SPEC, chunk=0.5, store=folder / "x.zarr", workers=0
    )


def test_a_network_learns_and_reports_each_epoch(view: View, tmp_path: Path) -> None:
    reported: list[dict[str, float]] = []
    run = audiospec.train(
        "crnn-base", view, settings={"epochs": 6, "batch": 8}, out=tmp_path / "run", progress=reported.append
    )
    assert run.metrics["test"]["chunk"]["accuracy"] > 0.8
    assert [entry["epoch"] for entry in reported] == [1, 2, 3, 4, 5, 6]
    assert reported[-1]["train_loss"] < reported[0]["train_loss"]
    lines = (run.path / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,seconds,train_loss,train_accuracy,train_f1,valid_loss,valid_accuracy,valid_f1"
    assert len(lines) == 7
    for name in ("curves.png", "confusion.png"):
        assert (run.path / name).read_bytes().startswith(b"\x89PNG")
    assert run.info.parameters == sum(
        weights.numel() for weights in Crnn(24, CrnnBase.blocks, 3, dropout=0).parameters()
    )
    assert run.info.split["shares"] == [0.7, 0.1, 0.2]
    song = view.store.root / "high" / "03.wav"
    (prediction,) = audiospec.predict(run, [song])
    assert prediction.classes[0] == "high"


def test_the_best_epoch_is_kept_and_patience_ends_training(view: View, tmp_path: Path) -> None:
    # At this learning rate the loss oscillates.
    settings = {"epochs": 40, "patience": 2, "batch": 8, "learning_rate": 0.05}
    run = audiospec.train("crnn-base", view, settings=settings, out=tmp_path / "run", seed=1)
    lines = [line.split(",") for line in (run.path / "history.csv").read_text().splitlines()[1:]]
    losses = [float(line[5]) for line in lines]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 2 < 40
    from audiospec.zoo.splits.strategies import split

    view_split = split(view, seed=1, shares=(0.7, 0.1, 0.2))
    rows = Rows(view, view_split.valid, Single(run.info.classes))
    probabilities = run.model().predict_proba(rows.read())
    loss = -np.log(probabilities[np.arange(len(rows)), rows.targets]).mean()
    assert loss == pytest.approx(losses[best], rel=1e-4)


def test_the_same_seed_gives_the_same_network(view: View, tmp_path: Path) -> None:
    rows = view.read([0, 5, 9]).astype(np.float32)
    probabilities = []
    for number, seed in enumerate((3, 3, 4)):
        run = audiospec.train(
            "crnn-base", view, settings={"epochs": 1}, seed=seed, out=tmp_path / str(number)
        )
        probabilities.append(run.model().predict_proba(rows))
    assert np.array_equal(probabilities[0], probabilities[1])
    assert not np.array_equal(probabilities[0], probabilities[2])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("mels", "frames", "classes"), [(192, 87, 10), (128, 1, 2), (1, 1, 2), (7, 300, 3), (40, 16, 50)]
)
def test_any_number_of_bins_frames_and_classes(name: str, mels: int, frames: int, classes: int) -> None:
    cls = models[name]
    model = cls(cls.Settings(), (mels, frames), [f"{n:02d}" for n in range(classes)])
    net = model.network().eval()  # type: ignore[attr-defined]
    with torch.inference_mode():
        assert net(torch.randn(2, mels, frames)).shape == (2, classes)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_of_192_bins_has_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    cls = models[name]
    net = cls(cls.Settings(), (192, 64), ["a", "b"]).network().eval()  # type: ignore[attr-defined]
    rows = torch.randn(1, 192, 64, requires_grad=True)
    net(rows)[0, 0].backward()
    assert rows.grad is not None
    by_bin = rows.grad.abs().sum((0, 2))
    assert (by_bin > 0).all()
    assert by_bin[160:].sum() > 0.05 * by_bin.sum()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name != "crnn-base" else ()) for name in NETWORKS],
)
def test_classes_that_differ_only_in_the_top_third_of_192_bins_are_learnt(name: str) -> None:
    # Pools of 2, 4, 4 and 4 reduce 192 bins to one and a half rows; without the half, 128 to 191 are lost.
    contract = ModelContract()
    random = np.random.default_rng(0)
    values = random.normal(-40, 10, (80, 192, 4)).astype(np.float32)
    values[::2, 129:] += 20
    rows = contract.rows(values, ["loud" if number % 2 == 0 else "soft" for number in range(80)])
    settings = {"epochs": 8, "batch": 8, "device": "cpu"}
    settings |= {"weights": "none"} if name == "resnet18-gru" else {}  # the default would be downloaded
    model = models[name](models[name].Settings.replace_in(settings), (192, 4), rows.classes)
    train, valid = (Rows(rows.view, rows.numbers[part], rows.target) for part in (slice(48), slice(48, 64)))
    model.fit(train, valid, seed=0)
    predicted = model.predict_proba(values[64:]).argmax(1)
    assert (predicted == rows.targets[64:]).mean() > 0.9


def test_weights_are_safetensors(view: View, tmp_path: Path) -> None:
    from safetensors import safe_open

    run = audiospec.train("crnn-base", view, settings={"epochs": 1}, out=tmp_path / "run")
    with safe_open(run.path / "model.safetensors", "pt") as file:
        assert "norm.weight" in file.keys()  # noqa: SIM118 (it is no mapping)
    model = models["crnn-base"](models["crnn-base"].Settings(), (23, 16), ["a", "b"])
    with pytest.raises(
        ModelError, match=r"model\.safetensors cannot be read .*size mismatch.*: train again$"
    ):
        model.load(run.path)
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read .*: train again$"):
        model.load(tmp_path)
    stated = json.loads((run.path / "run.json").read_text())
    assert stated["settings"]["epochs"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "parameter epochs must be at least 1; got 0"),
        ({"dropout": 1}, "parameter dropout must be from 0 to below 1; got 1.0"),
        ({"learning_rate": "fast"}, "parameter learning_rate must be a finite number; got 'fast'"),
        ({"epoch": 1}, "model 'crnn-base' has no parameter 'epoch'; did you mean 'epochs'"),
        (
            {"learning_rate": 1e30},
            r"loss is not finite in epoch [12]: try `learning_rate=1e\+29`, or check the features with `",
        ),
    ],
    ids=["epochs", "dropout", "text", "unknown", "diverges"],
)
def test_impossible_settings_are_refused(
    view: View, tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        audiospec.train("crnn-base", view, settings=settings, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_validation_rows_are_required(view: View, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"needs validation rows .*; got none: give validation a share, .* with `shares`$"
    ):
        audiospec.train("crnn-base", view, shares=(0.8, 0, 0.2), out=tmp_path / "run")


# --- resuming after a kill ---------------------------------------------------------------------------------

#: All random parts of training together.
SETTINGS = {"epochs": 5, "batch": 8, "mixup": 0.3, "mask_mel": 0.2, "mask_time": 0.3, "device": "cpu"}

KILLED = """
import json, os, signal, sys
import audiospec
from audiospec.features.base import one_thread
store, name, out, after, settings = sys.argv[1:]
def kill(entry):
    if entry["epoch"] == int(after):
        os.kill(os.getpid(), signal.SIGKILL)
with one_thread():
    view = audiospec.open_store(store).view(name)
    audiospec.train("crnn-base", view, settings=json.loads(settings), out=out, progress=kill)
"""


def killed(view: View, out: Path, after: int, **settings: Any) -> Path:
    """Train in a process that is killed after an epoch; return the folder of the unfinished training."""
    text = json.dumps({**SETTINGS, **settings})
    command = [sys.executable, "-c", KILLED, str(view.store.path), view.name, str(out), str(after), text]
    process = subprocess.run(command, capture_output=True, check=False, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert not out.exists()
    return out.with_name(f"{out.name}.training")


def trained(view: View, out: Path, resume: bool = False, **settings: Any) -> Run:
    return audiospec.train("crnn-base", view, settings={**SETTINGS, **settings}, out=out, resume=resume)


def without_seconds(run: Run) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in run.history()]


@pytest.fixture(scope="module")
def uninterrupted(view: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with one_thread():
        return trained(view, tmp_path_factory.mktemp("uninterrupted") / "run")


@pytest.mark.parametrize(
    "after", [pytest.param(1, marks=pytest.mark.long), 3, pytest.param(5, marks=pytest.mark.long)]
)
def test_a_resumed_training_gives_the_same_run_as_an_uninterrupted_one(
    view: View, tmp_path: Path, uninterrupted: Run, after: int
) -> None:
    unfinished = killed(view, tmp_path / "run", after)
    assert len((unfinished / "history.csv").read_text().splitlines()) in (after, 1 + after)
    reported: list[float] = []
    run = audiospec.train(
        "crnn-base",
        view,
        settings=SETTINGS,
        out=tmp_path / "run",
        resume=True,
        progress=lambda entry: reported.append(entry["epoch"]),
    )
    assert reported == [1, 2, 3, 4, 5]
    assert without_seconds(run) == without_seconds(uninterrupted)
    weights = [(each.path / "model.safetensors").read_bytes() for each in (run, uninterrupted)]
    assert weights[0] == weights[1]
    assert run.metrics == uninterrupted.metrics
    assert run.info.seconds == pytest.approx(sum(entry["seconds"] for entry in run.history()))
    assert {file.name for file in run.path.iterdir()} == {file.name for file in uninterrupted.path.iterdir()}
    assert list(tmp_path.iterdir()) == [run.path]


@pytest.mark.long
def test_a_training_that_was_killed_after_its_last_epoch_trains_no_further(
    view: View, tmp_path: Path
) -> None:
    # At this learning rate the loss oscillates, and patience ends training.
    settings = {"epochs": 40, "patience": 2, "learning_rate": 0.05}
    complete = trained(view, tmp_path / "complete", **settings)
    last = len(complete.history())
    assert last < 40
    killed(view, tmp_path / "run", last, **settings)
    run = trained(view, tmp_path / "run", resume=True, **settings)
    assert without_seconds(run) == without_seconds(complete)


def test_an_interrupted_training_is_not_overwritten(view: View, tmp_path: Path) -> None:
    unfinished = killed(view, tmp_path / "run", 1)
    contents = {file.name: file.read_bytes() for file in unfinished.iterdir()}
    with pytest.raises(RunError, match=r"interrupted: resume .* `resume=True`, or remove .*run\.training to"):
        trained(view, tmp_path / "run")
    for resume in (False, True):
        with pytest.raises(
            RunError, match=r"has another interrupted training, which differs in epochs 5 \(now 6\): repeat"
        ):
            trained(view, tmp_path / "run", resume=resume, epochs=6)
    assert {file.name: file.read_bytes() for file in unfinished.iterdir()} == contents
    code = """
import sys, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print(flush=True)
input()
"""
    command = [sys.executable, "-c", code, str(unfinished / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RunError, match="another process is training"):
            trained(view, tmp_path / "run", resume=True)
        other.kill()


def test_a_finished_run_is_not_trained_again(view: View, uninterrupted: Run) -> None:
    before = (uninterrupted.path / "run.json").stat().st_mtime_ns
    assert trained(view, uninterrupted.path, resume=True).info == uninterrupted.info
    assert (uninterrupted.path / "run.json").stat().st_mtime_ns == before
    with pytest.raises(RunError, match=r"is the run of another training: choose another `out`$"):
        trained(view, uninterrupted.path, resume=True, epochs=2)


def raises(error: BaseException) -> Any:
    raise error


def monkey() -> Any:
    return pytest.MonkeyPatch.context()


class Bomb:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_checkpoint_is_not_executed(view: View, tmp_path: Path, how: str) -> None:
    unfinished = killed(view, tmp_path / "run", 1)
    bomb = Bomb(tmp_path / "executed")
    if how == "torch":
        torch.save({"net": bomb}, unfinished / "checkpoint")
    else:
        (unfinished / "checkpoint").write_bytes(pickle.dumps(bomb))
    with pytest.raises(ModelError, match="checkpoint is damaged"):
        trained(view, tmp_path / "run", resume=True)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "damage",
    ["empty", "shapes", *(pytest.param(damage, marks=pytest.mark.long) for damage in ("cut", "other"))],
)
def test_a_damaged_checkpoint_is_refused_and_kept(view: View, tmp_path: Path, damage: str) -> None:
    unfinished = killed(view, tmp_path / "run", 1)
    content = (unfinished / "checkpoint").read_bytes()
    state = read_checkpoint(unfinished / "checkpoint")
    if damage == "shapes":
        state["net"]["norm.weight"] = torch.zeros(3)
    write_checkpoint(unfinished / "checkpoint", state if damage == "shapes" else {"a": 1})
    if damage in ("empty", "cut"):
        (unfinished / "checkpoint").write_bytes(content[:1000] if damage == "cut" else b"")
    damaged = (unfinished / "checkpoint").read_bytes()
    with pytest.raises(
        ModelError, match=r"is damaged, or of another version: remove .*run\.training to start again$"
    ) as caught:
        trained(view, tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)
    assert (unfinished / "checkpoint").read_bytes() == damaged
    assert (unfinished / "history.csv").exists()


@pytest.mark.long
def test_an_error_that_can_be_fixed_keeps_the_checkpoint(view: View, tmp_path: Path) -> None:
    unfinished = killed(view, tmp_path / "run", 2)
    content = (unfinished / "checkpoint").read_bytes()
    with monkey() as patch:
        patch.setattr(totals.EpochTotals, "__call__", lambda *_: raises(MemoryError()))
        with pytest.raises(ModelError, match="out of memory"):
            trained(view, tmp_path / "run", resume=True)
    assert (unfinished / "checkpoint").read_bytes() == content
    with monkey() as patch:
        patch.setattr(
            "audiospec.zoo.training.predict_rows", lambda *_: raises(ModelError("rows are damaged"))
        )
        with pytest.raises(ModelError, match="rows are damaged"):
            trained(view, tmp_path / "run", resume=True)
    assert trained(view, tmp_path / "run", resume=True).metrics


def test_a_run_that_cannot_be_moved_to_its_path_is_kept(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda *_: raises(OSError(39, "Directory not empty")))
    with pytest.raises(
        RunError, match=r"\(Directory not empty\): the checkpoint is kept: fix .* `resume=True`$"
    ):
        trained(view, tmp_path / "run", epochs=1)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(totals.EpochTotals, "__call__", lambda *_: raises(AssertionError("trained again")))
    assert trained(view, tmp_path / "run", resume=True, epochs=1).metrics
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_training_that_was_interrupted_before_the_loss_was_a_parameter_is_resumed(
    view: View, tmp_path: Path, uninterrupted: Run
) -> None:
    unfinished = killed(view, tmp_path / "run", 2)
    training = json.loads((unfinished / "training.json").read_text())
    assert training["settings"].pop("loss") == "cross-entropy"
    assert len(training.pop("digest")) == 64  # it was not written then, either
    (unfinished / "training.json").write_text(json.dumps(training))
    run = trained(view, tmp_path / "run", resume=True)
    weights = [(each.path / "model.safetensors").read_bytes() for each in (run, uninterrupted)]
    assert weights[0] == weights[1]


@pytest.mark.long
def test_other_settings_have_a_separate_folder(view: View, tmp_path: Path) -> None:
    name = f"crnn-base-{view.name}-track-0"
    killed(view, tmp_path / name, 1)
    short = {**SETTINGS, "epochs": 1}
    run = audiospec.train("crnn-base", view, settings=short, runs=tmp_path)
    assert run.path.name == f"{name}.2"
    with pytest.raises(RunError, match="was interrupted: resume it with `resume=True`"):
        audiospec.train("crnn-base", view, settings=SETTINGS, runs=tmp_path)
    assert audiospec.train("crnn-base", view, settings=SETTINGS, runs=tmp_path, resume=True).path.name == name


@pytest.mark.long
def test_ctrl_c_leaves_a_checkpoint_and_no_process(
    view: View, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, audiospec\n"
        "if __name__ == '__main__':\n"
        "    settings = {'epochs': 1000, 'patience': 1000, 'devices': 2, 'device': 'cpu', 'batch': 8}\n"
        "    view = audiospec.open_store(sys.argv[1]).view(sys.argv[2])\n"
        "    audiospec.train('crnn-base', view, settings=settings, out=sys.argv[3], progress=print)\n"
    )
    command = [sys.executable, str(script), str(view.store.path), view.name, str(tmp_path / "run")]
    with start(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert "epoch" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("a process still runs")
    unfinished = tmp_path / "run.training"
    before = (unfinished / "checkpoint").read_bytes()
    assert sorted(path.name for path in unfinished.iterdir()) == [
        "checkpoint",
        "history.csv",
        "lock",
        "training.json",
    ]
    time.sleep(1)
    assert (unfinished / "checkpoint").read_bytes() == before


def report_forever(report: Callable[[dict[str, float]], None]) -> None:
    while True:
        report({"epoch": 1.0})


def test_a_process_may_be_killed_while_it_reports(python) -> None:
    """The parent does not wait for a lock that the killed process held."""
    code = f"""
import sys, threading
from torch.multiprocessing import get_context
from audiospec.zoo.fitting import devices
from audiospec.zoo.targets.single import Single

{inspect.getsource(report_forever)}

if __name__ == "__main__":
    for _ in range(20):
        received = threading.Event()
        with devices.relayed(lambda entry: received.set()) as report, devices.no_orphans():
            get_context("fork").Process(target=report_forever, args=(report,)).start()
            assert received.wait(60)
"""
    python("from collections.abc import Callable\n" + code)


# --- options -----------------------------------------------------------------------------------------------


@pytest.mark.long
def test_two_processes_train_like_one(view: View, tmp_path: Path) -> None:
    reported: list[float] = []
    one, two = (
        audiospec.train(
            "crnn-base",
            view,
            settings={"epochs": 3, "batch": 8, "device": "cpu", "dropout": 0, "devices": devices},
            out=tmp_path / str(devices),
            progress=lambda entry: reported.append(entry["epoch"]),
        )
        for devices in (1, 2)
    )
    assert reported == [1, 2, 3, 1, 2, 3]
    # Not equal, because batch normalisation is per process, and the recurrent part still has dropout.
    for alone, shared in zip(one.history(), two.history(), strict=True):
        assert alone["train_loss"] == pytest.approx(shared["train_loss"], abs=0.4)
    assert two.metrics["test"]["chunk"]["count"] == one.metrics["test"]["chunk"]["count"]
    assert two.history()[-1]["train_loss"] < two.history()[0]["train_loss"]


def test_processes_share_each_batch() -> None:
    contract = ModelContract()
    rows = contract.rows(np.arange(7, dtype=np.float32).repeat(2).reshape(7, 1, 2), list("abababa"))
    for wrap in (True, False):
        values: list[float] = []
        for rank in range(2):
            fabric: Any = SimpleNamespace(world_size=2, global_rank=rank, device=torch.device("cpu"))
            batches = list(
                batches_module.Batches(rows, 4, fabric, padding=0.0, wrap=wrap).inorder(np.arange(7))
            )
            assert [len(batch) for batch, _ in batches] == [2, 2]
            for batch, targets in batches:
                values += batch[targets.sum(1) > 0][:, 0, 0].tolist()  # rows that count
        assert sorted(values) == ([0, 1, 2, 3, 4, 4, 5, 6] if wrap else [0, 1, 2, 3, 4, 5, 6])


def test_rows_that_are_not_in_memory_give_the_same_network(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = trained(view, tmp_path / "memory", epochs=2)
    monkeypatch.setattr(batches_module, "IN_MEMORY", 0)
    streamed = trained(view, tmp_path / "streamed", epochs=2)
    assert without_seconds(in_memory) == without_seconds(streamed)


@pytest.mark.long
def test_the_history_is_also_written_for_tensorboard(
    view: View, tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    run = trained(view, tmp_path / "run", epochs=2, tensorboard=True)
    (file,) = run.path.glob("events.out.tfevents.*")
    assert file.name in json.loads((run.path / "run.json").read_text())["files"]
    content = file.read_bytes()
    assert b"train_loss" in content
    assert b"valid_f1" in content
    code = "import sys; sys.argv = sys.argv[1:]; exec(open(sys.argv[0]).read())"
    script = tmp_path / "again.py"
    script.write_text(
        "import sys, audiospec\n"
        "view = audiospec.open_store(sys.argv[1]).view(sys.argv[2])\n"
        "settings = {'epochs': 1, 'tensorboard': True, 'device': 'cpu'}\n"
        "audiospec.train('crnn-base', view, settings=settings, out=sys.argv[3])\n"
    )
    python(code, script, view.store.path, view.name, tmp_path / "other")
    assert Run(tmp_path / "other").metrics  # its files did not change after their digests were computed


def masked(rows: torch.Tensor, share: float, axis: int) -> torch.Tensor:
    """Return rows of which a band is hidden."""
    hidden = augment.bands(rows, share, axis)
    return rows if hidden is None else augment.hide(rows, hidden, axis)


def test_masks_hide_a_band_of_each_row() -> None:
    torch.manual_seed(0)
    rows = torch.randn(200, 20, 30) - 40
    for axis, count in ((1, 20), (2, 30)):
        shown = masked(rows, 0.5, axis)
        changed = shown != rows
        assert torch.equal(shown[changed], rows.mean().expand(int(changed.sum())))
        lines = changed.transpose(1, axis)
        assert torch.equal(lines.all(2), lines.any(2))  # a bin is hidden in all frames, or in none
        widths = lines.all(2).sum(1)
        assert 0 <= widths.min() < count * 0.1
        assert count * 0.4 < widths.max() <= count * 0.5
        edges = lines.all(2).int().diff(dim=1).abs().sum(1)
        assert edges.max() <= 2  # one band
    assert torch.equal(masked(rows, 0.01, 1), rows)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 24, 32), (16, 192, 862), (3, 300, 1)])
@pytest.mark.parametrize("share", [0.004, 0.2, 0.5, 1.0])
def test_masks_are_those_of_torchaudio_to_the_bit(
    dtype: torch.dtype, shape: tuple[int, int, int], share: float
) -> None:
    """The masks equal torchaudio's and use as many random numbers, so a seed gives the same weights."""
    if why := absent("torchaudio"):
        pytest.skip(f"torchaudio is {why['torchaudio']}")
    from torchaudio import functional

    rows = torch.randn(shape).to(dtype) - 40
    for seed in range(5):
        for axis in (1, 2):
            torch.manual_seed(seed)
            ours, next_ours = masked(rows, share, axis), torch.rand(3)
            torch.manual_seed(seed)
            theirs, widest = rows, round(share * shape[axis])
            if widest:
                zeros = torch.zeros_like(rows).unsqueeze(1)
                hidden = functional.mask_along_axis_iid(zeros, widest, 1.0, axis + 1).squeeze(1)
                theirs = torch.where(hidden > 0, rows.mean(), rows)
            assert torch.equal(ours, theirs)
            assert torch.equal(next_ours, torch.rand(3))


def test_mixup_mixes_rows_and_targets_alike() -> None:
    torch.manual_seed(0)
    targets = torch.eye(16)
    rows = targets.reshape(16, 4, 4) * 10
    mixed, shares = augment.mix(rows, targets, 0.5)
    assert torch.allclose(mixed.reshape(16, 16), 10 * shares, atol=1e-5)
    assert torch.allclose(shares.sum(1), torch.ones(16))
    assert 0 < float(shares.max(1).values.min()) < 1


def test_class_weights_make_classes_count_alike(view: View) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    numbers = np.flatnonzero(view.labels.astype(str) != "low")[5:]
    rows = Rows(view, numbers, Single(["high", "middle"]))
    expected = compute_class_weight("balanced", classes=np.arange(2), y=rows.targets)
    assert np.allclose(rows.target.class_weights(rows.targets), expected)
    loss = totals.EpochTotals(losses["cross-entropy"](), Single(["a", "b"]), torch.tensor([1.0, 3.0]))
    logits, targets = torch.randn(6, 2), torch.eye(2)[[0, 1, 1, 0, 0, 1]]
    expected_loss = torch.nn.functional.cross_entropy(
        logits, targets.argmax(1), weight=torch.tensor([1.0, 3.0])
    )
    assert torch.allclose(loss(logits, targets), expected_loss)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()], ids=str)
def test_out_of_memory_suggests_a_smaller_batch(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(totals.EpochTotals, "__call__", fail)
    with pytest.raises(ModelError, match=r"out of memory with 8 rows in a batch: try `batch=4`$"):
        trained(view, tmp_path / "run")
    with pytest.raises(ModelError, match="out of memory with one row in a batch: train on shorter chunks"):
        trained(view, tmp_path / "run", batch=1)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_row_is_too_few_for_batch_normalisation_of_short_chunks(name: str) -> None:
    rows = ModelContract().rows(np.zeros((4, 8, 2), np.float32), ["a", "b", "a", "b"])
    settings = {"batch": 1, "device": "cpu", "epochs": 1}
    settings |= {"weights": "none"} if name.endswith("-gru") else {}
    model = models[name](models[name].Settings.replace_in(settings), (8, 2), ["a", "b"])
    with pytest.raises(
        ModelError,
        match=r"needs at least two rows per device .* got one, .*: try a larger batch, .*`batch=4`$",
    ) as caught:
        model.fit(rows, rows, seed=0)
    assert "\n" not in str(caught.value)


def test_the_error_of_a_process_is_one_line() -> None:
    traceback = "\n\n-- Process 1 terminated with the following error:\nTraceback (most recent call last):\n"
    for last, expected in (
        (
            "ValueError: Expected more than 1 value per channel when training",
            "^batch normalisation of chunks this short needs at least two rows per device",
        ),
        (
            "audiospec.errors.RunError: cannot write x: No space left on device",
            "^cannot write x: No space left",
        ),
        ("torch.OutOfMemoryError: CUDA out of memory.", "out of memory with 16 rows in a batch: try"),
        ("OSError: gone", "^a training process failed: OSError: gone$"),
    ):
        error = devices.explain(ProcessRaisedException(traceback + last + "\n", 1, 2), NetworkSettings())
        assert isinstance(error, ModelError)
        assert "\n" not in str(error)
        assert re.search(expected, str(error))


@pytest.mark.parametrize("state", ["usual", "float64", "inference"])
def test_the_state_of_torch_is_restored(view: View, tmp_path: Path, uninterrupted: Run, state: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    dtype = torch.float64 if state == "float64" else torch.float32
    torch.set_default_dtype(dtype)
    try:
        with torch.inference_mode(state == "inference"):
            run = trained(view, tmp_path / "run")
            song = view.store.root / "high" / "03.wav"
            (prediction,) = audiospec.predict(run, [song])
            audiospec.evaluate(run)
            run.model().layers()
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert prediction.classes
    weights = [(each.path / "model.safetensors").read_bytes() for each in (run, uninterrupted)]
    assert weights[0] == weights[1]


def test_a_missing_device_is_refused() -> None:
    assert not NetworkSettings(device="cpu").cuda()
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    contract = ModelContract()
    rows = contract.rows(np.zeros((4, 8, 8), np.float32), ["a", "b", "a", "b"])
    model = CrnnBase(CrnnBase.Settings(device="cuda"), (8, 8), ["a", "b"])
    with pytest.raises(ModelError, match=r'this machine has no CUDA device: leave out `device="cuda"`$'):
        model.fit(rows, rows, seed=0)
