"""Events of synthetic soundscapes: a network with an output a frame, beside chance and an energy detector.

Every recording of ``demo-events`` is tested by a model that was trained on other scenes, in five folds:

    audiospec featurize demo-events --features mel --chunk 5 --set n_mels=40 --set hop_length=512
    audiospec train crnn-base --store STORE --folds 5 --epochs 30 --set batch=8 --set learning_rate=0.002

chance                  events at random times, as many and as long as those of each class in training
energy, common class    what is louder than the background, as the class with the most events in training
energy, oracle class    the same, as the class of the true event that overlaps most: only times can be wrong

Scores are those of the project for all four. Nothing is downloaded. A study that was stopped is resumed.

    python -m benchmarks.studies.events --save benchmarks/results
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

import audiospec
from audiospec.annotations.annotation import Annotation
from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.studies.energy_detector import energy_events
from audiospec.benchmarks.studies.result import save
from audiospec.stores.base import open_store
from audiospec.stores.layout.view import View
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.event_files import EventFile
from audiospec.zoo.scores.measuring.events import score_events
from audiospec.zoo.scores.measuring.pooled import mean_over_repeats
from audiospec.zoo.scores.measuring.tables import Evaluation, ScoreTable

SPEC = audiospec.MelSpec(n_mels=40, hop_length=512)
CHUNK = 5.0
SETTINGS = {"epochs": 30, "batch": 8, "learning_rate": 0.002, "device": "cpu"}
FOLDS = 5
#: Draws of events at random.
DRAWS = 20
#: Key of a score → head of its column.
COLUMNS = {
    "event_f1": "event F1",
    "event_f1_micro": "micro event F1",
    "segment_f1": "segment F1",
    "psds1": "PSDS1",
}


class Recording(NamedTuple):
    """A recording that is tested, and what is known of the training recordings of its fold.

    Attributes
    ----------
    id, unit : str
    file : Path
    seconds : float
    truth : tuple of Annotation
    learnt : list of Annotation
        The events of all training recordings.
    learnt_seconds : float
        Length of these together.
    """

    id: str
    unit: str
    file: Path
    seconds: float
    truth: tuple[Annotation, ...]
    learnt: list[Annotation]
    learnt_seconds: float


def main() -> None:
    """Train, score, print the table, and save the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("events-study"), help="folder for audio and runs")
    parser.add_argument("--save", type=Path, help="folder for events.json and events.md")
    parser.add_argument("--tracks", type=int, default=80, help="number of recordings, four a scene")
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
    options = parser.parse_args()
    view = audiospec.featurize(
        "demo-events",
        data=options.out / "audio",
        options={"tracks": options.tracks},
        spec=SPEC,
        chunk=Chunking(seconds=CHUNK),
        store=options.out / "events.zarr",
    )
    run = audiospec.train(
        "crnn-base",
        view,
        settings={**SETTINGS, "epochs": options.epochs},
        folds=FOLDS,
        runs=options.out / "runs",
        resume=True,
        progress=_print_epoch,
    )
    tables = {"crnn-base": run.metrics["test"]["track"]}
    for name, table in baselines(recordings(run, view), run.info.classes).items():
        tables[name] = table.to_dict()
    figures = figures_of(run, view, tables)
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('events', figures, options.save, page=text)}")


def _print_epoch(entry: dict[str, float]) -> None:
    losses = f"loss {entry['train_loss']:.3f}, validation {entry['valid_loss']:.3f}"
    f1, seconds = entry["valid_f1"], entry["seconds"]
    print(f"epoch {entry['epoch']:.0f}: {losses}, frame F1 {f1:.3f}, {seconds:.0f} s", flush=True)


def recordings(run: Run, view: View) -> list[Recording]:
    """Return the recordings of a cross-validation, each once, in the order of the folds."""
    table, found = view.store.tracks, []
    number_of = {str(id): number for number, id in enumerate(table["id"])}
    root = open_store(view.store.path).root
    assert isinstance(root, Path), "the recordings were made on this disk"
    for fold in run.folds():
        ids = {
            side: sorted({track.known.track for track in fold.tracks() if track.side == side})
            for side in ("train", "test")
        }
        trained = [number_of[id] for id in ids["train"]]
        learnt = [one for number in trained for one in table.annotations.of(number)]
        for id in ids["test"]:
            number = number_of[id]
            found.append(
                Recording(
                    id,
                    str(table["group"][number]),
                    root / str(table["path"][number]),
                    float(table["seconds"][number]),
                    table.annotations.of(number),
                    learnt,
                    float(table["seconds"][trained].sum()),
                )
            )
    return found


def baselines(tested: Sequence[Recording], classes: Sequence[str]) -> dict[str, ScoreTable]:
    """Return the scores of chance and of the energy detector."""
    draws = [
        _scored(tested, classes, [chance(one, classes, random) for one in tested])
        for random in map(np.random.default_rng, range(DRAWS))
    ]
    energies = [energies_of(one.file) for one in tested]
    tables = {"chance": mean_over_repeats(draws).track}
    for name, label in (("energy, common class", common_class), ("energy, oracle class", oracle_class)):
        predicted = [label(one, found) for one, found in zip(tested, energies, strict=True)]
        tables[name] = _scored(tested, classes, predicted).track
    return tables


