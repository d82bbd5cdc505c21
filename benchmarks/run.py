"""Run suites, each in its own process, and collect their findings."""

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

#: Packages whose versions affect the results.
PACKAGES = (
    *("audiospec", "torch", "torchaudio", "nnaudio2", "numpy", "scipy", "librosa", "numba", "soundfile"),
    *("soxr", "av", "zarr", "numcodecs", "h5py", "tensorstore", "lhotse", "lilcom", "essentia", "audioflux"),
    *("kaldi-native-fbank", "lightning", "scikit-learn", "triton"),
)


def benchmark(
    names: Sequence[str] = (),
    *,
    device: str = "cpu",
    full: bool = False,
    data: Path | str | None = None,
    on_finding: Callable[[str, dict[str, Any]], object] | None = None,
) -> dict[str, Any]:
    """Measure audiospec and its peers side by side on this machine.

    Parameters
    ----------
    names : sequence of str
        Names of suites; empty: all.
    device : str
        A torch device, such as ``"cuda"``, for suites with cases that run on one.
    full : bool
        Whether to measure all sizes, which takes longer.
    data : path or None
        A folder of audio files. None: use synthetic audio.
    on_finding : callable or None
        Called with the suite's name and a finding as soon as it is available.

    Returns
    -------
    dict
        ``date``, ``machine``, ``versions``, ``device``, ``full``, and ``suites``: the findings of each suite,
        by its name. The ``kind`` of a finding is ``"case"`` (see `audiospec.benchmarks.measure.measure`),
        ``"table"``, ``"not run"`` or ``"failed"``. After a failure, ``why`` has the reason and ``said`` the
        suite's output; the remaining suites still run.

    Raises
    ------
    RegistryError
        There is no suite of that name.
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
        for finding in _run_suite(name, device, full, None if data is None else Path(data)):
            findings.append(finding)
            if on_finding is not None:
                on_finding(name, finding)
    return result


def _run_suite(name: str, device: str, full: bool, data: Path | None) -> Iterator[dict[str, Any]]:
    """Run a suite in a child process that has the settings of a worker; yield its findings."""
    readable, writable = os.pipe()
    request = {"name": name, "device": device, "full": full, "data": data and str(data.absolute())}
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path), json.dumps(request), str(writable)],
            pass_fds=[writable],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
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
            output.seek(0)
            printed = output.read().decode(errors="replace").strip()
            why = error or printed.rpartition("\n")[2] or f"status {status}"
            yield {"kind": "failed", "name": name, "why": why, "said": printed}


#: Run as a new program, so that the number of threads is set before any library is imported.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from audiospec.benchmarks.run import main; main()"
)


def main() -> None:
    """Run one suite and write its findings to a pipe, one line of JSON each."""
    from audiospec.benchmarks.measure import measure

    request = json.loads(sys.argv[2])
    with open(int(sys.argv[3]), "w", encoding="utf-8") as out, tempfile.TemporaryDirectory() as folder:
        data = Path(request["data"]) if request["data"] else None
        setup = Setup(device=request["device"], full=request["full"], data=data, folder=Path(folder))
        try:
            for item in suites[request["name"]]().cases(setup):
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
