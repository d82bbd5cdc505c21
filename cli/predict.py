"""predict: classify audio files with a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._columns import AudioRoot, LabelColumn, PathColumn, given
from audiospec.cli._reading import KEEP_SILENT, TRUNCATED
from audiospec.cli._text import count, emit, reasons, say, table

if TYPE_CHECKING:
    from audiospec.zoo.prediction import Prediction
    from audiospec.zoo.scores.measuring.tables import ScoreTable

EPILOG = "Example: audiospec predict runs/svm-tabular-3s-43f6a6-track-0 song1.mp3 song2.wav --top 3"


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="Audio files, and folders of them (the files in --truth).",
            show_default=False,
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="A table of paths and labels, in the format of dataset `csv`: print the scores as well.",
        ),
    ] = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    audio_root: AudioRoot = None,
    top: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            show_default=False,
            help="Number of classes to show per file, most probable first (3).",
        ),
    ] = 3,
    truncated: Annotated[str, TRUNCATED] = "refuse",
    keep_silent: Annotated[bool, KEEP_SILENT] = False,
    device: Annotated[
        str,
        typer.Option(metavar="NAME", show_default=False, help="Torch device for computing features (cpu)."),
    ] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Classify audio files with a trained run.

    Features are computed as they were for training. If a file cannot be decoded, it is reported, the others
    are predicted, and the exit status is 1.
    """
    from audiospec.audio.reading import Reading
    from audiospec.datasets.base import open_dataset
    from audiospec.datasets.own.search import expand, left_out
    from audiospec.zoo.prediction import predict, score_predictions
    from audiospec.zoo.runs.run import Run

    labels: dict[Path, str] = {}
    if truth is not None:
        columns = given(path_column=path_column, label_column=label_column, audio_root=audio_root)
        manifest = open_dataset("csv", truth, columns).manifest()
        labels = {(manifest.root / track.path).resolve(): track.label for track in manifest}
    if not files and truth is None:
        raise typer.BadParameter("expected audio files, or --truth with a table of files", param_hint="FILE")
    reading = Reading(truncated=truncated, keep_silent=keep_silent)
    found, others = expand(files or list(labels))
    opened = Run(run)
    predictions = []
    for prediction in predict(opened, found, device=device, reading=reading):
        predictions.append(prediction)
        if json:
            emit(
                "prediction",
                file=str(prediction.file),
                classes=dict(zip(prediction.classes[:top], prediction.probabilities, strict=False)),
                chunks=prediction.chunks,
                problem=prediction.problem,
                note=prediction.note,
            )
    if not json:
        rows = [_row(prediction, top, labels.get(prediction.file.resolve())) for prediction in predictions]
        shown = 3 if truth is None else 4
        head = ("file", "prediction", "chunks", "truth")
        table([row[:shown] for row in rows], head[:shown])
        notes = {str(prediction.file): prediction.note for prediction in predictions if prediction.note}
        reasons(f"{count(len(notes), 'file')} used with a note", notes, None)
    if others and json:
        emit("left_out", files=list(map(str, others)))
    elif others:
        say(left_out(list(map(str, others))), "yellow")
    if truth is not None:
        _print_scores(score_predictions(predictions, labels, opened.info.classes), len(predictions), json)
    failed = sum(bool(prediction.problem) for prediction in predictions)
    if failed:
        if not json:
            say(f"{count(failed, 'file')} without a prediction", "yellow")
        raise typer.Exit(1)


def _print_scores(scores: ScoreTable, files: int, json: bool) -> None:
    """Print the scores of the predictions of `files` files, from those with a label of the run."""
    from audiospec.zoo.scores.measuring.stored import show_stored, stored_scores

    values = scores.to_dict()
    if json:
        emit("score", **values)
        return
    scored = count(files, "file") if scores.count == files else f"{scores.count} of {count(files, 'file')}"
    shown = (
        f"{score.title} {show_stored(values, key, score)}" for key, score in stored_scores([values]).items()
    )
    say(f"{scored} with a label of the run: {', '.join(shown)}", "bold")


def _row(prediction: Prediction, top: int, label: str | None) -> tuple[str, str, str, str]:
    if prediction.problem:
        return str(prediction.file), prediction.problem, "", label or ""
    pairs = zip(prediction.classes[:top], prediction.probabilities, strict=False)
    classes = ", ".join(f"{name} {100 * share:.0f} %" for name, share in pairs)
    return str(prediction.file), classes, str(prediction.chunks), label or ""
