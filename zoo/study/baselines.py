"""The study's baselines: classifiers on the tables of 30 s and 3 s."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from audiospec.datasets.gtzan import GENRES
from audiospec.specs.tabular import TabularSpec
from audiospec.tables.importing import import_table
from audiospec.tables.reading import read_table
from audiospec.zoo.study.cells import FIXED, PROTOCOLS, Cell, Section, expected_split
from audiospec.zoo.study.figures import BASELINES, TABLE_ROWS
from audiospec.zoo.study.request import Source, StudyRequest, Work, checked, source_of, usable_classes

#: Shares of the tabular models' splits, as in the study.
TABLE_SHARES = (0.8, 0.0, 0.2)
NO_TABLES = (
    "give `tables`, a folder with features_30_sec.csv and features_3_sec.csv, which are published with GTZAN "
    "(on Kaggle: andradaolteanu/gtzan-dataset-music-genre-classification)"
)


def table_works(request: StudyRequest, folder: Path) -> Iterator[Work]:
    """Return the works of both tables.

    Each track has one row of 30 s, where random rows are random tracks, so they are one protocol there. Each
    baseline has the published features, and on the 30 s table also ``length``.

    Parameters
    ----------
    request : StudyRequest
    folder : Path
        Where the tables are imported, each into its own store: the tracks of one do not move the splits of
        another.
    """
    if not any(baseline.model in request.models for baseline in BASELINES):
        return
    published = TabularSpec().columns
    with_length = (
        (f"{len(published)} columns", published),
        (f"{len(published)} and length", (*published, "length")),
    )
    for features, columns in with_length:
        source, missing = _source(request, folder, 30, columns)
        notes = [
            "the measured figures use all columns, including length, so only rows with length are the same "
            "experiment; lengths differ by genre because of how the data was cut, not of the music"
        ]
        for protocol in PROTOCOLS[1:]:
            yield from _baselines(request, "30 s table", 30, protocol, features, source, missing, notes)
    features, columns = with_length[0]
    source, missing = _source(request, folder, 3, columns)
    for protocol in PROTOCOLS:
        yield from _baselines(request, "3 s table", 3, protocol, features, source, missing, [])


def _baselines(
    request: StudyRequest,
    section: Section,
    seconds: int,
    protocol: str,
    features: str,
    source: Source | None,
    missing: str,
    notes: list[str],
) -> Iterator[Work]:
    split, leaky = expected_split(protocol, seconds == 30)
    classes: list[str] = []
    if source is not None:
        classes, more = usable_classes(source.labels, request.classes, TABLE_SHARES)
        notes = [*notes, *source.notes, *more]
        if len(classes) < 2:
            missing = "; ".join(["the table has fewer than two usable genres", *source.notes, *more])
    for baseline in BASELINES:
        if baseline.model not in request.models:
            continue
        train_f1, test_f1 = baseline.study[seconds]
        # It was measured on random tracks of the 30 s table.
        measured = baseline.measured if (seconds, protocol) == (30, "track") else None
        cell = Cell(
            section=section,
            model=baseline.name,
            features=features,
            chunk=float(seconds),
            protocol=protocol,
            split=split,
            leaky=leaky,
            study={"train": train_f1, "test": test_f1},
            measured=dataclasses.asdict(measured) if measured is not None else {},
            notes=notes,
            missing=missing,
        )
        work = Work(
            cell=cell,
            model=baseline.model,
            settings=dict(baseline.settings),
            shares=TABLE_SHARES,
            classes=classes,
            source=source,
            measured=measured,
            # On a fixed test set, another seed gives another result only if it changes the model.
            seeds=1 if protocol in FIXED and not baseline.random else request.seeds,
        )
        yield checked(work)


def _source(
    request: StudyRequest, folder: Path, seconds: int, columns: Sequence[str]
) -> tuple[Source | None, str]:
    """Return a published table as a view, or None and the reason."""
    name = f"features_{seconds}_sec"
    if request.tables is None:
        return None, NO_TABLES
    # The complete table before a part of one, which has a longer name.
    files = sorted(request.tables.glob(f"{name}*.csv"), key=lambda file: (file.stem != name, file.name))
    if not files:
        return None, f"{request.tables} has no {name}.csv: {NO_TABLES}"
    table = read_table(files[0], columns)
    folder.mkdir(parents=True, exist_ok=True)
    view = import_table(table, folder / f"tables-{seconds}s.zarr", dataset="gtzan", chunk=float(seconds))
    notes = []
    if len(view) < TABLE_ROWS[seconds]:
        notes.append(
            f"{files[0].name} is part of the published table: {len(view)} of {TABLE_ROWS[seconds]} rows, "
            f"{len(view.classes)} of {len(GENRES)} genres"
        )
    return source_of(view, notes), ""
