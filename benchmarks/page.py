"""The benchmark's page: targets, tables and charts of all suites, in one file that needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audiospec.benchmarks.bars import STYLE as BAR_STYLE
from audiospec.benchmarks.bars import draw_bars
from audiospec.benchmarks.formatting import case_table, describe_target, format_number
from audiospec.errors import BenchmarkError
from audiospec.render.html import count, facts, kind_attribute, page, save, scrolled, text

#: The values of `audiospec.benchmarks.base.Case.memory`, for readers of the page.
_MEMORY = {
    "process": "what a call adds to the peak memory of its process",
    "children": "the peak of all processes of a call together; shared memory counts once",
    "device": "the peak memory of the device during a call",
}
_MARKS = {"met": "✓", "missed": "✗", "not measured": "–"}
_STYLE = f"""
.measured tbody th {{ position: sticky; left: 0; background: var(--back); max-width: min(20rem, 40vw) }}
.missed {{ font-weight: 700; border-width: 2px }}
.targets {{ list-style: none; padding: 0 }}
@media print {{
  .measured {{ font-size: 8.5pt }}
  .measured tbody th {{ position: static }}
  .measured td.n {{ white-space: normal }}
}}
{BAR_STYLE}"""


def write_page(result: Mapping[str, Any], path: Path | str) -> Path:
    """Write the page; an existing file is replaced.

    Parameters
    ----------
    result : mapping
        As `audiospec.benchmarks.run.benchmark` returns it; optionally with the ``command`` that was run.
    path : path
        The HTML file to write.

    Returns
    -------
    Path
        The same `path`.

    Raises
    ------
    BenchmarkError
        The file cannot be written.
    """
    suites = result.get("suites", {})
    numbered = list(enumerate(suites.items(), 1))
    parts = [
        _intro(result, suites),
        _targets(_all_targets(suites)),
        *(_suite(f"suite-{number}", name, findings) for number, (name, findings) in numbered),
    ]
    body = "\n".join(filter(None, parts))
    return save(page("audiospec: benchmark", body, _STYLE), path, BenchmarkError, "`path`")


# --- the top of the page -----------------------------------------------------------------------------------


def _intro(result: Mapping[str, Any], suites: Mapping[str, Any]) -> str:
    findings = [finding for of_suite in suites.values() for finding in of_suite]
    kinds = [finding["kind"] for finding in findings]
    lines = ["<h1>Benchmark of audiospec</h1>"]
    measured = ((kinds.count("case"), "case"), (kinds.count("table"), "table"))
    counts = " and ".join(count(number, noun) for number, noun in measured if number)
    if counts:
        lines.append(f"<p>{counts} in {count(len(suites), 'suite')}.</p>")
    else:
        lines.append(f'<p class="warn">Nothing was measured{"" if suites else ": no suite was run"}.</p>')
    not_run = len(kinds) - sum(number for number, _ in measured)
    if not_run:
        lines.append(f'<p class="warn">{not_run} not run; the reasons are below.</p>')
    if suites:
        links = (f'<a href="#suite-{number}">{text(name)}</a>' for number, name in enumerate(suites, 1))
        lines.append(f"<p>Suites: {', '.join(links)}</p>")
    lines.append(
        '<p class="quiet">Contenders take turns. A ratio is the median over the rounds in which both took '
        "part; it varies less from run to run than the times do. The results of peers were compared with "
        "ours before anything was timed. A floor is the time of the unavoidable part of the work alone.</p>"
    )
    missing: dict[str, list[str]] = {}
    for finding in findings:
        for peer, why in finding.get("missing", {}).items():
            reasons = missing.setdefault(peer, [])
            reasons += [why] if why not in reasons else []
    machine = {name.replace("_gib", " (GiB)"): value for name, value in result.get("machine", {}).items()}
    about = {
        "command": result.get("command", "not known"),
        "date": result.get("date", "not known"),
        "machine": _join(machine),
        "device": result.get("device", "not known"),
        "sizes": "all" if result.get("full") else "default",
        "versions": _join(result.get("versions", {})),
        "peers not measured": "; ".join(f"{peer}: {' / '.join(reasons)}" for peer, reasons in missing.items())
        or "none",
    }
    return "\n".join([*lines, "<h2>Measured with</h2>", facts(about)])


def _join(pairs: Mapping[str, object]) -> str:
    """Return names and values in one line."""
    parts = (f"{name} {'not known' if value is None else value}" for name, value in pairs.items())
    return ", ".join(parts) or "not known"


def _all_targets(suites: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield the id and the title of a finding, and a target of it."""
    for number, (suite, findings) in enumerate(suites.items(), 1):
        for position, finding in enumerate(findings, 1):
            for target in finding.get("targets", ()):
                yield f"suite-{number}-{position}", f"{suite}: {_title(finding)}", target


