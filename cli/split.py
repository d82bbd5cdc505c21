"""split: show how the rows of a store would be split, and write it to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._rows import ChunkSeconds, Labels, StorePath, TrackColumn, ViewName
from audiospec.cli._text import count, emit, names, numbers, say, table

if TYPE_CHECKING:
    from audiospec.stores.base import FeatureStore
    from audiospec.stores.layout.view import View
    from audiospec.zoo.splits.split import Split

EPILOG = "Example: audiospec split --store esc10.zarr --split group --out split.json"


def command(
    store: StorePath = None,
    chunk: ChunkSeconds = None,
    view: ViewName = None,
    classes: Labels = None,
    label_column: TrackColumn = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="STRATEGY|FILE",
            help="fold-K, group, track, filtered, random, or a split file (the strongest that the dataset "
            "supports).",
        ),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Shares of training, validation and test rows (0.7,0.1,0.2)."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", show_default=False, help="Seed of the split (0).")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the split, for `train --split FILE.json`.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show how the rows of a store are split for training, and what leaks.

    The test rows depend on the share of test rows alone: a model without validation is tested on the same
    tracks. A file has track ids and content hashes; it is checked when it is used.
    """
    from audiospec.find import find_store, find_view
    from audiospec.stores.base import open_store
    from audiospec.zoo.splits.choose import choose_split
    from audiospec.zoo.splits.split import SIDES
    from audiospec.zoo.splits.split_file import write_split
    from audiospec.zoo.splits.strategies import SHARES

    opened = open_store(store) if store is not None else find_store(Path())
    chosen = find_view(opened, chunk, view, "table" if _has_table(opened) else None)
    given = numbers(shares, "--shares", "three numbers separated by commas") if shares is not None else SHARES
    made = choose_split(
        chosen, strategy, seed=seed, shares=given, classes=names(classes), label_column=label_column
    )
    written = write_split(made, chosen, out) if out is not None else None
    if json:
        sides = {side: _size(made, chosen, side) for side in SIDES}
        emit(
            "split",
            strategy=made.strategy,
            name=made.name,
            reason=made.reason,
            seed=made.seed,
            digest=made.digest,
            sides={side: {"rows": rows, "tracks": tracks} for side, (rows, tracks) in sides.items()},
            left_out=len(made.left_out),
            unlabelled=len(made.strata.unlabelled),
            leaks=made.leaks.to_dict(),
            path=None if written is None else str(written),
        )
        return
    _print(made, chosen)
    if written is not None:
        say(f"written: {written}")


def _has_table(store: FeatureStore) -> bool:
    return any(view.spec.is_of("table") for view in store.views())


def _size(made: Split, view: View, side: str) -> tuple[int, int]:
    """Return the numbers of rows and of tracks of a side."""
    rows = getattr(made, side)
    return len(rows), len(set(view.rows["track"][rows].tolist()))


def _print(made: Split, view: View) -> None:
    from audiospec.stores.layout.duplicates import duplicates
    from audiospec.zoo.splits.split import SIDE_NAMES

    say(f"{view.name} of {view.store.path}: split {made.name}, seed {made.seed}", "bold")
    say(f"  {made.reason}")
    strata = made.strata
    classes = strata.rows.select(made.train).present()
    rows = []
    for side, title in SIDE_NAMES.items():
        numbers, tracks = _size(made, view, side)
        counts = strata.rows.select(getattr(made, side)).items_of_names()
        few = sorted((counts.get(name, 0), name) for name in classes)
        spread = f"{few[0][0]} ({few[0][1]}) to {few[-1][0]} ({few[-1][1]})" if numbers and few else ""
        rows.append((title, str(numbers), str(tracks), spread))
    kind = strata.noun if strata.checked else "range"
    table(rows, ("side", "rows", "tracks", f"rows of a {kind}"), indent=2)
    if len(made.left_out):
        say(
            f"  {count(len(made.left_out), 'row')} left out: the same sound as held-out tracks, or not listed"
        )
    for line in duplicates(view.store.tracks).lines():
        say(f"  {line}", "yellow")
    if made.leaks:
        say(f"  leaky: {made.leaks.sentence()}", "yellow")
