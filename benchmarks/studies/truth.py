"""What leaks add to scores on real audio, measured by pairs; and the old protocol beside the new one.

    esc10   environmental sounds: other clips of the same recording
    gtzan   three genres of 20 tracks, chunks of 3 s: other chunks of the same track
    fsdd    spoken digits: other recordings of the same speaker

Each gap is of 20 seeds, with two trainings each. Tabular models read all rows. ``crnn-base`` reads coarse
spectrograms (32 mel bins, 11 frames per second; spoken digits: 25) for 8 epochs, and five of the ten digits,
so that its 120 trainings end in half an hour on two cores. Everything that is finished is kept: a study that
was stopped is resumed, and the result is written again after each model.

    python -m benchmarks.studies.truth --models svm,rf --save benchmarks/results
    python -m benchmarks.studies.truth --models crnn-base --save benchmarks/results

The result has the models of earlier commands, too, as long as the folder `--out` has them, and the coverage
of intervals that `benchmarks.studies.paired` and `benchmarks.studies.coverage` have written.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.studies.paired import markdown as coverage_table
from audiospec.benchmarks.studies.result import with_origin
from audiospec.stores.layout.view import View
from audiospec.zoo.base import models
from audiospec.zoo.leakage.ladder import Ladder
from audiospec.zoo.leakage.measure import leakage
from audiospec.zoo.training import train

MODELS = ("svm", "rf", "crnn-base")
SEEDS = 20
EPOCHS = 8
#: What other studies have written beside the result: coverage of the intervals of gaps, and of scores.
PAIRED, SCORES = "paired.json", "coverage.md"


@dataclass(frozen=True)
class Case:
    """A dataset, the kind of leak that is measured on it, and its protocols, the leaky one first."""

    dataset: str
    folder: str
    chunk: Chunking
    rung: str
    protocols: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    network_classes: tuple[str, ...] | None = None


COARSE = {"n_mels": 32, "hop_length": 2048}
CASES = {
    "esc10": Case("esc10", "esc10", Chunking(seconds=5.0), "groups", ("track", "group", "strongest")),
    "gtzan": Case(
        "gtzan",
        "gtzan-part",
        Chunking(seconds=3.0),
        "tracks",
        ("random", "track"),
        classes=("classical", "jazz", "rock"),
    ),
    "fsdd": Case(
        "fsdd",
        "fsdd",
        Chunking(seconds=1.0, min_fill=0.1),
        "groups",
        ("track", "group"),
        spec={"sample_rate": 8000, "n_fft": 512, "hop_length": 320, "fmax": 4000},
        network_classes=("0", "1", "2", "3", "4"),
    ),
}


def main() -> None:
    """Measure, print and save the gaps and the protocols."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("truth-runs"), help="folder for stores and results")
    parser.add_argument("--save", type=Path, help="folder for truth.json and truth.md")
    parser.add_argument("--models", default=",".join(MODELS), help="train these models")
    parser.add_argument("--cases", default=",".join(CASES), help="on these datasets")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    cases = {name: CASES[name] for name in options.cases.split(",")}
    for name in options.models.split(","):
        for key, case in cases.items():
            ladder = _measure(name, case, options)
            print(f"{key} {name}: {ladder.rungs[0].verdict}", flush=True)
            _keep(options.out / "gaps.json", f"{key} {name}", _gap(key, ladder))
            if name == "svm":
                _keep(options.out / "protocols.json", key, _protocols(case, options))
        if options.save:
            _write(options)


def _view(case: Case, kind: str, options: argparse.Namespace) -> View:
    spec: Any = audiospec.TabularSpec() if kind == "table" else audiospec.MelSpec(**{**COARSE, **case.spec})
    return audiospec.featurize(
        case.dataset,
        data=options.data / case.folder,
        spec=spec,
        chunk=case.chunk,
        store=options.out / f"{case.folder}.zarr",
    )


def _measure(name: str, case: Case, options: argparse.Namespace) -> Ladder:
    kind = models[name].input
    network = kind == "spectrogram"
    return leakage(
        name,
        _view(case, kind, options),
        settings={"epochs": EPOCHS} if network else {},
        classes=case.network_classes if network and case.network_classes else case.classes,
        seeds=options.seeds,
        rungs=[case.rung],
        runs=options.out / "leakage",
        progress=lambda leak, done, total: (
            print(f"{name}, {leak}: {done} of {total}", flush=True) if network else None
        ),
    )


def _gap(key: str, ladder: Ladder) -> dict[str, Any]:
    (rung,) = ladder.rungs
    stated = ladder.to_dict()
    view = audiospec.open_store(ladder.store).view(ladder.view)
    return {
        "dataset": key,
        "model": ladder.model,
        "settings": {name: ladder.settings[name] for name in ("epochs",) if name in ladder.settings},
        "classes": len(ladder.classes),
        "row_shape": list(view.info.row_shape),
        **{name: stated[name] for name in ("seeds", "trainings", "date")},
        **stated["rungs"][0],
        "difference": None if rung.gap is None else rung.gap.difference,
    }


