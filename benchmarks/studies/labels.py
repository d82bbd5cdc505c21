"""Scores of several labels a clip: ESC-10 mixed two by two, and what models of the zoo make of it.

A mixture is the sum of two clips of different classes and of equal energy, and has the labels of both. The
recordings of each of the five official folds are dealt into groups of four of different classes; clips are
mixed only within a group, each in three mixtures at most. So no recording is in two groups, nor a group in
two folds: the folds test each mixture once, by a model that has heard none of its sources.

``svm`` and ``rf`` read the tabular features. ``crnn-base`` reads coarse spectrograms (32 mel bins, 5 frames
per second) for 12 epochs, so that the study takes minutes on two cores. A study that was
stopped is resumed: finished runs are not trained again.

    python -m benchmarks.studies.labels --save benchmarks/results
"""

from __future__ import annotations

import argparse
import csv
import itertools
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.studies.result import save
from audiospec.datasets.esc10 import Esc10
from audiospec.manifest import Track
from audiospec.stores.layout.view import View
from audiospec.zoo.base import models
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

MODELS = ("svm", "rf", "crnn-base")
#: Settings that differ from the models' defaults.
SETTINGS: dict[str, dict[str, Any]] = {"crnn-base": {"epochs": 12, "batch": 8}}
CHUNK = Chunking(seconds=5.0)
#: Recordings of a group, and most mixtures of a clip.
GROUP, USES = 4, 3
#: Loudest sample of a mixture.
PEAK = 0.9
#: Keys of the scores, by clip.
SCORES = ("map_macro", "map_micro", "label_f1")


@dataclass(frozen=True)
class Mixture:
    """Two clips of different classes from one fold; `group` is that of their recordings."""

    first: Track
    second: Track
    group: str

    @property
    def name(self) -> str:
        """File name of the sound."""
        return f"{self.first.id}+{self.second.id}.wav"


def mixtures(tracks: Iterable[Track], seed: int = 0) -> list[Mixture]:
    """Choose which clips to mix.

    Parameters
    ----------
    tracks : iterable of Track
        Clips with label, fold and group (the recording).
    seed : int

    Returns
    -------
    list of Mixture
        In order of fold and group.
    """
    rng = random.Random(seed)
    folds: dict[str, dict[tuple[str, str], list[Track]]] = {}
    for track in sorted(tracks, key=lambda track: track.id):
        folds.setdefault(track.fold, {}).setdefault((track.label, track.group), []).append(track)
    chosen = []
    for fold, recordings in sorted(folds.items()):
        for number, group in enumerate(_groups(list(recordings), rng)):
            clips = [clip for recording in group for clip in recordings[recording]]
            pairs = [pair for pair in itertools.combinations(clips, 2) if pair[0].label != pair[1].label]
            rng.shuffle(pairs)
            uses: Counter[str] = Counter()
            for first, second in pairs:
                if max(uses[first.id], uses[second.id]) < USES:
                    uses.update((first.id, second.id))
                    chosen.append(Mixture(first, second, f"{fold}-{number:02d}"))
    return chosen


def _groups(recordings: list[tuple[str, str]], rng: random.Random) -> list[list[tuple[str, str]]]:
    """Deal recordings, (class, recording) each, into groups of different classes.

    Each group takes a recording of the classes that have most left, so that few are without a partner.
    """
    rng.shuffle(recordings)
    left: dict[str, list[tuple[str, str]]] = {}
    for recording in recordings:
        left.setdefault(recording[0], []).append(recording)
    groups = []
    while len(left) > 1:
        classes = sorted(left, key=lambda name: (-len(left[name]), rng.random()))[:GROUP]
        groups.append([left[name].pop() for name in classes])
        left = {name: some for name, some in left.items() if some}
    return groups


