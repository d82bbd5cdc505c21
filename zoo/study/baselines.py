"""The study's baselines: classifiers on tables of 30 s and 3 s."""

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
from audiospec.zoo.splits import is_leaky
from audiospec.zoo.study.cells import Cell, Section, agrees, cell_scores
from audiospec.zoo.study.figures import BASELINES, TABLE_ROWS
from audiospec.zoo.study.request import StudyRequest, made_folder, relative_run, train_cell, usable_classes

#: Shares of the tabular models' splits, as the study had them; the networks' are those of `split`.
TABLE_SHARES = (0.8, 0.0, 0.2)
NO_TABLES = (
    "give --tables FOLDER with features_30_sec.csv and features_3_sec.csv, which are published with GTZAN "
    "(on Kaggle: andradaolteanu/gtzan-dataset-music-genre-classification)"
)


@dataclass(frozen=True)
class _Table:
    """A table's view, what of it is used, and what is to be said of that."""

    view: View
    classes: list[str]
    notes: list[str]


def table_30s(asked: StudyRequest) -> Iterator[Cell]:
    """Each baseline with the published features, and with ``length`` as well.

    A track has one row, so no split can leak.
    """
    published = TabularSpec().columns
    for features, columns in (
        (f"{len(published)} columns", published),
        (f"{len(published)} and length", (*published, "length")),
    ):
        table, missing = _table(asked, 30, columns)
        notes = [
            "the measured figures are of all columns, the table's length among them, so only the rows with "
            "it are the same experiment; lengths differ by genre, which says how the data was cut, and "
            "nothing of music"
        ]
        yield from _baselines(asked, "30 s table", 30, "track", features, table, missing, notes)


def table_3s(asked: StudyRequest) -> Iterator[Cell]:
    """Each baseline on random pieces, as the study has it, and on whole tracks."""
    columns = TabularSpec().columns
    table, missing = _table(asked, 3, columns)
    for protocol in ("random", "track"):
        features = f"{len(columns)} columns"
        yield from _baselines(asked, "3 s table", 3, protocol, features, table, missing, [])


def _baselines(
    asked: StudyRequest,
    section: Section,
    seconds: int,
    protocol: str,
    features: str,
    table: _Table | None,
    missing: str,
    notes: list[str],
) -> Iterator[Cell]:
    chosen = [baseline for baseline in BASELINES if baseline.model in asked.models]
    for number, baseline in enumerate(chosen):
        train_f1, test_f1 = baseline.study[seconds]
        cell = Cell(
            section=section,
            model=baseline.name,
            features=features,
            chunk=float(seconds),
            protocol=protocol,
            leaky=is_leaky(protocol),
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
            for seed in range(asked.seeds):
                what, done = f"{section}, {features}, {cell.split}", number + seed / asked.seeds
                asked.told(what, done, len(chosen), f"{baseline.name}, seed {seed}")
                settings = dict(baseline.settings)
                runs.append(
                    train_cell(asked, baseline.model, table.view, protocol, seed, settings, table.classes)
                )
        except (ModelError, SplitError) as error:
            yield dataclasses.replace(cell, missing=str(error))
            continue
        found = cell_scores(runs)
        yield dataclasses.replace(
            cell,
            found=found,
            agrees=agrees(found["test"]["chunk"], baseline.measured.test) if cell.measured else None,
            notes=[*notes, *table.notes],
            runs=[relative_run(asked, run) for run in runs],
        )


def _table(asked: StudyRequest, seconds: int, columns: Sequence[str]) -> tuple[_Table | None, str]:
    """A published table as a view of the result's store; or why there is none."""
    name = f"features_{seconds}_sec"
    if asked.tables is None:
        return None, NO_TABLES
    # A whole table before a part of one, which has more in its name.
    files = sorted(asked.tables.glob(f"{name}*.csv"), key=lambda file: (file.stem != name, file.name))
    if not files:
        return None, f"{asked.tables} has no {name}.csv: {NO_TABLES}"
    read = read_table(files[0], columns)
    view = import_table(read, made_folder(asked) / "tables.zarr", dataset="gtzan", chunk=float(seconds))
    classes, notes = usable_classes(view, asked.classes, TABLE_SHARES)
    if len(view) < TABLE_ROWS[seconds]:
        notes.insert(
            0,
            f"{files[0].name} is a part of the published table: {len(view)} of {TABLE_ROWS[seconds]} rows, "
            f"{len(view.classes)} of {len(GENRES)} genres",
        )
    if len(classes) < 2:
        return None, "; ".join([f"{files[0].name} leaves fewer than two genres to tell apart", *notes])
    return _Table(view, classes, notes), ""
