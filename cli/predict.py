"""predict: classify audio files with a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._columns import AudioRoot, LabelColumn, PathColumn, given
from audiospec.cli._reading import KEEP_SILENT, TRUNCATED
from audiospec.cli._runs import RunPlace, open_run
from audiospec.cli._text import count, emit, reasons, say, table
from audiospec.cli._timed import predict_in_time, thresholds

if TYPE_CHECKING:
    from audiospec.manifest import Track
    from audiospec.storage.location import Location
    from audiospec.zoo.prediction import Prediction, SetScores
    from audiospec.zoo.scores.measuring.tables import ScoreTable
    from audiospec.zoo.splits.leaks import Leaks

_TIMED = "Windows and events"
EPILOG = "Example: audiospec predict runs/svm-tabular-3s-43f6a6-group-0 song1.mp3 song2.wav --top 3"


def command(
    run: RunPlace,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="Audio files, and folders of them (the files in --truth).",
            show_default=False,
        ),
    ] = None,
    truth: Annotated[
        str | None,
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
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Also name all classes that cannot be ruled out, so that the right one is among them for "
            "this share of files, such as 0.9; with more or fewer than one, it abstains.",
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            rich_help_panel=_TIMED,
            help="Predict windows, one every SECONDS; without it, as far apart as in training.",
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NUMBER",
            rich_help_panel=_TIMED,
            show_default=False,
            help="Find events: where the mean of the windows reaches NUMBER, 0 to 1. LABEL=NUMBER for one "
            "label, for each (what the run chose, if it has several labels).",
        ),
    ] = None,
    median: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", rich_help_panel=_TIMED, help="Smooth events by a median filter this long."
        ),
    ] = None,
    merge: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", rich_help_panel=_TIMED, help="Join events of a label whose gap is shorter."
        ),
    ] = None,
    min_: Annotated[
        float | None,
        typer.Option("--min", metavar="SECONDS", rich_help_panel=_TIMED, help="Drop shorter events."),
    ] = None,
    windows: Annotated[
        bool,
        typer.Option(
            "--windows", rich_help_panel=_TIMED, help="One row a window, also if the run has thresholds."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=_TIMED,
            help="Write windows or events to a file, as they are predicted; the same command resumes. "
            "A folder, where a format has a file for each audio file.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_TIMED,
            help="csv, parquet, audacity, raven or jams (by the name of --out).",
        ),
    ] = None,
    truncated: Annotated[str, TRUNCATED] = "refuse",
    keep_silent: Annotated[bool, KEEP_SILENT] = False,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="Torch device for features and the model (cpu for features; as trained for the model).",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Classify audio files with a trained run, or find events in them.

    Features are computed as they were for training, as a file is decoded, so that a file may be as long as it
    likes. If a file cannot be decoded, it is reported, the others are predicted, and the exit status is 1.
    """
    from audiospec.audio.reading import Reading
    from audiospec.datasets.base import open_dataset
    from audiospec.datasets.own.search import expand, left_out
    from audiospec.storage.location import location
    from audiospec.zoo.prediction import (
        check_truth,
        corrected_truth,
        learnt_files,
        predict,
        resolved,
        score_predictions,
        score_sets,
    )
    from audiospec.zoo.runs.corrected import corrections_in_words

    timed = {"median": median, "merge": merge, "min": min_}
    seconds = {name: value for name, value in timed.items() if value is not None}
    is_timed = bool(seconds or threshold or windows) or any(one is not None for one in (hop, out, format))
    if is_timed and (truth is not None or coverage is not None):
        raise typer.BadParameter(
            "scores and sets are of whole files: leave out the options of windows and events",
            param_hint="--truth" if truth is not None else "--coverage",
        )
    limits = thresholds(threshold or [])
    opened = open_run(run, json=json)
    labels: dict[Location, str] = {}
    listed: dict[Location, Track] = {}
    tracks: dict[Location, Track] = {}
    if truth is not None:
        columns = given(path_column=path_column, label_column=label_column, audio_root=audio_root)
        manifest = open_dataset("csv", truth, columns).manifest()
        check_truth(opened, manifest)
        listed = {resolved(manifest.file(track)): track for track in manifest}
        tracks = corrected_truth(opened, listed)
        labels = {path: track.label for path, track in tracks.items()}
    if not files and truth is None:
        raise typer.BadParameter("expected audio files, or --truth with a table of files", param_hint="FILE")
    reading = Reading(truncated=truncated, keep_silent=keep_silent)
    found, others = expand([location(file) for file in files or []] or list(listed))
    if is_timed:
        if others and not json:
            say(left_out(list(map(str, others))), "yellow")
        failed = predict_in_time(
            opened,
            found,
            hop=hop,
            out=out,
            format=format,
            threshold=limits,
            seconds=seconds,
            windows=windows,
            device=device,
            reading=reading,
            json=json,
        )
        if failed:
            raise typer.Exit(1)
        return
    predictions = []
    for prediction in predict(opened, found, coverage=coverage, device=device, reading=reading):
        predictions.append(prediction)
        if json:
            emit(
                "prediction",
                file=str(prediction.file),
                classes=dict(zip(prediction.classes[:top], prediction.probabilities, strict=False)),
                chunks=prediction.chunks,
                problem=prediction.problem,
                note=prediction.note,
                **(
                    {} if prediction.set is None else {"set": prediction.set, "abstains": prediction.abstains}
                ),
            )
    if not json:
        columns = {"file": "file", "prediction": "prediction", "chunks": "chunks"}
        if coverage is not None:
            columns["set"] = f"at {100 * coverage:g} %"
        if truth is not None:
            columns["truth"] = "truth"
        are_shares = opened.target.has_probabilities
        rows = [
            _row(prediction, top, labels.get(resolved(prediction.file)), are_shares)
            for prediction in predictions
        ]
        table([tuple(row[key] for key in columns) for row in rows], tuple(columns.values()))
        notes = {str(prediction.file): prediction.note for prediction in predictions if prediction.note}
        reasons(f"{count(len(notes), 'file')} used with a note", notes, None)
    if others and json:
        emit("left_out", files=list(map(str, others)))
    elif others:
        say(left_out(list(map(str, others))), "yellow")
    if truth is not None:
        classes = opened.info.classes
        scored = {
            path: tracks[path]
            for prediction in predictions
            if not prediction.problem
            and (path := resolved(prediction.file)) in tracks
            and tracks[path].label in classes
        }
        if opened.info.corrections and not json:
            say(f"labels as the run was trained: {corrections_in_words(opened.info)}")
        leaks = learnt_files(opened, scored)
        scores = score_predictions(predictions, labels, classes)
        _print_scores(scores, len(predictions), leaks, opened.lacks, json)
        if coverage is not None:
            _print_sets(score_sets(predictions, labels, opened.info.classes), coverage, json)
    failed = sum(bool(prediction.problem) for prediction in predictions)
    if failed:
        if not json:
            say(f"{count(failed, 'file')} without a prediction", "yellow")
        raise typer.Exit(1)


