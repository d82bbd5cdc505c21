"""Find the runs below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from audiospec.errors import RunError
from audiospec.zoo.report.page import report_page
from audiospec.zoo.runs.info import METRICS, RUN
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import SUFFIX


class Found(NamedTuple):
    """What `find_runs` found.

    Attributes
    ----------
    runs : list of Run
        By path.
    problems : dict
        Path → why it cannot be shown.
    unfinished : int
        Folders of runs that are still being trained, or whose training was killed.
    """

    runs: list[Run]
    problems: dict[str, str]
    unfinished: int


def find_runs(folders: Iterable[Path | str]) -> Found:
    """Open all runs in and below some folders; a damaged one does not stop the others.

    Parameters
    ----------
    folders : iterable of paths
        Runs, or folders of runs at any depth.
    """
    runs: dict[str, Run] = {}
    problems: dict[str, str] = {}
    unfinished = set()

    def unreadable(error: OSError) -> None:
        problems[str(error.filename)] = f"cannot be read ({error.strerror})"

    for folder in folders:
        for name, below, files in os.walk(folder, onerror=unreadable):
            if name.endswith(SUFFIX):
                unfinished.add(os.path.realpath(name))
                below.clear()
            elif RUN in files or METRICS in files:
                below.clear()
                try:
                    # One folder may be asked for twice, by itself and by the folder that it is in.
                    runs.setdefault(os.path.realpath(name), _opened(Path(name)))
                except RunError as error:
                    problems[name] = str(error)
    ordered = sorted(runs.values(), key=lambda run: str(run.path))
    return Found(ordered, dict(sorted(problems.items())), len(unfinished))


def _opened(path: Path) -> Run:
    """Open a run; what its page cannot be drawn of is refused here, not when all runs are drawn."""
    run = Run(path)
    try:
        report_page([run], {}, 0)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise RunError(f"run {path} does not say what a report needs ({what}): train again") from error
    return run
