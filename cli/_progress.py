"""Show progress on stderr: as bars on a terminal, elsewhere as occasional lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Called with the name of a task, the amount done, the total amount, and text to show.
Step = Callable[[str, float, float, str], None]

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
        yield lambda *_: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bars(waiting) as step:
            yield step
    else:
        yield _Lines().step


@contextmanager
def _bars(waiting: str) -> Iterator[Step]:
    """Show one bar per task; the bars disappear at the end."""
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

        def step(name: str, done: float, total: float, text: str) -> None:
            bars.update(waiting_bar, visible=False)
            if name not in tasks:
                tasks[name] = bars.add_task(name, text=text)
            bars.update(tasks[name], completed=done, total=total, text=text)

        yield step


class _Lines:
    """Progress as lines, printed at intervals."""

    def __init__(self) -> None:
        self.name = ""
        self.share = 0.0
        self.time = time.monotonic()

    def step(self, name: str, done: float, total: float, text: str) -> None:
        share, now = done / total if total else 1.0, time.monotonic()
        if name != self.name or share < self.share:  # another task, or the same task again
            self.name, self.share, self.time = name, 0.0, now
        pause = now - self.time
        if pause >= LONGEST_PAUSE or (pause >= SHORTEST_PAUSE and int(share * 10) > int(self.share * 10)):
            self.share, self.time = share, now
            print(f"{name}: {text}", file=sys.stderr, flush=True)