def _print_scores(scores: ScoreTable, files: int, leaks: Leaks | None, lacks: str, json: bool) -> None:
    """Print the scores of the predictions of `files` files, from those with a label of the run."""
    from audiospec.zoo.scores.measuring.stored import show_stored, stored_scores

    values = scores.to_dict()
    if json:
        emit("score", **values, leaks=None if leaks is None else leaks.to_dict())
        return
    scored = count(files, "file") if scores.count == files else f"{scores.count} of {count(files, 'file')}"
    shown = (
        f"{score.title} {show_stored(values, key, score)}" for key, score in stored_scores([values]).items()
    )
    leaky = f" (leaky: {leaks.words})" if leaks else ""
    say(f"{scored} with a label of the run: {', '.join(shown)}{leaky}", "bold")
    if leaks is None:
        say(lacks, "yellow")
    elif leaks:
        say(f"{leaks.sentence('files')}: these scores are leaky", "yellow")


def _print_sets(scores: SetScores, coverage: float, json: bool) -> None:
    """Print how often the sets had the label, and how often they were no prediction."""
    if json:
        emit("coverage", asked=coverage, **scores.to_dict())
        return
    answered = scores.count - scores.abstained
    say(
        f"sets at {100 * coverage:g} %: {scores.covered} of {count(scores.count, 'file')} have the label "
        f"({100 * scores.covered / scores.count:.1f} %), {scores.abstained} abstained "
        f"({100 * scores.abstained / scores.count:.1f} %); of the other {answered}, {scores.right} are right",
        "bold",
    )


def _row(prediction: Prediction, top: int, label: str | None, are_shares: bool) -> dict[str, str]:
    pairs = zip(prediction.classes[:top], prediction.probabilities, strict=False)
    shown = ", ".join(
        f"{name} {100 * value:.0f} %" if are_shares else f"{name} {value:.4g}" for name, value in pairs
    )
    names = prediction.set or []
    return {
        "file": str(prediction.file),
        "prediction": prediction.problem or shown,
        "chunks": "" if prediction.problem else str(prediction.chunks),
        "set": f"abstains: {' or '.join(names) or 'no class fits'}"
        if prediction.abstains
        else "".join(names),
        "truth": label or "",
    }
