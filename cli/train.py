"""train: train a model of the zoo on a view of a store."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._options import options_of
from audiospec.cli._progress import progress
from audiospec.cli._text import assignments, clock, count, emit, names, numbers, say, table
from audiospec.cli._training import Training, warnings_shown
from audiospec.specs.table import TableSpec

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View
    from audiospec.zoo.runs.run import Run

EPILOG = "Example: audiospec train svm --set C=10 --store gtzan.zarr --chunk 3 --seeds 10"

_WHAT, _HOW, _OUTPUT = "Data", "Training", "Output"


def command(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a model; `audiospec models` lists the models.")
    ],
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", rich_help_panel=_WHAT, help="A feature store (the only one in this folder)."
        ),
    ] = None,
    chunk: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", rich_help_panel=_WHAT, help="Length of the chunks of the view."),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_WHAT, help="Name of a view, or a prefix of it."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="LABELS", rich_help_panel=_WHAT, help="Labels to train on, separated by commas (all)."
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="STRATEGY|FILE",
            show_default=False,
            rich_help_panel=_HOW,
            help="How rows are split: fold-K, group, track, filtered, random, or a split file (the strongest "
            "that the dataset supports).",
        ),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            rich_help_panel=_HOW,
            help="Shares of training, validation and test rows (the model's).",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            show_default=False,
            rich_help_panel=_HOW,
            help="Seed of the split and the training (0).",
        ),
    ] = 0,
    split_seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default=False,
            rich_help_panel=_HOW,
            help="Seed of the split, the same for all trainings (the training's seed).",
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            show_default=False,
            rich_help_panel=_HOW,
            help="Train with N seeds, starting at --seed, and print mean and deviation (1).",
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
            help="Short for --set weights=NAME: initial weights; imagenet, none, or a file.",
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
            help="Resume an interrupted training; finished runs are not trained again.",
        ),
    ] = False,
    leakage: Annotated[
        bool,
        typer.Option(
            "--leakage",
            rich_help_panel=_HOW,
            help="Also train on a random split of chunks, and print how much it inflates the score.",
        ),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PARAMETER=VALUE",
            rich_help_panel=_HOW,
            help="Set a parameter of the model; `audiospec models NAME` lists the parameters.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", show_default=False, rich_help_panel=_OUTPUT, help="Folder for the runs (runs)."
        ),
    ] = Path("runs"),
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_OUTPUT, help="Print one JSON object per line.")
    ] = False,
) -> None:
    """Train a model and score it on held-out tracks.

    The split is the strongest that the dataset supports: by its own folds, by groups, or by tracks. What
    leaks from a weaker one is counted, and its scores are called leaky. Scores are given by chunk and by
    track, with 95 % confidence intervals.
    """
    from audiospec.find import find_store, find_view
    from audiospec.stores.base import open_store
    from audiospec.zoo.base import models
    from audiospec.zoo.splits.choose import choose_split
    from audiospec.zoo.training import train

    reads = models[model].input  # first, so that a misspelt name fails before the store is opened
    opened = open_store(store) if store is not None else find_store(Path())
    chosen = find_view(opened, chunk, view, reads, reader=model)
    short = {"epochs": epochs, "patience": patience, "weights": weights, "devices": devices}
    options: dict[str, Any] = {
        "settings": {
            **assignments(set_ or []),
            **{key: value for key, value in short.items() if value is not None},
        },
        "shares": numbers(shares, "--shares", "three numbers separated by commas")
        if shares is not None
        else None,
        "classes": names(classes),
    }
    shares_used = options["shares"] or models[model].shares
    strategy = strategy or "strongest"
    runs: dict[str, list[Run]] = {}
    with progress(json) as step, warnings_shown(options_of(context.command), json=json):
        for name in dict.fromkeys([strategy, *(["random"] if leakage else [])]):
            for number in range(seed, seed + seeds):
                made = choose_split(
                    chosen,
                    name,
                    seed=number if split_seed is None else split_seed,
                    shares=shares_used,
                    classes=options["classes"],
                )
                title = f"{model} {made.name}, seed {number}"
                shown = Training(title, step, json=json, split=made.strategy, seed=number)
                run = train(
                    model,
                    chosen,
                    strategy=made,
                    seed=number,
                    runs=out,
                    resume=resume,
                    progress=shown.epoch,
                    watch=shown.watch,
                    **options,
                )
                runs.setdefault(name, []).append(run)
                if json:
                    emit("run", path=str(run.path), seed=number, split=run.info.split, metrics=run.metrics)
    if json:
        emit("done", splits={name: _summary(of_split) for name, of_split in runs.items()})
    else:
        _print(model, chosen, runs)


def _print(model: str, view: View, runs_of: dict[str, list[Run]]) -> None:
    from audiospec.zoo.runs.info import split_name
    from audiospec.zoo.scores.base import MAIN
    from audiospec.zoo.scores.measuring.stored import main_first, show_stored, stored_scores

    say(f"{model} on {view.name} of {view.store.path}", "bold")
    for line in dict.fromkeys(_about_split(run) for runs in runs_of.values() for run in runs):
        say(f"  {line}")
    tested = [run.metrics["test"] for runs in runs_of.values() for run in runs]
    scores = main_first(stored_scores(levels["track"] for levels in tested))
    main = scores[MAIN]
    columns = [(f"{main.title} by chunk", "chunk", MAIN), ("by track", "track", MAIN)]
    columns += [(f"{score.title} by track", "track", key) for key, score in scores.items() if key != MAIN]
    rows = [
        (
            split_name(run.info.split),
            str(run.info.seed),
            *(show_stored(run.metrics["test"][level], key, scores[key]) for _, level, key in columns),
            clock(run.info.seconds),
            str(run.path),
        )
        for runs in runs_of.values()
        for run in runs
    ]
    table(rows, ("split", "seed", *(title for title, _, _ in columns), "training", "run"), indent=2)
    for name, runs in runs_of.items():
        if len(runs) > 1:
            shown = [
                f"{title} {scores[key].show(spread['mean'])} ± {scores[key].show(spread['deviation'])}"
                for title, level, key in columns
                if (spread := _spread(runs, level, key))
            ]
            say(f"{name}, mean ± deviation over {len(runs)} seeds: {', '.join(shown)}")
    if len(runs_of) > 1:
        (strategy, score), (_, leaky) = (
            (name, _spread(runs, "chunk", MAIN)["mean"]) for name, runs in runs_of.items()
        )
        gap = 100 * (leaky - score)
        say(
            f"leakage gap: {gap:+.1f} points ({columns[0][0]}: {main.show(leaky)} with random chunks "
            f"(leaky), {main.show(score)} with split {strategy})",
            "yellow",
        )
    first = next(iter(runs_of.values()))[0]
    path = shlex.quote(str(first.path))
    if isinstance(first.spec, TableSpec):  # its features cannot be computed from audio
        say(f"next: audiospec evaluate {path}", "dim")
    else:
        say(f"next: audiospec predict {path} SONG.wav", "dim")


def _about_split(run: Run) -> str:
    """Return how the rows of a run were split, and why."""
    from audiospec.zoo.runs.info import split_name

    stated = run.info.split
    line = f"split {split_name(stated)}"
    line += f": {stated['reason']}" if stated["reason"] else ""
    if stated["left_out"]:
        line += f"; {count(stated['left_out'], 'row')} left out, of the same sound as held-out tracks"
    return line


def _summary(runs: list[Run]) -> dict[str, Any]:
    """Return mean and standard deviation over runs, by level: of the main score and of each score."""
    from audiospec.zoo.scores.base import MAIN
    from audiospec.zoo.scores.measuring.stored import stored_scores

    summary: dict[str, Any] = {}
    for level in ("chunk", "track"):
        keys = stored_scores(run.metrics["test"][level] for run in runs)
        spreads = {key: _spread(runs, level, key) for key in keys}
        summary[level] = {
            **spreads[MAIN],
            "scores": {key: spread for key, spread in spreads.items() if spread},
        }
    return summary


def _spread(runs: list[Run], level: str, key: str) -> dict[str, float]:
    """Return mean and standard deviation of a score over runs; empty if a run lacks the score."""
    from statistics import mean, pstdev

    tables = [run.metrics["test"][level] for run in runs]
    if not all(key in table for table in tables):
        return {}
    values = [table[key] for table in tables]
    return {"mean": mean(values), "deviation": pstdev(values)}
