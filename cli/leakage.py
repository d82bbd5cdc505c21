"""leakage: measure what each kind of leak adds to the accuracy of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._options import options_of, with_options
from audiospec.cli._progress import progress
from audiospec.cli._rows import (
    ChunkSeconds,
    Epochs,
    Labels,
    ModelName,
    SetParameters,
    StorePath,
    ViewName,
)
from audiospec.cli._text import assignments, emit, names, percent, say, table
from audiospec.cli._training import Training, warnings_shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audiospec.zoo.leakage.ladder import Ladder

EPILOG = "Example: audiospec leakage svm --store gtzan.zarr --chunk 3 --seeds 20"

_WHAT, _HOW, _OUTPUT = "Data", "Training", "Output"


def command(
    context: typer.Context,
    model: ModelName,
    store: StorePath = None,
    chunk: ChunkSeconds = None,
    view: ViewName = None,
    classes: Labels = None,
    other: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            rich_help_panel=_WHAT,
            help="Another store: also measure what it gains from rows that were learnt from.",
        ),
    ] = None,
    rungs: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            rich_help_panel=_HOW,
            help="Only these kinds of leak, separated by commas: tracks, copies, groups, store (all).",
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=2,
            show_default=False,
            rich_help_panel=_HOW,
            help="Train with N seeds, twice for each kind of leak (10).",
        ),
    ] = 10,
    seed: Annotated[
        int,
        typer.Option(metavar="N", show_default=False, rich_help_panel=_HOW, help="The first seed (0)."),
    ] = 0,
    epochs: Epochs = None,
    set_: SetParameters = None,
    runs: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FOLDER",
            show_default=False,
            rich_help_panel=_OUTPUT,
            help="Folder for the result, beside runs (runs).",
        ),
    ] = Path("runs"),
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_OUTPUT, help="Print one JSON object per line.")
    ] = False,
) -> None:
    """Measure what each kind of leak adds to a model's accuracy.

    For each kind (other chunks of a test track, copies, other tracks of its artist or speaker) and each seed,
    the model is trained on two sets of equal size that differ in what leaks alone, and both predict the same
    test rows. Where nothing can leak, that is said instead of a number. An interrupted command continues when
    it is run again.
    """
    from audiospec.find import find_store, find_view
    from audiospec.stores.base import open_store
    from audiospec.zoo.base import models
    from audiospec.zoo.leakage.measure import leakage

    # First, so that a misspelt name fails before the store is opened.
    reads = models[model].input_with(assignments(set_ or []))
    opened = open_store(store) if store is not None else find_store(Path())
    chosen = find_view(opened, chunk, view, reads, reader=model)
    second = None if other is None else open_store(other)
    settings = {**assignments(set_ or []), **({} if epochs is None else {"epochs": epochs})}
    options = options_of(context.command)
    with progress(json) as step, warnings_shown(options, json=json):
        shown = Training(model, step, json=json)

        def begin(leak: str, done: int, total: int) -> None:
            nonlocal shown
            shown = Training(f"{leak}, training {done + 1} of {total}", step, json=json, leak=leak)
            if not json:
                step(model, done, total, f"{done} of {total} trainings")

        ladder = leakage(
            model,
            chosen,
            settings=settings,
            classes=names(classes),
            seeds=seeds,
            seed=seed,
            other=second,
            rungs=names(rungs),
            runs=runs,
            progress=begin,
            epoch=lambda entry: shown.epoch(entry),
            watch=lambda now: shown.watch(now),
        )
    if json:
        emit("leakage", path=str(ladder.path), **ladder.to_dict())
    else:
        _print(ladder, options)


def _print(ladder: Ladder, options: Mapping[str, str]) -> None:
    say(f"{ladder.model} on {ladder.view} of {ladder.store}", "bold")
    say("  accuracy by chunk of test rows that leak: with what leaks in training, and without")
    rows = [
        (
            rung.leak,
            f"{rung.leaking:.0f} of {rung.tested}",
            "" if rung.gap is None else percent(rung.gap.with_leak),
            "" if rung.gap is None else percent(rung.gap.without),
            with_options(rung.verdict, options),
        )
        for rung in ladder.rungs
    ]
    table(rows, ("leaks", "leaking test rows", "with", "without", "difference"), indent=2)
    say(f"written: {ladder.path}", "dim")
