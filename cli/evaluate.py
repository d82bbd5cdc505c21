"""evaluate: score a run on its test rows or on another store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._runs import RunPlace, open_run
from audiospec.cli._text import emit, percent, say, table

if TYPE_CHECKING:
    from audiospec.zoo.scores.measuring.tables import ScoreTable

EPILOG = "Example: audiospec evaluate runs/svm-tabular-3s-43f6a6-group-0 --store other.zarr"


def command(
    run: RunPlace,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Score all rows of this store, which has the same features (the run's test rows).",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a trained run by chunk, by track and by class.

    Without --store, the scores are those of the run's test rows.
    """
    from audiospec.stores.base import open_store
    from audiospec.zoo.evaluation import evaluate
    from audiospec.zoo.runs.corrected import corrections_in_words
    from audiospec.zoo.scores.measuring.stored import show_stored, stored_scores

    opened = open_run(run, json=json)
    other = None if store is None else open_store(store)
    scores = evaluate(opened, other)
    of = opened.info.store if other is None else str(other.path)
    if json:
        corrections = {key: opened.info.corrections.get(key, 0) for key in ("labels", "excluded")}
        emit("scores", run=opened.source or run, store=of, corrections=corrections, **scores.to_dict())
        return
    where = f"the test rows of {of}" if other is None else of
    leaky = f" (leaky: {scores.leaks.words})" if scores.leaks else ""
    say(f"{opened.info.model} on {where}{leaky}", "bold")
    if opened.info.corrections:
        say(f"  as the run was trained: {corrections_in_words(opened.info)}")
    tables = {"chunk": scores.chunk.to_dict(), "track": scores.track.to_dict()}
    shown = stored_scores(tables.values())
    rows = [
        (
            f"by {level}",
            str(values["count"]),
            *(show_stored(values, key, score) for key, score in shown.items()),
        )
        for level, values in tables.items()
    ]
    if scores.unknown is not None:
        rows += [
            (
                f"by {level}, not learnt from",
                str(values["count"]),
                *(show_stored(values, key, score) for key, score in shown.items()),
            )
            for level, values in (
                (level, getattr(scores.unknown, level).to_dict()) for level in ("chunk", "track")
            )
        ]
    table(rows, ("", "count", *(score.title for score in shown.values())), indent=2)
    if scores.leaks:
        say(f"{scores.leaks.sentence()}: these scores are leaky", "yellow")
    elif scores.leaks is None:
        say(opened.lacks, "yellow")
    say()
    _by_class(scores.track)


def _by_class(scores: ScoreTable) -> None:
    """Print the scores of each class, and the class that it is most confused with, if rows have one each."""
    if not scores.per_class:
        return
    confused = bool(scores.confusion)
    head = ("class", "tracks", "precision", "recall", "F1", *["most confused with"] * confused)
    names = list(scores.per_class)
    rows = [
        (
            name,
            str(values["support"]),
            *(percent(values[key]) for key in ("precision", "recall", "f1")),
            *[_most_confused(scores.confusion[number], number, names) for _ in range(confused)],
        )
        for number, (name, values) in enumerate(scores.per_class.items())
    ]
    table(rows, head, indent=2)


def _most_confused(row: list[int], truth: int, classes: list[str]) -> str:
    """Return the most frequent wrong prediction in row `truth` of a confusion matrix, and its count."""
    errors = [(count, classes[number]) for number, count in enumerate(row) if number != truth and count]
    if not errors:
        return "none"
    count, name = max(errors)
    return f"{name} ({count})"
