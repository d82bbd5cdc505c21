"""The tables of a result: one row for each cell, with the study's figures next to ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from audiospec.zoo.study.cells import F1, Cell
from audiospec.zoo.study.figures import SONGS
from audiospec.zoo.study.plan import PlannedCell

#: Placeholders for a figure that does not exist, and for one of a cell that was not run.
NO_FIGURE, NOT_RUN = "-", "not run"

#: How to read the tables.
_SEEDS = (
    "Ours: mean ± sample standard deviation over seeds, each on another split; the fault-filtered list is "
    "one split for all seeds."
)
_WITHIN = (
    "Test within: the 95 % interval. Of several splits, it is for the F1 on average over such data (with "
    "Nadeau and Bengio's correction, because splits of one dataset overlap); else it is over the test tracks."
)
_OTHER_ROWS = (
    "The protocols have other test rows, so their difference is not only leakage; `audiospec leakage` "
    "measures that on pairs of trainings."
)
_CAPTION_30_S = (
    "Macro F1 in %, train / test; 80/20 or the fault-filtered list. Each track has one row here, so the "
    f"study's random rows are random tracks: one protocol. {_SEEDS} Measured: on ten splits, with all "
    "columns. Difference: our mean test F1 minus the measured one, with its 95 % interval (Welch), which "
    "excludes 0 in one of twenty equal pairs by chance. All models have the same splits, so the differences "
    f"move together. {_WITHIN}"
)
_CAPTION_3_S = (
    "Macro F1 in %, train / test; ten rows per track, 80/20 or the fault-filtered list. The study splits "
    "random rows, which is leaky: rows of one recording are on both sides. "
    f"{_SEEDS} By row; the test also by track. {_OTHER_ROWS} {_WITHIN}"
)
_CAPTION_DEEP = (
    "Macro F1 in %, train / validation / test; 80/10/10 or the fault-filtered list. The study splits random "
    f"chunks, which is leaky. {_SEEDS} By chunk; the test also by track. {_OTHER_ROWS} The study reports the "
    "same validation and test figures for 10 s transfer and 3 s base, and for 3 s transfer and 1 s base. "
    f"{_WITHIN}"
)
_CAPTION_CURVES = (
    "Training / validation. Of each training: the epoch with the lowest validation loss, whose weights are "
    "kept; the loss and the macro F1 in % in that epoch, and in the last one. The curves of all epochs are "
    "in result.html."
)
_CAPTION_SONGS = (
    "Songs that are not in GTZAN: how many the networks predict correctly. Of its own ten songs the study "
    f"reports only that they scored {SONGS}."
)


@dataclass(frozen=True)
class Table:
    """One section of a result as a table, with one row per cell.

    Attributes
    ----------
    title, caption : str
        The caption explains how to read the table.
    head : tuple of str
    rows : list of list of str
        The last column has the numbers of notes, separated by spaces.
    notes : list of str
        Footnotes, numbered from 1.
    """

    title: str
    caption: str
    head: tuple[str, ...]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def tables_of(cells: Sequence[Cell]) -> list[Table]:
    """Return a table for each section that has cells."""
    tables = [
        _table(
            cells,
            "30 s table",
            "Tables of features, 30 s",
            _CAPTION_30_S,
            (
                "model",
                "features",
                "split",
                "study",
                "measured",
                "ours",
                "difference",
                "excludes 0",
                "test within",
            ),
            lambda cell: [
                cell.model,
                cell.features,
                cell.split,
                _study(cell),
                _measured(cell),
                _ours(cell, "train", "test"),
                *_difference(cell),
                _within(cell),
            ],
        ),
        _table(
            cells,
            "3 s table",
            "Tables of features, 3 s",
            _CAPTION_3_S,
            ("model", "split", "study", "ours", "test within", "by track"),
            lambda cell: [
                cell.model,
                cell.split,
                _study(cell),
                _ours(cell, "train", "test"),
                _within(cell),
                _by_track(cell),
            ],
        ),
        _table(
            cells,
            "deep",
            "Networks on log-mel spectrograms",
            _CAPTION_DEEP,
            ("chunks", "model", "split", "study", "ours", "test within", "by track"),
            lambda cell: [
                f"{cell.chunk:g} s",
                cell.model,
                cell.split,
                _study(cell),
                _ours(cell, "train", "valid", "test"),
                _within(cell),
                _by_track(cell),
            ],
        ),
        _table(
            cells,
            "songs",
            "External songs",
            _CAPTION_SONGS,
            ("chunks", "model", "split", "study", "ours"),
            lambda cell: [
                f"{cell.chunk:g} s",
                cell.model,
                cell.split,
                SONGS,
                NOT_RUN if cell.missing else f"{cell.right} of {cell.songs} right",
            ],
        ),
    ]
    return [table for table in [*tables[:3], _convergence(cells), *tables[3:]] if table.rows]


def not_run(cells: Sequence[Cell] | Sequence[PlannedCell]) -> list[str]:
    """Return one line for each section and reason why cells were not run."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.missing:
            reasons.setdefault((cell.section, cell.missing), []).append(cell.model)
    lines = []
    for (section, reason), missing in reasons.items():
        names = ", ".join(dict.fromkeys(missing))
        lines.append(f"{section}: {len(missing)} cell{'s' * (len(missing) > 1)} ({names}): {reason}")
    return lines


