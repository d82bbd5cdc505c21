"""scores: list the scores of predictions, or show one."""

from __future__ import annotations

from typing import Annotated

import typer

from audiospec.cli._text import entry, facts, table

EPILOG = "Example: audiospec scores macro-f1"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the details of one score.", show_default=False)
    ] = None,
) -> None:
    """List the scores of predictions, or show the details of one."""
    from audiospec.zoo.scores.base import key_of, scores

    if name is None:
        table([(one, ", ".join(scores[one].targets), scores.summary(one)) for one in scores])
        return
    score = scores[name]
    entry(scores, name, score)
    better = "higher" if score.higher_is_better else "lower"
    unit = "percent" if score.percent else "number"
    facts(
        {
            "targets": ", ".join(score.targets),
            "stored as": key_of(name),
            "shown as": unit,
            "better": better,
        }
    )
