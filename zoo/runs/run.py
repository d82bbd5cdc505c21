"""Runs: a trained model's folder, which holds all that using it needs, and never code.

    run.json      what was trained on what, and how; the other files' SHA-256
    metrics.json  scores on the test and the training rows
    history.csv   an entry an epoch, for models that have epochs
    model.*       what was learnt (skops or safetensors)
    card.md       the model card
    confusion.png, curves.png

A run whose files are not those that were written is refused. While it is trained it is ``NAME.training``,
which also has a checkpoint and ``training.json`` (what is trained): what was killed goes on from there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from audiospec.chunking import Chunking
from audiospec.errors import RunError
from audiospec.spec import FeatureSpec, digest
from audiospec.zoo.base import CHECKPOINT, Model, models

FORMAT_VERSION = 1

RUN, METRICS, HISTORY, CARD = "run.json", "metrics.json", "history.csv", "card.md"
#: Of a run that is being trained: what it is called, what is trained, and who does it.
SUFFIX, TRAINING, LOCK = ".training", "training.json", "lock"


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What was trained, on what, and how; what ``run.json`` says.

    Attributes
    ----------
    model : str
        Name in the registry of models.
    settings : dict
        The model's parameters.
    classes : list of str
        Labels, in the order of the model's probabilities.
    row_shape : list of int
    spec, chunking : dict
        How features are computed, and tracks cut; what `predict` does again.
    dataset, store, view : str
        Where the rows came from.
    split : dict
        Strategy, whether it is leaky, shares, digest, the digest of the rows' content, and the rows and
        tracks of each side.
    seed : int
        Of the split and of the training.
    parameters : int
        Weights that were learnt; 0 if that has no meaning.
    seconds : float
        Wall-clock time of the training.
    versions : dict
        Of the libraries.
    date : str
        Day of the training, ``YYYY-MM-DD``.
    """

    model: str
    settings: dict[str, Any]
    classes: list[str]
    row_shape: list[int]
    spec: dict[str, Any]
    chunking: dict[str, Any]
    dataset: str
    store: str
    view: str
    split: dict[str, Any]
    seed: int
    parameters: int
    seconds: float
    versions: dict[str, str]
    date: str