def _table(
    cells: Sequence[Cell],
    section: str,
    title: str,
    caption: str,
    head: tuple[str, ...],
    row: Callable[[Cell], list[str]],
) -> Table:
    members = [cell for cell in cells if cell.section == section]
    notes = list(dict.fromkeys(note for cell in members for note in cell.notes))
    numbered = [
        [*row(cell), " ".join(str(number) for number, note in enumerate(notes, 1) if note in cell.notes)]
        for cell in members
    ]
    return Table(title, caption, (*head, "notes"), numbered, notes)


def _convergence(cells: Sequence[Cell]) -> Table:
    """Return a table with one row for each training of a network."""
    rows = []
    for cell in cells:
        for curves in cell.curves:
            column = curves.history.get
            losses, f1 = (
                [column(f"{side}_{name}", []) for side in ("train", "valid")] for name in ("loss", "f1")
            )
            known = [(loss, number) for number, loss in enumerate(losses[1]) if loss is not None]
            if not known:
                continue
            best = min(known)[1]
            rows.append(
                [
                    f"{cell.chunk:g} s",
                    cell.model,
                    cell.split,
                    str(curves.seed),
                    f"{best + 1} of {len(losses[1])}",
                    *(_pair([line[at] if line else None for line in losses], "{:.3f}") for at in (best, -1)),
                    *(
                        _pair([_percent(line[at]) if line else None for line in f1], "{:.1f}")
                        for at in (best, -1)
                    ),
                ]
            )
    head = ("chunks", "model", "split", "seed", "best epoch", "loss", "last loss", "F1", "last F1")
    return Table("Convergence of the networks", _CAPTION_CURVES, head, rows)


def _pair(values: Sequence[float | None], form: str) -> str:
    return " / ".join(NO_FIGURE if value is None else form.format(value) for value in values)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _study(cell: Cell) -> str:
    return " / ".join(f"{value:g}" for value in cell.study.values()) or NO_FIGURE


def _measured(cell: Cell) -> str:
    if not cell.measured:
        return NO_FIGURE
    return f"{cell.measured['train']:.1f} / {cell.measured['test']:.1f} ± {cell.measured['deviation']:.1f}"


def _ours(cell: Cell, *sides: str) -> str:
    """Our F1 on some sides, by chunk; the last side, the test, with its deviation."""
    if cell.missing:
        return NOT_RUN
    *before, test = (cell.found[side]["chunk"] for side in sides)
    return " / ".join([*(f"{f1.mean:.1f}" for f1 in before), _spread(test)])


def _difference(cell: Cell) -> list[str]:
    """Return the difference from the measured F1 with its interval, and whether that excludes 0."""
    found = cell.difference
    if found is None:
        return [NO_FIGURE, NO_FIGURE]
    shown = f"{found.mean:+.1f} [{found.low:.1f}, {found.high:.1f}]"
    return [shown, "yes" if found.excludes_zero else "no"]


def _within(cell: Cell) -> str:
    return _interval(cell.found["test"]["chunk"]) if cell.found else NO_FIGURE


def _by_track(cell: Cell) -> str:
    """Our F1 on the test, by track; random rows that leak have none, because tracks are on both sides."""
    if not cell.found or (cell.protocol == "random" and cell.leaky):
        return NO_FIGURE
    f1 = cell.found["test"]["track"]
    return _spread(f1) + (f" ({_interval(f1)})" if f1.interval is not None else "")


def _spread(f1: F1) -> str:
    return f"{f1.mean:.1f}" + (f" ± {f1.deviation:.1f}" if f1.deviation is not None else "")


def _interval(f1: F1) -> str:
    if f1.interval is None:
        return NO_FIGURE
    low, high = f1.interval
    return f"{low:.1f} to {high:.1f}"
