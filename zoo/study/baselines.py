"""The study's baselines: classifiers on the tables of 30 s and 3 s."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audiospec.datasets.gtzan import GENRES
from audiospec.errors import ModelError, SplitError
from audiospec.specs.tabular import TabularSpec
from audiospec.stores.layout.view import View
from audiospec.tables.importing import import_table
from audiospec.tables.reading import read_table
from audiospec.zoo.runs.run import Run
from audiospec.zoo.study.cells import Cell, Section, agrees, cell_scores
from audiospec.zoo.study.figures import BASELINES, TABLE_ROWS
from audiospec.zoo.study.request import StudyRequest, create_folder, relative_path, train_cell, usable_classes

#: Shares of the tabular models' splits, as in the study; the networks use the defaults of `split`.
TABLE_SHARES = (0.8, 0.0, 0.2)
NO_TABLES = (
    "give `tables`, a folder with features_30_sec.csv and features_3_sec.csv, which are published with GTZAN "
    "(on Kaggle: andradaolteanu/gtzan-dataset-music-genre-classification)"
)


@dataclass(frozen=True)
class _Table:
    """A table's view, the genres that are used, and notes on how it differs from the published table."""

    view: View
    classes: list[str]
    notes: list[str]


def table_30s(request: StudyRequest) -> Iterator[Cell]:
    """Run each baseline with the published features, and with ``length`` added.

    Each track has one row, so no split can leak.
    """
    published = TabularSpec().columns
    for features, columns in (
        (f"{len(published)} columns", published),
        (f"{len(published)} and length", (*published, "length")),
    ):
        table, missing = _table(request, 30, columns)
        notes = [
            "the measured figures use all columns, including length, so only rows with length are the same "
            "experiment; lengths differ by genre because of how the data was cut, not of the music"
        ]
        yield from _baselines(request, "30 s table", 30, "track", features, table, missing, notes)


def table_3s(request: StudyRequest) -> Iterator[Cell]:
    """Run each baseline on random rows, as in the study, and on whole tracks."""
    columns = TabularSpec().columns
    table, missing = _table(request, 3, columns)
    for protocol in ("random", "track"):
        features = f"{len(columns)} columns"
        yield from _baselines(request, "3 s table", 3, protocol, features, table, missing, [])


def _baselines(
    request: StudyRequest,
    section: Section,
    seconds: int,
    protocol: str,
    features: str,
    table: _Table | None,
    missing: str,
    notes: list[str],
) -> Iterator[Cell]:
    baselines = [baseline for baseline in BASELINES if baseline.model in request.models]
    for number, baseline in enumerate(baselines):
        train_f1, test_f1 = baseline.study[seconds]
        cell = Cell(
            section=section,
            model=baseline.name,
            features=features,
            chunk=float(seconds),
            protocol=protocol,
            leaky=protocol == "random" and seconds < 30,
            study={"train": train_f1, "test": test_f1},
            measured=dataclasses.asdict(baseline.measured) if seconds == 30 else {},
            notes=notes,
            missing=missing,
        )
        if table is None:
            yield cell
            continue
        runs: list[Run] = []
        try:
            for seed in range(request.seeds):
                name, done = f"{section}, {features}, {cell.split}", number + seed / request.seeds
                request.progress(name, done, len(baselines), f"{baseline.name}, seed {seed}")
                settings = dict(baseline.settings)
                runs.append(
                    train_cell(request, baseline.model, table.view, protocol, seed, settings, table.classes)
                )
        except (ModelError, SplitError) as error:
            yield dataclasses.replace(cell, missing=str(error))
            continue
        scores = cell_scores(runs)
        yield dataclasses.replace(
            cell,
            found=scores,
            agrees=agrees(scores["test"]["chunk"], baseline.measured.test) if cell.measured else None,
            notes=[*notes, *table.notes],
            runs=[relative_path(request, run) for run in runs],
        )


def _table(request: StudyRequest, seconds: int, columns: Sequence[str]) -> tuple[_Table | None, str]:
    """Return a published table as a view of the result's store, or None and the reason."""
    name = f"features_{seconds}_sec"
    if request.tables is None:
        return None, NO_TABLES
    # The complete table before a part of one, which has a longer name.
    files = sorted(request.tables.glob(f"{name}*.csv"), key=lambda file: (file.stem != name, file.name))
    if not files:
        return None, f"{request.tables} has no {name}.csv: {NO_TABLES}"
    table = read_table(files[0], columns)
    view = import_table(table, create_folder(request) / "tables.zarr", dataset="gtzan", chunk=float(seconds))
    classes, notes = usable_classes(view, request.classes, TABLE_SHARES)
    if len(view) < TABLE_ROWS[seconds]:
        notes.insert(
            0,
            f"{files[0].name} is part of the published table: {len(view)} of {TABLE_ROWS[seconds]} rows, "
            f"{len(view.classes)} of {len(GENRES)} genres",
        )
    if len(classes) < 2:
        return None, "; ".join([f"{files[0].name} has fewer than two usable genres", *notes])
    return _Table(view, classes, notes), ""
