"""losses: list the loss functions, or show one."""

from __future__ import annotations

from typing import Annotated

import typer

from audiospec.cli._text import entry, facts, listing, say

EPILOG = "Example: audiospec losses cross-entropy"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the details of one loss.", show_default=False)
    ] = None,
) -> None:
    """List the loss functions, or show the details of one."""
    from audiospec.zoo.losses.base import losses

    if name is None:
        listing(losses)
        return
    loss = losses[name]
    entry(losses, name, loss)
    facts({"targets": ", ".join(loss.targets)})
    say()
    say(f"next: audiospec train MODEL --set loss={name}", "dim")
