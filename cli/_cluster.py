"""The option of commands that can run tasks on a cluster."""

from __future__ import annotations

from typing import Any

import typer


def scheduler_option(panel: str | None = None) -> Any:
    """Make the option of the scheduler's address."""
    return typer.Option(
        metavar="ADDRESS",
        show_default=False,
        rich_help_panel=panel,
        help="Engine dask: its scheduler, such as tcp://10.0.0.1:8786 (that of Dask's own settings).",
    )
