"""benchmark: measure audiospec and comparable libraries on this machine."""

from __future__ import annotations

import json as to_json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from audiospec.cli._text import count, say, table

EPILOG = "Example: audiospec benchmark frontend store --html speed.html"


def command(
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SUITES",
            show_default=False,
            help="Suites to run: decode, frontend, store, pipeline, train, start, growth, scale (all).",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="A torch device, such as cuda, for cases that support one.")
    ] = "cpu",
    full: Annotated[bool, typer.Option("--full", help="Measure all sizes, for longer.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", show_default=False, help="Audio to measure with (synthetic music)."),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="Write all results as JSON, with machine and versions."
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Write an HTML page with plots.")
    ] = None,
) -> None:
    """Compare the speed of audiospec with other libraries.

    Contenders run in turn within one run, so the ratios between them are meaningful; absolute times vary
    from run to run. Results are checked for equality before they are timed. The floor is the time of the
    unavoidable work alone: the FFT, raw reading and writing, decoding. The other libraries are installed
    with the extra `peers`; missing ones are listed. The exit status is 1 if a target is missed or a suite
    fails.
    """
    from audiospec.benchmarks.run import benchmark
    from audiospec.errors import BenchmarkError
    from audiospec.render.html import save

    for file in filter(None, (json, html)):
        file.touch()  # fail now, not after the measurements, if it cannot be written
    result = benchmark(suites or (), device=device, full=full, data=data, on_finding=_show)
    result["command"] = " ".join(["audiospec", *sys.argv[1:]])
    if json is not None:
        save(to_json.dumps(result, indent=2) + "\n", json, BenchmarkError, "--json")
    if html is not None:
        from audiospec.benchmarks.page import write_page

        write_page(result, html)
    findings = [finding for suite in result["suites"].values() for finding in suite]
    met = [target["met"] for finding in findings for target in finding.get("targets", [])]
    if met:
        say(f"{met.count(True)} of {count(len(met), 'target')} met", "yellow" if False in met else "green")
    if False in met or any(finding["kind"] == "failed" for finding in findings):
        raise typer.Exit(1)


def _show(suite: str, finding: dict[str, Any]) -> None:
    """Print a finding when it is available."""
    from audiospec.benchmarks.formatting import case_table, target_line

    name = finding.get("case") or finding["name"]
    if finding["kind"] in ("not run", "failed"):
        say(f"{suite}: {name}: {finding['kind']}: {finding['why']}", "yellow")
        if os.environ.get("AUDIOSPEC_DEBUG", "0") not in ("", "0"):
            say(finding.get("said", ""))
        say()
        return
    say(f"{suite}: {name}", "bold")
    if finding["kind"] == "case":
        head, rows = case_table(finding)
    else:
        head, rows = finding["head"], [[str(cell) for cell in row] for row in finding["rows"]]
    table(rows, head, indent=2)
    for contender in finding.get("contenders", ()):
        if contender["note"]:
            say(f"  {contender['name']}: {contender['note']}", "dim")
    for peer, why in finding.get("missing", {}).items():
        say(f"  {peer}: {why}", "dim")
    for target in finding["targets"]:
        say(f"  {target_line(target)}", {True: "green", False: "red", None: "yellow"}[target["met"]])
    if finding["note"]:
        say(f"  {finding['note']}", "dim")
    say()
