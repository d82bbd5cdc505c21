"""How a run was made, on the report page: its folds and its search; and the learning curves of a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from audiospec.digests import digest
from audiospec.render.html import scrolled, text
from audiospec.zoo.report.chart import share_chart
from audiospec.zoo.report.style import marked
from audiospec.zoo.runs.card import chosen_in_words
from audiospec.zoo.runs.info import RunInfo, configuration_of, split_name
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import main_key
from audiospec.zoo.scores.measuring.stored import main_score, stored_scores


def protocol_section(info: RunInfo) -> str:
    """Return the tables of a run's folds and of its search; ``""`` if it has neither."""
    return _search(info) + _folds(info)


def protocol_in_words(info: RunInfo) -> list[str]:
    """Return what else a run's entry on a leaderboard is made of: what was searched, and the share."""
    searched = [f"{name} searched" for name in info.search.get("grid", ())]
    share = [f"{info.train_share:g} of the training rows"] if info.train_share != 1 else []
    return [*searched, *share]


def _search(info: RunInfo) -> str:
    search = info.search
    if not search:
        return ""
    main = main_score()
    grid = "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in search["grid"].items())
    chosen = text(chosen_in_words(search["chosen"]), None)
    rows = "".join(
        f'<tr><th scope="row">{text(chosen_in_words(candidate["settings"]), None)}'
        f'<td class="n">{main.show(candidate["score"])}'
        for candidate in search["candidates"]
    )
    table = scrolled(
        f"Mean {text(main.title)} by track on {search['inner_folds']:d} inner folds of the training rows",
        f'<thead><tr><th scope="col">parameters<th scope="col" class="n">score</thead><tbody>{rows}</tbody>',
    )
    return f"<h4>Search</h4><p>Of {text(grid, None)}, chosen: {chosen}.</p>{table if rows else ''}"


def _folds(info: RunInfo) -> str:
    stated = info.cross_validation
    if not stated:
        return ""
    levels = ("track", "chunk")
    scores = stored_scores({f"{key}_interval": 0 for key in stated["spread"][level]} for level in levels)
    columns = [(level, key) for level in levels for key in scores if key in stated["spread"][level]]
    head = "".join(
        f'<th scope="col" class="n">{text(scores[key].title)} by {level}' for level, key in columns
    )
    rows = []
    for run in stated["runs"]:
        cells = "".join(
            f'<td class="n">{scores[key].show(run["scores"][level][key])}' for level, key in columns
        )
        rows.append(f'<tr><th scope="row">{text(run["split"])}{cells}')
    for name, title in (("mean", "mean"), ("deviation", "deviation"), ("error", "standard error")):
        cells = "".join(
            f'<td class="n">{scores[key].show(stated["spread"][level][key][name])}' for level, key in columns
        )
        rows.append(f'<tr><th scope="row">{title}{cells}')
    caption = (
        "Test rows of each fold. The deviation is that of the sample; the standard error allows for the "
        "training rows that the folds have in common (Nadeau and Bengio 2003). The scores above are of all "
        "folds together, so they differ from the mean over folds"
    )
    table = scrolled(caption, f'<thead><tr><th scope="col">fold{head}</thead><tbody>{"".join(rows)}</tbody>')
    return f"<h4>Folds</h4>{table}"


def learning_curves(runs: Sequence[Run]) -> str:
    """Return a chart for each configuration that was trained on several shares of the training rows.

    Parameters
    ----------
    runs : sequence of Run
        Of one task.
    """
    groups: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        info = run.info
        groups[digest([configuration_of(info, share=False), info.split["strategy"]])].append(run)
    charts = [_curve(group) for group in groups.values() if len({run.info.train_share for run in group}) > 1]
    if not charts:
        return ""
    return f'<h3>Learning curves</h3>\n<div class="charts">{"".join(charts)}</div>'


def _curve(runs: Sequence[Run]) -> str:
    by_share: defaultdict[float, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.info.train_share):
        by_share[run.info.train_share].append(run)
    tracks = [fmean(run.info.split["sides"]["train"]["tracks"] for run in of) for of in by_share.values()]
    target = runs[0].target.name
    main, key = main_score(target), main_key(target)
    scale, unit = (100, ", %") if main.percent else (1, "")
    lines = {
        level: [scale * fmean(run.metrics["test"][level][key] for run in of) for of in by_share.values()]
        for level in ("track", "chunk")
    }
    info = runs[0].info
    name = f"{text(info.model)} on {text(info.view)}, split {marked(split_name(info.split))}"
    return f"<div><p>{name}</p>{share_chart(main.title + unit, tracks, lines)}</div>"
