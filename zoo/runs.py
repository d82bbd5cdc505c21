"""Runs: a trained model's folder, which holds all that using it needs, and never code.

    run.json      what was trained on what, and how; the other files' SHA-256
    metrics.json  scores on the test and the training rows
    history.csv   an entry an epoch, for models that have epochs
    model.*       what was learnt (skops or safetensors)
    card.md       the model card
    confusion.png, curves.png

A run whose files are not those that were written is refused.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from audiospec.chunking import Chunking
from audiospec.errors import AudiospecError, RunError
from audiospec.spec import FeatureSpec, digest
from audiospec.zoo.base import Model, models

FORMAT_VERSION = 1

RUN, METRICS, HISTORY, CARD = "run.json", "metrics.json", "history.csv", "card.md"


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
        Strategy, whether it is leaky, shares, seed, digest, and the rows and tracks of each side.
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
        Side (``"test"``, ``"train"``) → `Scores` as plain values.

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


def write_run(
    path: Path, info: RunInfo, model: Model, metrics: dict[str, Any], history: Sequence[dict[str, float]]
) -> Run:
    """Write a run beside its place, then rename it in.

    Raises
    ------
    RunError
        Something is at `path` already, or the folder cannot be written.
    """
    from audiospec.zoo.card import model_card
    from audiospec.zoo.pictures import save_pictures

    require_free(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        model.save(partial)
        (partial / METRICS).write_text(
            json.dumps(metrics, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        (partial / HISTORY).write_text(_table(history), encoding="utf-8")
        (partial / CARD).write_text(model_card(info, metrics), encoding="utf-8")
        save_pictures(partial, metrics, history, bool(info.split["leaky"]))
        files = {file.name: _sha256(file) for file in sorted(partial.iterdir())}
        said: dict[str, Any] = {**asdict(info), "files": files}
        said = {"audiospec_run": FORMAT_VERSION, **said, "digest": digest(said)}
        (partial / RUN).write_text(json.dumps(said, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.rename(partial, path)
    except AudiospecError:
        raise
    except OSError as error:
        raise RunError(f"cannot write run {path}: {error.strerror}; choose another --out") from error
    finally:
        if partial.exists():
            shutil.rmtree(partial)
    return Run(path)


def require_free(path: Path) -> None:
    """Raise `RunError` if something is at the place of a run."""
    if path.exists():
        raise RunError(f"{path} exists already: choose another --out")


def _table(history: Sequence[dict[str, float]]) -> str:
    text = io.StringIO()
    if history:
        writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    return text.getvalue()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
