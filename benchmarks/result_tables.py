"""Tables of the committed results, in Markdown, for the pages of the documentation."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from audiospec.benchmarks.formatting import describe_target, format_number
from audiospec.benchmarks.trials.trial import BAD

RESULTS = Path(__file__).parent / "results"


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; bars in cells are escaped."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def sentence(text: str) -> str:
    """Return a summary with a capital letter, unless it begins with a name that has its own."""
    return text[:1].upper() + text[1:]


def origin(result: dict[str, Any]) -> str:
    """Command, machine and date of a result."""
    machine = result["machine"]
    cores = f"{machine['cores']} cores of an {machine['processor']}"
    where = f"{cores}, {machine['memory_gib']} GiB, {machine['system']}"
    return f"Made on {result['date']} on {where}, by\n`{result['command']}`."


#: The run of `audiospec benchmark` that the README shows; its peers are the newest.
SPEED = "speed-python313"
#: The result of `audiospec benchmark scale`.
SCALE = "scale"


def software(result: dict[str, Any]) -> str:
    """Python and the packages that a result of `audiospec benchmark` compares most."""
    names = ("librosa", "torch", "torchaudio", "zarr", "tensorstore", "h5py", "lhotse")
    packages = [f"{name} {result['versions'][name]}" for name in names if name in result["versions"]]
    return textwrap.fill(f"Python {result['machine']['python']}, {', '.join(packages)}.", 110)


def read_speed(name: str) -> dict[str, Any]:
    """A result of `audiospec benchmark`."""
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return result


def speed_table(name: str) -> str:
    """Every target of a result of `audiospec benchmark`."""
    result = read_speed(name)
    rows = []
    for suite, findings in result["suites"].items():
        for finding in findings:
            case = finding.get("case") or finding["name"]
            for one in map(describe_target, finding.get("targets", ())):
                rows.append((f"{suite}: {case}", one.what, one.bound, one.measured, one.verdict))
    head = f"{origin(result)}\n{software(result)}"
    return f"{head}\n\n" + table(("case", "measure", "target", "measured", ""), rows)


def tables_of_suite(suite: str, result: str = SPEED, begins: str = "") -> str:
    """The tables of a suite whose names begin so: what it measures beside its cases."""
    return "\n\n".join(
        f"**{sentence(finding['name'])}**\n\n{table(finding['head'], finding['rows'])}\n\n"
        f"{sentence(finding['note'])}."
        for finding in read_speed(result)["suites"][suite]
        if finding["kind"] == "table" and finding["name"].startswith(begins)
    )


def million_hours_table() -> str:
    """A million hours on paper, from what the benchmark measured."""
    return f"{origin(read_speed(SCALE))}\n\n{tables_of_suite('scale', SCALE, '1 million hours')}"


#: Rows of the README's table: words, the suite, how its case begins, and the peer or floor.
SHORT = (
    ("log-mel of 10 s chunks, one thread", "frontend", "log-mel", "librosa"),
    ("log-mel of 10 s chunks, one thread", "frontend", "log-mel", "FFT alone"),
    ("57 tabular columns of 30 s, one thread", "frontend", "tabular", "librosa"),
    ("folder of WAV to Zarr, 2 workers", "pipeline", "30 s WAV", "librosa script, one thread each"),
    ("32 random rows of a Zarr store", "store", "zarr, 32", "zarr-python"),
)


def short_speed_table() -> str:
    """The README's rows, those with a missed target among them."""
    result = read_speed(SPEED)
    rows = []
    for words, suite, begins, peer in SHORT:
        found = [
            one
            for finding in result["suites"][suite]
            if (finding.get("case") or finding["name"]).startswith(begins)
            for one in finding.get("targets", ())
            if one["what"] == f"speed of audiospec over that of {peer}"
        ]
        assert len(found) == 1, (words, peer, found)
        bound, measured = format_number(found[0]["at_least"]), format_number(found[0]["found"])
        rows.append((words, peer, f"{measured}×", f"{bound}×, {describe_target(found[0]).verdict}"))
    machine = result["machine"]
    where = f"{machine['cores']} cores of an {machine['processor']}, {result['date']}"
    head = f"Ratios from one run of `audiospec benchmark` on {where}, with\n{software(result)}"
    return f"{head}\n\n{table(('work', 'beside', 'speed', 'target'), rows)}"


def score_table(name: str, tables: int | None = None) -> str:
    """Scores of a study, as it wrote them down: all of its tables, or the first ones."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    blocks = (RESULTS / f"{name}.md").read_text(encoding="utf-8").strip().split("\n\n")
    rows = [block for block in blocks if block.startswith("|")][:tables]
    left_out = [block for block in blocks if block.startswith("Not run: ")]
    return "\n\n".join([origin(result), "\n".join(rows), *left_out])


def preset_table() -> str:
    """Every preset, its reference, and the largest difference on real audio."""
    result = json.loads((RESULTS / "presets.json").read_text(encoding="utf-8"))
    rows = [
        (
            f"`{one['preset']}`",
            f"{one['reference']} ({one['package']} {one['version']})",
            f"{one['in_range']:.1e} {one['unit']}".strip(),
            f"{one['bound']:g}",
        )
        for one in result["figures"]["presets"]
    ]
    return f"{origin(result)}\n\n{table(('preset', 'reference', 'largest difference', 'bound'), rows)}"


def truth_tables() -> str:
    """What leaks add, the old protocol beside the new one, and the coverage of the gaps' interval."""
    result = json.loads((RESULTS / "truth.json").read_text(encoding="utf-8"))
    text = (RESULTS / "truth.md").read_text(encoding="utf-8")
    tables = text.partition("\n\n")[2].partition("Coverage of the 95 % intervals of scores")[0]
    return f"{origin(result)}\n\n{tables.rstrip()}"


