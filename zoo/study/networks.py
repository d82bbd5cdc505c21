"""The study's networks on spectrograms."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.datasets.base import datasets
from audiospec.datasets.gtzan import GENRES
from audiospec.errors import StoreError
from audiospec.pipeline.featurize import run
from audiospec.pipeline.progress import Progress
from audiospec.specs.mel import MelSpec
from audiospec.stores.base import open_store
from audiospec.stores.layout.info import ViewInfo
from audiospec.zoo.base import models as registry
from audiospec.zoo.study.cells import PROTOCOLS, Cell, expected_split
from audiospec.zoo.study.figures import DEEP, DEEP_MODELS
from audiospec.zoo.study.request import (
    Source,
    StudyRequest,
    Work,
    checked,
    create_folder,
    source_of,
    usable_classes,
)

#: Shares of the networks' splits, as in the study.
NETWORK_SHARES = (0.8, 0.1, 0.1)
NO_AUDIO = "give `data`, a folder with GTZAN's audio; `audiospec datasets gtzan` shows where to get it"
#: Seconds of each of GTZAN's tracks.
TRACK_SECONDS = 30.0
STORE = "gtzan.zarr"


def deep_models(request: StudyRequest) -> list[str]:
    """Return the study's networks that were requested."""
    return [model for model in DEEP_MODELS if model in request.models]


def deep_works(request: StudyRequest, sources: Sequence[Source] | None) -> Iterator[Work]:
    """Return the works of each network on each chunk length, for each protocol.

    Where each track is one chunk, random chunks are random tracks, so they are one protocol there.

    Parameters
    ----------
    request : StudyRequest
    sources : sequence of Source, or None
        Of each chunk length. None: there is no audio.
    """
    for number, chunk in enumerate(request.chunks):
        source = sources[number] if sources is not None else None
        one_row = source.one_row if source is not None else chunk >= TRACK_SECONDS
        for model in deep_models(request):
            for protocol in PROTOCOLS[one_row:]:
                yield checked(_work(request, source, model, chunk, protocol, one_row))


def _work(
    request: StudyRequest, source: Source | None, model: str, chunk: float, protocol: str, one_row: bool
) -> Work:
    figures = DEEP.get((chunk, model))
    split, leaky = expected_split(protocol, one_row)
    cell = Cell(
        section="deep",
        model=model,
        features="mel",
        chunk=chunk,
        protocol=protocol,
        split=split,
        leaky=leaky,
        study=dict(zip(("train", "valid", "test"), figures, strict=True)) if figures else {},
        missing=NO_AUDIO if source is None else "",
    )
    if source is None:
        return Work(cell=cell, model=model, shares=NETWORK_SHARES)
    classes, notes = usable_classes(source.labels, request.classes, NETWORK_SHARES)
    settings = deep_settings(request, model)
    notes = [*_differences(request, model, settings), *source.notes, *notes]
    if figures is None:
        notes.insert(0, f"the study has no chunks of {chunk:g} s")
    if one_row:
        notes.append("each track is one chunk, so the study's random chunks are random tracks: one protocol")
    missing = "" if len(classes) >= 2 else "the audio has fewer than two usable genres"
    chosen = registry[model].Settings.replace_in(settings, f"model {model!r}")
    return Work(
        cell=dataclasses.replace(cell, notes=notes, missing=missing),
        model=model,
        settings=settings,
        shares=NETWORK_SHARES,
        classes=classes,
        source=source,
        seeds=request.network_seeds,
        epochs=getattr(chosen, "epochs", 1),
    )


def planned_sources(request: StudyRequest, data: Path) -> tuple[list[Source], int]:
    """Return the sources of the audio as far as they are known, and how many tracks are not computed yet.

    Views that the result's store has are used; the others are estimated from the list of tracks.
    """
    tracks = {track.id: track.label for track in datasets["gtzan"](data).manifest()}
    try:
        store = open_store(request.out / STORE)
        views = {name: store.view(name) for name in store.view_names()}
    except StoreError:  # there is none yet
        views = {}
    sources = []
    for chunk in request.chunks:
        info = ViewInfo(spec=request.spec, chunking=Chunking(seconds=chunk), shard_rows=1)
        if info.name in views:
            sources.append(source_of(views[info.name]))
        else:
            rows = len(tracks) * max(1, int(TRACK_SECONDS / chunk))
            sources.append(Source(info, tracks, rows, None))
    return sources, len(tracks) * any(source.view is None for source in sources)


def computed_sources(request: StudyRequest, data: Path) -> list[Source]:
    """Compute the views of GTZAN's audio, one for each chunk length, with notes on missing tracks."""
    dataset = datasets["gtzan"](data)
    manifest = dataset.manifest()

    def progress(now: Progress) -> None:
        done, total = now.audio_seconds, now.audio_seconds_total
        request.progress("features", done, total, f"{now.tracks}/{now.tracks_total} tracks")

    report = run(
        manifest,
        views=[(request.spec, Chunking(seconds=chunk)) for chunk in request.chunks],
        store=create_folder(request) / STORE,
        workers=request.workers,
        progress=progress,
    )
    notes = []
    if dataset.validate(manifest):
        counts = Counter(track.label for track in manifest)
        genres = ", ".join(f"{name} {counts[name]}" for name in GENRES)
        notes.append(f"{len(manifest)} of GTZAN's {sum(dataset.expected.values())} tracks: {genres}")
    notes += [f"{id} cannot be used: {problem}" for id, problem in report.problems.items()]
    return [source_of(view, notes) for view in report.views]


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
