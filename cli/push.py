"""push: publish a run on a hub of models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._runs import RunPlace, quieten
from audiospec.cli._text import count, emit, say, table
from audiospec.text import size

EPILOG = "Example: audiospec push runs/svm-tabular-3s-43f6a6-group-0 USER/NAME --private"


def command(
    run: RunPlace,
    repo: Annotated[
        str, typer.Argument(metavar="USER/NAME", help="Repository; it is made if it does not exist.")
    ],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    revision: Annotated[
        str | None,
        typer.Option(metavar="BRANCH", show_default=False, help="Branch to push to (the default branch)."),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", show_default=False, help="Message of the commit (names the model and the view)."
        ),
    ] = None,
    licence: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="The hub's identifier of the model's licence, such as cc-by-4.0 (none).",
        ),
    ] = "",
    with_predictions: Annotated[
        bool,
        typer.Option(
            "--with-predictions",
            help="Also push the tracks of the split and the predictions of their rows; they have the tracks' "
            "ids, which may be paths or names of people.",
        ),
    ] = False,
    dry_run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default=False,
            help="Write what would be pushed into this new folder, and push nothing.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Publish a run on a hub of models, with its card as the repository's page.

    The hub is Hugging Face's, or the one at HF_ENDPOINT. The token is that of HF_TOKEN or of `hf auth login`.
    All files are in one commit. Ids of tracks, predictions and paths of this machine stay here.
    """
    from audiospec.zoo.hub.push import push_run

    quieten()
    done = push_run(
        run,
        repo,
        private=private,
        revision=revision,
        message=message,
        licence=licence,
        with_predictions=with_predictions,
        dry_run=dry_run,
    )
    if json:
        emit(
            "push",
            address=done.address if done.commit else "",
            url=done.url,
            files=done.files,
            left_out=done.left_out,
            folder="" if dry_run is None else str(dry_run),
        )
        return
    table([(name, size(of_file)) for name, of_file in done.files.items()], indent=2)
    if done.left_out:
        say(f"left out: {', '.join(done.left_out)}", "yellow")
    if not licence:
        say("no licence is given, so the page grants nothing: give one by --licence", "yellow")
    if dry_run is not None:
        say(f"{dry_run}: {count(len(done.files), 'file')}; nothing was pushed")
        return
    say(f"{done.address}: {count(len(done.files), 'file')}")
    say(done.url, "dim")
    say(f"next: audiospec predict hf://{done.repo} SONG.wav", "dim")
