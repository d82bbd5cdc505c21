"""Help in plain text: loading rich would take longer than everything else that help needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

#: ``--help`` of a group of commands. Typer's built-in option would load pydantic for every command.
Help = Annotated[bool, typer.Option("--help", "-h", help="Show this message and exit.")]


class Command(TyperCommand):
    """A command whose options are grouped by panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                panel = getattr(param, "rich_help_panel", None) or f"{param.param_type_name.title()}s"
                panels.setdefault(panel, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records)


def print_help_if_needed(context: typer.Context, requested: bool) -> None:
    """Print a group's help and exit if it was requested or no command was given."""
    if requested or context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


def summary(command: Callable[..., None]) -> str:
    """Return the first sentence of a command's help; by default, a list of commands cuts it off."""
    return (inspect.getdoc(command) or "").partition("\n\n")[0].replace("\n", " ")
