"""What is to be reproduced, and the runs that it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiospec.datasets.gtzan import GENRES
from audiospec.digests import digest
from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.view import View
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import run_name, train

#: Told of what goes on: what is worked on, how much of it is done, how much there is, the same in words.
StudyProgress = Callable[[str, float, float, str], None]


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """What `reproduce` was asked for, checked."""

    tables: Path | None
    data: Path | None
    songs: Songs | None
    out: Path
    seeds: int
    chunks: tuple[float, ...]
    models: tuple[str, ...]
    classes: tuple[str, ...]
    settings: dict[str, Any]
    weights: str | None
    spec: MelSpec
    workers: int | None
    told: StudyProgress


def usable_classes(view: View, wanted: Sequence[str], shares: Sequence[float]) -> tuple[list[str], list[str]]:
    """The genres that have tracks for all sides of a split, and what to say of the others."""
    least = round(1 / min(share for share in shares if share))
    labels = dict(zip(view.ids.tolist(), view.labels.tolist(), strict=True))  # of each track once
    counts = Counter(map(str, labels.values()))
    notes = []
    if len(wanted) < len(GENRES):
        notes.append(f"{len(wanted)} of {len(GENRES)} genres were asked for: {', '.join(wanted)}")
    few = [f"{name} {counts[name]}" for name in wanted if 0 < counts[name] < least]
    if few:
        notes.append(
            f"genres with fewer than {least} tracks cannot be on all sides and are left out: {', '.join(few)}"
        )
    used = [name for name in wanted if counts[name] >= least]
    if len(used) < len(GENRES):
        notes.append(
            f"{len(used)} genres to tell apart ({', '.join(used)}), where the study has {len(GENRES)}: not "
            "the same task, and an easier one"
        )
    return used, notes


@dataclass(frozen=True)
class Songs:
    """Songs that are not GTZAN's: file → genre; and what to say of others."""

    genres: dict[Path, str]
    notes: list[str]


def made_folder(asked: StudyRequest) -> Path:
    """Folder for the stores that the study makes."""
    """The result's folder, which is there from now on."""
    asked.out.mkdir(parents=True, exist_ok=True)
    return asked.out


def train_cell(
    asked: StudyRequest,
    model: str,
    view: View,
    protocol: str,
    seed: int,
    settings: Mapping[str, Any],
    classes: Sequence[str],
    progress: Callable[[dict[str, float]], None] | None = None,
) -> Run:
    """Train, go on with a training, or take the run that is there; another question is another folder."""
    name = run_name(model, view, protocol, seed)
    if settings or list(classes) != view.classes:
        name += f"-{digest([dict(settings), list(classes)])[:6]}"
    return train(
        model,
        view,
        settings=settings,
        strategy=protocol,
        seed=seed,
        classes=classes,
        out=asked.out / "runs" / name,
        resume=True,
        progress=progress,
    )


def relative_run(asked: StudyRequest, run: Run) -> str:
    """Folder of a run, relative to the result's."""
    return run.path.relative_to(asked.out).as_posix()
