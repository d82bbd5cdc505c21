"""audit: find labels that are likely wrong, and accept corrections of them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._options import options_of
from audiospec.cli._progress import progress
from audiospec.cli._runs import RunPlace, open_run
from audiospec.cli._text import count, emit, percent, say, table
from audiospec.cli._training import Training, warnings_shown
from audiospec.machine import user_name

if TYPE_CHECKING:
    from audiospec.doctor.audit.accepting import Accepted
    from audiospec.doctor.audit.suspect import Audit
    from audiospec.stores.base import FeatureStore

EPILOG = "Example: audiospec audit runs/svm-tabular-3s-43f6a6-group-0 --out suspects.csv"


def command(
    context: typer.Context,
    run: RunPlace,
    store: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The store that the run was trained on, if it was moved."),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            metavar="K",
            show_default=False,
            help="Folds to train the model by, if the run is no cross-validation (5).",
        ),
    ] = 5,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="What decides which labels are likely wrong: cleanlab, or thresholds (cleanlab).",
        ),
    ] = "cleanlab",
    top: Annotated[
        int, typer.Option(metavar="N", min=0, show_default=False, help="Number of tracks to print (20).")
    ] = 20,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Write the likely wrong labels with suggestions as CSV, to edit and to accept.",
        ),
    ] = None,
    accept: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Add the decisions of this CSV to corrections.csv beside the store; no audit is made.",
        ),
    ] = None,
    who: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False, help="Who decided (the name of the user)."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find labels that are likely wrong, from predictions of models that did not learn from them.

    Tracks are ranked by the probability of their label. Nothing is changed: write the suspects by --out,
    listen, remove or edit rows, and give the file to --accept. Trainings then use the corrected labels.
    """
    from audiospec.doctor.audit.accepting import accept as accept_file
    from audiospec.doctor.audit.labels import audit
    from audiospec.stores.base import open_store

    opened = open_run(run, json=json)
    given = None if store is None else open_store(store)
    name = user_name() if who is None else who
    if accept is not None:
        target = open_store(opened.info.store) if given is None else given
        _print_accepted(target, accept_file(target, accept, name), json)
        return
    with progress(json) as step, warnings_shown(options_of(context.command), json=json):
        shown = Training(f"{opened.info.model} by {folds} folds", step, json=False)
        watch = None if json else shown.watch
        found = audit(opened, store=given, folds=folds, method=method, watch=watch)
    if out is not None:
        _write(found, out)
    if json:
        emit("audit", **found.to_dict(top))
        return
    _print(found, top)
    if out is not None:
        path = shlex.quote(run)
        say(f"{count(len(found.likely), 'suggestion')} written to {out}: listen, edit or remove rows")
        say(f"next: audiospec audit {path} --accept {shlex.quote(str(out))}", "dim")
    elif found.likely:
        say(f"next: audiospec audit {shlex.quote(run)} --out suspects.csv", "dim")


def _write(found: Audit, out: Path) -> None:
    from audiospec.corrections.decision import to_csv
    from audiospec.files import write_bytes

    write_bytes(out, to_csv(found.decisions()).encode())


def _print(found: Audit, top: int) -> None:
    total = len(found.suspects)
    say(f"labels of {count(total, 'track')} of {found.store}", "bold")
    say(f"  {found.about}")
    likely = len(found.likely)
    say(f"  {count(likely, 'label')} likely wrong by {found.method}; ranked by the probability of the label")
    agreed = f"the models predict the label of {percent(found.agreement)} % of the tracks"
    say(f"  {agreed}: the fewer, the more of the suspects are their own errors")
    if found.decided:
        say(f"  {count(len(found.decided), 'track')} left out: their labels have been decided on")
    same = found.contradictions
    if same:
        say(f"  {count(len(same), 'track')} of the same sound as a track of another label:", "yellow")
        for suspect in same[:5]:
            say(f"    {suspect.track} ({suspect.label}) and {', '.join(suspect.same_sound[:3])}")
        if len(same) > 5:
            say(f"    … and {len(same) - 5} more: --json --top {total} lists all")
    rows = [
        (
            str(suspect.rank),
            suspect.track,
            suspect.label,
            f"{percent(suspect.probability)} %",
            suspect.suggestion,
            f"{percent(suspect.suggested)} %",
            "likely wrong" if suspect.is_likely else "",
        )
        for suspect in found.suspects[:top]
    ]
    if rows:
        table(rows, ("rank", "track", "label", "probability", "suggestion", "probability", ""), indent=2)


def _print_accepted(store: FeatureStore, accepted: Accepted, json: bool) -> None:
    file = accepted.corrections.file
    excluded = sum(decision.excludes for decision in accepted.added)
    kept = sum(decision.keeps for decision in accepted.added)
    changed = len(accepted.added) - excluded - kept
    if json:
        numbers = {"corrected": changed, "excluded": excluded, "kept": kept, "known": accepted.known}
        emit("accepted", file=str(file), store=str(store.path), new_labels=accepted.new_labels, **numbers)
        return
    parts = [
        f"{count(changed, 'label')} corrected",
        f"{count(excluded, 'track')} excluded",
        f"{count(kept, 'label')} confirmed",
    ]
    say(f"{', '.join(parts)} in {file}", "bold")
    if accepted.known:
        say(f"  {count(accepted.known, 'decision')} there already")
    if accepted.new_labels:
        say(f"  labels that no track of the store has: {', '.join(accepted.new_labels)}", "yellow")
    say(f"next: audiospec train MODEL --store {shlex.quote(str(store.path))}", "dim")
