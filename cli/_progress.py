"""Show progress on stderr: as bars on a terminal, elsewhere as occasional lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Step(Protocol):
    """A function to call as work advances."""

    def __call__(
        self, name: str, done: float, total: float, text: str, *, part: str = "", now: bool = False
    ) -> None:
        """Show the progress of a task.

        Parameters
        ----------
        name : str
            Name of the task.
        done, total : float
            Amount that is done, and the total amount.
        text : str
        part : str
            The part of the task that the other values are of, such as an epoch; on a terminal it has a bar
            below that of the task.
        now : bool
            Whether to print this as a line at once where there is no terminal.
        """


#: Without a terminal, a line is printed for each tenth, at intervals of at least this many seconds.
SHORTEST_PAUSE = 2.0
#: A line is printed after this many seconds in any case.
LONGEST_PAUSE = 60.0


@contextmanager
def progress(quiet: bool = False, waiting: str = "") -> Iterator[Step]:
    """Show progress while the block runs.

    Parameters
    ----------
    quiet : bool
        Whether to show nothing.
    waiting : str
        Text to show on a terminal before the first step.

    Yields
    ------
    Step
        Function to call as work advances.
    """
    if quiet:
        yield _show_nothing
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bars(waiting) as step:
            yield step
    else:
        yield _Lines().step


def _show_nothing(
    name: str, done: float, total: float, text: str, *, part: str = "", now: bool = False
) -> None:
    """Do nothing."""


@contextmanager
def _bars(waiting: str) -> Iterator[Step]:
    """Show one bar per task, and one for the current part of a task; the bars disappear at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=max(8, min(40, console.width - 78))),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bars:
        tasks: dict[str, TaskID] = {}
        waiting_bar = bars.add_task(waiting, total=None, text="", visible=bool(waiting))

        part_bar: list[TaskID] = []

        def step(
            name: str, done: float, total: float, text: str, *, part: str = "", now: bool = False
        ) -> None:
            bars.update(waiting_bar, visible=False)
            if name not in tasks:
                while part_bar:  # the new task is below the earlier ones, and its part below it
                    bars.remove_task(part_bar.pop())
                tasks[name] = bars.add_task(name, text="")
            if part and not part_bar:
                part_bar.append(bars.add_task(part, text=text))
            task = part_bar[0] if part else tasks[name]
            bars.update(task, description=part or name, completed=done, total=total, text=text)

        yield step


class _Lines:
    """Progress as lines, printed at intervals."""

    def __init__(self) -> None:
        self.task = ("", "")
        self.share = 0.0
        self.time = time.monotonic()

    def step(
        self, name: str, done: float, total: float, text: str, *, part: str = "", now: bool = False
    ) -> None:
        line = f"{name}: {part}, {text}" if part else f"{name}: {text}"
        share, moment = done / total if total else 1.0, time.monotonic()
        if now:
            self._print(line, moment)
            return
        if (name, part) != self.task or share < self.share:  # another task, or the same task again
            self.task, self.share, self.time = (name, part), 0.0, moment
        pause = moment - self.time
        if pause >= LONGEST_PAUSE or (pause >= SHORTEST_PAUSE and int(share * 10) > int(self.share * 10)):
            self.share = share
            self._print(line, moment)

    def _print(self, line: str, moment: float) -> None:
        self.time = moment
        print(line, file=sys.stderr, flush=True)
