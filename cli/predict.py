"""predict: classes of audio files, by a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._text import count, emit, say, table

if TYPE_CHECKING:
    from audiospec.zoo.prediction import Prediction
    from audiospec.zoo.scores.measuring.tables import ScoreTable

EPILOG = "Example: audiospec predict runs/svm-tabular-3s-43f6a6-track-0 song1.mp3 song2.wav --top 3"


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="Audio files (those of --truth).", show_default=False),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="A table of paths and labels, as data set `csv` reads it: say the score, too.",
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(metavar="N", min=1, show_default=False, help="So many classes, likeliest first (3)."),
    ] = 3,
    device: Annotated[
        str,
        typer.Option(metavar="NAME", show_default=False, help="Where features are computed (cpu)."),
    ] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")] = False,
) -> None:
    """Predict the classes of audio files, by the features that the run was trained on.

    A file that does not decode is told; the others are predicted. The exit status is 1 if there was one.
    """
    from audiospec.datasets.base import datasets
    from audiospec.zoo.prediction import predict, score_predictions
    from audiospec.zoo.runs.run import Run

    labels: dict[Path, str] = {}
    if truth is not None:
        listed = datasets["csv"](truth).manifest()
        labels = {(listed.root / track.path).resolve(): track.label for track in listed}
    if not files and truth is None:
        raise typer.BadParameter("expected audio files, or --truth with a table of them", param_hint="FILE")
    opened = Run(run)
    found = []
    for prediction in predict(opened, files or list(labels), device=device):
        found.append(prediction)
        if json:
            emit(
                "prediction",
                file=str(prediction.file),
                classes=dict(zip(prediction.classes[:top], prediction.probabilities, strict=False)),
                chunks=prediction.chunks,
                problem=prediction.problem,
            )
    if not json:
        shown = [_row(prediction, top, labels.get(prediction.file.resolve())) for prediction in found]
        head = ("file", "prediction", "chunks", "truth")
        table(
            shown if truth is not None else [row[:3] for row in shown], head[: 4 if truth is not None else 3]
        )
    if truth is not None:
        _score(score_predictions(found, labels, opened.info.classes), len(found), json)
    bad = sum(bool(prediction.problem) for prediction in found)
    if bad:
        if not json:
            say(f"{count(bad, 'file')} without a prediction", "yellow")
        raise typer.Exit(1)


def _score(found: ScoreTable, files: int, json: bool) -> None:
    """Say how right the predictions of the files with a known label are."""
    from audiospec.zoo.scores.measuring.stored import show_stored, stored_scores

    values = found.to_dict()
    if json:
        emit("score", **values)
        return
    counted = (
        count(found.count, "file") if found.count == files else f"{found.count} of {count(files, 'file')}"
    )
    shown = (
        f"{score.title} {show_stored(values, key, score)}" for key, score in stored_scores([values]).items()
    )
    say(f"{counted} with a label of the run: {', '.join(shown)}", "bold")


def _row(prediction: Prediction, top: int, label: str | None) -> tuple[str, str, str, str]:
    if prediction.problem:
        return str(prediction.file), prediction.problem, "", label or ""
    pairs = zip(prediction.classes[:top], prediction.probabilities, strict=False)
    said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in pairs)
    return str(prediction.file), said, str(prediction.chunks), label or ""
