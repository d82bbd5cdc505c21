"""engines: where the tasks of a run can be computed."""

from __future__ import annotations

from typing import Annotated

import typer

from audiospec.cli._text import body, listing, say

EPILOG = "Example: audiospec engines local"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show all about one engine.", show_default=False)
    ] = None,
) -> None:
    """List the engines that tasks can run on, or show all about one."""
    from audiospec.engines.base import engines

    if name is None:
        listing(engines)
        return
    engine = engines[name]
    say(f"{name}: {engines.summary(name)}", "bold")
    body(engine)
