"""compare: say which of several trained runs is better on the same test tracks, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._runs import quieten
from audiospec.cli._text import count, emit, say, table

if TYPE_CHECKING:
    from audiospec.zoo.comparison.compare import Comparison
    from audiospec.zoo.runs.run import Run
    from audiospec.zoo.scores.base import Score

EPILOG = "Example: audiospec compare runs/svm-* runs/lr-*"


def command(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Folders of runs, folders that contain them at any depth, or hf://USER/NAME. Runs that "
            "differ only in seed or fold are one configuration.",
        ),
    ],
    score: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="Score to compare by; `audiospec scores` lists the scores (the main one of the target).",
        ),
    ] = None,
    first: Annotated[
        bool,
        typer.Option(
            "--first",
            help="Compare all others with the first configuration (of more than two: with the best).",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare runs on the same test tracks: differences, with 95 % intervals and p-values.

    Runs are paired by their test tracks. Of one test set, the interval is by a paired bootstrap over units
    (tracks, or groups of them); of several splits, by the corrected resampled t. McNemar's test counts the
    tracks that only one of two models predicts correctly. Of several comparisons, the p-values are adjusted
    by Holm's method.
    """
    from audiospec.errors import RunError
    from audiospec.zoo.comparison.compare import compare_all
    from audiospec.zoo.comparison.configurations import group_runs
    from audiospec.zoo.comparison.tested import Configuration
    from audiospec.zoo.report.collect import find_runs
    from audiospec.zoo.runs.corrected import corrections_in_words
    from audiospec.zoo.scores.base import scores

    if score is not None:
        _ = scores[score]  # first, so that a misspelt name fails before runs are read
    quieten()
    opened: dict[str, Run] = {}
    for path in runs:  # one by one, to keep their order
        search = find_runs([path])
        for reason in search.problems.values():
            raise RunError(reason)
        if not search.runs:
            raise RunError(f"no run to compare in {path}", "train one with `audiospec train`")
        opened.update({str(run.path.resolve()): run for run in search.runs})
    configurations = [Configuration(group) for group in group_runs(list(opened.values()))]
    reference = 0 if first else None
    found = compare_all(configurations, score=score, reference=reference)
    by_chunk: list[Comparison] = []
    no_chunks = ""
    try:
        by_chunk = compare_all(configurations, score=score, level="chunk", reference=reference)
    except RunError as error:  # views of other chunks have tracks in common, but no chunks
        no_chunks = error.reason
    name = found[0].score
    if json:
        comparisons = [one.to_dict() for one in (*found, *by_chunk)]
        emit("comparisons", score=name, comparisons=comparisons, no_chunks=no_chunks)
        return
    _print(scores[name](), [*found, *by_chunk])
    for line in dict.fromkeys(corrections_in_words(run.info) for run in opened.values()):
        if line:
            say(f"labels: {line}")
    if no_chunks:
        say(f"not compared by chunk: {no_chunks}", "yellow")


def _print(score: Score, comparisons: Sequence[Comparison]) -> None:
    from audiospec.zoo.comparison.compare import SPLITS, show_difference

    several = len({one.b for one in comparisons}) > 1
    say(f"{score.title} on the same test tracks", "bold")
    rows = []
    for one in comparisons:
        low, high = (show_difference(score, end) for end in one.interval)
        right = one.mcnemar
        rows.append(
            (
                f"{one.a} − {one.b}",
                f"by {one.level}",
                *map(score.show, one.scores),
                f"{show_difference(score, one.difference)} ({low} to {high})",
                _probability(one.p),
                *([_probability(one.adjusted)] if several else []),
                str(len(one.differences)),
                str(one.items),
                str(one.units),
                "–" if right is None else f"{right.only_a}, {right.only_b}: {_probability(right.p)}",
            )
        )
    head = ("", "", "first", "second", "difference", "p", *(["Holm's p"] if several else []))
    table(rows, (*head, "splits", "items", "units", "McNemar: only first, only second right, p"), indent=2)
    splits = any(one.method == SPLITS for one in comparisons)
    method = "corrected resampled t over splits" if splits else "paired bootstrap over units"
    unit = " in points" if score.percent else ""
    say(f"difference{unit} with 95 % interval, by the {method}", "dim")
    for one in comparisons:
        say(one.verdict)
    for a, b, (of_a, of_b) in dict.fromkeys((one.a, one.b, one.left_out) for one in comparisons):
        if of_a or of_b:
            say(f"left out, tested on other tracks: {count(of_a, 'run')} of {a}, {of_b} of {b}", "yellow")


def _probability(p: float) -> str:
    """Return a p-value as text."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
