"""datasets: list the datasets, or show one."""

from __future__ import annotations

from typing import Annotated

import typer

from audiospec.cli._text import entry, facts, table
from audiospec.datasets.base import Dataset, datasets
from audiospec.text import size

EPILOG = "Example: audiospec datasets gtzan"


def command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show the details of one dataset.", show_default=False),
    ] = None,
) -> None:
    """List the datasets, each with what is to be predicted of it, or show the details of one."""
    if name is None:
        entries = [(key, datasets[key].target, datasets.summary(key)) for key in datasets]
        table(entries)
        return
    dataset = datasets[name]
    entry(datasets, name, dataset)
    facts({title: value for title, value in _facts(dataset).items() if value})
    if dataset.layouts:
        rows = [(*row[:-1], _flag(row[-1])) for row in dataset.layouts]
        table(rows, ("situation", "label", "fold", "group", "option"), indent=2)


def _flag(option: str) -> str:
    """Return the command line's name of an option of a dataset: ``--label-level`` of ``label_level``."""
    return f"--{option.replace('_', '-')}" if option else ""


def _facts(dataset: type[Dataset]) -> dict[str, str]:
    labels = ", ".join(f"{label} {tracks}" for label, tracks in dataset.expected.items())
    return {
        "expects": dataset.layout,
        "target": dataset.target,
        "full set": f"{sum(dataset.expected.values())} tracks: {labels}" if labels else "",
        "note": dataset.note,
        "citation": dataset.citation,
        "licence": dataset.licence,
        "homepage": dataset.homepage,
        "download": ", or ".join(
            remote.url
            + (f" ({size(remote.bytes)})" if remote.bytes else "")
            + (f" and {', '.join(part.archive for part in remote.parts)}" if remote.parts else "")
            for remote in dataset.remotes
        ),
    }