#: Dataset of the study of truth → its name in the README.
_TRUTH = {"esc10": "ESC-10", "gtzan": "GTZAN, three genres", "fsdd": "spoken digits"}


def short_truth_table() -> str:
    """The README's rows: an old protocol, what it claims, and the strongest split beside it, for svm."""
    result = json.loads((RESULTS / "truth.json").read_text(encoding="utf-8"))
    rows = []
    for name, protocols in result["figures"]["protocols"].items():
        old, *_, new = protocols
        f1 = [f"{100 * mean(one['values']):.1f} ± {100 * stdev(one['values']):.1f}" for one in (old, new)]
        rows.append((_TRUTH[name], old["name"], f1[0], new["name"], f1[1]))
    made = f"`python -m benchmarks.studies.truth`, {result['date']}"
    head = f"Macro F1 of `svm` by chunk in %, mean ± sample deviation over splits ({made})."
    return f"{head}\n\n{table(('dataset', 'old protocol', 'F1', 'strongest split', 'F1'), rows)}"


def probe_tables() -> str:
    """What simple models make of every feature: the tables of all datasets, and the licences."""
    result = json.loads((RESULTS / "probes.json").read_text(encoding="utf-8"))
    text = (RESULTS / "probes.md").read_text(encoding="utf-8")
    sections = text[text.index("## ") :].strip()
    return f"{origin(result)}\n\n{sections}".replace("\n## ", "\n### ")


#: Features in the README's table → their titles.
_SHORT_PROBES = {
    "57 columns": "57 columns",
    "mel: study": "log-mel, pooled",
    "openSMILE eGeMAPS": "eGeMAPS",
    "musicnn MSD penultimate": "musicnn",
}


def short_probe_table() -> str:
    """The README's rows: a dataset, and the accuracy of `svm` on some features."""
    result = json.loads((RESULTS / "probes.json").read_text(encoding="utf-8"))
    chosen = [name for name in _SHORT_PROBES if name in result["figures"]["features"]]
    rows = []
    for suite in result["figures"]["suites"].values():
        values = [suite["features"][name]["models"]["svm"]["track_accuracy"] for name in chosen]
        cells = (f"{100 * mean(one):.1f} ± {100 * stdev(one):.1f}" for one in values)
        split = suite["features"][chosen[0]]["models"]["svm"]["split"]
        rows.append((f"{suite['title']}, by {split}", *cells))
    made = f"`python -m benchmarks.studies.probes`, {result['date']}"
    head = f"Accuracy of `svm` by track in % on features as they are ({made})."
    return f"{head}\n\n{table(('dataset', *(_SHORT_PROBES[name] for name in chosen)), rows)}"


def duplicate_tables() -> str:
    """What was found of planted duplicates, of clips of whole tracks and of catalogued repetitions."""
    result = json.loads((RESULTS / "duplicates.json").read_text(encoding="utf-8"))
    text = (RESULTS / "duplicates.md").read_text(encoding="utf-8")
    sections = text[text.index("## ") :].strip()
    return f"{origin(result)}\n\n{sections}".replace("\n## ", "\n### ")


#: How labels were changed in the study of wrong labels, in words.
_FLIPS = {"random": "at random", "confused": "to the most confused class"}


def label_flip_table() -> str:
    """What an audit finds of labels that were changed on purpose, for svm."""
    result = json.loads((RESULTS / "label-flips.json").read_text(encoding="utf-8"))
    rows = []
    for one in result["figures"]["results"]:
        if one["model"] == "svm":
            (ranking,) = (found for name, found in one["rankings"].items() if "the audit" in name)
            low, high = (f"{100 * bound:.0f}" for bound in ranking["recall_interval"])
            likely = one["likely"]["cleanlab"]
            rows.append(
                (
                    f"{100 * one['share']:.0f} %, {_FLIPS[one['flips']]}",
                    f"{100 * ranking['recall']:.0f} % ({low} to {high})",
                    f"{likely['tracks']:.0f}",
                    f"{100 * likely['precision']:.0f} %",
                    f"{100 * one['right_suggestions']:.0f} %",
                )
            )
    head = (
        "labels changed",
        "found in the first tenth",
        "likely wrong",
        "of these changed",
        "suggestion right",
    )
    return f"{origin(result)}\n\n{table(head, rows)}"


#: Outcomes of trials in the order of the tables; those from `unexplained` on must not occur.
OUTCOMES = ("refused", "found", "harmless", "equal", "explained", *BAD)


def trial_tables() -> str:
    """Every series of trials: what became of each group, and the reasons that were checked."""
    results = json.loads((RESULTS / "trials.json").read_text(encoding="utf-8"))
    parts = []
    for name, result in results.items():
        groups = result["figures"]["groups"]
        seen = [one for one in OUTCOMES if any(one in group["outcomes"] for group in groups.values())]
        rows = []
        for group, figures in groups.items():
            counts = [figures["outcomes"].get(outcome, 0) for outcome in seen]
            reasons = ", ".join(f"{count} {reason}" for reason, count in figures["reasons"].items())
            memory = figures["memory_mb"] or ""
            rows.append((group, figures["trials"], *counts, reasons, figures["seconds"], memory))
        titles = (name, "trials", *seen, "of these", "longest, s", "most memory, MB")
        parts.append(f"{origin(result)}\n\n{table(titles, rows)}")
    return "\n\n".join(parts)


def study_report() -> str:
    """All sections of the reproduction's report, one level deeper."""
    text = (RESULTS / "reproduce-gtzan.md").read_text(encoding="utf-8")
    return text.partition("\n")[2].strip().replace("\n## ", "\n### ")
