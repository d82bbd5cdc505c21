"""Runs: a trained model's folder, which has everything needed to use the model, and no code.

    run.json      what was trained, on what, and how; sizes and SHA-256 of the other files, and its own
    metrics.json  scores on the test and the training rows
    history.csv   one row per epoch, for models that have epochs
    predictions.csv  the outputs for each row of the training, validation and test sides, and the truth
    tracks.csv    the tracks of each side, with content hash, cluster, group and label
    model.*       the trained weights (skops or safetensors)
    card.md       the model card
    conformal.json  scores of held-out tracks, from which sets of classes follow; if there were such tracks
    confusion.png, curves.png

The folder of a cross-validation has no model. It has the run of each fold in ``fold-1``, ``fold-2`` …, and
its predictions are those of the test rows of all folds.

A run whose files were changed, or lacks one, is refused; files that ``run.json`` does not list are ignored.
During training there is the folder ``NAME.training``, which has a checkpoint and ``training.json`` (what is
trained); an interrupted training is resumed from there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.digests import digest
from audiospec.errors import AudiospecError, RunError
from audiospec.files import open_plain, read_json
from audiospec.specs.base import FeatureSpec
from audiospec.storage.location import local, location
from audiospec.zoo.base import Model, models
from audiospec.zoo.calibration.calibrated import CalibratedModel
from audiospec.zoo.calibration.calibrators import calibrator_from_dict
from audiospec.zoo.calibration.conformal import Conformal
from audiospec.zoo.runs.info import (
    CONFORMAL,
    FORMAT_VERSION,
    HISTORY,
    METRICS,
    MOST_METRICS,
    MOST_PREDICTIONS,
    MOST_RUN,
    RUN,
    RunInfo,
    comparable_settings,
    file_sha256,
)
from audiospec.zoo.runs.predictions import PREDICTIONS, TRACKS, Predictions, TrackOfRun, read_tracks
from audiospec.zoo.splits.leaks import Learnt
from audiospec.zoo.targets.base import Target, target_from_dict


class Run:
    """An opened run folder, whose files match their digests.

    Parameters
    ----------
    path : path
    source : str
        Where the folder was loaded from, if it was (`load_run`).

    Attributes
    ----------
    path : Path
    source : str
        ``"hf://user/name@commit"`` of a run that was loaded from a hub, else ``""``.
    info : RunInfo
    digest : str
        SHA-256 of what ``run.json`` states, so of the whole run.
    metrics : dict
        Side (``"test"``, ``"train"``, ``"valid"`` if it has rows) → `Evaluation` as plain values.

    Raises
    ------
    RunError
        The folder does not exist, is not a run, has a newer format, or was damaged or changed.
    """

    def __init__(self, path: Path | str, *, source: str = "") -> None:
        if str(path).startswith("hf://"):
            raise RunError(f"expected the folder of a run; got {path}", "open it by `audiospec.load_run`")
        self.path = local(location(path), "a run")
        self.source = source
        with self._damage():
            if not (self.path / RUN).exists() or (self.path / RUN).is_dir():
                raise RunError(f"no run at {self.path}", "expected a folder that `audiospec train` made")
            stated = dict(read_json(self.path / RUN, MOST_RUN))
            version = stated["audiospec_run"]
            if isinstance(version, bool) or not isinstance(version, int) or version < 1:
                raise ValueError(f"format {version!r}")
            if version > FORMAT_VERSION:
                raise RunError(
                    f"run {self.path} has format {version}, this audiospec reads up to {FORMAT_VERSION}",
                    "upgrade audiospec (pip install -U audiospec)",
                )
            if version == 1:  # its digest does not include the version
                del stated["audiospec_run"]
            written_digest = stated.pop("digest")
            self.digest: str = written_digest
            if digest(stated) != written_digest:
                raise self._changed(RUN)
            stated.pop("audiospec_run", None)
            self._version = version
            self._files = dict(stated.pop("files"))
            self._sizes = dict(stated.pop("sizes")) if version > 1 else {}
            self.info = RunInfo(**stated)
            self._check_files()
            self.metrics: dict[str, Any] = read_json(self.path / METRICS, MOST_METRICS)
            if not isinstance(self.metrics, dict):
                raise ValueError(f"{METRICS} is not a mapping")

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Turn the errors of reading a file that may be damaged into a `RunError`."""
        try:
            yield
        except AudiospecError:
            raise
        except (
            ArithmeticError,
            AttributeError,
            KeyError,
            MemoryError,
            OSError,
            RecursionError,
            TypeError,
            ValueError,
            csv.Error,
        ) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
            raise RunError(f"run {self.path} is damaged ({reason[:200]})", self._remedy) from error

    def _check_files(self) -> None:
        """Raise an error unless the files are those that were written."""
        for name, expected in self._files.items():
            if Path(name).name != name or file_sha256(self.path / name, self._sizes.get(name)) != expected:
                raise self._changed(name)

    def _changed(self, name: str) -> RunError:
        return RunError(f"run {self.path} was changed: its {name} is not what was written", self._remedy)

    @property
    def _remedy(self) -> str:
        """What to do about damage."""
        if not self.source:
            return "train again"
        return f"remove it from the cache and load {self.source} again; if that is the same, push it again"

    def __repr__(self) -> str:
        return f"<Run {self.source or self.path}: {self.info.model} on {self.info.view}>"

    @property
    def spec(self) -> FeatureSpec:
        """The spec of the features that the model reads."""
        with self._damage():
            return FeatureSpec.from_dict(self.info.spec)

    @property
    def chunking(self) -> Chunking:
        """How tracks are cut into the chunks that the model reads."""
        with self._damage():
            return Chunking.from_dict(self.info.chunking)

    @property
    def target(self) -> Target:
        """What the model predicts.

        Raises
        ------
        RegistryError
            It is the target of a package that is not installed.
        """
        with self._damage():
            target = target_from_dict(self.info.target, self.info.classes)
            if len(target.classes) < target.least_classes:
                raise ValueError(f"target {target.name} of {len(target.classes)} classes")
            return target

    def says(self, training: Mapping[str, Any]) -> bool:
        """Return whether the run's `info` has these values.

        Parameters
        ----------
        training : mapping
            Names of fields of `RunInfo` → values.
        """
        stated, wanted = asdict(self.info), json.loads(json.dumps(training))
        for values in (stated, wanted):
            if "settings" in values:
                values["settings"] = comparable_settings(values["settings"])
        grid = (wanted.get("search") or {}).get("grid")
        if grid:  # what was chosen need not be compared, but what from
            stated["search"] = {name: stated["search"].get(name) for name in wanted["search"]}
            for values in (stated, wanted):
                values["settings"] = {k: v for k, v in values["settings"].items() if k not in grid}
        if "target" in wanted:  # its parameters follow from the training
            stated["target"] = {name: stated["target"].get(name) for name in wanted["target"]}
        for key in ("split", "corrections"):  # what follows from them need not be compared
            if wanted.get(key):
                stated[key] = {name: stated[key].get(name) for name in wanted[key]}
        return all(stated.get(name) == value for name, value in wanted.items())

    def history(self) -> list[dict[str, float]]:
        """Return one entry per epoch; empty for a model without epochs."""
        with self._damage(), open_plain(self.path / HISTORY, MOST_METRICS) as file:
            lines = csv.DictReader(io.StringIO(file.read().decode("utf-8"), newline=""), strict=True)
            return [{name: float(value) for name, value in entry.items()} for entry in lines]

    @property
    def is_older(self) -> bool:
        """Whether it is of a version that kept neither predictions nor tracks."""
        return self._version < 3

    @property
    def lacks(self) -> str:
        """What a run does not have, and what follows; ``""`` if it has everything.

        A run of an older version lacks what was not kept then, a published one what its owner left out.
        """
        if not self.is_older:
            if PREDICTIONS in self._files and TRACKS in self._files:
                return ""
            return (
                f"run {self.source or self.path} was published without its predictions and the tracks that "
                "the model learnt from: leaks cannot be checked"
            )
        return (
            f"run {self.path} was made by an older audiospec, which kept neither predictions nor the tracks "
            "that a model learnt from: leaks cannot be checked, and its split may be weaker than it says"
        )

    def predictions(self) -> Predictions:
        """Return the predictions of the rows of its split.

        Raises
        ------
        RunError
            The run `lacks` them, or the file is damaged.
        """
        target = self.target.of_row
        with self._table(PREDICTIONS) as lines:
            return Predictions.read(lines, target)

    def tracks(self) -> list[TrackOfRun]:
        """Return the tracks of its split, in the order of the sides.

        Raises
        ------
        RunError
            The run `lacks` them, or the file is damaged.
        """
        with self._table(TRACKS) as lines:
            return read_tracks(lines)

    def learnt(self) -> Learnt:
        """Return what the model learnt from: its training and validation tracks.

        Raises
        ------
        RunError
            As `tracks`.
        """
        tracks = (track.known for track in self.tracks() if track.side in ("train", "valid"))
        return Learnt.of(self.info.dataset, tracks)

    @contextmanager
    def _table(self, name: str) -> Iterator[io.StringIO]:
        """Open a table of the folder."""
        if self.lacks:
            hint = (
                "train again" if self.is_older else "use the run itself, or one pushed with its predictions"
            )
            raise RunError(self.lacks, hint)
        with self._damage(), open_plain(self.path / name, MOST_PREDICTIONS) as file:
            yield io.StringIO(file.read().decode("utf-8"), newline="")

    def folds(self) -> list[Run]:
        """Return the runs of the folds of a cross-validation; empty for a run of one model.

        Raises
        ------
        RunError
            One is missing, damaged, or not the one that the scores are of.
        """
        runs = []
        for stated in self.info.cross_validation.get("runs", ()):
            run = Run(self.path / stated["folder"])
            if run.digest != stated["digest"]:
                raise self._changed(stated["folder"])
            runs.append(run)
        return runs

    def model(self, device: str | None = None) -> Model:
        """Load the trained model, with its calibrator if it has one.

        Parameters
        ----------
        device : str or None
            A torch device, on which a network predicts. None: by the parameter `device` that it was trained
            with.

        Raises
        ------
        RunError
            It is a cross-validation, which has a model for each fold.
        RegistryError, ModelError
            The model is not installed, or the files do not fit it.
        """
        if self.info.cross_validation:
            first = self.info.cross_validation["runs"][0]["folder"]
            raise RunError(
                f"run {self.path} is a cross-validation: it has a model for each of its "
                f"{len(self.info.cross_validation['runs'])} folds, and none of its own",
                f"use the run of a fold, such as {self.path / first}, or train one model without folds",
            )
        cls = models[self.info.model]
        stated = dict(self.info.settings)
        if device is not None and "device" in stated:
            stated["device"] = device.partition(":")[0]
        settings = cls.Settings.replace_in(stated, f"model {self.info.model!r}")
        model = cls(settings, tuple(self.info.row_shape), self.target)
        model.load(self.path)
        if not self.info.calibration:
            return model
        with self._damage():
            return CalibratedModel(model, calibrator_from_dict(self.info.calibration, len(self.info.classes)))

    def conformal(self) -> Conformal:
        """Return the scores of held-out tracks, from which sets of classes with a coverage are made.

        Raises
        ------
        RunError
            The target is not one label a row. Or the run has none: it is of an earlier version, or had no
            validation rows and was not calibrated.
        """
        if self.info.target["name"] != "single":
            raise RunError(
                f"expected one label a row for sets of classes; run {self.path} has the target "
                f"{self.info.target['name']!r}",
                "leave out `coverage`",
            )
        if CONFORMAL not in self._files:
            raise RunError(
                f"run {self.path} has no scores of held-out tracks, from which a coverage follows",
                "train again with `audiospec train --calibrate`",
            )
        with self._damage():
            return Conformal.from_dict(read_json(self.path / CONFORMAL, MOST_METRICS))