def _scored(
    tested: Sequence[Recording], classes: Sequence[str], predicted: Sequence[list[Annotation]]
) -> Evaluation:
    files = [
        EventFile(one.id, one.seconds, one.truth, events)
        for one, events in zip(tested, predicted, strict=True)
    ]
    return score_events(files, classes, units=[one.unit for one in tested])


def chance(recording: Recording, classes: Sequence[str], random: np.random.Generator) -> list[Annotation]:
    """Return events at random times: numbers and lengths are those of the class in training."""
    events = []
    for label in classes:
        lengths = [one.end - one.start for one in recording.learnt if one.label == label]
        rate = len(lengths) / recording.learnt_seconds
        for length in random.choice(lengths, random.poisson(rate * recording.seconds)).tolist():
            start = float(random.uniform(0, max(0.0, recording.seconds - length)))
            events.append(Annotation(start=start, end=start + length, label=label))
    return events


def energies_of(file: Path) -> list[tuple[float, float]]:
    """Return the stretches of a recording that are louder than its background."""
    wave: NDArray[np.float64]
    wave, rate = soundfile.read(file)
    return energy_events(wave, rate)


def common_class(recording: Recording, energies: Sequence[tuple[float, float]]) -> list[Annotation]:
    """Return the loud stretches as events of the class with the most events in training."""
    label = _most_common(recording)
    return [Annotation(start=start, end=end, label=label) for start, end in energies]


def oracle_class(recording: Recording, energies: Sequence[tuple[float, float]]) -> list[Annotation]:
    """Return the loud stretches as events of the class that is true for most of each."""
    events = []
    for start, end in energies:
        overlaps = [(min(end, one.end) - max(start, one.start), one.label) for one in recording.truth]
        overlap, label = max(overlaps, default=(0.0, ""))
        label = label if overlap > 0 else _most_common(recording)
        events.append(Annotation(start=start, end=end, label=label))
    return events


def _most_common(recording: Recording) -> str:
    return Counter(one.label for one in recording.learnt).most_common(1)[0][0]


def figures_of(run: Run, view: View, tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the study as plain JSON values."""
    annotations = view.store.tracks.annotations
    return {
        "dataset": view.store.dataset,
        "recordings": len(view.store.tracks),
        "seconds": float(view.store.tracks["seconds"].sum()),
        "scenes": len(set(view.groups.tolist())),
        "events": {str(label): int((annotations.label == label).sum()) for label in run.info.classes},
        "spec": view.spec.to_dict(),
        "chunking": view.chunking.to_dict(),
        "settings": run.info.settings,
        "split": {name: run.info.split[name] for name in ("strategy", "digest", "leaky")},
        "folds": FOLDS,
        "draws": DRAWS,
        "epochs": [len(fold.history()) for fold in run.folds()],
        "targets": [fold.target.to_dict() for fold in run.folds()],
        "scores": tables,
        "fold_scores": [{key: fold.metrics["test"]["track"][key] for key in COLUMNS} for fold in run.folds()],
    }


def markdown(figures: dict[str, Any]) -> str:
    """Return the report of the study."""
    settings = figures["settings"]
    epochs = "–".join(str(count) for count in sorted({min(figures["epochs"]), max(figures["epochs"])}))
    lines = [
        "# events",
        "",
        f"`python -m benchmarks.studies.events`; dataset {figures['dataset']}: {figures['recordings']} "
        f"recordings of {figures['scenes']} scenes, {figures['seconds'] / 60:.1f} min, "
        f"{sum(figures['events'].values())} events.",
        f"Input of the network: {figures['spec']['n_mels']} mel bins, chunks of "
        f"{figures['chunking']['seconds']:g} s; {epochs} epochs, batches of "
        f"{settings['batch']}, learning rate {settings['learning_rate']:g}.",
        f"Each recording is tested by the model of one of {figures['folds']} folds, which was trained on "
        "other scenes. Scores in % with 95 % intervals over scenes; an event is right if its start differs "
        "by at most 0.2 s, and its end by that or by 20 % of its length.",
        "",
        f"| | {' | '.join(COLUMNS.values())} |",
        f"|{' --- |' * (len(COLUMNS) + 1)}",
    ]
    for name, table in figures["scores"].items():
        lines.append(f"| {name} | {' | '.join(_cells(table))} |")
    lines += [
        "",
        "*chance*: events at random times, as many and as long as those of each class in training; the mean "
        f"of {figures['draws']} draws. *energy*: what is louder than the background, as one event; its class "
        "is the most common one in training, or, by an oracle, that of the true event that overlaps most. "
        "PSDS1 needs probabilities.",
        "",
        "| class | events | crnn-base: precision | recall | F1 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for label, scores in figures["scores"]["crnn-base"]["per_class"].items():
        shares = " | ".join(f"{100 * scores[key]:.1f}" for key in ("precision", "recall", "f1"))
        lines.append(f"| {label} | {scores['support']} | {shares} |")
    return "\n".join(lines) + "\n"


def _cells(table: dict[str, Any]) -> Iterator[str]:
    """Yield the scores of a table as text."""
    for key in COLUMNS:
        if key in table:
            low, high = table[f"{key}_interval"]
            yield f"{100 * table[key]:.1f} ({100 * low:.1f} to {100 * high:.1f})"
        else:
            yield "–"


if __name__ == "__main__":
    main()
