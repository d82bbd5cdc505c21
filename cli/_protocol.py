"""Options of `train` for folds, searches and learning curves, and what it prints about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._text import numbers, say, table

if TYPE_CHECKING:
    from audiospec.zoo.runs.run import Run
    from audiospec.zoo.scores.base import Score

_PANEL = "Folds, search, learning curve"

Folds = Annotated[
    int | None,
    typer.Option(
        "--folds",
        metavar="K",
        rich_help_panel=_PANEL,
        help="Cross-validate: test each of K folds by a model of the others. --split folds: the dataset's.",
    ),
]
Repeats = Annotated[
    int,
    typer.Option(
        "--repeats",
        metavar="N",
        show_default=False,
        rich_help_panel=_PANEL,
        help="Draw the folds N times, and test each row as often (1).",
    ),
]
SearchFor = Annotated[
    list[str] | None,
    typer.Option(
        "--search",
        metavar="PARAMETER=A,B",
        rich_help_panel=_PANEL,
        help="Choose a parameter of the model on inner folds of the training rows; several make a grid.",
    ),
]
InnerFolds = Annotated[
    int,
    typer.Option(
        "--inner-folds",
        metavar="K",
        show_default=False,
        rich_help_panel=_PANEL,
        help="Number of inner folds of a search (3).",
    ),
]
TrainShare = Annotated[
    str | None,
    typer.Option(
        "--train-share",
        metavar="A,B",
        rich_help_panel=_PANEL,
        help="Train on these shares of the training tracks, such as 0.1,0.3,1: a learning curve (1).",
    ),
]

CorrectionsFile = Annotated[
    str | None,
    typer.Option(
        "--corrections",
        metavar="FILE|none",
        show_default=False,
        rich_help_panel="Training",
        help="Corrections of labels to apply; none: leave labels as they are (corrections.csv beside the "
        "store).",
    ),
]


def corrections(text: str | None) -> str | None:
    """Return the value of ``--corrections`` as the library takes it."""
    from audiospec.corrections.view import BESIDE

    return BESIDE if text is None else None if text == "none" else text


def searched(texts: Sequence[str] | None) -> dict[str, list[str]]:
    """Parse the values of ``--search``."""
    grid: dict[str, list[str]] = {}
    for text in texts or ():
        name, equals, values = text.partition("=")
        listed = [value.strip() for value in values.split(",") if value.strip()]
        if not equals or not listed:
            raise typer.BadParameter(f"expected PARAMETER=A,B; got {text!r}", param_hint="--search")
        grid[name.strip().replace("-", "_")] = listed
    return grid


def train_shares(text: str | None) -> list[float]:
    """Parse the value of ``--train-share``; the shares are in ascending order."""
    if text is None:
        return [1.0]
    return sorted(set(numbers(text, "--train-share", "shares separated by commas, such as 0.1,0.3,1")))


def about(run: Run) -> list[str]:
    """Return lines on the corrections of labels and the search of a run."""
    from audiospec.zoo.runs.card import chosen_in_words
    from audiospec.zoo.runs.corrected import corrections_in_words

    lines = [corrections_in_words(run.info)] if run.info.corrections else []
    if run.info.search:
        grid = "; ".join(
            f"{name} of {', '.join(map(str, values))}" for name, values in run.info.search["grid"].items()
        )
        chosen = chosen_in_words(run.info.search["chosen"])
        lines.append(f"searched {grid} on {run.info.search['inner_folds']} inner folds: chosen {chosen}")
    return lines


def print_folds(run: Run, scores: Mapping[str, Score]) -> None:
    """Print mean, deviation and standard error of the main score over the folds of a cross-validation."""
    from audiospec.zoo.scores.base import main_key

    stated = run.info.cross_validation
    if not stated:
        return
    main = main_key(run.target.name)
    parts = []
    for level in ("chunk", "track"):
        spread = stated["spread"][level].get(main)
        if spread is not None:
            mean, deviation, error = (
                scores[main].show(spread[name]) for name in ("mean", "deviation", "error")
            )
            parts.append(f"by {level} {mean} ± {deviation} (standard error {error})")
    say(
        f"{run.path.name}, {scores[main].title}, mean ± deviation over {len(stated['runs'])} folds: "
        f"{', '.join(parts)}"
    )


def curve(runs: Mapping[float, Sequence[Run]]) -> list[dict[str, Any]]:
    """Return a learning curve: for each share, the numbers of training rows and tracks, and mean scores."""
    from statistics import fmean

    from audiospec.zoo.scores.base import main_key

    points = []
    for share, of_share in runs.items():
        sizes = [run.info.split["sides"]["train"] for run in of_share]
        tables = [run.metrics["test"] for run in of_share]
        main = main_key(of_share[0].target.name)
        points.append(
            {
                "train_share": share,
                "rows": round(fmean(size["rows"] for size in sizes)),
                "tracks": round(fmean(size["tracks"] for size in sizes)),
                **{level: fmean(table[level][main] for table in tables) for level in ("chunk", "track")},
            }
        )
    return points


def print_curve(points: Sequence[Mapping[str, Any]], main: Score) -> None:
    """Print a learning curve as a table."""
    say()
    say("learning curve: the same test rows, more and more training tracks", "bold")
    rows = [
        (
            f"{point['train_share']:g}",
            *(str(point[name]) for name in ("rows", "tracks")),
            *(main.show(point[level]) for level in ("chunk", "track")),
        )
        for point in points
    ]
    table(rows, ("share", "rows", "tracks", f"{main.title} by chunk", "by track"), indent=2)
