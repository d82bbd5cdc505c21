"""store verify: check a store against its checksums, and repair it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._progress import progress
from audiospec.cli._text import count, say
from audiospec.specs.table import TableSpec
from audiospec.specs.tabular import TabularSpec
from audiospec.text import printable

if TYPE_CHECKING:
    from audiospec.pipeline.progress import Progress
    from audiospec.stores.base import FeatureStore
    from audiospec.stores.layout.view import View

EPILOG = "Example: audiospec store verify gtzan.zarr --repair"

#: Number of tracks named for each damaged view.
MAX_TRACKS = 5


def command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A feature store.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Compute damaged rows again from the audio.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Number of processes for --repair (one per core).")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Engine for --repair; `audiospec engines` lists the engines (local)."
        ),
    ] = None,
) -> None:
    """Read every row of a store, compare it with its checksum, and optionally repair damage.

    The exit status is 1 if damage remains.
    """
    from audiospec.stores.base import open_store

    store = open_store(path)
    damaged = _check(store.views())
    computed = {name: rows for name, rows in damaged.items() if not _is_table(store, name)}
    if repair and computed:
        _repair(store, computed, workers, engine)
        store = open_store(path)
        remaining = _check([store.view(name) for name in computed])
        damaged = {name: rows for name, rows in damaged.items() if name not in computed} | remaining
    _print_stale(store)
    if damaged:
        _print_remedy(store, list(damaged))
        raise typer.Exit(1)


def _check(views: list[View]) -> dict[str, Sequence[int]]:
    """Check views and print the results; return the damaged rows of each damaged view."""
    damaged = {}
    with progress() as step:
        for view in views:

            def report(done: int, name: str = view.name, total: int = len(view)) -> None:
                step(name, done, total, f"{done}/{total} rows")

            damaged[view.name] = view.damaged(report).tolist()
    for view in views:
        checked = f"{view.name}: {count(len(view), 'row')} checked"
        rows = damaged[view.name]
        if rows:
            tracks = list(dict.fromkeys(view.ids[rows].tolist()))
            say(f"{checked}, {len(rows)} damaged, in {_named(tracks)}", "red")
        else:
            say(f"{checked}, all as written")
    return {name: rows for name, rows in damaged.items() if rows}


def _repair(
    store: FeatureStore, damaged: dict[str, Sequence[int]], workers: int | None, engine: str | None
) -> None:
    from audiospec.pipeline.repair import repair

    with progress(waiting="preparing") as step:

        def report(now: Progress) -> None:
            text = f"{now.tracks}/{now.tracks_total} tracks"
            step(f"repairing {now.view}", now.audio_seconds, now.audio_seconds_total, text)

        repair(store, damaged, workers=workers, engine=engine, progress=report)


def _is_table(store: FeatureStore, view: str) -> bool:
    """Whether a view was imported, so that it cannot be repaired from audio."""
    return isinstance(store.view(view).spec, TableSpec)


def _print_remedy(store: FeatureStore, damaged: list[str]) -> None:
    """Print the command that repairs each damaged view: its import, or a repair from the audio."""
    path = shlex.quote(str(store.path))
    for name in damaged:
        if _is_table(store, name):
            view = store.view(name)
            file = shlex.quote(printable(str(view.info.made.get("table", "FILE"))))
            options = [f"--store {path}", f"--chunk {view.chunking.seconds:g}"]
            if view.chunking.hop != view.chunking.seconds:
                options.append(f"--hop {view.chunking.hop:g}")
            if view.spec.sample_rate != TableSpec.sample_rate:
                options.append(f"--sample-rate {view.spec.sample_rate}")
            if tuple(view.columns) != TabularSpec().columns:
                options.append(f"--columns {shlex.quote(','.join(view.columns))}")
            say(f"{name}: import it again: audiospec table import {file} {' '.join(options)}")
    if not all(_is_table(store, name) for name in damaged):
        say(f"next: audiospec store verify {path} --repair")


def _print_stale(store: FeatureStore) -> None:
    """Print the tracks whose audio has changed since they were computed, which is not damage."""
    for view in store.views():
        stale = view.stale()
        if stale:
            hint = "not damaged; `audiospec featurize` computes them again"
            say(f"{view.name}: audio has changed for {_named(stale)} ({hint})", "yellow")


def _named(tracks: list[str]) -> str:
    """Return the number of tracks and the first names."""
    names = ", ".join(tracks[:MAX_TRACKS]) + (", …" if len(tracks) > MAX_TRACKS else "")
    return f"{count(len(tracks), 'track')}: {names}"
