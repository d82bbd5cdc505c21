"""What `featurize` prints: the progress, the plan of a dry run, and what was done."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from audiospec.cli._options import with_options
from audiospec.cli._text import MOST_REASONS, by, clock, count, emit, reasons, say, stopwatch, table
from audiospec.cli._views import described, tracks_of
from audiospec.datasets.own.search import left_out
from audiospec.text import size

if TYPE_CHECKING:
    from audiospec.pipeline.progress import Progress
    from audiospec.pipeline.summary import PlannedView, Report


def progress_text(now: Progress) -> str:
    """Return the progress in one line."""
    left = f", {stopwatch(now.seconds_left)} left" if now.seconds_left else ""
    return (
        f"{now.tracks}/{now.tracks_total} tracks, {stopwatch(now.audio_seconds)} of audio, "
        f"{now.times_real_time:.0f} × real time{left}"
    )


def emit_progress(now: Progress) -> None:
    """Print the progress as JSON."""
    emit(
        "progress",
        **dataclasses.asdict(now),
        times_real_time=now.times_real_time,
        seconds_left=now.seconds_left,
    )


def emit_plan(report: Report) -> None:
    """Print the plan of a dry run as JSON."""
    emit(
        "plan",
        store=str(report.store),
        tracks=report.tracks,
        views=[dataclasses.asdict(view) for view in report.planned],
        problems=report.problems,
        notes=report.notes,
        skipped=report.skipped,
        left_out=list(report.left_out),
        duplicates=report.duplicates.to_dict(),
        targets={name: dataclasses.asdict(counts) for name, counts in report.targets.items()},
    )


def emit_done(report: Report) -> None:
    """Print what was done as JSON."""
    emit(
        "done",
        store=str(report.store),
        tracks=report.tracks,
        volumes=report.volumes,
        unfinished_volumes=report.unfinished_volumes,
        views=[described(view) for view in report.views],
        problems=report.problems,
        notes=report.notes,
        skipped=report.skipped,
        left_out=list(report.left_out),
        duplicates=report.duplicates.to_dict(),
        targets={name: dataclasses.asdict(counts) for name, counts in report.targets.items()},
        computed_shards=sum(plan.missing_shards for plan in report.planned),
        seconds=report.seconds,
        times_real_time=_audio(report) / report.seconds,
    )


def print_plan(report: Report) -> None:
    """Print the plan of a dry run."""
    say(f"{report.store}: {_tracks(report)}", "bold")
    head = ("view", "rows", "shards", "missing", "audio to compute", "on disk", "to write")
    rows = [
        (
            plan.name,
            str(plan.rows),
            str(plan.shards),
            str(plan.missing_shards),
            clock(plan.missing_audio_seconds),
            _size(plan.bytes, plan),
            _size(plan.missing_bytes, plan),
        )
        for plan in report.planned
    ]
    table(rows, head, indent=2)
    _say_targets(report)
    say("dry run: nothing was computed or written")


def _tracks(report: Report) -> str:
    """Return the number of tracks, and of the volumes that they are in, if there are any."""
    tracks = count(report.tracks, "track")
    return f"{tracks} in {count(report.volumes, 'volume')}" if report.volumes else tracks


def _size(bytes: int, plan: PlannedView) -> str:
    """Format a size; an upper bound if rows are compressed, because their size is not known yet."""
    return f"< {size(bytes)}" if plan.packed and bytes else size(bytes)


def print_done(report: Report) -> None:
    """Print what was done."""
    say(f"{report.store}: {_tracks(report)}", "bold")
    rows = [
        (
            view.name,
            count(tracks_of(view), "track"),
            by(view.shape),
            view.spec.dtype,
            size(view.bytes_on_disk()),
        )
        for view in report.views
    ]
    if rows:
        table(rows, indent=2)
    _say_targets(report)
    if report.unfinished_volumes:
        waiting = "{} not finished yet by other processes: views have all rows once they are"
        say(waiting.format(count(report.unfinished_volumes, "volume")), "yellow")
    if any(plan.missing_shards for plan in report.planned):
        speed = f"{_audio(report) / report.seconds:.0f} × real time"
        say(f"{clock(_audio(report))} of audio in {clock(report.seconds)}, {speed}")
    else:
        say("nothing to do: all rows were computed before")


def _say_targets(report: Report) -> None:
    """Print how many rows of each view are annotated; views of one chunking in one line."""
    lines: dict[str, list[str]] = {}
    for name, counts in report.targets.items():
        lines.setdefault(counts.line(), []).append(name)
    for line, names in lines.items():
        say(line if len(lines) == 1 else f"{', '.join(names)}: {line}")


def print_problems(report: Report, options: Mapping[str, str]) -> None:
    """Print how many files are no tracks, those that are equal, and the tracks with a problem or a note.

    And those that are too short for a view.

    Parameters
    ----------
    report : Report
    options : mapping of str to str
        Parameter → option of the command, for messages.
    """
    if report.left_out:
        say(left_out(report.left_out), "yellow")
    for line in report.duplicates.lines():
        say(line, "yellow")
    for line in report.target_warnings():
        say(with_options(line, options), "yellow")
    command = f"audiospec store info {shlex.quote(str(report.store))} --problems"
    rest = command if report.views else "--json prints all"  # after a dry run there may be no store
    problems = {id: with_options(problem, options) for id, problem in report.problems.items()}
    reasons(f"{count(len(problems), 'track')} with a problem", problems, MOST_REASONS, rest)
    reasons(f"{count(len(report.notes), 'track')} used with a note", report.notes, MOST_REASONS, rest)
    for name, tracks in report.skipped.items():
        reasons(f"{count(len(tracks), 'track')} skipped in {name}", tracks, MOST_REASONS, rest)


def print_next(report: Report) -> None:
    """Print the command that is likely to follow."""
    store = shlex.quote(str(report.store))
    drawable = [view for view in report.views if view.spec.kind == "spectrogram"]
    if drawable:
        say(f"next: audiospec show {store} {shlex.quote(str(drawable[0].ids[0]))}", "dim")
    elif report.views and report.views[0].spec.kind == "table":
        name = shlex.quote(report.views[0].name)
        say(f"next: audiospec table export {store} --view {name} --out features.csv", "dim")
    else:
        say(f"next: audiospec store info {store}", "dim")


def _audio(report: Report) -> float:
    """Seconds of audio that were decoded: the most of any view, because views share the audio."""
    return max(plan.missing_audio_seconds for plan in report.planned)
