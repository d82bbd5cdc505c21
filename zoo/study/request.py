"""The request to reproduce a study, and what its cells have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audiospec.datasets.gtzan import GENRES
from audiospec.digests import digest
from audiospec.errors import SplitError
from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.view import View
from audiospec.zoo.runs.info import RUN
from audiospec.zoo.splits.strategies import split
from audiospec.zoo.study.cells import FIXED, Cell
from audiospec.zoo.study.figures import Measured

#: Called with the name of the current step, the amount done, the total amount, and the progress in words.
StudyProgress = Callable[[str, float, float, str], None]


@dataclass(frozen=True)
class Songs:
    """Songs that are not in GTZAN: file → genre; and notes on the files without a genre."""

    genres: dict[Path, str]
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The validated arguments of `reproduce`."""

    tables: Path | None
    data: Path | None
    songs: Songs | None
    out: Path
    seeds: int
    network_seeds: int
    chunks: tuple[float, ...]
    models: tuple[str, ...]
    classes: tuple[str, ...]
    settings: dict[str, Any]
    weights: str | None
    spec: MelSpec
    workers: int | None
    progress: StudyProgress


@dataclass(frozen=True)
class Source:
    """The rows that some cells train on, which may not have been computed yet.

    Attributes
    ----------
    info : ViewInfo
    labels : dict
        Track id → genre.
    rows : int
        Number of rows; an estimate if there is no view.
    view : View or None
        None: its rows are still to be computed.
    notes : list of str
        How the rows differ from the study's.
    """

    info: ViewInfo
    labels: dict[str, str]
    rows: int
    view: View | None
    notes: list[str] = field(default_factory=list)

    @property
    def one_row(self) -> bool:
        """Whether every track has one row, so that random rows are random tracks."""
        return self.rows == len(self.labels)


def source_of(view: View, notes: Sequence[str] = ()) -> Source:
    """Return the source of a view that has been computed."""
    labels = dict(zip(map(str, view.ids.tolist()), map(str, view.labels.tolist()), strict=True))
    return Source(view.info, labels, len(view), view, list(notes))


@dataclass(frozen=True, kw_only=True)
class Work:
    """The runs of one cell.

    Attributes
    ----------
    cell : Cell
        Without scores. If its `missing` is not empty, there are no runs.
    model : str
        Name in the registry.
    settings : dict
        The model's parameters that differ from their defaults.
    shares : tuple of 3 floats
    classes : list of str
        Genres to train on.
    source : Source or None
        None if the data is missing.
    seeds : int
        Number of runs, with the seeds from 0.
    epochs : int
        Largest number of epochs; 0 for a model without epochs.
    measured : Measured or None
        What the scores are compared with.
    """

    cell: Cell
    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    shares: tuple[float, float, float]
    classes: list[str] = field(default_factory=list)
    source: Source | None = None
    seeds: int = 1
    epochs: int = 0
    measured: Measured | None = None

    @property
    def title(self) -> str:
        """The cell in words."""
        rows = "" if self.cell.section == "deep" else f"{self.cell.features}, "
        return f"{self.cell.model}, {self.cell.chunk:g} s, {rows}{self.cell.split}"

    def folders(self) -> list[str]:
        """Return the folder of each run, relative to the result's folder."""
        if self.cell.missing or self.source is None:
            return []
        end = ""
        if self.settings or self.classes != sorted(set(self.source.labels.values())):
            end = f"-{digest([self.settings, self.classes])[:6]}"
        name = f"{self.model}-{self.source.info.name}-{self.cell.protocol}"
        return [f"runs/{name}-{seed}{end}" for seed in range(self.seeds)]

    def unfinished(self, out: Path) -> list[str]:
        """Return the folders of the runs that are not finished."""
        return [folder for folder in self.folders() if not (out / folder / RUN).exists()]


def checked(work: Work) -> Work:
    """Return a work whose cell states why its rows cannot be split by a list, if they cannot."""
    cell, source = work.cell, work.source
    # Another seed may split other rows, but not those of a list.
    if cell.missing or source is None or source.view is None or cell.protocol not in FIXED:
        return work
    try:
        split(source.view, cell.protocol, shares=work.shares, classes=work.classes)
    except SplitError as error:
        return replace(work, cell=replace(cell, missing=str(error)))
    return work


def usable_classes(
    labels: Mapping[str, str], requested: Sequence[str], shares: Sequence[float]
) -> tuple[list[str], list[str]]:
    """Return the genres with enough tracks for all sides of a split, and notes on the others.

    Parameters
    ----------
    labels : mapping
        Track id → genre.
    requested : sequence of str
        Genres.
    shares : sequence of float
        Of train, validation and test.
    """
    least = round(1 / min(share for share in shares if share))
    counts = Counter(labels.values())
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


def create_folder(request: StudyRequest) -> Path:
    """Create the result's folder if it does not exist, and return it."""
    request.out.mkdir(parents=True, exist_ok=True)
    return request.out
