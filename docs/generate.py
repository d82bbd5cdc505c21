"""Write the generated parts of the documentation: tables of entries, figures, help texts.

    make generated                  # or: python docs/generate.py
    python docs/generate.py --check # exit status 1, and the names, if a page is stale

A part stands in a page between ``<!-- generated: NAME -->`` and ``<!-- end -->``; `PARTS` has a function for
each name. The functions read the program and ``benchmarks/results``, so no figure is typed by hand.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import audiospec
from audiospec import errors
from audiospec.annotations.formats.base import annotation_formats
from audiospec.benchmarks.formatting import describe_target, format_number
from audiospec.benchmarks.trials.trial import BAD
from audiospec.datasets.base import datasets
from audiospec.engines.base import engines
from audiospec.registry import Registry
from audiospec.specs.base import features
from audiospec.specs.tabular import FAMILIES, PUBLISHED
from audiospec.stores.base import stores
from audiospec.zoo.base import models
from audiospec.zoo.losses.base import losses
from audiospec.zoo.scores.base import scores

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; bars in cells are escaped."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def sentence(text: str) -> str:
    """Return a summary with a capital letter, unless it begins with a name that has its own."""
    return text[:1].upper() + text[1:]


# --- entries of the registries ---------------------------------------------------------------------------


def dataset_table() -> str:
    """Every dataset, with the size of the full set, its licence and whether it can be downloaded."""
    rows = []
    for name in datasets:
        cls = datasets[name]
        full = f"{sum(cls.expected.values()):,}" if cls.expected else ""
        rows.append(
            (f"`{name}`", sentence(datasets.summary(name)), full, cls.licence, "yes" if cls.remotes else "")
        )
    return table(("dataset", "what it is", "tracks", "licence", "can be downloaded"), rows)


def layout_table(name: str) -> str:
    """What a dataset of your own audio understands."""
    rows = [
        (
            f"`{situation}`" if "/" in situation else situation,
            *taken,
            option and f"`--{option.replace('_', '-')}`",
        )
        for situation, *taken, option in datasets[name].layouts
    ]
    return table(("situation", "label", "fold", "group", "option"), rows)


def feature_table() -> str:
    """Every feature, with its axes and backends."""
    rows = []
    for name in features:
        spec = features[name].spec_class()
        backends = ", ".join(f"`{backend}`" for backend in features[name].backends)
        rows.append(
            (f"`{name}`", ", ".join(spec.dims), spec.unit, backends, sentence(features.summary(name)))
        )
    return table(("feature", "axes of a row", "unit", "backends", "what it is"), rows)


def family_table() -> str:
    """Every family of columns of the tabular feature."""
    rows = []
    for name, family in FAMILIES.items():
        mark = "yes" if name in PUBLISHED else ""
        rows.append((f"`{name}`", mark, family.unit or "1", family.formula))
    return table(("family", "published", "unit", "value"), rows)


def store_table() -> str:
    """Every format of stores, with its suffixes."""
    rows = []
    for name in stores:
        suffixes = ", ".join(f"`{suffix}`" for suffix in stores[name].suffixes)
        rows.append((f"`{name}`", suffixes, sentence(stores.summary(name))))
    return table(("store", "suffixes", "what it is"), rows)


def model_table() -> str:
    """Every model, with what it reads."""
    rows = [(f"`{name}`", models[name].input, sentence(models.summary(name))) for name in models]
    return table(("model", "reads", "what it is"), rows)


def entry_table(registry: Registry[Any], kind: str, what: str = "what it is") -> str:
    """Every entry of a registry, with its summary."""
    return table((kind, what), [(f"`{name}`", sentence(registry.summary(name))) for name in registry])


def score_kinds() -> str:
    """Every score that is stored and shown, with the targets that it is of."""
    rows = [(f"`{name}`", ", ".join(scores[name].targets), sentence(scores.summary(name))) for name in scores]
    return table(("score", "targets", "what it is"), rows)


# --- figures ---------------------------------------------------------------------------------------------


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
    ("log-mel of 10 s chunks, one thread", "frontend", "log-mel", "torchaudio"),
    ("log-mel of 10 s chunks, one thread", "frontend", "log-mel", "FFT alone"),
    ("57 tabular columns of 30 s, one thread", "frontend", "tabular", "librosa"),
    ("folder of WAV to Zarr, 2 workers", "pipeline", "30 s WAV", "librosa script, one thread each"),
    ("folder of WAV to Zarr, 2 workers", "pipeline", "30 s WAV", "lhotse, lilcom"),
    ("32 random rows of a Zarr store", "store", "zarr, 32", "zarr-python"),
    ("rows written to a Zarr store", "store", "zarr, 128", "tensorstore"),
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
    head = f"Macro F1 of `svm` by chunk in %, mean ± sample deviation over splits.\n{origin(result)}"
    return f"{head}\n\n{table(('dataset', 'old protocol', 'F1', 'strongest split', 'F1'), rows)}"


def duplicate_tables() -> str:
    """What was found of planted duplicates, of clips of whole tracks and of catalogued repetitions."""
    result = json.loads((RESULTS / "duplicates.json").read_text(encoding="utf-8"))
    text = (RESULTS / "duplicates.md").read_text(encoding="utf-8")
    sections = text[text.index("## ") :].strip()
    return f"{origin(result)}\n\n{sections}".replace("\n## ", "\n### ")


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


# --- reference -------------------------------------------------------------------------------------------


def command_line() -> str:
    """The help of every command."""
    import typer

    from audiospec.cli import app

    def sections(command: Any, path: str) -> list[str]:
        context = command.make_context(path, [], resilient_parsing=True, terminal_width=88)
        text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
        found = [f"## {path}\n\n```text\n{text}\n```"]
        for name, child in getattr(command, "commands", {}).items():
            found += sections(child, f"{path} {name}")
        return found

    return "\n\n".join(sections(typer.main.get_command(app), "audiospec"))


def error_table() -> str:
    """Every error, what it is besides, and the modules that raise it."""
    raised: dict[str, set[str]] = {}
    for package, folder in (("audiospec", "audiospec"), ("audiospec.zoo", "zoo"), ("audiospec.cli", "cli"),
                            ("audiospec.benchmarks", "benchmarks")):  # fmt: skip
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).parts
            if folder == "audiospec" and parts[0] in ("zoo", "cli", "benchmarks", "testing"):
                continue
            part = ".".join([package, *parts]).removeprefix("audiospec.").removesuffix(".py").split(".")
            home = ".".join(part[:-1] if len(part) > 1 else part)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
                    raised.setdefault(name, set()).add(home)
    rows = []
    for name, cls in vars(errors).items():
        if isinstance(cls, type) and issubclass(cls, errors.AudiospecError):
            bases = ", ".join(f"`{base.__name__}`" for base in cls.__bases__)
            doc = (cls.__doc__ or "").strip().partition("\n")[0]
            where = ", ".join(f"`{home}`" for home in sorted(raised.get(name, ())))
            rows.append((f"`{name}`", bases, doc, where))
    return table(("error", "is also", "meaning", "raised in"), rows)


def public_names() -> str:
    """A directive of the API reference for each public name."""
    return "\n\n".join(f"::: audiospec.{name}" for name in audiospec.__all__)


PARTS: dict[str, Callable[[], str]] = {
    "datasets": dataset_table,
    "layouts-folder": partial(layout_table, "folder"),
    "layouts-csv": partial(layout_table, "csv"),
    "features": feature_table,
    "families": family_table,
    "stores": store_table,
    "models": model_table,
    "engines": partial(entry_table, engines, "engine", "what it does"),
    "scores": score_kinds,
    "losses": partial(entry_table, losses, "loss"),
    "annotation-formats": partial(entry_table, annotation_formats, "format"),
    "speed": partial(speed_table, SPEED),
    "speed-python311": partial(speed_table, "speed-python311"),
    "speed-pipeline": partial(tables_of_suite, "pipeline"),
    "speed-growth": partial(tables_of_suite, "growth"),
    "speed-short": short_speed_table,
    "scale": partial(speed_table, SCALE),
    "million-hours": million_hours_table,
    **{
        f"scores-{suite}": partial(score_table, f"zoo-{suite}")
        for suite in ("gtzan-part", "esc10", "fsdd", "gtzan-clips")
    },
    "scores-labels": partial(score_table, "labels"),
    "scores-events": partial(score_table, "events", 1),
    "truth": truth_tables,
    "truth-short": short_truth_table,
    "duplicates": duplicate_tables,
    "study": study_report,
    "trials": trial_tables,
    "cli": command_line,
    "errors": error_table,
    "api": public_names,
}


def pages() -> list[Path]:
    """Every page that may have a generated part."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def generated(text: str) -> str:
    """Return a page's text with each generated part made anew."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[3]}", text)


def main() -> int:
    """Write what is stale, or with ``--check`` only name it."""
    check = "--check" in sys.argv[1:]
    stale = []
    for page in pages():
        old = page.read_text(encoding="utf-8")
        new = generated(old)
        if new != old:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(new, encoding="utf-8")
    for page in stale:
        print(f"{page} {'is stale: run `make generated`' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
