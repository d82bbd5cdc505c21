"""store verify: reread a store, compare it with its checksums, repair it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._progress import Step, progress
from audiospec.cli._text import count, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audiospec.pipeline import Progress
    from audiospec.stores.base import FeatureStore, View

EPILOG = "Example: audiospec store verify gtzan.zarr --repair"

#: So many tracks are named for each damaged view.
MOST_TRACKS = 5


def command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A feature store.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Compute damaged rows again, from the audio.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes for --repair (one for each core).")
    ] = None,
) -> None:
    """Reread every row of a store and compare it with its checksum.

    The exit status is 1 if there is damage that was not repaired.
    """
    from audiospec.pipeline import repair as mend
    from audiospec.stores.base import open_store

    store = open_store(path)
    with progress() as step:
        damaged = _check(store.views(), step)
        if repair and damaged:

            def report(now: Progress) -> None:
                text = f"{now.tracks}/{now.tracks_total} tracks computed again"
                step(f"{now.view} (repair)", now.audio_seconds, now.audio_seconds_total, text)

            mend(
                store,
                {name: rows.tolist() for name, rows in damaged.items()},
                workers=workers,
                progress=report,
            )
            store = open_store(path)
            damaged = _check([store.view(name) for name in damaged], step)
    _print_stale(store)
    if damaged:
        say(f"repair it: audiospec store verify {shlex.quote(str(path))} --repair")
        raise typer.Exit(1)


def _check(views: list[View], step: Step) -> dict[str, NDArray[np.int64]]:
    """Check views and print what was found; the damaged rows of those that have some."""
    found = {}
    for view in views:
        total = len(view)

        def report(done: int, name: str = view.name, total: int = total) -> None:
            step(name, done, total, f"{done}/{total} rows")

        rows = view.damaged(report)
        if not len(rows):
            say(f"{view.name}: {count(total, 'row')} checked, all as written")
            continue
        found[view.name] = rows
        tracks = list(dict.fromkeys(view.ids[rows].tolist()))
        damage = f"{len(rows)} damaged, of {_named(tracks)}"
        say(f"{view.name}: {count(total, 'row')} checked, {damage}", "red")
    return found


def _print_stale(store: FeatureStore) -> None:
    """Name tracks whose audio has changed since; that is no damage."""
    for view in store.views():
        stale = view.stale()
        if stale:
            hint = "no damage; `audiospec featurize` computes them again"
            say(f"{view.name}: audio has changed since, of {_named(stale)} ({hint})", "yellow")


def _named(tracks: list[str]) -> str:
    """Count tracks and name the first."""
    names = ", ".join(tracks[:MOST_TRACKS]) + (", …" if len(tracks) > MOST_TRACKS else "")
    return f"{count(len(tracks), 'track')}: {names}"
