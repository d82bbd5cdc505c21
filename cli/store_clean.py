"""store clean: remove what a store in a bucket no longer uses."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from typing import Annotated

import typer

from audiospec.cli._text import count, say
from audiospec.text import size

EPILOG = "Example: audiospec store clean s3://bucket/music.zarr"


def command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A feature store.")],
    days: Annotated[
        float,
        typer.Option(
            metavar="DAYS",
            show_default=False,
            help="Least age of what is removed, because readers may have it open (7).",
        ),
    ] = 7.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be removed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Remove what a store in a bucket no longer uses: views and tables that were replaced.

    A store on a disk has nothing to clean. Shards of an unfinished run are kept.
    """
    from audiospec.pipeline.clean import clean

    cleaned = clean(path, days, dry_run=dry_run)
    if json:
        print(dumps({"store": path, "dry_run": dry_run, "bytes": cleaned.bytes, **asdict(cleaned)}))
        return
    for group, bytes in cleaned.groups.items():
        say(f"{group}: {size(bytes)}")
    done = "would be removed" if dry_run else "removed"
    groups = count(len(cleaned.groups), "group")
    say(f"{count(cleaned.files, 'file')} of {groups} {done}, {size(cleaned.bytes)}")
