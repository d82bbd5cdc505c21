"""The benchmark's page: targets, tables and plots of all suites, in one file that needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audiospec.benchmarks import _bars, words
from audiospec.errors import BenchmarkError
from audiospec.render.html import count, facts, kind_attribute, page, save, scrolled, text

#: What `audiospec.benchmarks.base.Case.memory` means.
_MEMORY = {
    "process": "what a call adds to the peak of its process",
    "children": "the most that the processes of a call hold at a time, shared memory counted once",
    "device": "the peak of the device's memory during a call",
}
_MARKS = {"met": "✓", "missed": "✗", "not measured": "–"}
_STYLE = f"""
.measured tbody th {{ position: sticky; left: 0; background: var(--back); max-width: min(20rem, 40vw) }}
.missed {{ font-weight: 700; border-width: 2px }}
.told {{ list-style: none; padding: 0 }}
@media print {{
  .measured {{ font-size: 8.5pt }}
  .measured tbody th {{ position: static }}
  .measured td.n {{ white-space: normal }}
}}
{_bars.STYLE}"""


def write_page(result: Mapping[str, Any], path: Path | str) -> Path:
    """Write the page; a file that is there is replaced.

    Parameters
    ----------
    result : mapping
        As `audiospec.benchmarks.run.benchmark` returns it, and ``command``, if it is known.
    path : path
        Of the HTML file.

    Raises
    ------
    BenchmarkError
        The file cannot be written.
    """
    suites = result.get("suites", {})
    numbered = list(enumerate(suites.items(), 1))
    parts = [
        _intro(result, suites),
        _targets(_judged(suites)),
        *(_suite(f"suite-{number}", name, findings) for number, (name, findings) in numbered),
    ]
    body = "\n".join(filter(None, parts))
    return save(page("audiospec: benchmark", body, _STYLE), path, BenchmarkError, "--html")


# --- what is at the top ------------------------------------------------------------------------------------


def _intro(result: Mapping[str, Any], suites: Mapping[str, Any]) -> str:
    findings = [finding for found in suites.values() for finding in found]
    kinds = [finding["kind"] for finding in findings]
    lines = ["<h1>Benchmark of audiospec</h1>"]
    done = ((kinds.count("case"), "case"), (kinds.count("table"), "table"))
    said = " and ".join(count(number, noun) for number, noun in done if number)
    if said:
        lines.append(f"<p>{said} in {count(len(suites), 'suite')}.</p>")
    else:
        lines.append(f'<p class="warn">Nothing was measured{"" if suites else ": no suite was run"}.</p>')
    absent = len(kinds) - sum(number for number, _ in done)
    if absent:
        lines.append(f'<p class="warn">{absent} not run; why is told below.</p>')
    if suites:
        links = (f'<a href="#suite-{number}">{text(name)}</a>' for number, name in enumerate(suites, 1))
        lines.append(f"<p>Suites: {', '.join(links)}</p>")
    lines.append(
        '<p class="quiet">Ratios are medians over rounds in which both took part, in turns, and hold from '
        "run to run better than times do. Peers’ results were compared with ours before anything was timed. "
        "A floor is what the unavoidable part of the work takes alone.</p>"
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
        "machine": _listed(machine),
        "device": result.get("device", "not known"),
        "sizes": "all (--full)" if result.get("full") else "the usual ones",
        "versions": _listed(result.get("versions", {})),
        "peers not measured": "; ".join(f"{peer}: {' / '.join(reasons)}" for peer, reasons in missing.items())
        or "none",
    }
    return "\n".join([*lines, "<h2>Measured with</h2>", facts(about)])


def _listed(pairs: Mapping[str, object]) -> str:
    """Names and values in a line."""
    said = (f"{name} {'not known' if value is None else value}" for name, value in pairs.items())
    return ", ".join(said) or "not known"


def _judged(suites: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """All targets: the finding's id, where it is, and the target."""
    for number, (suite, findings) in enumerate(suites.items(), 1):
        for place, finding in enumerate(findings, 1):
            for target in finding.get("targets", ()):
                yield f"suite-{number}-{place}", f"{suite}: {_name(finding)}", target


