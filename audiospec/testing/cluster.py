"""A Dask cluster of this machine for tests and benchmarks: a scheduler and workers, each a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

#: Seconds in which a scheduler has to start, or a condition to hold.
PATIENCE = 60.0


class DaskCluster:
    """A scheduler and workers on this machine's loopback. They end with the block.

    Parameters
    ----------
    folder : Path
        Where they keep files and write their logs.
    environment : mapping or None
        Environment variables for all of them, beside those of this process.

    Attributes
    ----------
    address : str
        The scheduler's; ``""`` before it has started.
    processes : list of Popen
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = dict(environment or {})
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def start_scheduler(self, **options: object) -> subprocess.Popen[bytes]:
        """Start a scheduler with options of ``dask scheduler``, and wait until it has its address."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        fixed = {"host": "127.0.0.1", "port": 0, "dashboard": False, "scheduler_file": file}
        process = self._start("scheduler", [], fixed | options, {})
        wait_for(lambda: process.poll() is not None or (file.exists() and file.read_text()), self.logs)
        assert process.poll() is None, self.logs()
        self.address = json.loads(file.read_text())["address"]
        return process

    def start_worker(
        self, environment: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.Popen[bytes]:
        """Start a worker with options of ``dask worker``; do not wait for it.

        The process is its nanny, unless ``nanny`` is False.
        """
        fixed = {"host": "127.0.0.1", "dashboard": False, "death_timeout": 60, "local_directory": self.folder}
        return self._start("worker", [self.address], fixed | options, environment or {})

    def _start(
        self,
        command: str,
        arguments: list[str],
        options: Mapping[str, object],
        environment: Mapping[str, str],
    ) -> subprocess.Popen[bytes]:
        for name, value in options.items():
            option = f"no_{name}" if value is False else name
            arguments += [f"--{option.replace('_', '-')}", *([] if value is False else [str(value)])]
        with (self.folder / f"{len(self.processes)}-{command}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{command}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment, **environment},
            )
        self.processes.append(process)
        return process

    def logs(self) -> str:
        """Return what all processes have written."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{file.name}\n{file.read_text(errors='replace')}" for file in files)


def wait_for(
    condition: Callable[[], Any], describe: Callable[[], str] = str, seconds: float = PATIENCE
) -> None:
    """Wait until a condition holds; fail with a description if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still waiting after {seconds:.0f} s: {describe()}"
        time.sleep(0.02)
