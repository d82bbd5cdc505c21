"""Scores of the zoo's models on real audio, by the default split and by an older protocol that leaks.

    fsdd         spoken digits: held-out speakers, and the official test part (leaky: speakers)
    esc10        environmental sounds: the five official folds, and tracks (leaky: recordings)
    gtzan-clips  ten genres, 499 clips of 2 to 3 s: tracks, and random chunks (leaky: tracks)
    gtzan-part   the three genres that have 20 tracks of 30 s: tracks, and random chunks (leaky: tracks)

By default networks are trained on spectrograms of 64 mel bins and 21.5 frames per second (spoken digits: 48
and 50), for a few epochs, so that a suite takes minutes on two cores. ``--full`` uses the 192 bins, 86 frames
per second and 100 epochs of the study. A suite that was stopped is resumed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.studies.result import save
from audiospec.stores.layout.view import View
from audiospec.zoo.base import models
from audiospec.zoo.comparison.configurations import shown_strategy
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

TABULAR = ("svm", "svm-c10", "knn-1", "knn-5", "rf", "lr")
#: Keys of the scores that the tables are of.
F1, ACCURACY = "macro_f1", "accuracy"
THREE = ("classical", "jazz", "rock")
#: Accuracy of K. J. Piczak, ESC: dataset for environmental sound classification, ACM Multimedia 2015, in %.
PICZAK = {"knn-5": ("k-NN", 66.7), "svm": ("SVM", 67.5), "rf": ("random forest", 72.7)}
HEAD = (
    "model",
    "split",
    "runs",
    "epochs",
    "train F1, chunks",
    "test F1, chunks",
    "test F1, tracks",
    "test accuracy, tracks",
)


@dataclass(frozen=True)
class Cell:
    """A model, and the splits on which it is trained and scored."""

    model: str
    strategies: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    settings: dict[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Suite:
    """A dataset, its chunking, and the models that are trained on it."""

    dataset: str
    folder: str
    chunk: Chunking
    cells: tuple[Cell, ...]
    classes: tuple[str, ...] | None = None
    spec: dict[str, Any] = field(default_factory=dict)


def suites(full: bool) -> dict[str, Suite]:
    """Return all suites; `full` selects the settings of the study."""
    epochs = {} if full else {"epochs": 8}
    transfer = {} if full else {"weights": "none"}
    both, ten = ("strongest", "random"), tuple(range(10))
    folds = tuple(f"fold-{number}" for number in range(1, 6))
    zoo = (
        *(Cell(name, both, seeds=ten) for name in TABULAR),
        *(Cell(name, both, settings=epochs) for name in ("crnn-base", "crnn-large")),
        Cell("resnet18-gru", both, settings={**epochs, **transfer}, note="" if full else "random weights"),
        Cell("efficientnet-lite0-gru", both, settings=epochs, note="ImageNet weights"),
    )
    return {
        "fsdd": Suite(
            "fsdd",
            "fsdd",
            Chunking(seconds=1.0, min_fill=0.1),
            (
                Cell("crnn-base", ("strongest",), seeds=(0, 1, 2), settings=epochs),
                Cell("crnn-base", ("fold-test",), settings=epochs),
            ),
            spec={"sample_rate": 8000, "n_fft": 512, "hop_length": 160, "n_mels": 48, "fmax": 4000},
        ),
        "esc10": Suite(
            "esc10",
            "esc10",
            Chunking(seconds=5.0),
            (
                *(
                    cell
                    for name in TABULAR
                    for cell in (Cell(name, folds), Cell(name, ("track",), seeds=ten))
                ),
                Cell("crnn-base", folds, settings=epochs),
                Cell("crnn-base", ("track",), seeds=(0, 1, 2), settings=epochs),
                Cell("efficientnet-lite0-gru", folds, settings=epochs, note="ImageNet weights"),
                Cell(
                    "efficientnet-lite0-gru",
                    folds,
                    settings={**epochs, "weights": "none"},
                    note="random weights, same seeds",
                ),
            ),
        ),
        "gtzan-clips": Suite("gtzan", "gtzan-clips", Chunking(seconds=1.0), zoo),
        "gtzan-part": Suite("gtzan", "gtzan-part", Chunking(seconds=3.0), zoo, classes=THREE),
    }


def main() -> None:
    """Run suites, print their tables and save the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", nargs="+", choices=list(suites(False)))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("zoo-runs"), help="folder for stores and runs")
    parser.add_argument("--save", type=Path, help="folder for zoo-SUITE.json and zoo-SUITE.md")
    parser.add_argument("--full", action="store_true", help="use the spectrograms and epochs of the study")
    parser.add_argument("--models", help="only these models, separated by commas")
    options = parser.parse_args()
    selected = options.models.split(",") if options.models else models.names()
    for name in options.suite:
        suite = suites(options.full)[name]
        views = _views(suite, options)
        results = [
            _figures(cell, strategy, runs)
            for cell in suite.cells
            if cell.model in selected
            for strategy, runs in _trained(cell, suite, views, options.out / name / "runs")
        ]
        left_out = sorted({cell.model for cell in suite.cells} - {*selected})
        text = _markdown(name, suite, views, results, options.full, left_out)
        print(text)
        if options.save:
            figures = {
                "views": {kind: view.spec.to_dict() for kind, view in views.items()},
                "chunking": suite.chunk.to_dict(),
                "rows": {kind: len(view) for kind, view in views.items()},
                "scores": results,
                "not_run": left_out,
            }
            print(f"saved to {save('zoo', figures, options.save, f'zoo-{name}')}")
            (options.save / f"zoo-{name}.md").write_text(text)


