"""Find the runs and the results of leakage below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from audiospec.errors import HubError, RunError
from audiospec.zoo.hub.address import hub_address
from audiospec.zoo.hub.load import load_run
from audiospec.zoo.leakage.ladder import FILE as LADDER
from audiospec.zoo.leakage.ladder import Ladder, read_ladder
from audiospec.zoo.report.page import report_page
from audiospec.zoo.runs.info import METRICS, RUN
from audiospec.zoo.runs.run import Run
from audiospec.zoo.runs.training_folder import SUFFIX


class FoundRuns(NamedTuple):
    """The runs below some folders.

    Attributes
    ----------
    runs : list of Run
        Sorted by path.
    problems : dict
        Path → why it cannot be shown.
    unfinished : int
        Number of runs that are still in training, or whose training was interrupted.
    ladders : list of Ladder
        The results of `leakage`, sorted by path.
    """

    runs: list[Run]
    problems: dict[str, str]
    unfinished: int
    ladders: list[Ladder]


def find_runs(folders: Iterable[Path | str]) -> FoundRuns:
    """Open all runs in and below some folders; a damaged run becomes a problem, and the others are opened.

    Parameters
    ----------
    folders : iterable of path
        Runs, or folders that have runs at any depth; or addresses of runs on a hub.
    """
    runs: dict[str, Run] = {}
    ladders: dict[str, Ladder] = {}
    problems: dict[str, str] = {}
    unfinished = set()

    def unreadable(error: OSError) -> None:
        problems[str(error.filename)] = f"cannot be read ({error.strerror})"

    for folder in folders:
        if hub_address(folder) is not None:
            try:
                on_hub = load_run(folder)
                runs.setdefault(os.path.realpath(on_hub.path), _shown(on_hub))
            except (HubError, RunError) as error:
                problems[str(folder)] = str(error)
            continue
        for name, below, files in os.walk(folder, onerror=unreadable):
            if name.endswith(SUFFIX):
                if not Path(name.removesuffix(SUFFIX), RUN).exists():  # else a kill left the folder
                    unfinished.add(os.path.realpath(name))
                below.clear()
            elif RUN in files or METRICS in files:
                below.clear()
                try:
                    # A run may be given twice: as itself, and by a folder above it.
                    runs.setdefault(os.path.realpath(name), _shown(Run(Path(name))))
                except RunError as error:
                    problems[name] = str(error)
            elif LADDER in files:
                below.clear()
                try:
                    ladders.setdefault(os.path.realpath(name), read_ladder(Path(name, LADDER)))
                except RunError as error:
                    problems[name] = str(error)
    ordered = sorted(runs.values(), key=lambda run: str(run.path))
    found = sorted(ladders.values(), key=lambda ladder: str(ladder.path))
    return FoundRuns(ordered, dict(sorted(problems.items())), len(unfinished), found)


def _shown(run: Run) -> Run:
    """Write the page of a run, so that a run without the necessary data is refused here, alone."""
    try:
        report_page([run], {}, 0)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise RunError(f"run {run.path} lacks data that a report needs ({what})", "train again") from error
    return run
