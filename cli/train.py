"""train: a model of the zoo on a view of a store."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._progress import progress
from audiospec.cli._text import assignments, clock, emit, names, numbers, say, table
from audiospec.specs.table import TableSpec

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View
    from audiospec.zoo.runs.run import Run

EPILOG = "Example: audiospec train svm --set C=10 --store gtzan.zarr --chunk 3 --seeds 10"

_WHAT, _HOW, _OUTPUT = "What to train on", "How to train", "What to print"


def command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a model; `audiospec models` lists them.")
    ],
    store: Annotated[
        Path | None,
        typer.Option(metavar="PATH", rich_help_panel=_WHAT, help="A feature store (the one in this folder)."),
    ] = None,
    chunk: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", rich_help_panel=_WHAT, help="The view of chunks of this length."),
    ] = None,
    view: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=_WHAT, help="A view, or how it begins.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="LABELS", rich_help_panel=_WHAT, help="Labels, with commas (all)."),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            "--split",
            metavar="STRATEGY",
            show_default=False,
            rich_help_panel=_HOW,
            help="What keeps together: track, group, fold-K, filtered; or random, which leaks (track).",
        ),
    ] = "track",
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C", rich_help_panel=_HOW, help="Shares to train, validate and test (the model's)."
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", show_default=False, rich_help_panel=_HOW, help="Of the split and the training (0)."
        ),
    ] = 0,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            show_default=False,
            rich_help_panel=_HOW,
            help="Train so many times, from --seed on, and say mean and deviation (1).",
        ),
    ] = 1,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", rich_help_panel=_HOW, help="Short for --set epochs=N (the model's: 100)."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(metavar="N", rich_help_panel=_HOW, help="Short for --set patience=N (the model's: 10)."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_HOW,
            help="Short for --set weights=NAME: a transfer model's start; imagenet, none, or a file.",
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(metavar="N", rich_help_panel=_HOW, help="Short for --set devices=N (1)."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            rich_help_panel=_HOW,
            help="Go on with what was stopped; runs that are there already are not trained again.",
        ),
    ] = False,
    leakage: Annotated[
        bool,
        typer.Option(
            "--leakage",
            rich_help_panel=_HOW,
            help="Train on random chunks, too, and say what the usual protocol would have claimed.",
        ),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PARAMETER=VALUE",
            rich_help_panel=_HOW,
            help="A parameter of the model; `audiospec models NAME` lists them.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", show_default=False, help="Folder for the runs (runs).")
    ] = Path("runs"),
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_OUTPUT, help="One JSON object a line, for machines.")
    ] = False,
) -> None:
    """Train a model and score it on rows that it has not seen.

    All chunks of a track are on one side of the split, unless --split random is asked for. Scores are by
    chunk and by track, with 95 % intervals over tracks.
    """
    from audiospec.find import find_store, find_view
    from audiospec.stores.base import open_store
    from audiospec.zoo.base import models
    from audiospec.zoo.splits import displayed_strategy
    from audiospec.zoo.training import epoch_in_words, train

    reads = models[model].input  # the name first: a typing error should not wait for the store
    opened = open_store(store) if store is not None else find_store(Path())
    chosen = find_view(opened, chunk, view, reads, reader=model)
    short = {"epochs": epochs, "patience": patience, "weights": weights, "devices": devices}
    how: dict[str, Any] = {
        "settings": {
            **assignments(set_ or []),
            **{key: value for key, value in short.items() if value is not None},
        },
        "shares": numbers(shares, "--shares", "three numbers with commas") if shares is not None else None,
        "classes": names(classes),
    }
    most = getattr(models[model].Settings.replace_in(how["settings"], f"model {model!r}"), "epochs", 0)
    done: dict[str, list[Run]] = {}
    with progress(json) as step:
        for name in dict.fromkeys([strategy, *(["random"] if leakage else [])]):
            for number in range(seed, seed + seeds):

                def report(
                    epoch: dict[str, float], title: str = f"{displayed_strategy(name)}, seed {number}"
                ) -> None:
                    step(f"{model} {title}", epoch["epoch"], most, epoch_in_words(epoch, most))

                run = train(
                    model,
                    chosen,
                    strategy=name,
                    seed=number,
                    runs=out,
                    resume=resume,
                    progress=report,
                    **how,
                )
                done.setdefault(name, []).append(run)
                if json:
                    emit("run", path=str(run.path), seed=number, split=run.info.split, metrics=run.metrics)
    if json:
        emit("done", splits={name: _summary(runs) for name, runs in done.items()})
    else:
        _print(model, chosen, done)


def _print(model: str, view: View, done: dict[str, list[Run]]) -> None:
    from audiospec.zoo.scores.base import MAIN
    from audiospec.zoo.scores.measuring.stored import main_first, show_stored, stored_scores
    from audiospec.zoo.splits import displayed_strategy

    say(f"{model} on {view.name} of {view.store.path}", "bold")
    tested = [run.metrics["test"] for runs in done.values() for run in runs]
    scores = main_first(stored_scores(levels["track"] for levels in tested))
    main = scores[MAIN]
    columns = [(f"{main.title} by chunk", "chunk", MAIN), ("by track", "track", MAIN)]
    columns += [(f"{score.title} by track", "track", key) for key, score in scores.items() if key != MAIN]
    rows = [
        (
            displayed_strategy(name),
            str(run.info.seed),
            *(show_stored(run.metrics["test"][level], key, scores[key]) for _, level, key in columns),
            clock(run.info.seconds),
            str(run.path),
        )
        for name, runs in done.items()
        for run in runs
    ]
    table(rows, ("split", "seed", *(title for title, _, _ in columns), "training", "run"), indent=2)
    for name, runs in done.items():
        if len(runs) > 1:
            shown = [
                f"{title} {scores[key].show(spread['mean'])} ± {scores[key].show(spread['deviation'])}"
                for title, level, key in columns
                if (spread := _spread(runs, level, key))
            ]
            say(f"{displayed_strategy(name)}, mean ± deviation over {len(runs)} seeds: {', '.join(shown)}")
    if len(done) > 1:
        (honest, ours), (_, leaky) = (
            (name, _spread(runs, "chunk", MAIN)["mean"]) for name, runs in done.items()
        )
        gap = 100 * (leaky - ours)
        say(
            f"leakage gap: random chunks (leaky) would have claimed {main.show(leaky)}, {gap:+.1f} points on "
            f"{honest}'s {main.show(ours)} ({columns[0][0]})",
            "yellow",
        )
    first = next(iter(done.values()))[0]
    path = shlex.quote(str(first.path))
    if isinstance(first.spec, TableSpec):  # nothing can compute such features from audio
        say(f"next: audiospec evaluate {path}", "dim")
    else:
        say(f"next: audiospec predict {path} SONG.wav", "dim")


def _summary(runs: list[Run]) -> dict[str, Any]:
    """Mean and standard deviation over some runs, by level: of the main score, and of each score."""
    from audiospec.zoo.scores.base import MAIN
    from audiospec.zoo.scores.measuring.stored import stored_scores

    found: dict[str, Any] = {}
    for level in ("chunk", "track"):
        keys = stored_scores(run.metrics["test"][level] for run in runs)
        spreads = {key: _spread(runs, level, key) for key in keys}
        found[level] = {**spreads[MAIN], "scores": {key: spread for key, spread in spreads.items() if spread}}
    return found


def _spread(runs: list[Run], level: str, key: str) -> dict[str, float]:
    """Mean and standard deviation of a score over some runs; empty if one has no such score."""
    from statistics import mean, pstdev

    tables = [run.metrics["test"][level] for run in runs]
    if not all(key in table for table in tables):
        return {}
    values = [table[key] for table in tables]
    return {"mean": mean(values), "deviation": pstdev(values)}
