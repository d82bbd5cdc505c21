"""Features by what simple models make of them: `svm` and `lr` on each, on the same splits as the 57 columns.

    gtzan-clips  ten genres, 499 clips of 2 to 3 s, ten splits by track
    gtzan-part   the three genres that have 20 tracks of 30 s, in 3 s, ten splits by track
    esc10        environmental sounds, 400 clips of 5 s, the five official folds
    fsdd         spoken digits, 3000 clips, ten splits by speaker (six speakers)

A feature is a table (the 57 columns, openSMILE's functionals, an embedding), or a spectrogram, of which the
mean and the deviation of each bin over the frames are the columns. Differences are those of accuracy by track
to the 57 columns with the same model on the same test tracks, with the 95 % interval of the corrected
resampled t over splits; they are not adjusted for their number. Features that cannot be computed here are
named, with the reason. A study that was stopped is resumed.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.studies.pooled import pooled
from audiospec.benchmarks.studies.result import save
from audiospec.errors import AudiospecError
from audiospec.specs.base import FeatureSpec, features, spec_class
from audiospec.stores.layout.view import View
from audiospec.zoo.comparison.compare import compare
from audiospec.zoo.comparison.configurations import shown_strategy
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

MODELS = ("svm", "lr")
#: What the others are compared with.
REFERENCE = "57 columns"
ACCURACY = "accuracy"
#: Stands in place of a licence.
NO_WEIGHTS = "–"
#: Presets of the mel spectrogram: those of models that the field transfers from, and the study's.
PRESETS = ("study", "kaldi", "whisper", "vggish", "panns", "musicnn", "birdnet-low")


class Suite(NamedTuple):
    """A dataset, its rows, and the splits that models are tested on."""

    title: str
    dataset: str
    chunk: Chunking
    strategies: tuple[str, ...] = ("strongest",)
    seeds: tuple[int, ...] = tuple(range(10))
    classes: tuple[str, ...] | None = None


SUITES = {
    "gtzan-clips": Suite("GTZAN, ten genres", "gtzan", Chunking(seconds=3.0, min_fill=0.5)),
    "gtzan-part": Suite(
        "GTZAN, three genres", "gtzan", Chunking(seconds=3.0), classes=("classical", "jazz", "rock")
    ),
    "esc10": Suite(
        "ESC-10", "esc10", Chunking(seconds=5.0), tuple(f"fold-{number}" for number in range(1, 6)), (0,)
    ),
    "fsdd": Suite("spoken digits", "fsdd", Chunking(seconds=1.0, min_fill=0.1)),
}


def probes() -> dict[str, Callable[[], FeatureSpec]]:
    """Return every feature of the study: its name → what makes its spec."""

    def of(feature: str, **settings: Any) -> Callable[[], FeatureSpec]:
        return lambda: spec_class(feature)(**settings)

    def preset(name: str) -> Callable[[], FeatureSpec]:
        return lambda: audiospec.spec(name)

    return {
        REFERENCE: of("tabular"),
        **{f"mel: {name}": preset(name) for name in PRESETS},
        **{name: of(name) for name in ("mfcc", "gammatone", "cqt", "vqt")},
        "openSMILE eGeMAPS": of("opensmile"),
        "openSMILE ComParE": of("opensmile", set="ComParE_2016"),
        **{
            f"musicnn {weights.upper()} {output}": of("musicnn", weights=weights, output=output)
            for weights in ("msd", "mtt")
            for output in ("penultimate", "tags")
        },
    }


def main() -> None:
    """Train the probes, print their tables and save the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", nargs="*", default=list(SUITES), help=f"of {', '.join(SUITES)} (all)")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("probe-runs"), help="folder for stores and runs")
    parser.add_argument("--save", type=Path, help="folder for probes.json and probes.md")
    parser.add_argument("--features", help="only features whose names begin so, separated by commas")
    options = parser.parse_args()
    begins = tuple(options.features.split(",")) if options.features else ("",)
    chosen = {name: make for name, make in probes().items() if name == REFERENCE or name.startswith(begins)}
    not_run: dict[str, str] = {}
    specs = {name: spec for name, make in chosen.items() if (spec := _spec(name, make, not_run)) is not None}
    suites = {
        name: _figures(SUITES[name], specs, options.data / name, options.out / name, not_run)
        for name in options.suite
    }
    figures = {
        "features": {name: _about(spec) for name, spec in specs.items() if name not in not_run},
        "suites": suites,
        "not_run": not_run,
    }
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('probes', figures, options.save, page=text)}")


def _spec(name: str, make: Callable[[], FeatureSpec], not_run: dict[str, str]) -> FeatureSpec | None:
    """Return a spec with its numbers as they are computed, or note why there is none."""
    try:
        spec = make()
    except (AudiospecError, TypeError) as error:
        not_run[name] = str(error)
        return None
    return dataclasses.replace(spec, dtype="float32")


