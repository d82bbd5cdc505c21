"""predict: classes of audio files, by a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._text import count, emit, say, table

if TYPE_CHECKING:
    from audiospec.zoo.prediction import Prediction

EPILOG = "Example: audiospec predict runs/svm-tabular-3s-43f6a6-track-0 song1.mp3 song2.wav --top 3"


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Audio files.")],
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
    from audiospec.zoo.prediction import predict
    from audiospec.zoo.runs import Run

    found = []
    for prediction in predict(Run(run), files, device=device):
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
        table([_row(prediction, top) for prediction in found], ("file", "prediction", "chunks"))
    bad = sum(bool(prediction.problem) for prediction in found)
    if bad:
        if not json:
            say(f"{count(bad, 'file')} without a prediction", "yellow")
        raise typer.Exit(1)


def _row(prediction: Prediction, top: int) -> tuple[str, str, str]:
    if prediction.problem:
        return str(prediction.file), prediction.problem, ""
    pairs = zip(prediction.classes[:top], prediction.probabilities, strict=False)
    said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in pairs)
    return str(prediction.file), said, str(prediction.chunks)
