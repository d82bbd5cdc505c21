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
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.digests import digest
from audiospec.errors import RunError
from audiospec.specs.base import FeatureSpec
from audiospec.zoo.base import Model, models
from audiospec.zoo.runs.info import (
    FORMAT_VERSION,
    HISTORY,
    METRICS,
    RUN,
    RunInfo,
    comparable_settings,
    file_sha256,
)


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
        Side (``"test"``, ``"train"``, ``"valid"`` if it has rows) → `Evaluation` as plain values.

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
                if Path(name).name != name or file_sha256(self.path / name) != expected:
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
        here, asked = asdict(self.info), json.loads(json.dumps(said))
        for values in (here, asked):
            if "settings" in values:
                values["settings"] = comparable_settings(values["settings"])
        return all(here.get(name) == value for name, value in asked.items())

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
