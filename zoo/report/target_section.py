"""What a run's section shows of labels and numbers: a table of the labels, and a chart of the numbers."""

from __future__ import annotations

import numpy as np

from audiospec.errors import RunError
from audiospec.render.html import scrolled, text
from audiospec.zoo.report.chart import scatter_chart
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import format_percent

#: Most points of a chart of numbers: more would only make the page larger.
MOST_POINTS = 1000
#: Keys of the scores of a label → their titles, in the order of the columns.
_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "F1", "ap": "AP"}


def label_table(run: Run) -> str:
    """Return a table of the scores of each of several labels in the test tracks, the lowest F1 first."""
    labels = run.metrics["test"]["track"]["per_class"]
    rows = []
    for name, values in sorted(labels.items(), key=lambda item: (item[1]["f1"], item[0])):
        cells = [str(round(values["support"]))] if "support" in values else ["–"]
        cells += [format_percent(values[key]) if key in values else "–" for key in _COLUMNS]
        cells += [f"{values['threshold']:.3g}" if "threshold" in values else "–"]
        joined = "".join(f'<td class="n">{cell}' for cell in cells)
        rows.append(f'<tr><th scope="row" class="own">{text(name)}{joined}')
    titles = ("count", *_COLUMNS.values(), "threshold")
    head = "".join(f'<th scope="col" class="n">{title}' for title in titles)
    return scrolled(
        "Labels of the test tracks in percent, the one of the lowest F1 first",
        f'<thead><tr><th scope="col">label{head}</thead><tbody>{"".join(rows)}</tbody>',
    )


def number_chart(run: Run) -> str:
    """Return a chart of predicted over true numbers of the test rows, of `MOST_POINTS` at most."""
    try:
        tested = run.predictions().of("test")
    except RunError:
        return '<p class="quiet">The run kept no predictions.</p>'
    chosen = np.linspace(0, len(tested) - 1, min(len(tested), MOST_POINTS)).round().astype(np.int64)
    chart = scatter_chart(
        run.info.classes[0], tested.truth[chosen].tolist(), tested.probabilities[chosen, 0].tolist()
    )
    of = f" ({len(chosen)} of {len(tested)} rows)" if len(chosen) < len(tested) else ""
    return f'<div class="charts"><div>{chart}</div></div><p class="quiet">Test rows{of}.</p>'