def _protocols(case: Case, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the scores of svm by each strategy; the folds of `strongest` are each tested once."""
    view = _view(case, "table", options)
    rows = []
    for strategy in case.protocols:
        seeds = 5 if strategy == "strongest" else options.seeds
        runs = [
            train(
                "svm",
                view,
                strategy=strategy,
                seed=seed,
                classes=case.classes,
                runs=options.out / "runs",
                resume=True,
            )
            for seed in range(seeds)
        ]
        values = [run.metrics["test"]["chunk"]["macro_f1"] for run in runs]
        leaks = [run.info.split["leaks"] for run in runs]
        rows.append(
            {
                "split": strategy,
                "name": runs[0].info.split["name"] if strategy != "strongest" else "folds",
                "values": values,
                "leaking": mean(one["leaking"] for one in leaks),
                "tested": mean(one["rows"] for one in leaks),
            }
        )
    return rows


def _keep(path: Path, key: str, value: Any) -> None:
    """Keep a finished part of the result."""
    content = _kept(path)
    content[key] = value
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _kept(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content


def _write(options: argparse.Namespace) -> None:
    gaps, protocols = _kept(options.out / "gaps.json"), _kept(options.out / "protocols.json")
    order = [f"{key} {name}" for key in CASES for name in MODELS]
    ordered = [gaps[key] for key in order if key in gaps]
    paired = _kept(options.save / PAIRED)
    figures = {"gaps": ordered, "protocols": protocols, "coverage": paired.get("figures")}
    # The result may be of several commands, and of any folders: this one makes all of it.
    done = ",".join(name for name in MODELS if any(row["model"] == name for row in ordered))
    command = f"python -m benchmarks.studies.truth --models {done} --save benchmarks/results"
    options.save.mkdir(parents=True, exist_ok=True)
    text = json.dumps(with_origin(command, figures), indent=2)
    (options.save / "truth.json").write_text(text + "\n", encoding="utf-8")
    scores = options.save / SCORES
    lines = scores.read_text(encoding="utf-8").splitlines() if scores.exists() else []
    table = [line for line in lines if line.startswith("|")]
    (options.save / "truth.md").write_text(_markdown(figures, table), encoding="utf-8")


def _markdown(figures: dict[str, Any], scores: list[str]) -> str:
    """Return the page; `scores` has the lines of the table of the coverage of scores' intervals."""
    lines = [
        "# Truth: what leaks add",
        "",
        "Accuracy by chunk in %, of the test rows that leak, of models that were trained on sets of equal",
        "size with and without what leaks. The interval of the difference is for other units than these.",
        "",
        *gap_table(figures["gaps"]),
        "",
        "The old protocol beside the new one: macro F1 of svm by chunk in %, mean ± sample deviation.",
        "",
        *protocol_table(figures["protocols"]),
    ]
    if figures["coverage"]:
        coverage = figures["coverage"]
        lines += [
            "",
            f"Coverage of the 95 % interval in {coverage['datasets']} simulated datasets of each kind, "
            f"{coverage['seeds']} seeds:",
            "",
            coverage_table(coverage["cases"]).rstrip("\n"),
        ]
    if scores:
        lines += ["", "Coverage of the 95 % intervals of scores:", "", *scores]
    return "\n".join(lines) + "\n"


def gap_table(gaps: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the table of gaps."""
    lines = [
        "| dataset | model | what leaks | leaking test rows | with | without | difference |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in gaps:
        gap = row["gap"]
        shape = " × ".join(map(str, row["row_shape"]))
        network = f" ({shape}, {row['classes']} classes, {row['settings'].get('epochs')} epochs)"
        cells = (
            row["dataset"],
            row["model"] + (network if row["settings"] else ""),
            row["leak"],
            f"{row['leaking']:.0f} of {row['tested']}",
            *(("", "") if gap is None else (f"{100 * gap[key]:.1f}" for key in ("with_leak", "without"))),
            row["verdict"],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def protocol_table(protocols: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return the lines of the table of protocols."""
    lines = [
        "| dataset | split | splits | test rows learnt from | macro F1 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for key in CASES:
        for row in protocols.get(key, []):
            values = row["values"]
            lines.append(
                f"| {key} | {row['name']} | {len(values)} | {row['leaking']:.0f} of {row['tested']:.0f} "
                f"| {100 * mean(values):.1f} ± {100 * stdev(values):.1f} |"
            )
    return lines


if __name__ == "__main__":
    main()
