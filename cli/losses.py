"""losses: the losses that networks learn by."""

from __future__ import annotations

from typing import Annotated

import typer

from audiospec.cli._text import body, facts, listing, say

EPILOG = "Example: audiospec losses cross-entropy"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Tell all about one loss.", show_default=False)
    ] = None,
) -> None:
    """List the losses that networks learn by, or tell all about one."""
    from audiospec.zoo.losses.base import losses

    if name is None:
        listing(losses)
        return
    loss = losses[name]
    say(f"{name}: {losses.summary(name)}", "bold")
    body(loss)
    facts({"rows": "of one class each" if loss.exclusive else "of any number of classes"})
    say()
    say(f"learn by it with: audiospec train MODEL --set loss={name}", "dim")
