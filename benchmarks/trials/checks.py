"""What a child process does with a store or a run that may be damaged: verify it, read it, go on with it."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiospec.benchmarks.trials import samples
from audiospec.errors import AudiospecError


def do(request: dict[str, Any]) -> dict[str, Any]:
    """Do what `request` names under ``"do"``; JSON values in and out.

    Returns
    -------
    dict
        ``value``, or ``refused`` (the text of an AudiospecError) or ``error`` (any other).
    """
    arguments = {name: value for name, value in request.items() if name != "do"}
    try:
        return {"value": _DOES[request["do"]](**arguments)}
    except AudiospecError as error:
        return {"refused": str(error)}
    except Exception as error:  # what a user would see as "unexpected"
        return {"error": f"{type(error).__name__}: {error}"}


def _prepare(folder: str) -> dict[str, Any]:
    """Make music and both stores; return the digests of their contents."""
    root = Path(folder)
    music = samples.make_music(root / "music")
    found = {}
    for name, suffix in samples.SUFFIXES.items():
        store = root / f"store{suffix}"
        samples.featurize(music, store, workers=0)
        found[name] = [samples.store_content(store), samples.plain_content(store)]
    return found


def _prepare_run(folder: str, name: str) -> str:
    """Train a run on the Zarr store, or stop a training after its second epoch; return its digest."""
    root = Path(folder)
    if name != "stopped":
        samples.train(name, root / "store.zarr", root / name)
        return samples.run_content(root / name)
    epochs = []

    def stop_at_second(entry: dict[str, float]) -> None:
        epochs.append(entry)
        if len(epochs) == 2:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        samples.train("crnn-base", root / "store.zarr", root / name, progress=stop_at_second)
    return ""


def _verify(store: str) -> dict[str, Any]:
    """Run ``audiospec store verify``; return its exit status and the end of what it printed."""
    return _command("store", "verify", store)


def _command(*arguments: str) -> dict[str, Any]:
    out, status = io.StringIO(), 0
    before = sys.argv
    sys.argv = ["audiospec", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            runpy.run_module("audiospec", run_name="__main__")
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.argv = before
    return {"status": status, "text": out.getvalue()[-500:]}


def _resume(store: str, run: str) -> str:
    """Go on with a stopped training; return the digest of the run's content."""
    samples.train("crnn-base", Path(store), Path(run), resume=True)
    return samples.run_content(Path(run))


_DOES: dict[str, Callable[..., Any]] = {
    "prepare": _prepare,
    "prepare run": _prepare_run,
    "verify": _verify,
    "read": lambda store: samples.store_content(Path(store)),
    "read plainly": lambda store: samples.plain_content(Path(store)),
    "run": lambda run: samples.run_content(Path(run)),
    "resume": _resume,
}
