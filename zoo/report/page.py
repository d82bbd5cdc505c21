"""The report page: leaderboards, and each run's scores, curves and errors; it needs no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from audiospec.errors import RunError
from audiospec.render.html import attribute, count, kind_attribute, page, save, text
from audiospec.zoo.comparison.configurations import FOLDS, varying_settings
from audiospec.zoo.leakage.ladder import Ladder
from audiospec.zoo.report.chart import interval_bar
from audiospec.zoo.report.entry import Entry
from audiospec.zoo.report.ladder_section import ladder_section
from audiospec.zoo.report.leaderboard import Board, Task, tasks
from audiospec.zoo.report.protocol_section import learning_curves, protocol_in_words
from audiospec.zoo.report.run_section import run_section
from audiospec.zoo.report.style import STYLE, marked, span
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import Score, main_key
from audiospec.zoo.scores.measuring.stored import (
    MISSING,
    describe,
    main_first,
    main_score,
    show_stored,
    stored_scores,
)


def write_report(
    runs: Sequence[Run],
    out: Path | str,
    *,
    problems: Mapping[str, str] | None = None,
    unfinished: int = 0,
    ladders: Sequence[Ladder] = (),
) -> Path:
    """Write the report page; the same runs give the same page, in any order.

    Parameters
    ----------
    runs : sequence of Run
    out : path
        The HTML file; an existing file is replaced.
    problems : mapping or None
        Path → why a run is not shown; listed on the page.
    unfinished : int
        Number of runs that were left out because they are not finished.
    ladders : sequence of Ladder
        Results of `leakage`, each shown as a table.

    Returns
    -------
    Path

    Raises
    ------
    RunError
        No run, or the file cannot be written.
    """
    if not runs:
        raise RunError("a report needs at least one run; got none", "train one with `audiospec train`")
    return save(report_page(runs, problems or {}, unfinished, ladders), out, RunError, "`out`")


# --- the page ----------------------------------------------------------------------------------------------


def report_page(
    runs: Sequence[Run], problems: Mapping[str, str], unfinished: int, ladders: Sequence[Ladder] = ()
) -> str:
    """Return the page as HTML; see `write_report` for the parameters."""
    ranked = tasks(runs)
    ordered = [
        run for task in ranked for board in task.boards for entry in board.entries for run in entry.runs
    ]
    ids = {run.path: f"run-{number}" for number, run in enumerate(ordered, 1)}
    parts = [
        _intro(runs, ranked, problems, unfinished),
        *(_task(task, ids) for task in ranked),
        ladder_section(ladders),
        "<h2>Runs</h2>",
        '<p class="quiet">In the order of the leaderboards.</p>',
        *(run_section(run, ids[run.path], number == 0) for number, run in enumerate(ordered)),
        _problems(problems),
    ]
    return page(f"audiospec: {count(len(runs), 'run')}", "\n".join(filter(None, parts)), STYLE)


def _intro(runs: Sequence[Run], ranked: Sequence[Task], problems: Mapping[str, str], unfinished: int) -> str:
    entries = sum(len(board.entries) for task in ranked for board in task.boards)
    counts = f"{count(entries, 'configuration')} in {count(len(ranked), 'task')} (a dataset and its classes)."
    if unfinished:
        counts += f" {count(unfinished, 'unfinished run')} left out."
    lines = [f"<h1>Report on {count(len(runs), 'run')}</h1>", f"<p>{counts}</p>"]
    if problems:
        lines.append(
            f'<p class="warn">{count(len(problems), "run")} refused: '
            '<a href="#refused">which, and why</a>.</p>'
        )
    scores: dict[str, Score] = {}
    for target in sorted({run.target.name for run in runs}, key=lambda name: (name != "single", name)):
        of_target = [run for run in runs if run.target.name == target]
        tables = [run.metrics["test"][level] for run in of_target for level in ("chunk", "track")]
        scores |= main_first(stored_scores(tables), target)
    single = any(run.target.name == "single" for run in runs)
    of_tracks = (
        "The predicted class of a track is the one with the highest mean log-probability over its chunks. "
        if single
        else ""
    )
    meanings = "; ".join(
        f"{text(score.title)}: {text(_meaning(key, score), None)}" for key, score in scores.items()
    )
    lines.append(
        f'<p class="quiet">Scores are of the test rows, in percent unless stated otherwise ({meanings}). '
        f"{of_tracks}Ranges "
        "are 95 % intervals over units: tracks, or the groups and copies that join them.</p>"
    )
    return "\n".join(lines)


def _meaning(key: str, score: Score) -> str:
    return describe(key).rstrip(".") + ("" if score.percent else ", a plain number")


def _problems(problems: Mapping[str, str]) -> str:
    if not problems:
        return ""
    rows = (f"<li>{text(path, None)}<small>{text(reason, None)}</small>" for path, reason in problems.items())
    return f'<h2 id="refused">Refused</h2>\n<ul>{"".join(rows)}</ul>'


# --- leaderboards ------------------------------------------------------------------------------------------


def _task(task: Task, ids: Mapping[Path, str]) -> str:
    corrections = f", {text(task.corrections, None)}" if task.corrections else ""
    lines = [f"<h2>{text(task.dataset)}: {_what(task)}{corrections}</h2>"]
    names = ", ".join(map(text, task.classes))
    if len(task.classes) > 20:
        names = f"<details><summary>all classes</summary>{names}</details>"
    lines.append(f'<div class="quiet">{names}</div>')
    varying = _varying(task)
    strategies = [board.strategy for board in task.boards]
    lines += [_board(board, strategies.count(board.strategy) > 1, varying, ids) for board in task.boards]
    lines.append(
        learning_curves([run for board in task.boards for entry in board.entries for run in entry.runs])
    )
    return "\n".join(filter(None, lines))


def _what(task: Task) -> str:
    """Return what is predicted, in words."""
    match task.target:
        case "single":
            return f"{len(task.classes)} classes"
        case "number":
            return "a number"
        case "frames":
            return f"{count(len(task.classes), 'label')}, and when they are"
    return f"{count(len(task.classes), 'label')}, any number in a row"


#: Columns of a board, except scores → CSS class of their cells.
_COLUMNS = {
    "features": "own",
    "chunk (s)": "n",
    "split": "",
    "seed": "own seed",
    "test tracks": "n",
    "parameters": "n",
    "training (s)": "n",
}


def _board(board: Board, several: bool, varying: Mapping[str, set[str]], ids: Mapping[Path, str]) -> str:
    """Return a board; `several`: there are others of the same strategy, so the title says which splits."""
    target = board.entries[0].first.target.name
    tables = (table for entry in board.entries for table in entry.tables("track"))
    scores = main_first(stored_scores(tables), target)
    main = scores[main_key(target)]
    tracks = span([number for entry in board.entries for number in entry.tested])
    ranked = (
        '<strong class="leaky">Leaky, so not ranked</strong>: test rows share a recording or a group with '
        "what the models learnt from, and a model can recognise it."
        if board.leaky
        else f"Best {main.title} by track first."
    )
    splits = board.splits if board.strategy.startswith(FOLDS) else [f"seed {seed}" for seed in board.splits]
    which = f" ({text(', '.join(splits))})" if several else ""
    title = f"Split: {text(board.strategy)}{which}, tested on {tracks} tracks"
    start = min(entry.measure("track").low for entry in board.entries)
    start = max(0.0 if main.percent else -1.0, math.floor(10 * start) / 10 - 0.1)
    shown = [(f"{text(title)} by {level}", kind) for title, level, kind in _score_columns(scores)]
    columns = [("rank", "n rank")] * (not board.leaky) + [("model", ""), *shown, *_COLUMNS.items()]
    head = "".join(
        f'<th role="columnheader" scope="col"{kind_attribute(kind)}>{name}' for name, kind in columns
    )
    rows = [
        _entry(entry, None if board.leaky else rank, mark, varying, start, ids, scores)
        for entry, rank, mark in zip(board.entries, board.ranks, _marks(board), strict=True)
    ]
    return (
        f'<h3>{title}</h3>\n<div class="wide"><table class="board" role="table"><caption><span>{ranked} '
        f"Bars go from {_end(start, main)} to {_end(1.0, main)}.</span></caption>"
        f'<thead role="rowgroup"><tr role="row">{head}</thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table></div>{_notes(board)}'
    )


def _end(value: float, main: Score) -> str:
    return f"{100 * value:.0f}" if main.percent else f"{value:g}"


def _score_columns(scores: Mapping[str, Score]) -> list[tuple[str, str, str]]:
    """Return title, level and CSS class of each column: the main score by both levels, others by track."""
    main, *others = (score.title for score in scores.values())
    return [(main, "track", ""), (main, "chunk", "n"), *((title, "track", "n") for title in others)]


def _marks(board: Board) -> list[str]:
    """Return for each entry how it compares with the best, in words; ``""`` if it is shown to be worse."""
    if board.leaky:
        return [""] * len(board.entries)
    return [
        "tied with the best" if tied else "not compared with the best" if uncompared else ""
        for tied, uncompared in zip(board.tied, board.uncompared, strict=True)
    ]


def _notes(board: Board) -> str:
    """Return notes on the marks of a board, and on the limits of its order."""
    notes = []
    if not board.leaky and any(board.tied):
        notes.append(
            "Tied with the best: no difference from the best is shown. Differences are paired, by the "
            "corrected resampled t over common splits, or by the bootstrap over the units of one test set; "
            "p-values are adjusted by Holm’s method."
        )
    if not board.leaky and any(board.uncompared):
        notes.append(
            "Not compared with the best: the two were tested on other tracks or on one unit, or a run of an "
            "older version kept no predictions."
        )
    if not board.one_test:
        notes.append(
            "Not all entries were tested on the same tracks (the seeds, the shares or the number of tracks "
            "differ), so part of the differences is due to the test tracks, not to the models."
        )
    if any(len(entry.runs) > 1 for entry in board.entries):
        notes.append(
            "± is the sample standard deviation over runs. In such a row, the interval is over splits, with "
            "the corrected standard error of splits that overlap (Nadeau and Bengio); or, of several runs on "
            "one test set, over its tracks, widened by the standard error over runs."
        )
    return "".join(f'<p class="quiet">{note}</p>' for note in notes)


def _entry(
    entry: Entry,
    rank: int | None,
    mark: str,
    varying: Mapping[str, set[str]],
    start: float,
    ids: Mapping[Path, str],
    scores: Mapping[str, Score],
) -> str:
    run, info = entry.first, entry.first.info
    main, track = scores[entry.main], entry.measure("track")
    settings = _settings(run, varying)
    name = f'<a href="#{ids[run.path]}">{text(info.model)}</a>'
    name += f' <span class="mark">{mark}</span>' if mark else ""
    name += f"<small>{text(settings)}</small>" if settings else ""
    shown = [
        f'<span class="score">{_mean_with_deviation(entry, "track", entry.main, main)}</span>'
        f"<small>{main.show(track.low)} to {main.show(track.high)}</small>"
        f"{interval_bar(track.low, track.mean, track.high, start)}",
        _with_interval(entry, "chunk", entry.main, main),
        *(_with_interval(entry, "track", key, score) for key, score in scores.items() if key != entry.main),
    ]
    facts = {
        "features": f"{text(_features(run))}<small>{text(info.view)}</small>",
        "chunk (s)": f"{info.chunking['seconds']:g}",
        "split": marked(entry.strategy),
        "seed": _repeats(entry, ids),
        "test tracks": span(entry.tested),
        "parameters": f"{info.parameters:,}" if info.parameters else "–",
        "training (s)": f"{sum(one.info.seconds for one in entry.runs) / len(entry.runs):,.1f}",
    }
    cells = [
        (f"{title} by {level}", kind, cell)
        for (title, level, kind), cell in zip(_score_columns(scores), shown, strict=True)
    ]
    cells += [(label, kind, facts[label]) for label, kind in _COLUMNS.items()]
    first = f'<td role="cell" class="n rank" data-label="rank">{rank}' if rank is not None else ""
    rest = "".join(
        f'<td role="cell"{kind_attribute(kind)} data-label="{attribute(label)}">{cell}</td>'
        for label, kind, cell in cells
    )
    return f'<tr role="row">{first}<th role="rowheader" scope="row" class="own">{name}</th>{rest}</tr>\n'


def _repeats(entry: Entry, ids: Mapping[Path, str]) -> str:
    """Return the seeds or folds of an entry; if there are several, also the score of each."""
    if len(entry.runs) == 1:
        return text(entry.repeats[0])
    main = main_score(entry.first.target.name)
    runs = "".join(
        f'<li class="whole"><a href="#{ids[run.path]}">{text(name)}</a>: '
        f"{show_stored(run.metrics['test']['track'], entry.main, main)}"
        for name, run in zip(entry.repeats, entry.runs, strict=True)
    )
    names = text(", ".join(entry.repeats))
    return f"{names}<details><summary>{len(entry.runs)} runs</summary><ul>{runs}</ul></details>"


def _varying(task: Task) -> dict[str, set[str]]:
    """Return, for each model, the parameters whose values differ between its entries."""
    firsts = [entry.first for board in task.boards for entry in board.entries]
    return {
        model: varying_settings([run for run in firsts if run.info.model == model])
        for model in {run.info.model for run in firsts}
    }


def _settings(run: Run, varying: Mapping[str, set[str]]) -> str:
    """Return the parameters of a run's model that differ between the entries of its task, in words."""
    names = varying[run.info.model]
    parts = [f"{name} {value}" for name, value in run.info.settings.items() if name in names]
    return ", ".join([*parts, *protocol_in_words(run.info)])


