"""export: write a run as one file that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._runs import RunPlace, open_run
from audiospec.cli._text import count, emit, facts, say

EPILOG = "Example: audiospec export runs/svm-tabular-3s-43f6a6-group-0 model.onnx"


def command(
    run: RunPlace,
    out: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="NAME.onnx, or NAME.pt2 for torch; one that exists is replaced."),
    ],
    input: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="wave: waves in; features: rows of the feature in, where its frontend cannot be exported.",
        ),
    ] = "wave",
    audio: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            show_default=False,
            help="Audio, or a folder of it, to compare on (test tracks, or synthesised clips); several times "
            "for more.",
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="How the file computes the feature: conv for runtimes without a Fourier transform (fft).",
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", show_default=False, help="Licence of the model, for the metadata.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a run as one file that other programs run: waves in, probabilities out.

    The file has the frontend, the model and its calibration; labels, sample rate, spec, scores and licence
    are in its metadata. It is written only if it predicts what the run predicts, within 1e-4.
    """
    from audiospec.zoo.export.export import export_run

    done = export_run(
        open_run(run, json=json), out, input=input, audio=audio, backend=backend, licence=licence
    )
    if json:
        emit("exported", **done.to_dict())
        return
    say(f"{done.path}: {done.bytes / 1e6:.1f} MB", "bold")
    lengths = "any number of samples" if done.any_length else "the samples of a chunk"
    on = f"{count(len(done.clips), 'clip')} ({done.compared})" if done.clips else "rows of the store"
    facts(
        {
            "reads": f"{lengths}, any batch" if done.input == "wave" else "rows of the feature, any batch",
            "differs from the run by": f"{done.difference:.1g} at most, on {on}",
            "compared": ", ".join(done.cases),
            "licence": done.licence or "none stated",
        }
    )
    if done.compared == "synthesised":
        say("no audio of the run's tracks was found: compare on real audio with --audio", "yellow")
