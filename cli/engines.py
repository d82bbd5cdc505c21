"""engines: list the engines, which run the tasks of `featurize`."""

from __future__ import annotations

from typing import Annotated

import typer

from audiospec.cli._text import entry, listing

EPILOG = "Example: audiospec engines local"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show one engine in full.", show_default=False)
    ] = None,
) -> None:
    """List the engines that can run tasks, or show one in full."""
    from audiospec.engines.base import engines

    if name is None:
        listing(engines)
        return
    entry(engines, name, engines[name])
