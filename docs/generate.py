"""Write the generated parts of the documentation: tables of entries, figures, help texts.

    make generated                  # or: python docs/generate.py
    python docs/generate.py --check # exit status 1, and the names, if a page is stale

A part stands in a page between ``<!-- generated: NAME -->`` and ``<!-- end -->``; `PARTS` has a function for
each name. The functions read the program and ``benchmarks/results`` (by
`audiospec.benchmarks.result_tables`), so no figure is typed by hand.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import audiospec
from audiospec import errors
from audiospec.annotations.formats.base import annotation_formats
from audiospec.benchmarks.result_tables import (
    SCALE,
    SPEED,
    duplicate_tables,
    label_flip_table,
    million_hours_table,
    preset_table,
    probe_tables,
    score_table,
    sentence,
    short_probe_table,
    short_speed_table,
    short_truth_table,
    speed_table,
    study_report,
    table,
    tables_of_suite,
    trial_tables,
    truth_tables,
)
from audiospec.datasets.base import datasets
from audiospec.doctor.checks.base import checks
from audiospec.engines.base import engines
from audiospec.registry import Registry
from audiospec.specs.base import features
from audiospec.specs.tabular import FAMILIES, PUBLISHED
from audiospec.stores.base import stores
from audiospec.zoo.base import models
from audiospec.zoo.losses.base import losses
from audiospec.zoo.scores.base import scores

ROOT = Path(__file__).resolve().parents[1]
PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


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
        cls = features[name].spec_class
        # A table's axis and unit are the same for all, and a spec may need a file to be made.
        axes, unit = (("feature",), "") if cls.kind == "table" else (cls().dims, cls().unit)
        backends = ", ".join(f"`{backend}`" for backend in features[name].backends)
        rows.append((f"`{name}`", ", ".join(axes), unit, backends, sentence(features.summary(name))))
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
    "presets": preset_table,
    "stores": store_table,
    "models": model_table,
    "engines": partial(entry_table, engines, "engine", "what it does"),
    "scores": score_kinds,
    "losses": partial(entry_table, losses, "loss"),
    "checks": partial(entry_table, checks, "check", "what it looks for"),
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
    "probes": probe_tables,
    "probes-short": short_probe_table,
    "duplicates": duplicate_tables,
    "confounds": partial(score_table, "confounds"),
    "label-flips": label_flip_table,
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