def mix(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of two sounds of equal energy, with a peak of `PEAK`.

    Parameters
    ----------
    first, second : ndarray of float, shape (samples,)
        Not silent; the shorter one is continued by silence.
    """
    total = np.zeros(max(len(first), len(second)))
    for wave in (first, second):
        total[: len(wave)] += wave / np.sqrt(np.square(wave).sum())
    mixed: NDArray[np.float64] = total * (PEAK / np.abs(total).max())
    return mixed


def write(chosen: Iterable[Mixture], audio: Path, folder: Path) -> Path:
    """Write the sounds of mixtures and ``tags.csv``; return the table's path.

    Parameters
    ----------
    chosen : iterable of Mixture
    audio : Path
        Folder of the clips.
    folder : Path
        For the table and the sounds, 16 bit at the clips' rate.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("path", "label", "fold", "group")]
    for mixture in chosen:
        rows.append(
            (
                mixture.name,
                f"{mixture.first.label};{mixture.second.label}",
                mixture.first.fold,
                mixture.group,
            )
        )
        if not (folder / mixture.name).exists():
            (first, rate), (second, other) = (
                soundfile.read(audio / clip.path) for clip in (mixture.first, mixture.second)
            )
            assert rate == other
            soundfile.write(folder / mixture.name, mix(_mono(first), _mono(second)), rate, subtype="PCM_16")
    with (folder / "tags.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder / "tags.csv"


def _mono(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    return wave if wave.ndim == 1 else wave.mean(1)


def main() -> None:
    """Mix, train, print the table and save the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--out", type=Path, default=Path("labels-runs"), help="folder for audio, store and runs"
    )
    parser.add_argument("--save", type=Path, help="folder for labels.json and labels.md")
    options = parser.parse_args()
    audio = options.data / "esc10"
    chosen = mixtures(Esc10(audio).manifest())
    table = write(chosen, audio, options.out / "mixtures")
    results = []
    for name in MODELS:
        view = _view(models[name].input, table, options.out)
        run = train(
            name,
            view,
            settings=SETTINGS.get(name, {}),
            strategy="folds",
            runs=options.out / "runs",
            resume=True,
        )
        results.append(_figures(name, view, run))
        print(f"{name}: {results[-1]['scores']}", flush=True)
    figures = {
        "mixtures": len(chosen),
        "clips": len({clip.id for one in chosen for clip in (one.first, one.second)}),
        "groups": len({one.group for one in chosen}),
        "folds": dict(sorted(Counter(one.first.fold for one in chosen).items())),
        "labels": dict(sorted(_shares(chosen).items())),
        "scores": results,
    }
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('labels', figures, options.save, page=text)}")


def _view(kind: str, table: Path, out: Path) -> View:
    spec: Any = audiospec.TabularSpec() if kind == "table" else audiospec.MelSpec(n_mels=32, hop_length=4096)
    return audiospec.featurize(
        "csv",
        data=table,
        options={"target": "multi-label"},
        spec=spec,
        chunk=CHUNK,
        store=out / "mixtures.zarr",
    )


def _shares(chosen: list[Mixture]) -> dict[str, float]:
    """Return the share of the mixtures that have each label, which is the AP of a guess."""
    counts = Counter(clip.label for one in chosen for clip in (one.first, one.second))
    return {label: count / len(chosen) for label, count in counts.items()}


def _figures(name: str, view: View, run: Run) -> dict[str, Any]:
    scores = run.metrics["test"]["track"]
    return {
        "model": name,
        "settings": SETTINGS.get(name, {}),
        "view": view.spec.to_dict(),
        "row_shape": list(view.info.row_shape),
        "rows": len(view),
        "epochs": [len(fold.history()) for fold in run.folds()],
        "seconds": run.info.seconds,
        "scores": {key: scores[key] for key in SCORES},
        "intervals": {key: scores[f"{key}_interval"] for key in SCORES},
        "folds": {key: [fold.metrics["test"]["track"][key] for fold in run.folds()] for key in SCORES},
        "per_class": scores["per_class"],
    }


def markdown(figures: dict[str, Any]) -> str:
    """Return the results as a page.

    Parameters
    ----------
    figures : dict
        What ``labels.json`` has.
    """
    shares = figures["labels"]
    guess = sum(shares.values()) / len(shares)
    lines = [
        "# ESC-10 mixed two by two",
        "",
        f"`python -m benchmarks.studies.labels`; {figures['mixtures']} mixtures of {figures['clips']} clips "
        f"in {figures['groups']} groups, 5 s each.",
        "Each of the five folds is tested by a model of the others. Scores are of all mixtures together, in",
        "%, with the 95 % interval over groups. The mAP of a guess is the mean share of the mixtures that",
        "have a label.",
        "",
        "| model | input | epochs | mAP | micro mAP | macro F1 | mAP of the folds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        f"| a guess |  |  | {100 * guess:.1f} |  |  |  |",
    ]
    for row in figures["scores"]:
        shape = " × ".join(map(str, row["row_shape"]))
        epochs = "–".join(str(count) for count in sorted({min(row["epochs"]), max(row["epochs"])}) if count)
        cells = [
            "{:.1f} ({:.1f} to {:.1f})".format(
                *(100 * x for x in (row["scores"][key], *row["intervals"][key]))
            )
            for key in SCORES
        ]
        folds = ", ".join(f"{100 * value:.1f}" for value in row["folds"]["map_macro"])
        lines.append(f"| {' | '.join((row['model'], shape, epochs, *cells, folds))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
