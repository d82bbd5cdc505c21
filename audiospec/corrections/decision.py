"""Decision: what a person decided on the label of a track; its row in ``corrections.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from audiospec.errors import StoreError
from audiospec.storage.location import Location
from audiospec.stores.layout.free_columns import storable
from audiospec.text import printable

#: Most characters of a cell: an id may be a path, which has 4096 at most.
MOST_CELL = 4096


@dataclass(frozen=True)
class Decision:
    """What a person decided on the label of a track.

    Attributes
    ----------
    hash : str
        Content hash of the track's file; ``""`` for a track without audio, which is known by its id alone.
    track : str
        Id of the track.
    old : str
        The label that the store had when this was decided.
    new : str
        The label that is right; ``""``: the track is excluded. The same as `old`: the label is right.
    who : str
        Name of the person; may be ``""``.
    when : str
        Date and time in UTC as ISO 8601, such as ``"2026-03-01T12:00:00Z"``.
    why : str
        May be ``""``.
    """

    hash: str
    track: str
    old: str
    new: str
    who: str = ""
    when: str = ""
    why: str = ""

    @property
    def excludes(self) -> bool:
        """Whether the track is excluded."""
        return self.new == ""

    @property
    def keeps(self) -> bool:
        """Whether the label is left as the store has it."""
        return self.new == self.old and not self.excludes

    @property
    def change(self) -> str:
        """What is decided, in words, such as ``"jazz → blues"``."""
        if self.keeps:
            return f"{self.old} is right"
        return f"{self.old} → {'excluded' if self.excludes else self.new}"


COLUMNS = tuple(field.name for field in fields(Decision))


def to_csv(decisions: Iterable[Decision], *, header: bool = True) -> str:
    """Return decisions as lines of CSV.

    Raises
    ------
    StoreError
        A cell is longer than `MOST_CELL` characters.
    """
    lines = [",".join(COLUMNS)] if header else []
    for decision in decisions:
        cells = [storable(cell) for cell in astuple(decision)]
        _check_cells(cells, f"the decision on track {printable(decision.track[:100])!r}")
        lines.append(",".join(map(_quoted, cells)))
    return "".join(f"{line}\n" for line in lines)


def _quoted(cell: str) -> str:
    """Return a cell as CSV; `csv.writer` leaves a carriage return without quotes."""
    return f'"{cell.replace(chr(34), 2 * chr(34))}"' if {*cell} & {*',"\r\n'} else cell


def from_csv(content: bytes, file: Location | str) -> tuple[list[Decision], str]:
    """Read what `to_csv` wrote, or a person edited.

    Parameters
    ----------
    content : bytes
        UTF-8, with or without a byte-order mark.
    file : Location or str
        Where it is from, for messages.

    Returns
    -------
    decisions : list of Decision
        In the order of the rows.
    unfinished : str
        The text of a last line that was not written to its end, as by a process that was killed; ``""`` if
        all are complete.

    Raises
    ------
    StoreError
        It is not a table of decisions.
    """
    within_character = False
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        within_character = error.end == len(content) and error.reason == "unexpected end of data"
        if not within_character:
            line = content[: error.start].count(b"\n") + 1
            raise _damaged(file, line, f"not UTF-8: {error.reason}") from error
        text = content.decode("utf-8-sig", "surrogateescape")
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(iter(lines), strict=True)
    decisions: list[Decision] = []
    header: list[str] | None = None
    is_cut = not text.endswith("\n")
    while True:
        begin = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            # Quotes that are not closed, where the line ends within a cell.
            if str(error) == "unexpected end of data" and header is not None:
                return decisions, "".join(lines[begin:])
            raise _damaged(file, begin + 1, str(error)) from error
        if not any(cells):
            continue
        if header is None:
            header = _checked_header(cells, file)
            continue
        is_half = within_character or (is_cut and len(cells) < len(header))
        if is_half and reader.line_num == len(lines):
            return decisions, "".join(lines[begin:])
        if len(cells) != len(header):
            raise _damaged(file, begin + 1, f"it has {len(cells)} cells, not {len(header)}")
        _check_cells(cells, f"{file}, line {begin + 1}")
        decisions.append(Decision(*cells))
    return decisions, ""


def _checked_header(cells: Sequence[str], file: Location | str) -> list[str]:
    for cell in cells:
        if cell not in COLUMNS:
            raise StoreError(
                f"{file} has a column {printable(cell[:100])!r}",
                f"expected the columns {','.join(COLUMNS)}",
            )
    if tuple(cells) != COLUMNS:
        raise StoreError(
            f"{file} has the columns {','.join(cells)}", f"expected the columns {','.join(COLUMNS)}"
        )
    return list(cells)


def _check_cells(cells: Sequence[str], what: str) -> None:
    for name, cell in zip(COLUMNS, cells, strict=True):
        if len(cell) > MOST_CELL:
            raise StoreError(
                f"{what}: its {name!r} has {len(cell)} characters",
                f"a cell of corrections has {MOST_CELL} at most",
            )


def _damaged(file: Location | str, line: int, reason: str) -> StoreError:
    return StoreError(
        f"{file} is not a table of corrections: line {line}: {reason}",
        "repair that line in a text editor, or restore a copy of the file",
    )
