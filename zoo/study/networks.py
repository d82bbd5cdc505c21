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
from audiospec.zoo.progress import TrainingProgress
from audiospec.zoo.runs.run import Run
from audiospec.zoo.study.cells import Cell, cell_scores
from audiospec.zoo.study.figures import DEEP, DEEP_MODELS
from audiospec.zoo.study.request import StudyRequest, create_folder, relative_path, train_cell, usable_classes
from audiospec.zoo.study.songs import songs_cell
from audiospec.zoo.training import epoch_in_words

#: Shares of the networks' splits, as in the study.
DEEP_SHARES = (0.8, 0.1, 0.1)
NO_AUDIO = "give `data`, a folder with GTZAN's audio; `audiospec datasets gtzan` shows where to get it"


def deep_models(request: StudyRequest) -> list[str]:
    """Return the study's networks that were requested."""
    return [model for model in DEEP_MODELS if model in request.models]


def deep_cells(request: StudyRequest) -> Iterator[Cell]:
    """Run each network on each chunk length, on random chunks, as in the study, and on whole tracks."""
    if not deep_models(request):
        return
    views: list[View] = []
    notes: list[str] = []
    if request.data is not None:
        views, notes = _views(request, request.data)
    for number, chunk in enumerate(request.chunks):
        for model in deep_models(request):
            for protocol in ("random", "track"):
                cell, run = _deep_cell(
                    request, views[number] if views else None, notes, model, chunk, protocol
                )
                yield cell
                yield songs_cell(request, cell, run)


def _deep_cell(
    request: StudyRequest, view: View | None, audio_notes: list[str], model: str, chunk: float, protocol: str
) -> tuple[Cell, Run | None]:
    figures = DEEP.get((chunk, model))
    cell = Cell(
        section="deep",
        model=model,
        features="mel",
        chunk=chunk,
        protocol=protocol,
        leaky=protocol == "random",
        study=dict(zip(("train", "valid", "test"), figures, strict=True)) if figures else {},
        missing=NO_AUDIO if view is None else "",
    )
    if view is None:
        return cell, None
    classes, notes = usable_classes(view, request.classes, DEEP_SHARES)
    settings = deep_settings(request, model)
    notes = [*_differences(request, model, settings), *audio_notes, *notes]
    if figures is None:
        notes.insert(0, f"the study has no chunks of {chunk:g} s")
    if len(set(view.ids.tolist())) == len(view):
        notes.append("each track is one chunk, so random chunks are random tracks and nothing leaks")
    cell = dataclasses.replace(cell, notes=notes)
    if len(classes) < 2:
        return dataclasses.replace(cell, missing="the audio has fewer than two usable genres"), None
    epochs = getattr(registry[model].Settings.replace_in(settings, f"model {model!r}"), "epochs", 0)

    name = f"{model}, {chunk:g} s, {cell.split}"

    def progress(epoch: dict[str, float]) -> None:
        request.progress(name, epoch["epoch"], epochs, epoch_in_words(epoch, epochs))

    def watch(now: TrainingProgress) -> None:
        if now.epoch and now.rows_per_second is not None:
            done = now.epoch - 1 + now.rows / now.rows_total
            text = f"epoch {now.epoch} of {epochs}, {now.rows}/{now.rows_total} rows"
            request.progress(name, done, epochs, f"{text}, {now.rows_per_second:.3g} rows/s")

    try:
        run = train_cell(request, model, view, protocol, 0, settings, classes, progress, watch)
    except (ModelError, SplitError) as error:
        return dataclasses.replace(cell, missing=str(error)), None
    return dataclasses.replace(cell, found=cell_scores([run]), runs=[relative_path(request, run)]), run


def _views(request: StudyRequest, data: Path) -> tuple[list[View], list[str]]:
    """Return a view of GTZAN's audio for each chunk length, and notes on missing and unusable tracks."""
    dataset = datasets["gtzan"](data)
    manifest = dataset.manifest()

    def progress(now: Progress) -> None:
        done, total = now.audio_seconds, now.audio_seconds_total
        request.progress("features", done, total, f"{now.tracks}/{now.tracks_total} tracks")

    report = run(
        manifest,
        views=[(request.spec, Chunking(seconds=chunk)) for chunk in request.chunks],
        store=create_folder(request) / "gtzan.zarr",
        workers=request.workers,
        progress=progress,
    )
    notes = []
    if dataset.validate(manifest):
        counts = Counter(track.label for track in manifest)
        genres = ", ".join(f"{name} {counts[name]}" for name in GENRES)
        notes.append(f"{len(manifest)} of GTZAN's {sum(dataset.expected.values())} tracks: {genres}")
    notes += [f"{id} cannot be used: {problem}" for id, problem in report.problems.items()]
    return report.views, notes


def deep_settings(request: StudyRequest, model: str) -> dict[str, Any]:
    """Return the requested parameters of a network; `weights` only if the network takes it."""
    parameters = {field.name for field in dataclasses.fields(registry[model].Settings)}
    weights = {} if request.weights is None or "weights" not in parameters else {"weights": request.weights}
    return request.settings | weights


def _differences(request: StudyRequest, model: str, settings: Mapping[str, Any]) -> list[str]:
    """Return a note on how the features and the training differ from the study's, if they do."""
    cls = registry[model].Settings
    pairs: tuple[tuple[Any, Any], ...] = (
        (request.spec, MelSpec()),
        (cls.replace_in(settings, f"model {model!r}"), cls()),
    )
    changed = [
        f"{field.name} {getattr(ours, field.name)} ({getattr(theirs, field.name)})"
        for ours, theirs in pairs
        for field in dataclasses.fields(theirs)
        if getattr(ours, field.name) != getattr(theirs, field.name)
    ]
    return [f"settings that differ from the study's (in brackets): {', '.join(changed)}"] if changed else []
