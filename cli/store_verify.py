"""store verify: check a store against its checksums, and repair it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from json import dumps
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._cluster import scheduler_option
from audiospec.cli._progress import progress
from audiospec.cli._text import count, say
from audiospec.engines.base import Engine, make_engine
from audiospec.specs.table import TableSpec
from audiospec.specs.tabular import TabularSpec
from audiospec.storage.location import location
from audiospec.text import printable

if TYPE_CHECKING:
    from audiospec.pipeline.progress import Progress
    from audiospec.pipeline.verify import Verified
    from audiospec.stores.base import FeatureStore

EPILOG = "Example: audiospec store verify gtzan.zarr --repair"

#: Number of tracks named for each damaged view.
MAX_TRACKS = 5


def command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A feature store.")],
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Restore tables and metadata from their copies; compute rows again from the audio.",
        ),
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
    scheduler: Annotated[str | None, scheduler_option()] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check everything in a store against its checksums: rows, tables and metadata; repair damage.

    Damage is repaired only with --repair. The exit status is 1 if damage remains.
    """
    from audiospec.pipeline.verify import mend
    from audiospec.stores.base import open_store

    tell = _ignore if json else _print_verified
    verified = _verify(path, tell)
    repaired: list[str] = []
    if repair and (verified.damage or verified.unsealed):
        was_damaged = bool(verified.damage)
        repaired += mend(path, verified)
        if not json:
            for done in repaired:
                say(done)
        # What has been sealed is no longer without a seal: an object says what is true at the end.
        if was_damaged or json:
            verified = _verify(path, tell)
    damaged = {view.name: view.damaged for view in verified.views if view.damaged}
    if repair and damaged and not verified.damage:
        store = open_store(path)
        computed = {name: rows for name, rows in damaged.items() if not _is_table(store, name)}
        if computed:
            _repair(store, computed, make_engine(engine, workers, scheduler=scheduler))
            repaired += [
                f"{name}: {count(len(rows), 'row')} computed again" for name, rows in computed.items()
            ]
            again = _verify(path, tell, list(computed))
            kept = [view for view in verified.views if view.name not in computed]
            verified = replace(again, views=[*kept, *again.views])
    if json:
        print(
            dumps({"store": str(path), "whole": verified.is_whole, "repaired": repaired, **asdict(verified)})
        )
    else:
        _print_stale(verified)
        if not verified.is_whole:
            _print_remedies(path, verified)
    if not verified.is_whole:
        raise typer.Exit(1)


def _verify(path: str, tell: Callable[[Verified, bool], None], views: list[str] | None = None) -> Verified:
    """Verify a store, or the rows of some of its views; `tell` the results, and whether they are of all."""
    from audiospec.pipeline.verify import verify

    with progress() as step:

        def report(name: str, done: int, total: int) -> None:
            step(name, done, total, f"{done}/{total} rows")

        verified = verify(path, report, views)
    tell(verified, views is None)
    return verified


def _ignore(verified: Verified, is_all: bool) -> None:
    """Print nothing."""


def _print_verified(verified: Verified, is_all: bool) -> None:
    for damage in verified.damage:
        say(f"{damage.part}: {damage.reason}", "red")
    if not verified.damage and is_all:
        if verified.unsealed:
            say("tables and metadata: no seal, so that only a part of them could be checked", "yellow")
        else:
            say("tables and metadata: checked, all as written")
    for view in verified.views:
        checked = f"{view.name}: {count(view.rows, 'row')} checked"
        if view.damaged:
            where = f", in {_named(view.tracks)}" if view.tracks else ""
            say(f"{checked}, {len(view.damaged)} damaged{where}", "red")
        else:
            say(f"{checked}, all as written")


def _repair(store: FeatureStore, damaged: Mapping[str, Sequence[int]], engine: Engine) -> None:
    from audiospec.pipeline.repair import repair

    with progress(waiting="preparing") as step:

        def report(now: Progress) -> None:
            text = f"{now.tracks}/{now.tracks_total} tracks"
            step(f"repairing {now.view}", now.audio_seconds, now.audio_seconds_total, text)

        repair(store, damaged, engine=engine, progress=report)


def _is_table(store: FeatureStore, view: str) -> bool:
    """Whether a view was imported, so that it cannot be repaired from audio."""
    return isinstance(store.view(view).spec, TableSpec)


def _print_remedies(path: str, verified: Verified) -> None:
    """Print what repairs each damaged part."""
    from audiospec.stores.base import open_store

    store_path = shlex.quote(str(path))
    lost = {damage.part: None for damage in verified.damage if not damage.can_be_restored}
    can_repair = any(damage.can_be_restored for damage in verified.damage)
    for part in lost:
        if part.startswith("views/"):
            folder = shlex.quote(str(location(path) / part))
            say(
                f"{part}: if --repair does not help, remove {folder} "
                "and compute it again with `audiospec featurize`"
            )
            can_repair = True
        else:
            say(
                f"{part}: its copy is damaged, too, or it has none: restore a copy of the store, "
                f"or remove {store_path} and run `audiospec featurize` again"
            )
    damaged = [view.name for view in verified.views if view.damaged]
    if damaged and not verified.damage:
        store = open_store(path)
        for name in damaged:
            if _is_table(store, name):
                _print_import(store, name)
            else:
                can_repair = True
    elif damaged:
        can_repair = True
    if can_repair:
        say(f"next: audiospec store verify {store_path} --repair")


def _print_import(store: FeatureStore, name: str) -> None:
    """Print the command that imports a view's table again."""
    view = store.view(name)
    file = shlex.quote(printable(str(view.info.made.get("table", "FILE"))))
    options = [f"--store {shlex.quote(str(store.path))}", f"--chunk {view.chunking.seconds:g}"]
    if view.chunking.hop != view.chunking.seconds:
        options.append(f"--hop {view.chunking.hop:g}")
    if view.spec.sample_rate != TableSpec.sample_rate:
        options.append(f"--sample-rate {view.spec.sample_rate}")
    if tuple(view.columns) != TabularSpec().columns:
        options.append(f"--columns {shlex.quote(','.join(view.columns))}")
    say(f"{name}: import it again: audiospec table import {file} {' '.join(options)}")


def _print_stale(verified: Verified) -> None:
    """Print the tracks whose audio has changed since they were computed, which is not damage."""
    for view in verified.views:
        if view.stale:
            hint = "not damaged; `audiospec featurize` computes them again"
            say(f"{view.name}: audio has changed for {_named(view.stale)} ({hint})", "yellow")


def _named(tracks: list[str]) -> str:
    """Return the number of tracks and the first names."""
    names = ", ".join(tracks[:MAX_TRACKS]) + (", …" if len(tracks) > MAX_TRACKS else "")
    return f"{count(len(tracks), 'track')}: {names}"
