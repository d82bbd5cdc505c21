"""The section of the report page about leakage: a table for each result of `leakage`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from audiospec.render.html import attribute, kind_attribute, text
from audiospec.zoo.leakage.ladder import Ladder, Rung
from audiospec.zoo.scores.base import format_percent

_MINUS = re.compile(r"-(?=\d)")
_COLUMNS = {
    "what leaks": "own",
    "leaking test rows": "n",
    "accuracy with": "n",
    "without": "n",
    "difference": "",
}


def ladder_section(ladders: Sequence[Ladder]) -> str:
    """Return the section; empty if there are no results."""
    if not ladders:
        return ""
    return "\n".join(
        [
            "<h2>What leaks add</h2>",
            '<p class="quiet">Accuracy by chunk of the test rows that leak, of models that were trained on '
            "sets of equal size with and without what leaks. The interval of the difference is for other "
            "tracks, recordings or speakers than these. The number of leaking test rows is that of an "
            "ordinary split which does not keep together what leaks.</p>",
            *map(_table, ladders),
        ]
    )


def _table(ladder: Ladder) -> str:
    head = "".join(
        f'<th role="columnheader" scope="col"{kind_attribute(kind)}>{name}' for name, kind in _COLUMNS.items()
    )
    about = f"{text(ladder.dataset)}, {len(ladder.classes)} classes, view {text(ladder.view)}"
    return (
        f"<h3>{text(ladder.model)}</h3>\n"
        f'<div class="wide"><table class="board" role="table"><caption><span>{about}</span></caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</thead>'
        f'<tbody role="rowgroup">{"".join(map(_row, ladder.rungs))}</tbody></table></div>'
    )


def _row(rung: Rung) -> str:
    gap = rung.gap
    cells = (
        text(rung.leak),
        f"{rung.leaking:.0f} of {rung.tested:.0f}",
        "" if gap is None else format_percent(gap.with_leak),
        "" if gap is None else format_percent(gap.without),
        _MINUS.sub("−", text(rung.verdict, None)),
    )
    (_, first), *rest = zip(_COLUMNS.items(), cells, strict=True)
    others = "".join(
        f'<td role="cell"{kind_attribute(kind)} data-label="{attribute(label)}">{cell}</td>'
        for (label, kind), cell in rest
    )
    return f'<tr role="row"><th role="rowheader" scope="row" class="own">{first}</th>{others}</tr>\n'
