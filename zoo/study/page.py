"""The page of a result: its tables, and the convergence curves of every network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audiospec.render.html import attribute, count, facts, page, scrolled, text
from audiospec.zoo.report.curves import curves
from audiospec.zoo.report.style import STYLE
from audiospec.zoo.study.cells import Cell
from audiospec.zoo.study.figures import SOURCE
from audiospec.zoo.study.tables import Table, not_run, tables_of


def result_page(result: Mapping[str, Any], cells: Sequence[Cell]) -> str:
    """Return a result as an HTML page without scripts, which loads nothing.

    Parameters
    ----------
    result : mapping
        As `write_result` returns it.
    cells : sequence of Cell
    """
    computer = result["machine"]
    made = {
        "command": result["command"],
        "date": result["date"],
        "machine": f"{computer['processor']}, {computer['cores']} cores, {computer['memory_gib']} GiB, "
        f"{computer['system']}, Python {computer['python']}",
        "versions": result["versions"],
    }
    missing = not_run(cells) or ["nothing: all cells were run"]
    parts = [
        f"<h1>The study of {text(result['study'])}, run again</h1>",
        f"<p>The study: {text(SOURCE, None)}.</p>",
        facts(made),
        *map(_table, tables_of(cells)),
        *_curves(cells),
        "<h2>Not run</h2>",
        _list("ul", missing),
    ]
    return page(f"The study of {result['study']}, run again", "\n".join(parts), STYLE)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{text(name)}' for name in table.head)
    cells = ("".join(f'<td class="whole">{text(cell, None)}' for cell in row) for row in table.rows)
    rows = "".join(f"<tr>{row}\n" for row in cells)
    return (
        f"<h2>{text(table.title)}</h2>\n"
        + scrolled(
            text(table.caption, None), f"<thead><tr>{head}</thead><tbody>{rows}</tbody>", label=table.title
        )
        + (f"\n{_list('ol', table.notes)}" if table.notes else "")
    )


def _list(kind: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{text(line, None)}" for line in lines)
    return f"<{kind}>{items}</{kind}>"


def _curves(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield a section for each network, with the charts of each seed."""
    shown = [cell for cell in cells if cell.curves]
    if not shown:
        return
    yield "<h2>Convergence curves</h2>"
    for number, cell in enumerate(shown):
        title = attribute(f"{cell.model}, {cell.chunk:g} s, {cell.split}")
        charts = "".join(curves(one.history, f"Seed {one.seed}") for one in cell.curves)
        yield (
            f'<details class="run"{"" if number else " open"}><summary><h3>{title}</h3>'
            f'<span class="quiet">{count(len(cell.curves), "training")}</span></summary>{charts}</details>'
        )