def _targets(judged: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """All targets in one table."""
    rows, verdicts = [], []
    for id, where, target in judged:
        told = words.told(target)
        verdicts.append(told.verdict)
        rows.append(
            f'<tr><td>{_mark(told.verdict)}<th scope="row" class="own">{text(told.what, None)}'
            f'<small><a href="#{id}">{text(where, None)}</a></small>'
            f'<td class="n">{text(told.found or "–", None)}<td class="n">{text(told.wanted, None)}'
        )
    if not rows:
        return '<h2>Targets</h2>\n<p class="quiet">No targets were set for what was measured.</p>'
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in _MARKS if kind in verdicts)
    said = f"{count(len(rows), 'target')}: {counts}."
    head = '<th scope="col">verdict<th scope="col">what<th scope="col" class="n">found'
    table = scrolled(
        "A ratio is the other’s time over ours",
        f'<thead><tr>{head}<th scope="col" class="n">wanted</thead><tbody>{"".join(rows)}</tbody>',
        label="Targets",
    )
    return f"<h2>Targets</h2>\n<p{kind_attribute('warn' if 'missed' in verdicts else '')}>{said}</p>\n{table}"


def _mark(verdict: str) -> str:
    """A verdict in words, with a sign."""
    kind = "mark missed" if verdict == "missed" else "mark"
    return f'<span class="{kind}">{_MARKS[verdict]} {verdict}</span>'


# --- suites ------------------------------------------------------------------------------------------------


def _suite(id: str, name: str, findings: Iterable[Mapping[str, Any]]) -> str:
    parts = [_finding(f"{id}-{place}", finding) for place, finding in enumerate(findings, 1)]
    nothing = '<p class="warn">This suite has no result.</p>'
    return "\n".join([f'<h2 id="{id}">{text(name)}</h2>', *(parts or [nothing])])


def _finding(id: str, finding: Mapping[str, Any]) -> str:
    """A case, a table, or what was not run and why."""
    lines = [f'<h3 id="{id}">{text(_name(finding), None)}</h3>']
    if finding["kind"] == "case":
        lines.append(_case(finding))
    elif finding["kind"] == "table":
        lines.append(_table(finding))
    else:
        why = finding.get("why", "the reason is not known")
        lines.append(f'<p class="warn">{text(finding["kind"].capitalize())}: {text(why, None)}</p>')
    told = (words.told(target) for target in finding.get("targets", ()))
    targets = [
        f"<li>{_mark(one.verdict)} {text(one.what, None)}{one.found and f': {text(one.found)}'} "
        f"({text(one.wanted)})"
        for one in told
    ]
    lines += [f'<ul class="told">{"".join(targets)}</ul>'] if targets else []
    notes = [f"<li>{text(peer)}: {text(why, None)}" for peer, why in finding.get("missing", {}).items()]
    lines += [f"<p>Did not take part:</p><ul>{''.join(notes)}</ul>"] if notes else []
    lines += [f'<p class="quiet">{text(finding["note"], None)}</p>'] if finding.get("note") else []
    return "\n".join(lines)


def _case(case: Mapping[str, Any]) -> str:
    """A table of the contenders and, if there are several, bars."""
    contenders = case["contenders"]
    head, rows = words.rows(case)
    rounds = ", ".join(f"{text(one['name'])} {one['repeats']:,d}" for one in contenders)
    caption = f"A call: {text(words.number(case['amount']) + ' ' + case['unit'])}. Rounds: {rounds}."
    if "memory" in head and case["memory"] in _MEMORY:
        caption += f" Memory: {_MEMORY[case['memory']]}."
    kinds = ["own", *("n" for _ in head[1:])]
    drawn = f'<div class="charts">{_bars.bars(contenders)}</div>' if len(contenders) > 1 else ""
    notes = [f"<li>{text(one['name'])}: {text(one['note'], None)}" for one in contenders if one.get("note")]
    listed = f'<ul class="quiet">{"".join(notes)}</ul>' if notes else ""
    return _rows(caption, f"{case['case']}: contenders", head, rows, kinds) + drawn + listed


def _table(table: Mapping[str, Any]) -> str:
    """Figures that are no times in turns."""
    columns = list(zip(*table["rows"], strict=False))
    kinds = [
        "n" if place and all(isinstance(cell, int | float) for cell in column) else "own"
        for place, column in enumerate(columns)
    ]
    kinds += ["own"] * (len(table["head"]) - len(kinds))
    rows = [[str(cell) for cell in row] for row in table["rows"]]
    return _rows(count(len(rows), "row"), table["name"], table["head"], rows, kinds)


def _rows(
    caption: str, label: str, head: Iterable[str], rows: Iterable[Iterable[str]], kinds: list[str]
) -> str:
    """A table whose first column names the rows."""
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


def _name(finding: Mapping[str, Any]) -> str:
    return str(finding.get("case") or finding["name"])
