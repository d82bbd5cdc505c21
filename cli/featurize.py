"""featurize: turn a dataset's audio into views of a feature store."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._progress import progress
from audiospec.cli._text import (
    MOST_REASONS,
    assignments,
    by,
    clock,
    count,
    emit,
    reasons,
    say,
    size,
    stopwatch,
    table,
)
from audiospec.cli._views import described, tracks_of
from audiospec.datasets.base import datasets
from audiospec.specs.base import FeatureSpec, spec_class
from audiospec.specs.mel import MelSpec

if TYPE_CHECKING:
    from audiospec.pipeline.progress import Progress
    from audiospec.pipeline.summary import PlannedView, Report

EPILOG = (
    "Examples: audiospec featurize demo\n\n"
    "audiospec featurize folder --data ~/music --chunk 10 --hop 5 --n-mels 128"
)

_CHUNKS, _FEATURES, _RUN, _OUTPUT = (
    "Chunks",
    "Features (defaults are those of mel)",
    "How to run",
    "What to print",
)
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(MelSpec)}


def _field(name: str, metavar: str, help: str) -> Any:
    """Make the option of a field of MelSpec; the spec knows its default, and checks its value."""
    default = "none" if _DEFAULTS[name] is None else _DEFAULTS[name]
    flag = f"--{name.replace('_', '-')}"
    help = f"{help} ({default})."
    return typer.Option(flag, metavar=metavar, help=help, rich_help_panel=_FEATURES)


def command(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="Name of a dataset; `audiospec datasets` lists them.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Where the audio lies. Without it, it is downloaded if it can be."),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Store to make or to add to, .zarr or .h5 (DATASET.zarr)."),
    ] = None,
    chunk: Annotated[
        list[float] | None,
        typer.Option(
            metavar="SECONDS",
            help="Length of a chunk (10). Each --chunk makes a view.",
            rich_help_panel=_CHUNKS,
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="From one chunk's start to the next (the chunk's length).",
            rich_help_panel=_CHUNKS,
        ),
    ] = None,
    min_fill: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            show_default=False,
            rich_help_panel=_CHUNKS,
            help="Share of a track's last chunk that must be audio, or it is left out (0.5).",
        ),
    ] = 0.5,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_FEATURES,
            help="What to compute (mel); several with commas. `audiospec features` lists them.",
        ),
    ] = None,
    sample_rate: Annotated[str | None, _field("sample_rate", "HZ", "Rate that audio is resampled to")] = None,
    n_fft: Annotated[str | None, _field("n_fft", "SAMPLES", "Length of the window")] = None,
    hop_length: Annotated[str | None, _field("hop_length", "SAMPLES", "From one frame to the next")] = None,
    n_mels: Annotated[str | None, _field("n_mels", "COUNT", "Mel bins")] = None,
    fmin: Annotated[str | None, _field("fmin", "HZ", "Lower edge of the mel filters")] = None,
    fmax: Annotated[str | None, _field("fmax", "HZ", "Upper edge of the mel filters")] = None,
    mel_scale: Annotated[str | None, _field("mel_scale", "NAME", "Mel scale, htk or slaney")] = None,
    norm: Annotated[str | None, _field("norm", "NAME", "Norm of the filters, slaney or none")] = None,
    power: Annotated[str | None, _field("power", "EXPONENT", "2 for power, 1 for magnitude")] = None,
    pad_mode: Annotated[
        str | None, _field("pad_mode", "NAME", "Beyond the ends, reflect or constant")
    ] = None,
    center: Annotated[
        bool | None,
        typer.Option(
            "--center/--no-center",
            help="Whether frames are centred on their time (centred).",
            rich_help_panel=_FEATURES,
        ),
    ] = None,
    scale: Annotated[str | None, _field("scale", "NAME", "db or linear")] = None,
    ref: Annotated[str | None, _field("ref", "VALUE", "What 0 dB is, a number or max")] = None,
    amin: Annotated[str | None, _field("amin", "VALUE", "Smallest value told from silence")] = None,
    top_db: Annotated[str | None, _field("top_db", "DB", "Range kept below the peak, or none")] = None,
    dtype: Annotated[
        str | None,
        _field("dtype", "NAME", "How numbers are stored, float16, float32 or uint8 (decibels, compressed)"),
    ] = None,
    families: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            rich_help_panel=_FEATURES,
            help="Columns of tabular (published): published, all, or families with commas; see "
            "`audiospec features tabular`.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            rich_help_panel=_FEATURES,
            help="Any field of the features' specs, or FEATURE.FIELD=VALUE for one feature alone; "
            "`audiospec features NAME` lists them.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_RUN,
            help="Processes (one for each core); 0 for none but this one.",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_RUN,
            help="Where tasks run (local, or serial with --workers 0); `audiospec engines` lists them.",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            show_default=False,
            rich_help_panel=_RUN,
            help="Where features are computed, such as cuda (cpu).",
        ),
    ] = "cpu",
    backend: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_RUN, help="Backend of the feature (the fastest)."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", rich_help_panel=_RUN, help="Fail if a track cannot be used.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel=_RUN, help="Only say what there is to do.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_OUTPUT, help="One JSON object a line, for machines.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", rich_help_panel=_OUTPUT, help="Print nothing but problems.")
    ] = False,
) -> None:
    """Turn a dataset's audio into chunked features in a store.

    What the store holds already is not computed again, and a run that was stopped goes on where it was.
    Tracks that cannot be used are listed at the end; they stop nothing.
    """
    fields = (*_DEFAULTS, "families")
    flags = {name: context.params[name] for name in fields if context.params[name] is not None}
    specs = _specs(_names(features), flags | assignments(set_ or []))

    from audiospec.audio.chunking import Chunking
    from audiospec.pipeline.featurize import run

    chunkings = [Chunking(seconds=seconds, hop=hop, min_fill=min_fill) for seconds in chunk or [10.0]]
    # A download shows its own progress.
    waiting = "" if data is None and datasets[dataset].remotes else "getting ready"
    with progress(quiet or json or dry_run, waiting) as step:

        def report_progress(now: Progress) -> None:
            if json:
                _emit_progress(now)
            else:
                step(now.view, now.audio_seconds, now.audio_seconds_total, _in_words(now))

        report = run(
            dataset,
            data=data,
            views=list(dict.fromkeys((spec, chunking) for spec in specs for chunking in chunkings)),
            store=store,
            workers=workers,
            engine=engine,
            device=device,
            backend=backend,
            strict=strict,
            dry_run=dry_run,
            progress=report_progress,
        )
    if json:
        _emit_plan(report) if dry_run else _emit_done(report)
        return
    if not quiet:
        _print_plan(report) if dry_run else _print_done(report)
    _print_problems(report)
    if not (quiet or dry_run):
        _print_next(report)


def _names(features: list[str] | None) -> list[str]:
    """Names of features, given one by one or with commas."""
    names = [name.strip() for given in features or ["mel"] for name in given.split(",")]
    return list(dict.fromkeys(names))


def _specs(features: list[str], values: dict[str, Any]) -> list[FeatureSpec]:
    """Make the specs of some features.

    A value goes to each of them that has such a field, or to the one that is named before a dot.
    """
    classes = {name: spec_class(name) for name in features}
    fields = {name: {field.name for field in dataclasses.fields(cls)} for name, cls in classes.items()}
    chosen: dict[str, dict[str, Any]] = {name: {} for name in features}
    for name, value in values.items():
        feature, dot, field = name.rpartition(".")
        if dot and feature not in chosen:
            raise typer.BadParameter(
                f"{name!r} is of feature {feature!r}; --features has: {', '.join(features)}",
                param_hint="--set",
            )
        takers = [feature] if dot else [other for other in features if field in fields[other]]
        for taker in takers or features[:1]:  # a field that none has is refused there, with the nearest
            chosen[taker][field] = value
    return [cls.replace_in(chosen[name]) for name, cls in classes.items()]


def _in_words(now: Progress) -> str:
    left = f", {stopwatch(now.seconds_left)} left" if now.seconds_left else ""
    return (
        f"{now.tracks}/{now.tracks_total} tracks, {stopwatch(now.audio_seconds)} of audio, "
        f"{now.times_real_time:.0f} × real time{left}"
    )


def _emit_progress(now: Progress) -> None:
    emit(
        "progress",
        **dataclasses.asdict(now),
        times_real_time=now.times_real_time,
        seconds_left=now.seconds_left,
    )


def _emit_plan(report: Report) -> None:
    emit(
        "plan",
        store=str(report.store),
        tracks=report.tracks,
        views=[dataclasses.asdict(view) for view in report.planned],
        problems=report.problems,
        skipped=report.skipped,
    )


def _emit_done(report: Report) -> None:
    emit(
        "done",
        store=str(report.store),
        tracks=report.tracks,
        views=[described(view) for view in report.views],
        problems=report.problems,
        skipped=report.skipped,
        computed_shards=sum(plan.missing_shards for plan in report.planned),
        seconds=report.seconds,
        times_real_time=_audio(report) / report.seconds,
    )


def _print_plan(report: Report) -> None:
    say(f"{report.store}: {count(report.tracks, 'track')}", "bold")
    head = ("view", "rows", "shards", "missing", "audio to compute", "on disk", "to write")
    rows = [
        (
            plan.name,
            str(plan.rows),
            str(plan.shards),
            str(plan.missing_shards),
            clock(plan.missing_audio_seconds),
            _most(plan.bytes, plan),
            _most(plan.missing_bytes, plan),
        )
        for plan in report.planned
    ]
    table(rows, head, indent=2)
    say("a dry run: nothing was computed, nothing was written")


def _most(bytes: int, plan: PlannedView) -> str:
    """Say how many bytes; what compression leaves of them is not known before."""
    return f"< {size(bytes)}" if plan.packed and bytes else size(bytes)


def _print_done(report: Report) -> None:
    say(f"{report.store}: {count(report.tracks, 'track')}", "bold")
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
    table(rows, indent=2)
    if any(plan.missing_shards for plan in report.planned):
        speed = f"{_audio(report) / report.seconds:.0f} × real time"
        say(f"{clock(_audio(report))} of audio in {clock(report.seconds)}, {speed}")
    else:
        say("nothing to do: all of it was there")


def _print_problems(report: Report) -> None:
    made = bool(report.views)
    rest = f"audiospec store info {shlex.quote(str(report.store))} --problems" if made else "--json has all"
    reasons(f"{count(len(report.problems), 'track')} with a problem", report.problems, MOST_REASONS, rest)
    for name, found in report.skipped.items():
        reasons(f"{count(len(found), 'track')} skipped in {name}", found, MOST_REASONS, rest)


def _print_next(report: Report) -> None:
    store = shlex.quote(str(report.store))
    drawable = [view for view in report.views if view.spec.kind == "spectrogram"]
    if drawable:
        say(f"next: audiospec show {store} {shlex.quote(str(drawable[0].ids[0]))}", "dim")
    elif report.views[0].spec.kind == "table":
        name = shlex.quote(report.views[0].name)
        say(f"next: audiospec table export {store} --view {name} --out features.csv", "dim")
    else:
        say(f"next: audiospec store info {store}", "dim")


def _audio(report: Report) -> float:
    """Seconds of audio that were gone through; once, however many views are made of it."""
    return max(plan.missing_audio_seconds for plan in report.planned)