def _views(suite: Suite, options: argparse.Namespace) -> dict[str, View]:
    """Return the views of a suite's store, by the kind of input of the models that read them."""
    kinds = {models[cell.model].input for cell in suite.cells}
    coarse = {} if options.full else {"n_mels": 64, "hop_length": 1024}
    specs = {"spectrogram": audiospec.MelSpec(**{**coarse, **suite.spec}), "table": audiospec.TabularSpec()}
    return {
        kind: audiospec.featurize(
            suite.dataset,
            data=options.data / suite.folder,
            spec=specs[kind],
            chunk=suite.chunk,
            store=options.out / suite.folder / "features.zarr",
        )
        for kind in sorted(kinds)
    }


def _trained(cell: Cell, suite: Suite, views: dict[str, View], out: Path) -> Iterator[tuple[str, list[Run]]]:
    """Train a cell; yield its runs by strategy, with the folds together."""
    view = views[models[cell.model].input]
    runs: dict[str, list[Run]] = {}
    for strategy in cell.strategies:
        for seed in cell.seeds:
            run = train(
                cell.model,
                view,
                settings=cell.settings,
                strategy=strategy,
                seed=seed,
                classes=suite.classes,
                runs=out,
                resume=True,
            )
            chunk = run.metrics["test"]["chunk"][F1]
            print(f"{cell.model} {strategy} {seed}: {chunk:.3f}, {run.info.seconds:.0f} s", flush=True)
            runs.setdefault("folds" if len(cell.strategies) == 5 else strategy, []).append(run)
    yield from runs.items()


def _figures(cell: Cell, strategy: str, runs: list[Run]) -> dict[str, Any]:
    """Return the results of the runs of one strategy, for the table and the JSON file."""

    def values(side: str, level: str, measure: str) -> list[float]:
        return [run.metrics[side][level][measure] for run in runs if side in run.metrics]

    return {
        "model": cell.model,
        "note": cell.note,
        "settings": cell.settings,
        "split": "folds" if strategy == "folds" else shown_strategy(runs),
        "splits": [f"{run.info.split['strategy']}, seed {run.info.seed}" for run in runs],
        "epochs": [len(run.history()) for run in runs],
        "seconds": sum(run.info.seconds for run in runs),
        "parameters": runs[0].info.parameters,
        "sides": [run.info.split["sides"] for run in runs],
        "scores": {
            f"{side}_{level}_{measure}": values(side, level, measure)
            for side in ("train", "valid", "test")
            for level in ("chunk", "track")
            for measure in (F1, ACCURACY)
        },
        f"test_track_{F1}_interval": [run.metrics["test"]["track"][f"{F1}_interval"] for run in runs],
    }


def _markdown(
    name: str,
    suite: Suite,
    views: dict[str, View],
    results: Iterable[dict[str, Any]],
    full: bool,
    left_out: Sequence[str],
) -> str:
    """Return the report of a suite."""
    spec = views["spectrogram"].spec
    bins, frames = views["spectrogram"].info.row_shape
    lines = [
        f"# {name}",
        "",
        f"`python -m benchmarks.studies.zoo {name}{' --full' if full else ''}`; "
        f"chunks of {suite.chunk.seconds:g} s; "
        f"input of networks: {bins} mel bins × {frames} frames at {spec.sample_rate} Hz.",
        "F1 is macro F1. Scores are in %: mean ± sample deviation of several runs, or the 95 % interval "
        "of a single run. *Leaky*: test rows share what is named with training or validation rows.",
        "",
        f"| {' | '.join(HEAD)} |",
        f"| {' | '.join('---' for _ in HEAD)} |",
    ]
    for row in results:
        scores = row["scores"]
        track = _spread(scores[f"test_track_{F1}"])
        if len(row["splits"]) == 1:
            low, high = row[f"test_track_{F1}_interval"][0]
            track += f" ({100 * low:.1f} to {100 * high:.1f})"
        label = row["model"] + (f" ({row['note']})" if row["note"] else "")
        epochs = "–".join(str(count) for count in sorted({min(row["epochs"]), max(row["epochs"])}) if count)
        cells = (
            label,
            row["split"],
            str(len(row["splits"])),
            epochs,
            _spread(scores[f"train_chunk_{F1}"]),
            _spread(scores[f"test_chunk_{F1}"]),
            track,
            _spread(scores[f"test_track_{ACCURACY}"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    if left_out:
        lines += ["", f"Not run: {', '.join(left_out)}."]
    if name == "esc10":
        lines += [
            "",
            "Piczak 2015, same folds, MFCC and zero-crossing statistics, accuracy in %: "
            + ", ".join(f"{theirs} {figure} (here {ours})" for ours, (theirs, figure) in PICZAK.items())
            + ", people 95.7.",
        ]
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    """Return the mean of scores in %, with the sample deviation if there are several."""
    if not values:
        return ""
    return f"{100 * mean(values):.1f}" + (f" ± {100 * stdev(values):.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
