"""Write the folder of a finished run."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audiospec.digests import digest
from audiospec.files import sync
from audiospec.zoo.base import CHECKPOINT, Model
from audiospec.zoo.calibration.conformal import Conformal
from audiospec.zoo.runs.info import (
    CARD,
    CONFORMAL,
    FORMAT_VERSION,
    HISTORY,
    METRICS,
    RUN,
    UNCORRECTED,
    RunInfo,
    file_sha256,
)
from audiospec.zoo.runs.predictions import PREDICTIONS, TRACKS, Predictions, TrackOfRun, write_tracks
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import (
    FINISHED,
    LOGS,
    remove_path,
    remove_training,
    replace_text,
    require_free,
    write_json,
    writing_run,
)
from audiospec.zoo.targets.base import target_from_dict


def write_run(
    path: Path,
    work: Path,
    info: RunInfo,
    model: Model | None,
    metrics: dict[str, Any],
    history: Sequence[Mapping[str, float]],
    predictions: Predictions,
    tracks: Sequence[TrackOfRun],
    conformal: Conformal | None = None,
) -> Run:
    """Write a run into a folder inside that of its training, open it, and rename it to `path`.

    A cross-validation is written into its checkpoint, where the runs of its folds are.

    Then the folder of the training is removed, with its checkpoint.

    Parameters
    ----------
    path : Path
        The run's folder; must not exist.
    work : Path
        The training's folder, from `training_folder`.
    info : RunInfo
    model : Model or None
        Trained. None: the run is a cross-validation.
    metrics : dict
        Side → scores as plain JSON values.
    history : sequence of mapping
        One entry per epoch.
    predictions : Predictions
        Of the rows of all sides.
    tracks : sequence of TrackOfRun
        The tracks of the split.
    conformal : Conformal or None
        Scores of held-out tracks, if there are any.

    Raises
    ------
    RunError
        The folder cannot be written.
    """
    from audiospec.zoo.runs.card import model_card
    from audiospec.zoo.runs.pictures import save_pictures

    finished = work / (FINISHED if model is not None else CHECKPOINT)
    with writing_run(work):
        if model is not None:
            remove_path(finished)  # of a training that was killed here
            finished.mkdir()
            model.save(finished)
        write_json(finished / METRICS, metrics)
        write_history(finished, history)
        target = target_from_dict(info.target, info.classes)
        predictions.write(finished / PREDICTIONS, target.of_row)
        write_tracks(finished / TRACKS, tracks)
        if conformal is not None:
            write_json(finished / CONFORMAL, conformal.to_dict())
        (finished / CARD).write_text(model_card(info, metrics), encoding="utf-8")
        save_pictures(finished, target, metrics, history, predictions, bool(info.split["leaky"]))
        for log in sorted(work.glob(LOGS)):
            shutil.copyfile(log, finished / log.name)
        files = sorted(file for file in finished.iterdir() if file.is_file() and file.name != RUN)
        stated: dict[str, Any] = {
            "audiospec_run": FORMAT_VERSION if info.corrections else UNCORRECTED,
            **{name: value for name, value in asdict(info).items() if value or name != "corrections"},
            "files": {file.name: file_sha256(file) for file in files},
            "sizes": {file.name: file.stat().st_size for file in files},
        }
        write_json(finished / RUN, {**stated, "digest": digest(stated)})
        for written in (*files, finished / RUN, finished):
            sync(written)
    Run(finished)  # only a run that can be opened replaces the checkpoint
    with writing_run(work):
        require_free(path)
        os.rename(finished, path)
        sync(path.absolute().parent)
    run = Run(path)
    remove_training(work, path)  # only now: a crash before is resumed from the checkpoint
    return run


def write_history(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write ``history.csv`` into a folder."""
    text = io.StringIO()
    if history:
        writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    replace_text(folder / HISTORY, text.getvalue())
