"""The section of a run on the report page: scores, curves, confusion matrix, errors, metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from audiospec.render.html import attribute, count, facts, kind_attribute, scrolled, text
from audiospec.zoo.comparison.configurations import is_leaky
from audiospec.zoo.report.curves import curves, read_history
from audiospec.zoo.report.protocol_section import protocol_section
from audiospec.zoo.report.style import SHADES, marked
from audiospec.zoo.report.target_section import label_table, number_chart
from audiospec.zoo.runs.corrected import corrections_in_words
from audiospec.zoo.runs.info import split_name
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import Score, format_percent, main_key
from audiospec.zoo.scores.measuring.stored import main_first, show_stored, stored_scores
from audiospec.zoo.splits.leaks import nouns

_SIDES = {"test": "test", "valid": "validation", "train": "training"}


def run_section(run: Run, id: str, opened: bool) -> str:
    """Return the section of a run, which can be opened and closed.

    Parameters
    ----------
    run : Run
    id : str
        Target of links. The element is inside the section, so that following a link opens the section.
    opened : bool
        Whether the section is open initially.
    """
    info, split = run.info, run.info.split
    strategy = marked(split_name(run.info.split))
    tables = [table for levels in run.metrics.values() for table in levels.values()]
    main = main_key(run.target.name)
    scores = main_first(stored_scores(tables), run.target.name)
    score = show_stored(run.metrics["test"]["track"], main, scores[main])
    warning, place = _warning(run), run.source or run.path
    about = {
        "trained": info.date,
        "store": info.store,
        "training": f"{info.seconds:,.1f} s",
        "weights": f"{info.parameters:,}" if info.parameters else "–",
    }
    if info.train_share != 1:
        about["share of the training rows"] = f"{info.train_share:g}"
    if info.corrections:
        about["labels"] = corrections_in_words(info)
    split_facts = {
        "strategy": split_name(run.info.split),
        "seed": info.seed,
        "shares": split["shares"],
        "digest": split["digest"][:16],
        **{
            _SIDES.get(side, side): f"{count(size['rows'], 'row')} of {count(size['tracks'], 'track')}"
            for side, size in split["sides"].items()
        },
    }
    inside = info.settings.get("frontend") or {}
    groups = {
        "Run": about,
        "Parameters of the model": {k: v for k, v in info.settings.items() if k != "frontend"},
        "Features inside, from waves": inside,
        "Split": split_facts,
        "Features": info.spec,
        "Chunks": info.chunking,
        "Versions": info.versions,
    }
    listed = "".join(f"<div><h4>{title}</h4>{facts(pairs)}</div>" for title, pairs in groups.items() if pairs)
    return (
        f'<details class="run"{" open" if opened else ""}>'
        f"<summary><h3>{text(info.model)} on {text(info.view)}, {strategy}, seed {text(info.seed)}</h3>"
        f'<span class="quiet">{scores[main].title} by track {score} · {text(place, None)}</span>'
        "</summary>\n"
        f'<div id="{id}">{warning}<h4>Scores</h4>{_scores(run, scores)}{protocol_section(info)}'
        f"{curves(read_history(run))}"
        f"{_errors(run)}\n"
        f'<div class="facts">{listed}</div></div></details>'
    )


def _errors(run: Run) -> str:
    """Return what the errors of the test rows are, as its target shows them."""
    if run.target.name == "number":
        return f"<h4>True and predicted</h4>{number_chart(run)}"
    if not run.metrics["test"]["track"]["confusion"]:
        return f"<h4>Labels</h4>{label_table(run)}"
    return (
        f'<div class="pair"><div><h4>Confusion matrix</h4>{_confusion(run)}</div>'
        f"<div><h4>Errors by class</h4>{_classes(run)}</div></div>"
    )


def _warning(run: Run) -> str:
    """Return what the model knew of the test rows, and what an older run does not say about it."""
    lines = []
    if is_leaky(run):
        leaks = run.info.split.get("leaks")
        what = "chunks of one track may be on both sides of the split"
        if leaks:
            kinds = (f"{rows:d} by {nouns(run.info.dataset)[kind]}" for kind, rows in leaks["kinds"].items())
            what = (
                f"the model learnt from {leaks['leaking']:d} of the {leaks['rows']:d} test rows "
                f"({text(', '.join(kinds), None)})"
            )
        lines.append(
            f'<p class="warn">These scores are <strong class="leaky">leaky</strong>: {what}, and it can '
            "recognise what it was trained on. A stronger split measures how well it does on what is new to "
            "it.</p>"
        )
    if run.lacks:
        lines.append(f'<p class="quiet">{text(run.lacks, None)}.</p>')
    return "".join(lines)


def _scores(run: Run, scores: Mapping[str, Score]) -> str:
    """Return a table of all scores of a run, with a row for each side and level."""
    rows = []
    for side in (*_SIDES, *sorted(set(run.metrics) - set(_SIDES))):
        for level, table in run.metrics.get(side, {}).items():
            cells = "".join(
                f'<td class="n">{show_stored(table, key, score)}' for key, score in scores.items()
            )
            rows.append(
                f'<tr><th scope="row">{text(_SIDES.get(side, side))}, by {text(level)}<td class="n">'
                f"{table['count']:d}{cells}"
            )
    titles = ("count", *(score.title for score in scores.values()))
    head = "".join(f'<th scope="col" class="n">{text(title)}' for title in titles)
    plain = ", ".join(text(score.title) for score in scores.values() if not score.percent)
    return scrolled(
        f"Scores in percent{f' ({plain}: plain numbers)' if plain else ''}, with 95 % intervals",
        f'<thead><tr><th scope="col">rows{head}</thead><tbody>{"".join(rows)}</tbody>',
    )


def _confusion(run: Run) -> str:
    """Return the confusion matrix of the test tracks; correct predictions and errors differ in colour."""
    score = run.metrics["test"]["track"]
    names = list(score["per_class"])
    head = "".join(
        f'<th scope="col" title="{attribute(name)}"><span>{text(name, 24)}</span>' for name in names
    )
    rows = []
    for number, (name, counts) in enumerate(zip(names, score["confusion"], strict=True)):
        total = sum(counts)
        cells = "".join(_cell(tracks, total, column == number) for column, tracks in enumerate(counts))
        rows.append(f'<tr><th scope="row" title="{attribute(name)}"><span>{text(name, 24)}</span>{cells}\n')
    return scrolled(
        "Test tracks: the true class in rows, the predicted class in columns. Darker: a larger share of the "
        "row. Framed: correct",
        f"<thead><tr><td>true ↓ predicted →{head}</thead><tbody>{''.join(rows)}</tbody>",
        "confusion",
    )


def _cell(tracks: int, total: int, right: bool) -> str:
    shade = math.ceil(SHADES * tracks / total) if tracks else 0
    kinds = [f"{'r' if right else 'w'}{shade}"] if shade else ["quiet"]
    kinds += ["own-class"] if right else []
    return f"<td{kind_attribute(' '.join(kinds))}>{f'{tracks:d}' if tracks else '·'}"


def _classes(run: Run) -> str:
    """Return a table of the scores of each class of the test tracks, the lowest F1 first."""
    score = run.metrics["test"]["track"]
    names = list(score["per_class"])
    worst = sorted(enumerate(score["per_class"].items()), key=lambda item: (item[1][1]["f1"], item[0]))
    rows = []
    for number, (name, values) in worst:
        scores = "".join(
            f'<td class="n">{format_percent(values[key])}' for key in ("precision", "recall", "f1")
        )
        mistaken = _most_frequent_error(score["confusion"][number], number, names)
        rows.append(
            f'<tr><th scope="row" class="own">{text(name)}<td class="n">{values["support"]:d}{scores}'
            f'<td class="own">{mistaken}'
        )
    head = "".join(f'<th scope="col" class="n">{name}' for name in ("tracks", "precision", "recall", "F1"))
    return scrolled(
        "Test tracks in percent, the class of the lowest F1 first",
        f'<thead><tr><th scope="col">class{head}<th scope="col">most often mistaken for</thead>'
        f"<tbody>{''.join(rows)}</tbody>",
    )


def _most_frequent_error(counts: Sequence[int], own: int, names: Sequence[str]) -> str:
    """Return the other class that was predicted most often for a class, and how often."""
    errors = [(tracks, names[number]) for number, tracks in enumerate(counts) if number != own and tracks]
    if not errors:
        return '<span class="quiet">none</span>'
    tracks, name = max(errors)
    return f"{text(name)} ({tracks:d})"
