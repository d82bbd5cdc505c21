"""scores: the scores of predictions."""

from __future__ import annotations

from typing import Annotated

import typer

from audiospec.cli._text import body, facts, listing, say

EPILOG = "Example: audiospec scores macro-f1"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Tell all about one score.", show_default=False)
    ] = None,
) -> None:
    """List the scores of predictions, or tell all about one."""
    from audiospec.zoo.scores.base import key_of, scores

    if name is None:
        listing(scores)
        return
    score = scores[name]
    say(f"{name}: {scores.summary(name)}", "bold")
    body(score)
    best = "the higher the better" if score.higher_is_better else "the lower the better"
    facts(
        {"stored as": key_of(name), "shown": "in percent" if score.percent else "as a number", "best": best}
    )