def _about(spec: FeatureSpec) -> dict[str, Any]:
    """Return what a feature is, and the licence of the weights or of the library that it needs."""
    licence = str(getattr(features[spec.feature], "licence", ""))
    return {"spec": spec.to_dict(), "kind": spec.kind, "licence": licence}


def _figures(
    suite: Suite, specs: dict[str, FeatureSpec], data: Path, out: Path, not_run: dict[str, str]
) -> dict[str, Any]:
    """Return the scores of all features of a suite, and their differences to the reference."""
    reference: dict[str, list[Run]] = {}
    rows: dict[str, Any] = {}
    for name, spec in specs.items():
        if name in not_run:
            continue
        try:
            view = audiospec.featurize(
                suite.dataset, data=data, spec=spec, chunk=suite.chunk, store=out / "features.zarr"
            )
        except AudiospecError as error:  # weights or a library that are not here
            not_run[name] = str(error)
            continue
        table = pooled(view) if spec.kind == "spectrogram" else view
        rows[name] = {"columns": table.info.row_shape[0], "rows": len(table), "models": {}}
        for model in MODELS:
            runs = _trained(model, table, suite, out / "runs")
            reference.setdefault(model, runs)
            rows[name]["models"][model] = _scores(runs, reference[model])
            print(f"{suite.title}, {name}, {model}: {_spread(rows[name]['models'][model])}", flush=True)
    return {"title": suite.title, "chunking": suite.chunk.to_dict(), "features": rows}


def _trained(model: str, view: View, suite: Suite, out: Path) -> list[Run]:
    """Train a model on all splits of a suite."""
    return [
        train(model, view, strategy=strategy, seed=seed, classes=suite.classes, runs=out, resume=True)
        for strategy in suite.strategies
        for seed in suite.seeds
    ]


def _scores(runs: Sequence[Run], reference: Sequence[Run]) -> dict[str, Any]:
    """Return the accuracy by track of runs, and its difference to that of others on the same tracks."""
    scores: dict[str, Any] = {
        "split": "folds" if len({run.info.split["strategy"] for run in runs}) > 1 else shown_strategy(runs),
        "splits": [f"{run.info.split['strategy']}, seed {run.info.seed}" for run in runs],
        "track_accuracy": [run.metrics["test"]["track"][ACCURACY] for run in runs],
        "track_macro_f1": [run.metrics["test"]["track"]["macro_f1"] for run in runs],
    }
    if runs is not reference:
        found = compare(list(runs), list(reference), score=ACCURACY)
        scores |= {"difference": found.difference, "interval": list(found.interval), "p": found.p}
        scores["test_sets"] = len(found.differences)
    return scores


def markdown(figures: dict[str, Any]) -> str:
    """Return the page of the study: what the features are, and a table for each dataset."""
    lines = [
        "# Features by simple models",
        "",
        "Accuracy by track in %: mean ± sample deviation over splits; in brackets the difference to the 57 "
        "columns with the same model on the same test tracks, in points, with its 95 % interval (corrected "
        "resampled t over splits, not adjusted for the number of differences). Spectrograms are pooled: "
        "their columns are the mean and the deviation of each bin over the frames of a row. Made by "
        "`python -m benchmarks.studies.probes --save benchmarks/results`; date, machine, versions and specs: "
        "`probes.json`.",
    ]
    for suite in figures["suites"].values():
        first = next(iter(suite["features"].values()))["models"][MODELS[0]]
        lines += [
            "",
            f"## {suite['title']}: {len(first['splits'])} splits, {first['split']}",
            "",
            "| feature | columns | svm | lr | licence of weights or library |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, row in suite["features"].items():
            cells = (show(row["models"][model]) for model in MODELS)
            licence = figures["features"][name]["licence"].partition(" (")[0]
            lines.append(f"| {name} | {row['columns']} | {' | '.join(cells)} | {licence or NO_WEIGHTS} |")
    licences = {about["licence"]: None for about in figures["features"].values() if about["licence"]}
    for licence in licences:
        names = [name for name, about in figures["features"].items() if about["licence"] == licence]
        lines += ["", f"{', '.join(names)}: {licence}."]
    lines += _not_run(figures["not_run"])
    return "\n".join(lines) + "\n"


def _not_run(reasons: dict[str, str]) -> Iterable[str]:
    if reasons:
        yield ""
        yield "Not run: " + "; ".join(f"{name} ({reason})" for name, reason in reasons.items()) + "."


def show(scores: dict[str, Any]) -> str:
    """Return the mean accuracy with its deviation, and the difference with its interval, as a cell."""
    text = _spread(scores)
    if "difference" not in scores:
        return text
    difference, low, high = (
        f"{100 * value:+.1f}".replace("-", "−") for value in (scores["difference"], *scores["interval"])
    )
    return f"{text} ({difference}: {low} to {high})"


def _spread(scores: dict[str, Any]) -> str:
    values = scores["track_accuracy"]
    return f"{100 * mean(values):.1f} ± {100 * stdev(values):.1f}"


if __name__ == "__main__":
    main()
