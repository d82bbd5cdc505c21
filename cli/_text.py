"""Output of commands: lines, tables, JSON, sizes and times.

Output is coloured on a terminal and plain text elsewhere. Names and labels come from the data: they are
printed literally, never parsed as markup, and control characters are escaped.
"""

from __future__ import annotations

import codecs
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import islice
from shutil import get_terminal_size
from typing import Any, TextIO

import typer

from audiospec.registry import Registry
from audiospec.text import count as count  # commands format counts as the library does
from audiospec.text import printable

#: Reasons printed at the end of a run; `store info --problems` prints all.
MOST_REASONS = 20

#: Minimum width of a wrapped column on a terminal, in characters.
MIN_WRAPPED = 24

_PLAIN = {"×": "x", "→": "->", "…": "...", "–": "-", "≤": "<=", "≥": ">="}


def encode_plainly(*streams: TextIO) -> None:
    """Make streams replace characters that their encoding lacks by similar or escaped ones."""
    codecs.register_error("plainly", _plainly)
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plainly")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    plain = "".join(_PLAIN.get(char, char) for char in text)
    return plain.encode("ascii", "backslashreplace").decode(), error.end


def say(text: str = "", style: str = "") -> None:
    """Print one line, in a rich `style` if standard output is a terminal."""
    text = printable(text)
    if not (style and sys.stdout.isatty()):
        print(text)
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(text, style=style), soft_wrap=True)


def table(
    rows: Sequence[Sequence[str]], head: Sequence[str] = (), *, style: str = "bold", indent: int = 0
) -> None:
    """Print rows of text in aligned columns; wrap the last column on a terminal that is wide enough.

    Parameters
    ----------
    rows : sequence of rows
        Rows of equal length.
    head : sequence of str
        Titles of the columns; may be empty.
    style : str
        Rich style of the first column on a terminal.
    indent : int
        Number of spaces before the first column.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    head = [printable(cell) for cell in head]  # score names may come from a run's files
    lines = [head, *rows] if head else rows
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    wide = indent + sum(width + 2 for width in widths[:-1]) + min(widths[-1], MIN_WRAPPED)
    if not sys.stdout.isatty() or wide > get_terminal_size().columns:  # never cut off numbers
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            print((" " * indent + "  ".join(cells)).rstrip())
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=bool(head), header_style="dim")
    for number in range(len(columns)):
        grid.add_column(
            Text(head[number]) if head else "",
            style="" if number else style,
            no_wrap=number < len(columns) - 1,
            overflow="fold",
        )
    for row in rows:
        grid.add_row(*map(Text, row))
    Console().print(Padding(grid, (0, 0, 0, indent)))


def facts(pairs: Mapping[str, str]) -> None:
    """Print names and values in two columns."""
    table(list(pairs.items()), style="dim", indent=2)


def reasons(title: str, problems: Mapping[str, str], most: int | None, where: str = "") -> None:
    """Print a title, then names and the reason for each, such as why a track has no rows.

    Parameters
    ----------
    title : str
        The first line, without a colon.
    problems : mapping
        Name → reason. Nothing is printed if it is empty.
    most : int or None
        Print at most this many. None: all.
    where : str
        The command that prints all of them.
    """
    if not problems:
        return
    say(f"{title}:", "yellow")
    for name, reason in islice(problems.items(), most):
        say(f"  {name}: {reason}")
    if most is not None and len(problems) > most:
        say(f"  … and {len(problems) - most} more: {where}")


def emit(event: str, **values: Any) -> None:
    """Print one ``--json`` event as one line."""
    print(json.dumps({"event": event, **values}), flush=True)


def percent(share: float) -> str:
    """Format a share in percent, such as ``"91.6"``, without the sign."""
    return f"{100 * share:.1f}"


def numbers(text: str, flag: str, expected: str) -> list[float]:
    """Parse the value of an option that takes numbers separated by commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"expected {expected}; got {text!r}", param_hint=flag) from None


def names(text: str | None) -> list[str] | None:
    """Parse the value of an option that takes names separated by commas; None if it is not given."""
    return None if text is None else [name.strip() for name in text.split(",")]


def clock(seconds: float) -> str:
    """Format a duration in seconds, such as ``"2.3 s"``, ``"3 min 20 s"`` or ``"1 h 02 min"``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def stopwatch(seconds: float) -> str:
    """Format a running time in seconds, such as ``"3:20"`` or ``"1:02:03"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def by(shape: Sequence[int]) -> str:
    """Format a shape, such as ``"255 × 192 × 862"``."""
    return " × ".join(map(str, shape))


def listing(registry: Registry[Any]) -> None:
    """Print each name in a registry with its summary."""
    table([(name, registry.summary(name)) for name in registry])


def entry(registry: Registry[Any], name: str, cls: type[object]) -> None:
    """Print the name, the summary and the docstring of an entry of a registry."""
    say(f"{name}: {registry.summary(name)}", "bold")
    body(cls)


def body(cls: object, summary: str = "") -> None:
    """Print the paragraphs before the sections of a docstring of a class or function, without `summary`."""
    text = re.split(r"^\w+\n-+$", inspect.cleandoc(cls.__doc__ or ""), maxsplit=1, flags=re.MULTILINE)[0]
    width = min(96, get_terminal_size().columns - 4)
    for paragraph in re.split(r"\n\n+", text.strip()):
        if paragraph and not (summary and paragraph.endswith(summary)):
            for line in textwrap.wrap(paragraph.replace("`", "").replace("\n", " "), width):
                say(f"  {line}")
            say()


def assignments(texts: list[str]) -> dict[str, str]:
    """Parse the values of ``--set``."""
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"expected FIELD=VALUE; got {text!r}", param_hint="--set")
        values[name.strip().replace("-", "_")] = value.strip()
    return values