def _features(run: Run) -> str:
    """Return a summary of the features; the section of the run has the full spec."""
    spec, shape = run.info.spec, run.info.row_shape
    if run.info.settings.get("frontend"):  # the rows are waves
        spec = run.info.settings["frontend"]
    elif len(shape) == 1:
        return f"{spec['feature']}: {shape[0]} columns"
    names = {"n_mels": "n_mels", "n_fft": "n_fft", "hop_length": "hop"}
    parameters = ", ".join(f"{word} {spec[name]}" for name, word in names.items() if name in spec)
    inside = " inside, from waves" if spec is not run.info.spec else ""
    return f"{spec['feature']}{inside}: {parameters or ' × '.join(map(str, shape))}"


def _mean_with_deviation(entry: Entry, level: str, key: str, score: Score) -> str:
    measure = entry.measure(level, key)
    deviation = f" ± {score.show(measure.deviation)}" if measure.deviation is not None else ""
    return score.show(measure.mean) + deviation


def _with_interval(entry: Entry, level: str, key: str, score: Score) -> str:
    if key != entry.main and not entry.has(level, key):
        return MISSING
    measure = entry.measure(level, key)
    ends = f"{score.show(measure.low)} to {score.show(measure.high)}"
    return f"{_mean_with_deviation(entry, level, key, score)}<small>{ends}</small>"
