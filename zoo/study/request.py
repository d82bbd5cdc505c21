"""The request to reproduce a study, and the training of its runs."""

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
from audiospec.zoo.progress import Watch
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import run_name, train

#: Called with the name of the current step, the amount done, the total amount, and the progress in words.
StudyProgress = Callable[[str, float, float, str], None]


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The validated arguments of `reproduce`."""

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
    progress: StudyProgress


def usable_classes(
    view: View, requested: Sequence[str], shares: Sequence[float]
) -> tuple[list[str], list[str]]:
    """Return the genres with enough tracks for all sides of a split, and notes on the others.

    Parameters
    ----------
    view : View
    requested : sequence of str
        Genres.
    shares : sequence of float
        Of train, validation and test.
    """
    least = round(1 / min(share for share in shares if share))
    labels = dict(zip(view.ids.tolist(), view.labels.tolist(), strict=True))  # one per track
    counts = Counter(map(str, labels.values()))
    notes = []
    if len(requested) < len(GENRES):
        notes.append(f"{len(requested)} of {len(GENRES)} genres were requested: {', '.join(requested)}")
    few = [f"{name} {counts[name]}" for name in requested if 0 < counts[name] < least]
    if few:
        notes.append(
            f"genres with fewer than {least} tracks cannot be on all sides and are left out: {', '.join(few)}"
        )
    used = [name for name in requested if counts[name] >= least]
    if len(used) < len(GENRES):
        notes.append(
            f"{len(used)} genres ({', '.join(used)}), where the study has {len(GENRES)}: not the same task, "
            "but an easier one"
        )
    return used, notes


@dataclass(frozen=True)
class Songs:
    """Songs that are not in GTZAN: file → genre; and notes on the files without a genre."""

    genres: dict[Path, str]
    notes: list[str]


def create_folder(request: StudyRequest) -> Path:
    """Create the result's folder if it does not exist, and return it."""
    request.out.mkdir(parents=True, exist_ok=True)
    return request.out


def train_cell(
    request: StudyRequest,
    model: str,
    view: View,
    protocol: str,
    seed: int,
    settings: Mapping[str, Any],
    classes: Sequence[str],
    progress: Callable[[dict[str, float]], None] | None = None,
    watch: Watch | None = None,
) -> Run:
    """Train a cell's model, resume its training, or reuse its run; other settings have another folder."""
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
        out=request.out / "runs" / name,
        resume=True,
        progress=progress,
        watch=watch,
    )


def relative_path(request: StudyRequest, run: Run) -> str:
    """Return the folder of a run, relative to the result's folder."""
    return run.path.relative_to(request.out).as_posix()
