"""Help in plain text: rich's boxes would take longer to load than all the rest of a command's help."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

#: ``--help`` of a group of commands. Typer's own would load pydantic for every command in the group.
Help = Annotated[bool, typer.Option("--help", "-h", help="Show this message and exit.")]


class Command(TyperCommand):
    """A command whose options are listed under their panels."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, panel by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                panel = getattr(param, "rich_help_panel", None) or f"{param.param_type_name.title()}s"
                panels.setdefault(panel, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records)


def help_if_asked(context: typer.Context, asked: bool) -> None:
    """Print a group's help, and exit, if it was asked for or no command is given."""
    if asked or context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit
