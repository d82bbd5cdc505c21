"""featurize: compute features of a dataset's audio, and write them to a store."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._cluster import scheduler_option
from audiospec.cli._columns import (
    AnnotationFiles,
    AudioRoot,
    BackgroundClass,
    ClusterColumn,
    EndColumn,
    FoldColumn,
    GroupColumn,
    IdColumn,
    KeepBackground,
    LabelColumn,
    LabelColumns,
    LabelLevel,
    MinOverlap,
    PathColumn,
    Separator,
    StartColumn,
    Target,
    given,
)
from audiospec.cli._options import options_of
from audiospec.cli._part import part_of
from audiospec.cli._progress import progress
from audiospec.cli._reading import KEEP_SILENT, TRUNCATED
from audiospec.cli._report import (
    emit_done,
    emit_plan,
    emit_progress,
    print_done,
    print_next,
    print_plan,
    print_problems,
    progress_text,
)
from audiospec.cli._specs import requested_specs
from audiospec.cli._text import assignments
from audiospec.datasets.base import datasets, store_name
from audiospec.engines.base import make_engine
from audiospec.pipeline import COMPUTE
from audiospec.specs.mel import MelSpec

if TYPE_CHECKING:
    from audiospec.pipeline.progress import Progress

EPILOG = (
    "Examples: audiospec featurize demo\n\n"
    "audiospec featurize folder --data ~/music --chunk 10 --hop 5 --n-mels 128\n\n"
    "audiospec featurize csv --data events.csv --chunk 1 --hop 0.5"
)

_CHUNKS, _FEATURES, _RUN, _OUTPUT = (
    "Chunks",
    "Features (the defaults are those of mel)",
    "How to run",
    "What to print",
)
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(MelSpec)}


def _field(name: str, metavar: str, help: str) -> Any:
    """Make the option of a field of `MelSpec`, which has the default and checks the value."""
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
        str | None,
        typer.Option(metavar="PATH", help="Folder or file of the audio (downloaded, if the dataset can be)."),
    ] = None,
    label_level: LabelLevel = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    fold_column: FoldColumn = None,
    id_column: IdColumn = None,
    cluster_column: ClusterColumn = None,
    audio_root: AudioRoot = None,
    target: Target = None,
    label_columns: LabelColumns = None,
    separator: Separator = None,
    start_column: StartColumn = None,
    end_column: EndColumn = None,
    annotations: AnnotationFiles = None,
    min_overlap: MinOverlap = 0.5,
    background: KeepBackground = False,
    background_class: BackgroundClass = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Store to make or to add to, .zarr or .h5, or s3://… (named after data).",
        ),
    ] = None,
    chunk: Annotated[
        list[float] | None,
        typer.Option(
            metavar="SECONDS",
            help="Length of a chunk (10). Repeat it to make several views.",
            rich_help_panel=_CHUNKS,
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time from the start of one chunk to the next (the length of a chunk).",
            rich_help_panel=_CHUNKS,
        ),
    ] = None,
    min_fill: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            show_default=False,
            rich_help_panel=_CHUNKS,
            help="Share of a track's last chunk that must be audio; with less, it is left out (0.5).",
        ),
    ] = 0.5,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_FEATURES,
            help="Features to compute, separated by commas (mel). `audiospec features` lists them.",
        ),
    ] = None,
    spec: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_FEATURES,
            help="Presets to compute in place of --features, such as whisper. `audiospec specs` lists them.",
        ),
    ] = None,
    sample_rate: Annotated[
        str | None, _field("sample_rate", "HZ", "Rate that the audio is resampled to")
    ] = None,
    n_fft: Annotated[str | None, _field("n_fft", "SAMPLES", "Length of the window and the FFT")] = None,
    hop_length: Annotated[
        str | None, _field("hop_length", "SAMPLES", "Samples from one frame to the next")
    ] = None,
    n_mels: Annotated[str | None, _field("n_mels", "COUNT", "Mel bins")] = None,
    fmin: Annotated[str | None, _field("fmin", "HZ", "Lower edge of the mel filters")] = None,
    fmax: Annotated[str | None, _field("fmax", "HZ", "Upper edge of the mel filters")] = None,
    mel_scale: Annotated[str | None, _field("mel_scale", "NAME", "Mel scale, htk or slaney")] = None,
    norm: Annotated[
        str | None, _field("norm", "NAME", "Normalisation of the filters, slaney or none")
    ] = None,
    power: Annotated[
        str | None, _field("power", "EXPONENT", "Exponent of the spectrum: 2 for power, 1 for magnitude")
    ] = None,
    pad_mode: Annotated[
        str | None, _field("pad_mode", "NAME", "Padding at the ends, reflect or constant")
    ] = None,
    center: Annotated[
        bool | None,
        typer.Option(
            "--center/--no-center",
            help="Whether a frame is centred on its time or starts at it (centred).",
            rich_help_panel=_FEATURES,
        ),
    ] = None,
    scale: Annotated[str | None, _field("scale", "NAME", "db, ln, log10, log1p, pcen or linear")] = None,
    ref: Annotated[str | None, _field("ref", "VALUE", "Value at 0 dB, a number or max")] = None,
    amin: Annotated[str | None, _field("amin", "VALUE", "Lower limit of values before the logarithm")] = None,
    top_db: Annotated[
        str | None, _field("top_db", "DB", "Range below the peak that is kept, or none")
    ] = None,
    dtype: Annotated[
        str | None,
        _field("dtype", "NAME", "Type of stored values: float16, float32 or uint8 (decibels, compressed)"),
    ] = None,
    channel: Annotated[
        str | None,
        _field("channel", "NAME", "Channel of the audio: mix, left, right, loudest, or a number from 0"),
    ] = None,
    families: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            rich_help_panel=_FEATURES,
            help="Columns of tabular: published, all, or families separated by commas (published); see "
            "`audiospec features tabular`.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            rich_help_panel=_FEATURES,
            help="Any field of the features' or presets' specs, or NAME.FIELD=VALUE for one of them; "
            "`audiospec features NAME` lists the fields.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_RUN,
            help="Worker processes (one for each core); 0 computes in this process.",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_RUN,
            help="Engine that runs tasks (local; serial with --workers 0). `audiospec engines` lists them.",
        ),
    ] = None,
    scheduler: Annotated[str | None, scheduler_option(_RUN)] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            show_default=False,
            rich_help_panel=_RUN,
            help="Device that computes the features, such as cuda (cpu).",
        ),
    ] = "cpu",
    backend: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_RUN, help="Backend of the feature (the fastest)."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", rich_help_panel=_RUN, help="Fail if a track cannot be used.")
    ] = False,
    volume_hours: Annotated[
        float | None,
        typer.Option(
            metavar="HOURS",
            rich_help_panel=_RUN,
            help="Hours of audio up to which a volume of a large .zarr store is filled (1000).",
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            rich_help_panel=_RUN,
            help="Compute every N-th volume from volume I on: one of N processes, numbered from 0.",
        ),
    ] = None,
    truncated: Annotated[str, TRUNCATED] = "refuse",
    keep_silent: Annotated[bool, KEEP_SILENT] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel=_RUN, help="Only print what a run would do.")
    ] = False,
    json: Annotated[
        bool,
        typer.Option("--json", rich_help_panel=_OUTPUT, help="Print one JSON object a line, for programs."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", rich_help_panel=_OUTPUT, help="Print problems only.")
    ] = False,
) -> None:
    """Compute features of a dataset's audio and write them to a store.

    Rows that the store has already are not computed again, and a stopped run resumes where it was. Tracks
    that cannot be used are listed at the end; they do not stop the run. Annotations of segments make rows
    only where they are, unless --background is given.
    """
    # Not every field has an option: the later ones are set by --set.
    fields = (*_DEFAULTS, "families")
    flags = {name: value for name in fields if (value := context.params.get(name)) is not None}
    share = part_of(part)
    specs = requested_specs(features, spec, flags, assignments(set_ or []))

    from audiospec.audio.chunking import Chunking
    from audiospec.audio.reading import Reading

    chunkings = [Chunking(seconds=seconds, hop=hop, min_fill=min_fill) for seconds in chunk or [10.0]]
    # A download shows its own progress.
    waiting = "" if data is None and datasets[dataset].remotes else "getting ready"
    with (
        make_engine(engine, workers, scheduler=scheduler) as runner,
        progress(quiet or json or dry_run, waiting) as step,
    ):
        if not (dry_run or os.path.exists(store or f"{store_name(dataset, data)}.zarr")):
            runner.prepare(COMPUTE)  # workers start while this process imports what follows
        from audiospec.pipeline.featurize import run

        def report_progress(now: Progress) -> None:
            if json:
                emit_progress(now)
            else:
                step(now.view, now.audio_seconds, now.audio_seconds_total, progress_text(now))

        report = run(
            dataset,
            data=data,
            options=given(
                label_level=label_level,
                path_column=path_column,
                label_column=label_column,
                group_column=group_column,
                fold_column=fold_column,
                id_column=id_column,
                cluster_column=cluster_column,
                audio_root=audio_root,
                target=target,
                label_columns=label_columns,
                separator=separator,
                start_column=start_column,
                end_column=end_column,
                annotations=annotations,
            ),
            views=list(dict.fromkeys((spec, chunking) for spec in specs for chunking in chunkings)),
            store=store,
            engine=runner,
            device=device,
            backend=backend,
            strict=strict,
            reading=Reading(truncated=truncated, keep_silent=keep_silent),
            dry_run=dry_run,
            progress=report_progress,
            volume_hours=volume_hours,
            part=share,
            min_overlap=min_overlap,
            background="class" if background_class else "keep" if background else "drop",
            background_class=background_class or "background",
        )
    if json:
        emit_plan(report) if dry_run else emit_done(report)
        report.require_annotated()
        return
    if not quiet:
        print_plan(report) if dry_run else print_done(report)
    print_problems(report, options_of(context.command))
    report.require_annotated()
    if not (quiet or dry_run):
        print_next(report)