def _targets(targets: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """Return one table of all targets."""
    rows, verdicts = [], []
    for id, title, target in targets:
        parts = describe_target(target)
        verdicts.append(parts.verdict)
        rows.append(
            f'<tr><td>{_mark(parts.verdict)}<th scope="row" class="own">{text(parts.what, None)}'
            f'<small><a href="#{id}">{text(title, None)}</a></small>'
            f'<td class="n">{text(parts.measured or "–", None)}<td class="n">{text(parts.bound, None)}'
        )
    if not rows:
        return '<h2>Targets</h2>\n<p class="quiet">None of the results has a target.</p>'
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in _MARKS if kind in verdicts)
    summary = f"{count(len(rows), 'target')}: {counts}."
    head = '<th scope="col">verdict<th scope="col">quantity<th scope="col" class="n">measured'
    table = scrolled(
        "A speed is the contender’s time divided by ours",
        f'<thead><tr>{head}<th scope="col" class="n">target</thead><tbody>{"".join(rows)}</tbody>',
        label="Targets",
    )
    return (
        f"<h2>Targets</h2>\n<p{kind_attribute('warn' if 'missed' in verdicts else '')}>{summary}</p>\n{table}"
    )


def _mark(verdict: str) -> str:
    """Return a verdict with its sign."""
    kind = "mark missed" if verdict == "missed" else "mark"
    return f'<span class="{kind}">{_MARKS[verdict]} {verdict}</span>'


# --- suites ------------------------------------------------------------------------------------------------


def _suite(id: str, name: str, findings: Iterable[Mapping[str, Any]]) -> str:
    parts = [_finding(f"{id}-{position}", finding) for position, finding in enumerate(findings, 1)]
    no_result = '<p class="warn">This suite has no result.</p>'
    return "\n".join([f'<h2 id="{id}">{text(name)}</h2>', *(parts or [no_result])])


def _finding(id: str, finding: Mapping[str, Any]) -> str:
    """Return the section of a case, of a table, or of a case that did not run, with the reason."""
    lines = [f'<h3 id="{id}">{text(_title(finding), None)}</h3>']
    if finding["kind"] == "case":
        lines.append(_case(finding))
    elif finding["kind"] == "table":
        lines.append(_table(finding))
    else:
        why = finding.get("why", "unknown reason")
        lines.append(f'<p class="warn">{text(finding["kind"].capitalize())}: {text(why, None)}</p>')
    targets = [
        f"<li>{_mark(parts.verdict)} {text(parts.what, None)}"
        f"{parts.measured and f': {text(parts.measured)}'} ({text(parts.bound)})"
        for parts in map(describe_target, finding.get("targets", ()))
    ]
    lines += [f'<ul class="targets">{"".join(targets)}</ul>'] if targets else []
    missing = [f"<li>{text(peer)}: {text(why, None)}" for peer, why in finding.get("missing", {}).items()]
    lines += [f"<p>Did not take part:</p><ul>{''.join(missing)}</ul>"] if missing else []
    lines += [f'<p class="quiet">{text(finding["note"], None)}</p>'] if finding.get("note") else []
    return "\n".join(lines)


def _case(case: Mapping[str, Any]) -> str:
    """Return a table of the contenders and, if there are several, a bar chart."""
    contenders = case["contenders"]
    head, rows = case_table(case)
    rounds = ", ".join(f"{text(contender['name'])} {contender['repeats']:,d}" for contender in contenders)
    caption = f"One call: {text(format_number(case['amount']) + ' ' + case['unit'])}. Rounds: {rounds}."
    if "memory" in head and case["memory"] in _MEMORY:
        caption += f" Memory: {_MEMORY[case['memory']]}."
    kinds = ["own", *("n" for _ in head[1:])]
    chart = f'<div class="charts">{draw_bars(contenders)}</div>' if len(contenders) > 1 else ""
    notes = [
        f"<li>{text(contender['name'])}: {text(contender['note'], None)}"
        for contender in contenders
        if contender.get("note")
    ]
    note_list = f'<ul class="quiet">{"".join(notes)}</ul>' if notes else ""
    return _html_table(caption, f"{case['case']}: contenders", head, rows, kinds) + chart + note_list


def _table(table: Mapping[str, Any]) -> str:
    """Return a table of results that are not timed contenders."""
    columns = list(zip(*table["rows"], strict=False))
    kinds = [
        "n" if number and all(isinstance(cell, int | float) for cell in column) else "own"
        for number, column in enumerate(columns)
    ]
    kinds += ["own"] * (len(table["head"]) - len(kinds))
    rows = [[str(cell) for cell in row] for row in table["rows"]]
    return _html_table(count(len(rows), "row"), table["name"], table["head"], rows, kinds)


def _html_table(
    caption: str, label: str, head: Iterable[str], rows: Iterable[Iterable[str]], kinds: list[str]
) -> str:
    """Return a table whose first column has the names of the rows."""
    titles = "".join(
        f'<th scope="col"{kind_attribute(kind)}>{text(title)}'
        for title, kind in zip(head, kinds, strict=True)
    )
    lines = []
    for row in rows:
        first, *rest = zip(row, kinds, strict=True)
        cells = "".join(f"<td{kind_attribute(kind)}>{text(cell, None)}" for cell, kind in rest)
        lines.append(f'<tr><th scope="row"{kind_attribute(first[1])}>{text(first[0], None)}{cells}\n')
    return scrolled(caption, f"<thead><tr>{titles}</thead><tbody>{''.join(lines)}</tbody>", "measured", label)


def _title(finding: Mapping[str, Any]) -> str:
    return str(finding.get("case") or finding["name"])
