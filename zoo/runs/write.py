"""Write the folder of a finished run."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audiospec.digests import digest
from audiospec.zoo.base import CHECKPOINT, Model
from audiospec.zoo.runs.info import CARD, FORMAT_VERSION, HISTORY, METRICS, RUN, RunInfo, file_sha256
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import LOCK, TRAINING, remove_path, write_json, writing_run


def write_run(
    path: Path,
    work: Path,
    info: RunInfo,
    model: Model,
    metrics: dict[str, Any],
    history: Sequence[Mapping[str, float]],
) -> Run:
    """Write a run into the folder where it was trained, and rename that to `path`.

    Parameters
    ----------
    path : Path
        The run's folder; must not exist.
    work : Path
        The training's folder, from `training_folder`.
    info : RunInfo
    model : Model
        Trained.
    metrics : dict
        Side → scores as plain JSON values.
    history : sequence of mapping
        One entry per epoch.

    Raises
    ------
    RunError
        The folder cannot be written.
    """
    from audiospec.zoo.runs.card import model_card
    from audiospec.zoo.runs.pictures import save_pictures

    with writing_run(work):
        model.save(work)
        write_json(work / METRICS, metrics)
        write_history(work, history)
        (work / CARD).write_text(model_card(info, metrics), encoding="utf-8")
        save_pictures(work, metrics, history, bool(info.split["leaky"]))
        temporary = (CHECKPOINT, TRAINING, LOCK)
        files = {
            file.name: file_sha256(file)
            for file in sorted(work.iterdir())
            if file.name not in (*temporary, RUN)
        }
        stated: dict[str, Any] = {**asdict(info), "files": files}
        write_json(work / RUN, {"audiospec_run": FORMAT_VERSION, **stated, "digest": digest(stated)})
        os.rename(work, path)
    for name in temporary:  # only now: a crash before the rename is resumed from the checkpoint
        remove_path(path / name)
    return Run(path)


def write_history(work: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write ``history.csv`` into a folder."""
    text = io.StringIO()
    if history:
        writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    with writing_run(work):
        (work / HISTORY).write_text(text.getvalue(), encoding="utf-8")
