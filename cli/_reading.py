"""The options for files that are truncated or silent, of all commands that decode."""

from __future__ import annotations

import typer

PANEL = "Files that are not whole"

TRUNCATED = typer.Option(
    metavar="refuse|keep",
    show_default=False,
    rich_help_panel=PANEL,
    help="What to do with files that are cut short or damaged: list them as problems (refuse), or use what "
    "is there, with a note (keep).",
)
KEEP_SILENT = typer.Option(
    "--keep-silent",
    rich_help_panel=PANEL,
    help="Use silent files too, with a note: for a class that is silence.",
)
