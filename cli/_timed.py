"""What predict prints and writes of windows and events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from audiospec.cli._text import count, emit, reasons, say

if TYPE_CHECKING:
    from audiospec.annotations.formats.base import Event
    from audiospec.audio.reading import Reading
    from audiospec.storage.location import Location
    from audiospec.zoo.runs.run import Run
    from audiospec.zoo.windows.outputs import FileEnd
    from audiospec.zoo.windows.windows import Making, Window


def thresholds(texts: Sequence[str]) -> float | dict[str, float] | None:
    """Parse the values of ``--threshold``: one number, or LABEL=NUMBER for each label; None without any."""
    values: dict[str, float] = {}
    for text in texts:
        label, equals, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1 or (not equals and len(texts) > 1):
            raise typer.BadParameter(
                f"expected a number from 0 to 1, or LABEL=NUMBER for each label; got {text!r}",
                param_hint="--threshold",
            )
        if not equals:
            return number
        values[label] = number
    return values or None


def predict_in_time(
    run: Run,
    files: Sequence[Location],
    *,
    hop: float | None,
    out: Path | None,
    format: str | None,
    threshold: float | dict[str, float] | None,
    seconds: dict[str, float],
    windows: bool,
    device: str | None,
    reading: Reading,
    json: bool,
) -> int:
    """Print or write the windows or events of files; return the number of files that have a problem.

    `seconds` has the parameters of `EventRules` that were given: median, merge and min.
    """
    from audiospec.zoo.events.rules import EventRules
    from audiospec.zoo.windows.outputs import Predictor
    from audiospec.zoo.windows.windows import EventMaking, WindowMaking, own_rules
    from audiospec.zoo.windows.writing import write_predictions

    own = own_rules(run)
    rules = own if threshold is None else replace(own or EventRules(), threshold=threshold)
    if windows and (threshold is not None or seconds):
        raise typer.BadParameter(
            "windows have no thresholds: leave out --threshold, --median, --merge and --min",
            param_hint="--windows",
        )
    if rules is None and seconds:
        given = ", ".join(f"--{name}" for name in seconds)
        raise typer.BadParameter(f"{given} needs a threshold, such as 0.5", param_hint="--threshold")
    if format is not None and out is None:
        raise typer.BadParameter("a format needs a file: give --out", param_hint="--format")
    predictor = Predictor(run, hop=hop, device=device, reading=reading)
    making: Making
    if windows or rules is None:
        making = WindowMaking(predictor)
    else:
        making = EventMaking(predictor, replace(rules, **seconds))
    if out is not None:
        ends = write_predictions(making, files, out, format)
    else:
        ends = _print_rows(making, files, json)
    problems, notes, total = {}, {}, 0
    for end in ends:
        total += 1
        if end.problem:
            problems[str(end.file)] = end.problem
        elif end.note:
            notes[str(end.file)] = end.note
        if json:
            emit("file", **{**end._asdict(), "file": str(end.file)})
    if not json:
        reasons(f"{count(len(notes), 'file')} used with a note", notes, None)
        reasons(f"{count(len(problems), 'file')} without a prediction", problems, None)
        if out is not None:
            say(f"{out}: {count(total - len(problems), 'file')}")
    return len(problems)


def _print_rows(making: Making, files: Sequence[Location], json: bool) -> Iterator[FileEnd]:
    """Print each row as soon as it is certain; yield the ends of the files."""
    from audiospec.annotations.formats.base import Event
    from audiospec.zoo.windows.outputs import FileEnd

    names = [str(file) for file in files]
    widths = max(map(len, [*names, "file"])), max(map(len, [*making.target.classes, "prediction"]))
    if not json:
        head = making.columns[:5] if "score" in making.columns else [*making.columns[:4], "output"]
        say(_line(head, widths))
    for row in making.rows(files):
        if isinstance(row, FileEnd):
            yield row
        elif isinstance(row, Event):
            _print_event(row, widths, json)
        else:
            _print_window(row, making, widths, json)


def _line(cells: Sequence[str], widths: tuple[int, int]) -> str:
    file, start, end, label, value = cells
    return f"{file:{widths[0]}}  {start:>9}  {end:>9}  {label:{widths[1]}}  {value}".rstrip()


def _print_event(event: Event, widths: tuple[int, int], json: bool) -> None:
    values: dict[str, Any] = {
        name: getattr(event, name) for name in ("file", "onset", "offset", "label", "score")
    }
    if json:
        emit("detection", **values)
        return
    times = f"{event.onset:.3f}", f"{event.offset:.3f}"
    say(_line([event.file, *times, event.label, f"{event.score or 0:.3f}"], widths))


def _print_window(window: Window, making: Making, widths: tuple[int, int], json: bool) -> None:
    file, start, end, prediction, *outputs = making.cells(window)
    if json:
        named = dict(zip(making.target.classes, outputs, strict=True))
        emit("window", file=file, start=start, end=end, prediction=prediction, outputs=named)
        return
    best = max(map(float, outputs))
    say(_line([str(file), f"{start:.3f}", f"{end:.3f}", str(prediction), f"{best:.3f}"], widths))
