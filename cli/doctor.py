"""doctor: find what is wrong in the data of a store."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._progress import progress
from audiospec.cli._text import assignments, count, names, say
from audiospec.machine import user_name

if TYPE_CHECKING:
    from audiospec.doctor.diagnosis import Diagnosis
    from audiospec.doctor.finding import Finding
    from audiospec.stores.base import FeatureStore

EPILOG = "Example: audiospec doctor gtzan.zarr --fix clusters"

#: Lines of details printed for each finding.
MOST_DETAILS = 5
_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold"}


def command(
    path: Annotated[str, typer.Argument(metavar="STORE", help="A feature store.")],
    names_: Annotated[
        str | None,
        typer.Option(
            "--checks", metavar="NAMES", show_default=False, help="Only these checks, separated by commas."
        ),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Log-mel view, or a prefix of its name (the largest)."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="CHECK.FIELD=VALUE",
            help="Change a setting of a check; `audiospec checks NAME` lists them.",
        ),
    ] = None,
    fix: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            show_default=False,
            help="clusters: write which tracks hold the same sound, so that splits keep them together. "
            "contradictions: exclude tracks of the same sound with different labels from training.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", show_default=False, help="Seed of all samples (0).")] = 0,
    all_: Annotated[bool, typer.Option("--all", help="Print every track of each finding.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="Also write the diagnosis as JSON."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if there is an error or a warning.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find what is wrong in the data of a store: duplicates, confounds, clipping, damage.

    Findings are printed worst first, each with what to do. The store is changed only by --fix, which deletes
    nothing.
    """
    from audiospec.doctor.diagnosis import diagnose
    from audiospec.doctor.fixes.requested import FIXES, require_fixes
    from audiospec.files import write_bytes
    from audiospec.stores.base import open_store

    fixes = require_fixes(names(fix) or [])
    store = open_store(path)
    with progress(json, "examining") as step:
        diagnosis = diagnose(
            store,
            names=names(names_),
            view=view,
            settings=assignments(set_ or []),
            seed=seed,
            progress=lambda what, done, total: step(what, done, total, f"{done}/{total}"),
        )
    found = diagnosis.to_dict()
    if out is not None:
        write_bytes(out, (dumps(found, indent=1) + "\n").encode())
    done = [FIXES[name](store, diagnosis, user_name()) for name in fixes]
    if json:
        print(dumps({**found, "fixed": done}))
    else:
        _print(store, diagnosis, None if all_ else MOST_DETAILS)
        for line in done:
            say(line)
        if not fixes:
            _print_next(path, diagnosis)
    if strict and not diagnosis.is_healthy:
        raise typer.Exit(1)


def _print(store: FeatureStore, diagnosis: Diagnosis, most: int | None) -> None:
    kinds = [finding.severity for finding in diagnosis.findings]
    counts = ", ".join(
        count(kinds.count(kind), kind) for kind in ("error", "warning", "note") if kind in kinds
    )
    say(f"{diagnosis.store}: {count(diagnosis.tracks, 'track')}, {counts or 'nothing found'}", "bold")
    ids = store.tracks["id"].tolist()
    for finding in diagnosis.findings:
        say()
        say(f"{finding.severity}: {finding.title} ({finding.check})", _STYLES[finding.severity])
        say(f"  {_plain(finding.advice)}")
        for line in _lines(finding, ids, most):
            say(f"    {line}", "dim")
        for line in _histogram(finding.figures):
            say(f"    {line}", "dim")
    say()
    say(f"checked: {', '.join(diagnosis.checked) or 'nothing'}", "dim")
    for name, reason in diagnosis.not_checked.items():
        say(f"not checked: {name}: {_plain(reason)}", "yellow")


def _plain(text: str) -> str:
    """Return text without backticks: parameters in it are of other commands than this one."""
    return text.replace("`", "")


def _lines(finding: Finding, ids: Sequence[str], most: int | None) -> list[str]:
    """Return a line for each group, or for each track, worst first."""
    sets = finding.groups or tuple((number,) for number in finding.tracks)
    shown = sets if most is None else sets[:most]
    lines = []
    for place, numbers in enumerate(shown):
        tracks = " = ".join(ids[number] for number in numbers[: len(numbers) if most is None else 4])
        more = "" if most is None or len(numbers) <= 4 else f" = {len(numbers) - 4} more"
        detail = f": {finding.details[place]}" if finding.details else ""
        lines.append(f"{tracks}{more}{detail}")
    if len(sets) > len(shown):
        lines.append(f"{len(sets) - len(shown)} more (--all)")
    return lines


def _histogram(figures: Mapping[str, Any]) -> list[str]:
    """Return a finding's histogram as one line of blocks, with its ends; empty if it has none."""
    histogram = figures.get("histogram")
    if not isinstance(histogram, Mapping) or not any(histogram.get("counts", ())):
        return []
    counts, edges = histogram["counts"], histogram["edges"]
    blocks = "".join(" ▁▂▃▄▅▆▇█"[-(-8 * number // max(counts))] for number in counts)
    return [f"{edges[0]:.4g} |{blocks}| {edges[-1]:.4g} {histogram.get('unit', '')}".rstrip()]


def _print_next(path: str, diagnosis: Diagnosis) -> None:
    """Print the command that does something about what was found."""
    from audiospec.doctor.fixes.requested import SAME_SOUND

    if any(finding.check in SAME_SOUND for finding in diagnosis.findings):
        say(f"next: audiospec doctor {shlex.quote(path)} --fix clusters")
