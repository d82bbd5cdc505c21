"""How commands write: lines, tables, JSON, sizes and times.

On a terminal there is some colour; anywhere else plain text. Names and labels are somebody's own: they are
shown letter by letter, never read as markup, and control characters are escaped.
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
from audiospec.text import printable

#: Reasons that are printed at the end of a run; `store info --problems` prints all.
MOST_REASONS = 20

#: Columns that a terminal has to have for text that is wrapped.
LEAST_WRAPPED = 24

_PLAIN = {"×": "x", "→": "->", "…": "...", "–": "-", "≤": "<=", "≥": ">="}


def encode_plainly(*streams: TextIO) -> None:
    """Make streams write what their encoding lacks as something close to it, or escaped; never fail."""
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
    """Print one line; `style` (of rich) is for terminals."""
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
    """Print rows of text in aligned columns; on a terminal that is wide enough the last column is wrapped.

    Parameters
    ----------
    rows : sequence of rows
        All of one length.
    head : sequence of str
        Titles of the columns.
    style : str
        Of the first column (of rich), on a terminal.
    indent : int
        Spaces before the first column.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    head = [printable(cell) for cell in head]  # names of scores may come from a run
    lines = [head, *rows] if head else rows
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    wide = indent + sum(width + 2 for width in widths[:-1]) + min(widths[-1], LEAST_WRAPPED)
    if not sys.stdout.isatty() or wide > get_terminal_size().columns:  # figures must not be cut off
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


def reasons(title: str, found: Mapping[str, str], most: int | None, where: str = "") -> None:
    """Print a count, then tracks and the reasons why they have no rows.

    Parameters
    ----------
    title : str
        What the count is of; begins the first line.
    found : mapping
        Track id → reason. Nothing is printed if it is empty.
    most : int or None
        Print no more than so many. None: all.
    where : str
        The command that prints the rest.
    """
    if not found:
        return
    say(f"{title}:", "yellow")
    for track, reason in islice(found.items(), most):
        say(f"  {track}: {reason}")
    if most is not None and len(found) > most:
        say(f"  … and {len(found) - most} more: {where}")


def emit(event: str, **values: Any) -> None:
    """Print one event of ``--json`` as one line."""
    print(json.dumps({"event": event, **values}), flush=True)


def count(number: int, noun: str) -> str:
    """Put a count in words, such as ``"1 track"``, ``"2 tracks"``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """Put a number of bytes in words, such as ``"84.4 MB"``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}" if count < 999.5 * scale else f"{count / scale:.0f} {unit}"
    return f"{count:.0f} bytes"


def percent(share: float) -> str:
    """Put a share in words, such as ``"91.6"`` of 100."""
    return f"{100 * share:.1f}"


def numbers(text: str, flag: str, expected: str) -> list[float]:
    """Read the value of an option that is numbers with commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"expected {expected}; got {text!r}", param_hint=flag) from None


def names(text: str | None) -> list[str] | None:
    """Read the value of an option that is names with commas; None if it is not given."""
    return None if text is None else [name.strip() for name in text.split(",")]


def clock(seconds: float) -> str:
    """Put a time in words, such as ``"12.3 s"``, ``"3 min 20 s"``, ``"1 h 02 min"``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def stopwatch(seconds: float) -> str:
    """Put a time that runs in digits, such as ``"3:20"``, ``"1:02:03"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def by(shape: Sequence[int]) -> str:
    """Put a shape in words, such as ``"255 × 192 × 862"``."""
    return " × ".join(map(str, shape))


def listing(registry: Registry[Any]) -> None:
    """Print the names in a registry, each with its line."""
    table([(name, registry.summary(name)) for name in registry])


def body(cls: type[object], summary: str = "") -> None:
    """Print what a class's docstring says before its sections, but for a summary that was printed already."""
    text = re.split(r"^\w+\n-+$", inspect.cleandoc(cls.__doc__ or ""), maxsplit=1, flags=re.MULTILINE)[0]
    width = min(96, get_terminal_size().columns - 4)
    for paragraph in re.split(r"\n\n+", text.strip()):
        if paragraph and not (summary and paragraph.endswith(summary)):
            for line in textwrap.wrap(paragraph.replace("`", "").replace("\n", " "), width):
                say(f"  {line}")
            say()


def assignments(texts: list[str]) -> dict[str, str]:
    """Read the values of ``--set``."""
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"expected FIELD=VALUE; got {text!r}", param_hint="--set")
        values[name.strip().replace("-", "_")] = value.strip()
    return values
