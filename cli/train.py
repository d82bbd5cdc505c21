"""train: train a model of the zoo on a view of a store."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli import _protocol
from audiospec.cli._options import options_of
from audiospec.cli._progress import progress
from audiospec.cli._rows import (
    ChunkSeconds,
    Epochs,
    Labels,
    ModelName,
    SetParameters,
    StorePath,
    TrackColumn,
    ViewName,
)
from audiospec.cli._text import assignments, clock, count, emit, names, numbers, say, table
from audiospec.cli._training import Training, warnings_shown
from audiospec.specs.table import TableSpec

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View
    from audiospec.zoo.runs.run import Run

EPILOG = "Example: audiospec train svm --set C=10 --store gtzan.zarr --chunk 3 --seeds 10"

_HOW, _OUTPUT = "Training", "Output"


def command(
    context: typer.Context,
    model: ModelName,
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
            show_default=False,
            rich_help_panel=_HOW,
            help="How rows are split: fold-K, group, track, filtered, random, or a split file; for a "
            "cross-validation: folds, leave-one-group-out (the strongest split that the dataset supports).",
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
    epochs: Epochs = None,
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
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            rich_help_panel=_HOW,
            help="Calibrate the probabilities: on the validation rows, or on training rows by folds.",
        ),
    ] = False,
    folds: _protocol.Folds = None,
    repeats: _protocol.Repeats = 1,
    search: _protocol.SearchFor = None,
    inner_folds: _protocol.InnerFolds = 3,
    train_share: _protocol.TrainShare = None,
    corrections: _protocol.CorrectionsFile = None,
    set_: SetParameters = None,
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
    from audiospec.corrections.view import corrected
    from audiospec.find import find_store, find_view
    from audiospec.stores.base import open_store
    from audiospec.stores.layout.duplicates import duplicates
    from audiospec.zoo.base import models
    from audiospec.zoo.splits.choose import choose
    from audiospec.zoo.training import train

    # First, so that a misspelt name fails before the store is opened.
    reads = models[model].input_with(assignments(set_ or []))
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
        "label_column": label_column,
        "calibrate": calibrate,
        "search": _protocol.searched(search),
        "inner_folds": inner_folds,
    }
    shares_used = options["shares"] or models[model].shares
    strategy = strategy or "strongest"
    trained_on = _protocol.train_shares(train_share)
    runs: dict[str, list[Run]] = {}
    by_share: dict[float, list[Run]] = {share: [] for share in trained_on}
    with progress(json) as step, warnings_shown(options_of(context.command), json=json):
        # Once for all trainings, and before the split, which leaves out excluded tracks.
        chosen = corrected(chosen, _protocol.corrections(corrections), label_column=label_column)
        for number, share in itertools.product(range(seed, seed + seeds), trained_on):
            made = choose(
                chosen,
                strategy,
                folds=folds,
                repeats=repeats,
                seed=number if split_seed is None else split_seed,
                shares=shares_used,
                classes=options["classes"],
                label_column=label_column,
            )
            title = f"{model} {made.name}, seed {number}" + (f", share {share:g}" if share != 1 else "")
            shown = Training(title, step, json=json, split=made.strategy, seed=number)
            run = train(
                model,
                chosen,
                strategy=made,
                seed=number,
                train_share=share,
                runs=out,
                corrections=None,
                resume=resume,
                progress=shown.epoch,
                watch=shown.watch,
                **options,
            )
            runs.setdefault(strategy if share == 1 else f"{strategy}, share {share:g}", []).append(run)
            by_share[share].append(run)
            if json:
                info = run.info
                protocol = {
                    key: getattr(info, key)
                    for key in ("train_share", "search", "cross_validation", "settings", "corrections")
                }
                emit(
                    "run",
                    path=str(run.path),
                    seed=number,
                    split=info.split,
                    metrics=run.metrics,
                    **protocol,
                )
    points = _protocol.curve(by_share) if len(trained_on) > 1 else []
    if json:
        same = duplicates(opened.tracks).to_dict()
        summaries = {name: _summary(of_split) for name, of_split in runs.items()}
        emit("done", splits=summaries, curve=points, duplicates=same)
    else:
        _print(model, chosen, runs, points)


def _print(model: str, view: View, runs_of: dict[str, list[Run]], points: list[dict[str, Any]]) -> None:
    from audiospec.stores.layout.duplicates import duplicates
    from audiospec.zoo.comparison.configurations import shown_strategy
    from audiospec.zoo.runs.info import split_name
    from audiospec.zoo.scores.base import main_key
    from audiospec.zoo.scores.measuring.stored import main_first, show_stored, stored_scores

    say(f"{model} on {view.name} of {view.store.path}", "bold")
    all_runs = [run for runs in runs_of.values() for run in runs]
    for line in duplicates(view.store.tracks).lines():
        say(f"  {line}", "yellow")
    for line in dict.fromkeys(
        line for run in all_runs for line in (_about_split(run), *_protocol.about(run))
    ):
        say(f"  {line}")
    tested = [run.metrics["test"] for runs in runs_of.values() for run in runs]
    target = all_runs[0].target.name
    main = main_key(target)
    scores = main_first(stored_scores(levels["track"] for levels in tested), target)
    columns = [(f"{scores[main].title} by chunk", "chunk", main), ("by track", "track", main)]
    columns += [(f"{score.title} by track", "track", key) for key, score in scores.items() if key != main]
    rows = [
        (
            split_name(run.info.split) + (f", share {run.info.train_share:g}" if points else ""),
            str(run.info.seed),
            *(show_stored(run.metrics["test"][level], key, scores[key]) for _, level, key in columns),
            clock(run.info.seconds),
            str(run.path),
        )
        for runs in runs_of.values()
        for run in runs
    ]
    table(rows, ("split", "seed", *(title for title, _, _ in columns), "training", "run"), indent=2)
    for runs in runs_of.values():
        if len(runs) > 1:
            shown = [
                f"{title} {scores[key].show(spread['mean'])} ± {scores[key].show(spread['deviation'])}"
                for title, level, key in columns
                if (spread := _spread(runs, level, key))
            ]
            share = f", share {runs[0].info.train_share:g}" if runs[0].info.train_share != 1 else ""
            say(f"{shown_strategy(runs)}{share}, mean ± deviation over {len(runs)} seeds: {', '.join(shown)}")
    for run in all_runs:
        _protocol.print_folds(run, scores)
    if points:
        _protocol.print_curve(points, scores[main])
    first = next(iter(runs_of.values()))[0]
    path = shlex.quote(str(first.path))
    # Features of a table cannot be computed from audio, and a cross-validation has no model of its own.
    if isinstance(first.spec, TableSpec) or first.info.cross_validation:
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
    """Return mean and sample deviation over runs, by level: of the main score and of each score."""
    from audiospec.zoo.scores.base import main_key
    from audiospec.zoo.scores.measuring.stored import stored_scores

    main = main_key(runs[0].target.name)
    summary: dict[str, Any] = {}
    for level in ("chunk", "track"):
        keys = stored_scores(run.metrics["test"][level] for run in runs)
        spreads = {key: _spread(runs, level, key) for key in keys}
        summary[level] = {
            **spreads.get(main, {}),
            "scores": {key: spread for key, spread in spreads.items() if spread},
        }
    return summary


def _spread(runs: list[Run], level: str, key: str) -> dict[str, Any]:
    """Return mean and sample deviation of a score over runs; empty if a run lacks the score.

    The deviation of one run is None.
    """
    from statistics import mean, stdev

    tables = [run.metrics["test"][level] for run in runs]
    if not all(key in table for table in tables):
        return {}
    values = [table[key] for table in tables]
    return {"mean": mean(values), "deviation": stdev(values) if len(values) > 1 else None}