class Run:
    """A run's folder, opened; its files have been compared with their digests.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    path : Path
    info : RunInfo
    metrics : dict
        Side (``"test"``, ``"train"``, ``"valid"`` if it has rows) → `Scores` as plain values.

    Raises
    ------
    RunError
        Not there, not a run, of a newer format, or not what was written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            if not (self.path / RUN).is_file():
                raise RunError(f"no run at {self.path}: expected a folder that `audiospec train` made")
            said = json.loads((self.path / RUN).read_text(encoding="utf-8"))
            version = int(said.pop("audiospec_run"))
            if version > FORMAT_VERSION:
                raise RunError(
                    f"run {self.path} has format {version}, this audiospec reads up to {FORMAT_VERSION}: "
                    "upgrade audiospec (pip install -U audiospec)"
                )
            if version < 1:
                raise ValueError(f"format {version}")
            sealed = said.pop("digest")
            if digest(said) != sealed:
                raise RunError(f"run {self.path} was changed: its {RUN} is not what was written; train again")
            files = dict(said.pop("files"))
            self.info = RunInfo(**said)
            for name, expected in files.items():
                if Path(name).name != name or _sha256(self.path / name) != expected:
                    raise RunError(
                        f"run {self.path} was changed: its {name} is not what was written; train again"
                    )
            self.metrics: dict[str, Any] = json.loads((self.path / METRICS).read_text(encoding="utf-8"))
        except RunError:
            raise
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise RunError(f"run {self.path} is damaged ({what}): train again") from error

    def __repr__(self) -> str:
        return f"<Run {self.path}: {self.info.model} on {self.info.view}>"

    @property
    def spec(self) -> FeatureSpec:
        """How features are computed."""
        return FeatureSpec.from_dict(self.info.spec)

    @property
    def chunking(self) -> Chunking:
        """How tracks are cut."""
        return Chunking.from_dict(self.info.chunking)

    def says(self, said: Mapping[str, Any]) -> bool:
        """Whether the run has those values of `RunInfo`."""
        here = asdict(self.info)
        return all(here.get(name) == value for name, value in json.loads(json.dumps(said)).items())

    def history(self) -> list[dict[str, float]]:
        """An entry an epoch; empty for a model without epochs."""
        with (self.path / HISTORY).open(newline="", encoding="utf-8") as file:
            return [{name: float(value) for name, value in entry.items()} for entry in csv.DictReader(file)]

    def model(self) -> Model:
        """The trained model.

        Raises
        ------
        RegistryError, ModelError
            It is not installed, or its files are not such a model.
        """
        cls = models[self.info.model]
        settings = cls.Settings.replace_in(self.info.settings, f"model {self.info.model!r}")
        model = cls(settings, tuple(self.info.row_shape), self.info.classes)
        model.load(self.path)
        return model


@contextmanager
def training_folder(path: Path, said: Mapping[str, Any], resume: bool) -> Iterator[Path]:
    """The folder where a run is made, held by this process alone; it goes when the run is there.

    It stays, whatever happens, as long as there is a checkpoint and no run.

    Parameters
    ----------
    path : Path
        Of the run.
    said : mapping
        What is trained, as plain JSON values; two trainings are the same if they say the same.
    resume : bool
        Whether to go on with what is left of one.

    Raises
    ------
    RunError
        Something is at `path`; another process trains it; one was killed, and `resume` is not asked for, or
        it trained something else; or the folder cannot be written.
    """
    work = path.with_name(path.name + SUFFIX)
    lock = FileLock(work / LOCK, blocking=False)
    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"another process is training {path}: wait for it, or choose another --out"
            ) from error
    try:
        require_free(path)
        if (work / CHECKPOINT).exists():
            _check_same(path, said, resume)
        else:
            _empty(work)
            with writing(work):
                _write_json(work / TRAINING, said)
        yield work
    finally:
        lock.release()
        if work.exists() and not (work / CHECKPOINT).exists():
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def writing(work: Path) -> Iterator[None]:
    """Say of an error of the system that a training could not write into its folder, and what then."""
    try:
        yield
    except OSError as error:
        kept = (work / CHECKPOINT).exists()
        hint = "go on by --resume when that is mended" if kept else "choose another --out"
        raise RunError(f"cannot write {work}: {error.strerror}; {hint}") from error


def is_stopped(path: Path) -> bool:
    """Whether a training of a run was stopped, and can go on."""
    return (path.with_name(path.name + SUFFIX) / CHECKPOINT).exists()


def stopped_otherwise(path: Path, said: Mapping[str, Any]) -> str:
    """How what was stopped differs from a training that says so; ``""`` if it does not.

    Raises
    ------
    RunError
        What was stopped cannot be told.
    """
    file = path.with_name(path.name + SUFFIX) / TRAINING
    try:
        before = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file} is damaged: remove {file.parent} to begin anew") from error
    now = json.loads(json.dumps(said))
    for name, value in now.items():
        if before.get(name) != value:
            if name != "settings" or not isinstance(before.get(name), dict):
                return f"{name} {before.get(name)} (now {value})" if name in ("model", "seed") else name
            changed = [key for key in value if before[name].get(key) != value[key]]
            return ", ".join(f"{key} {before[name].get(key)} (now {value[key]})" for key in changed)
    return ""


def _check_same(path: Path, said: Mapping[str, Any], resume: bool) -> None:
    """Raise `RunError` unless what was stopped is what is asked for, and it is asked to go on."""
    work = path.with_name(path.name + SUFFIX)
    other = stopped_otherwise(path, said)
    if other:
        raise RunError(
            f"another training was stopped at {work}, of {other}: repeat its command with --resume, choose "
            "another --out, or remove the folder"
        )
    if not resume:
        raise RunError(
            f"a training of {path} was stopped: go on with it by --resume, or remove {work} to begin anew"
        )


def write_run(
    path: Path,
    work: Path,
    info: RunInfo,
    model: Model,
    metrics: dict[str, Any],
    history: Sequence[Mapping[str, float]],
) -> Run:
    """Write a run into the folder where it was trained, then rename that into its place."""
    from audiospec.zoo.card import model_card
    from audiospec.zoo.pictures import save_pictures

    with writing(work):
        model.save(work)
        _write_json(work / METRICS, metrics)
        write_history(work, history)
        (work / CARD).write_text(model_card(info, metrics), encoding="utf-8")
        save_pictures(work, metrics, history, bool(info.split["leaky"]))
        passing = (CHECKPOINT, TRAINING, LOCK)
        files = {
            file.name: _sha256(file) for file in sorted(work.iterdir()) if file.name not in (*passing, RUN)
        }
        said: dict[str, Any] = {**asdict(info), "files": files}
        _write_json(work / RUN, {"audiospec_run": FORMAT_VERSION, **said, "digest": digest(said)})
        os.rename(work, path)
    for name in passing:  # not before: until it is in its place, the run could be lost
        _remove(path / name)
    return Run(path)


def write_history(work: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write ``history.csv`` into a folder."""
    text = io.StringIO()
    if history:
        writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    with writing(work):
        (work / HISTORY).write_text(text.getvalue(), encoding="utf-8")


def require_free(path: Path) -> None:
    """Raise `RunError` if something is at the place of a run."""
    if path.exists():
        raise RunError(f"{path} exists already: choose another --out")


def _write_json(file: Path, value: Any) -> None:
    beside = file.with_name(f"{file.name}.partial")
    beside.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(beside, file)


def _empty(folder: Path) -> None:
    """Remove all but the lock."""
    for path in folder.iterdir():
        if path.name != LOCK:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
