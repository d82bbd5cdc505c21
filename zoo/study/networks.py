"""The study's networks on spectrograms."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.datasets.base import datasets
from audiospec.datasets.gtzan import GENRES
from audiospec.errors import ModelError, SplitError
from audiospec.pipeline.featurize import run
from audiospec.pipeline.progress import Progress
from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.view import View
from audiospec.zoo.base import models as registry
from audiospec.zoo.runs.run import Run
from audiospec.zoo.splits import SHARES, is_leaky
from audiospec.zoo.study.cells import Cell, cell_scores
from audiospec.zoo.study.figures import DEEP, DEEP_MODELS
from audiospec.zoo.study.request import StudyRequest, made_folder, relative_run, train_cell, usable_classes
from audiospec.zoo.study.songs import songs_cell
from audiospec.zoo.training import epoch_in_words

NO_AUDIO = "give --data FOLDER with GTZAN's audio; `audiospec datasets gtzan` says where to get it"


def deep_models(asked: StudyRequest) -> list[str]:
    """Those of the study's networks that are asked for."""
    return [model for model in DEEP_MODELS if model in asked.models]


def deep_cells(asked: StudyRequest) -> Iterator[Cell]:
    """Each network on each chunk length, on random chunks, as the study has it, and on whole tracks."""
    if not deep_models(asked):
        return
    views: list[View] = []
    about: list[str] = []
    if asked.data is not None:
        views, about = _views(asked, asked.data)
    for number, chunk in enumerate(asked.chunks):
        for model in deep_models(asked):
            for protocol in ("random", "track"):
                cell, run = _deep_cell(asked, views[number] if views else None, about, model, chunk, protocol)
                yield cell
                yield songs_cell(asked, cell, run)


def _deep_cell(
    asked: StudyRequest, view: View | None, about: list[str], model: str, chunk: float, protocol: str
) -> tuple[Cell, Run | None]:
    figures = DEEP.get((chunk, model))
    cell = Cell(
        section="deep",
        model=model,
        features="mel",
        chunk=chunk,
        protocol=protocol,
        leaky=is_leaky(protocol),
        study=dict(zip(("train", "valid", "test"), figures, strict=True)) if figures else {},
        missing=NO_AUDIO if view is None else "",
    )
    if view is None:
        return cell, None
    classes, notes = usable_classes(view, asked.classes, SHARES)
    settings = deep_settings(asked, model)
    notes = [*_differences(asked, model, settings), *about, *notes]
    if figures is None:
        notes.insert(0, f"the study has no chunks of {chunk:g} s")
    if len(set(view.ids.tolist())) == len(view):
        notes.append("a track is one chunk here, so random chunks are random tracks, and leak no recording")
    cell = dataclasses.replace(cell, notes=notes)
    if len(classes) < 2:
        return dataclasses.replace(cell, missing="the audio leaves fewer than two genres to tell apart"), None
    most = getattr(registry[model].Settings.replace_in(settings, f"model {model!r}"), "epochs", 0)

    def progress(epoch: dict[str, float]) -> None:
        what = f"{model}, {chunk:g} s, {cell.split}"
        asked.told(what, epoch["epoch"], most, epoch_in_words(epoch, most))

    try:
        run = train_cell(asked, model, view, protocol, 0, settings, classes, progress)
    except (ModelError, SplitError) as error:
        return dataclasses.replace(cell, missing=str(error)), None
    return dataclasses.replace(cell, found=cell_scores([run]), runs=[relative_run(asked, run)]), run


def _views(asked: StudyRequest, data: Path) -> tuple[list[View], list[str]]:
    """A view of GTZAN's audio for each chunk length, and what is not there of the audio."""
    dataset = datasets["gtzan"](data)
    manifest = dataset.manifest()

    def progress(now: Progress) -> None:
        done, total = now.audio_seconds, now.audio_seconds_total
        asked.told("features", done, total, f"{now.tracks}/{now.tracks_total} tracks")

    report = run(
        manifest,
        views=[(asked.spec, Chunking(seconds=chunk)) for chunk in asked.chunks],
        store=made_folder(asked) / "gtzan.zarr",
        workers=asked.workers,
        progress=progress,
    )
    notes = []
    if dataset.validate(manifest):
        counts = Counter(track.label for track in manifest)
        there = ", ".join(f"{name} {counts[name]}" for name in GENRES)
        notes.append(f"{len(manifest)} of GTZAN's {sum(dataset.expected.values())} tracks: {there}")
    notes += [f"{id} cannot be used: {problem}" for id, problem in report.problems.items()]
    return report.views, notes


def deep_settings(asked: StudyRequest, model: str) -> dict[str, Any]:
    """Parameters of a network that are not at their defaults."""
    takes = {field.name for field in dataclasses.fields(registry[model].Settings)}
    weights = {} if asked.weights is None or "weights" not in takes else {"weights": asked.weights}
    return asked.settings | weights


def _differences(asked: StudyRequest, model: str, settings: Mapping[str, Any]) -> list[str]:
    """What of the features and of the training is not as the study has it."""
    cls = registry[model].Settings
    ours: tuple[tuple[Any, Any], ...] = (
        (asked.spec, MelSpec()),
        (cls.replace_in(settings, f"model {model!r}"), cls()),
    )
    changed = [
        f"{field.name} {getattr(mine, field.name)} ({getattr(theirs, field.name)})"
        for mine, theirs in ours
        for field in dataclasses.fields(theirs)
        if getattr(mine, field.name) != getattr(theirs, field.name)
    ]
    return [f"not the study's settings (those in brackets): {', '.join(changed)}"] if changed else []
