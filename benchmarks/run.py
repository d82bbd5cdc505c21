"""Runs suites, each in a process of its own, and gathers what they found."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audiospec.benchmarks.base import Case, NotRun, Setup, Table, suites
from audiospec.engines.local import ENVIRONMENT
from audiospec.errors import AudiospecError
from audiospec.machine import machine, versions

#: Packages whose versions bear on the figures.
PACKAGES = (
    *("audiospec", "torch", "torchaudio", "nnaudio2", "numpy", "scipy", "librosa", "numba", "soundfile"),
    *("soxr", "av", "zarr", "numcodecs", "h5py", "tensorstore", "lhotse", "lilcom", "kaldifeat", "essentia"),
    *("audioflux", "lightning", "scikit-learn", "triton"),
)


def benchmark(
    names: Sequence[str] = (),
    *,
    device: str = "cpu",
    full: bool = False,
    data: Path | str | None = None,
    found: Callable[[str, dict[str, Any]], object] | None = None,
) -> dict[str, Any]:
    """Measure this project and its peers side by side on this machine.

    Parameters
    ----------
    names : sequence of str
        Suites; none for all.
    device : str
        A torch device, such as ``"cuda"``, for the suites that have a part for it.
    full : bool
        Whether to measure all sizes, for longer.
    data : path or None
        A folder of audio files. None: audio is made up.
    found : callable or None
        Called with a suite's name and each finding as it comes.

    Returns
    -------
    dict
        ``date``, ``machine``, ``versions``, ``device``, ``full``, and ``suites``: name → list of findings,
        each with a ``kind`` of ``"case"`` (see `audiospec.benchmarks.measure.measure`), ``"table"``,
        ``"not run"``, or ``"failed"``: a suite that ended so, ``why``, and all that it ``said``. The others
        are run all the same.

    Raises
    ------
    RegistryError
        No such suite.
    """
    names = list(dict.fromkeys(names)) or suites.names()
    for name in names:
        suites[name]
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(device),
        "versions": versions(PACKAGES),
        "device": device,
        "full": full,
        "suites": {},
    }
    for name in names:
        findings = result["suites"].setdefault(name, [])
        for finding in _in_child(name, device, full, None if data is None else Path(data)):
            findings.append(finding)
            if found is not None:
                found(name, finding)
    return result


def _in_child(name: str, device: str, full: bool, data: Path | None) -> Iterator[dict[str, Any]]:
    """What a suite finds, run in a process that has the settings of a worker."""
    readable, writable = os.pipe()
    asked = {"name": name, "device": device, "full": full, "data": data and str(data.absolute())}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path), json.dumps(asked), str(writable)],
            pass_fds=[writable],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, **ENVIRONMENT, "NUMBA_NUM_THREADS": "1"},
        )
        os.close(writable)
        try:
            error = ""
            with open(readable, encoding="utf-8") as lines:
                for line in lines:
                    finding = json.loads(line)
                    if "error" in finding:
                        error = finding["error"]
                    else:
                        yield finding
            status = child.wait()
        finally:
            child.kill()
            child.wait()
        if status:
            said.seek(0)
            last = said.read().decode(errors="replace").strip()
            why = error or last.rpartition("\n")[2] or f"status {status}"
            yield {"kind": "failed", "name": name, "why": why, "said": last}


#: A worker's own start: what is imported must not find other threads than it has.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from audiospec.benchmarks.run import main; main()"
)


def main() -> None:
    """Run one suite, and write its findings to a pipe, a line each."""
    from audiospec.benchmarks.measure import measure

    asked = json.loads(sys.argv[2])
    with open(int(sys.argv[3]), "w", encoding="utf-8") as out, tempfile.TemporaryDirectory() as folder:
        data = Path(asked["data"]) if asked["data"] else None
        setup = Setup(device=asked["device"], full=asked["full"], data=data, folder=Path(folder))
        try:
            for item in suites[asked["name"]]().cases(setup):
                print(json.dumps(_finding(item, measure)), file=out, flush=True)
        except AudiospecError as error:
            print(json.dumps({"error": str(error)}), file=out, flush=True)
            sys.exit(2)


def _finding(item: Case | Table | NotRun, measure: Callable[[Case], dict[str, Any]]) -> dict[str, Any]:
    if isinstance(item, Case):
        return {"kind": "case", **measure(item)}
    if isinstance(item, Table):
        return {"kind": "table", **asdict(item)}
    return {"kind": "not run", **asdict(item)}
