"""Featurize a folder of mutants in one run, in a child process: no file may stop it."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Any

import audiospec
from audiospec.errors import AudiospecError

#: A spectrogram that takes little time.
_SPEC: dict[str, Any] = {"n_fft": 512, "hop_length": 512, "n_mels": 16}


def by_run(request: dict[str, Any]) -> dict[str, Any]:
    """Featurize the files of `folder` with `workers` processes.

    Returns
    -------
    dict
        ``error`` if the run was stopped; else ``problems`` (file → why it was not used), ``seconds`` (file →
        seconds of audio, for those that were used), ``damaged`` (rows that fail their checksum) and
        ``memory`` (the largest worker's peak resident memory in bytes).
    """
    folder = Path(request["folder"])
    names = sorted(file.name for file in folder.iterdir())
    tracks = tuple(audiospec.Track(id=name, path=name, label="sound") for name in names)
    store = folder.with_name("store.zarr")
    try:
        report = audiospec.run(
            audiospec.Manifest("mutants", folder, tracks),
            views=[(audiospec.MelSpec(**_SPEC), audiospec.Chunking(seconds=0.5, min_fill=0))],
            store=store,
            workers=request["workers"],
        )
        view = report.views[0]
        used = {str(track.id): track.seconds for track in view.store.tracks.records() if not track.problem}
        damaged = len(view.damaged())
    except AudiospecError as error:
        return {"error": str(error)}
    except Exception as error:  # what a user would see as "unexpected"
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        for path in (store, store.with_name("store.zarr.work")):
            shutil.rmtree(path, ignore_errors=True)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"problems": report.problems, "seconds": used, "damaged": damaged, "memory": memory}
