"""What augmentation of waves in training is worth and costs: crnn-base on ESC-10, with and without.

The network reads waves of 5 s at 16 kHz and computes 32 mel bins, 8 frames a second, so that the study takes
half an hour on two cores. Each seed has one of
the five official folds as its test side, the strongest split of ESC-10, and the same test clips, first
weights and order of rows with every augmentation. So differences are paired by the test clips. All train for
as many epochs, and the epoch of the lowest validation loss is kept.

A study that was stopped is resumed: finished runs are not trained again.

    python -m benchmarks.studies.augmentation --save benchmarks/results
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

import audiospec
from audiospec.benchmarks.studies.result import save
from audiospec.features.base import one_thread
from audiospec.zoo.comparison.compare import compare
from audiospec.zoo.comparison.difference import holm
from audiospec.zoo.fitting.augmented_waves import WaveAugmentation
from audiospec.zoo.fitting.settings import AUGMENTATIONS, NetworkSettings
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

RATE, SECONDS = 16000, 5.0
#: Augmentations that are compared with none.
ARMS = ("shift", "shift,room,noise,gain")
SETTINGS: dict[str, Any] = {
    "frontend": "mel",
    "frontend.n_mels": 32,
    "frontend.hop_length": 2048,
    "patience": 1000,
    "device": "cpu",
}
#: Rows that a cost is measured on, and how often; the shortest time counts.
ROWS, REPEATS = 8, 3


def cost(name: str) -> float:
    """Return the seconds that an augmentation takes for a row, on one thread of a CPU."""
    augment = WaveAugmentation(NetworkSettings(augment=(name,), augment_share=1.0), RATE)
    waves = torch.randn(ROWS, round(RATE * SECONDS), generator=torch.Generator().manual_seed(0)) / 10
    times = []
    with one_thread():
        for number in range(REPEATS):
            began = time.perf_counter()
            augment(waves, (number,))
            times.append(time.perf_counter() - began)
    return min(times) / ROWS


def figures_of(runs: list[Run]) -> dict[str, Any]:
    """Return the scores by clip and the costs of the runs of an augmentation."""
    accuracies = [run.metrics["test"]["track"]["accuracy"] for run in runs]
    histories = [run.history() for run in runs]
    best = [min(history, key=lambda entry: entry["valid_loss"]) for history in histories]
    return {
        "accuracies": accuracies,
        "accuracy": fmean(accuracies),
        "deviation": stdev(accuracies),
        "macro_f1": fmean(run.metrics["test"]["track"]["macro_f1"] for run in runs),
        "train_accuracy": fmean(run.metrics["train"]["track"]["accuracy"] for run in runs),
        "best_epochs": [entry["epoch"] for entry in best],
        "epoch_seconds": fmean(entry["seconds"] for history in histories for entry in history),
    }


def markdown(figures: dict[str, Any]) -> str:
    """Return the results as a page.

    Parameters
    ----------
    figures : dict
        What ``augmentation.json`` has.
    """
    lines = [
        "# Augmentation of waves in training",
        "",
        f"`python -m benchmarks.studies.augmentation`; crnn-base on ESC-10, {figures['epochs']} epochs, "
        f"{figures['seeds']} seeds,",
        f"each with another official fold as the test side ({figures['clips']} clips in all). Accuracy by",
        "clip in %, mean ± sample deviation over the seeds. The difference from no augmentation is paired by",
        "the test clips, with its 95 % interval. Its p-value is of the corrected resampled t over the",
        "splits, adjusted by Holm's method.",
        "",
        "| augment | accuracy | difference | p | training accuracy | best epochs | s an epoch |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in figures["arms"]:
        difference = row.get("difference")
        cells = [
            row["augment"] or "none",
            f"{100 * row['accuracy']:.1f} ± {100 * row['deviation']:.1f}",
            ""
            if difference is None
            else "{:+.1f} ({:+.1f} to {:+.1f})".format(
                *(100 * value for value in (difference["value"], *difference["interval"]))
            ),
            "" if difference is None else f"{difference['adjusted']:.2f}",
            f"{100 * row['train_accuracy']:.1f}",
            f"{min(row['best_epochs']):.0f}–{max(row['best_epochs']):.0f}",
            f"{row['epoch_seconds']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"What each takes for a row of {SECONDS:g} s at {RATE} Hz, on one thread of a CPU, the shortest of "
        f"{REPEATS} times for {ROWS} rows:",
        "",
        "| augmentation | ms |",
        "| --- | --- |",
        *(f"| {name} | {1000 * seconds:.1f} |" for name, seconds in figures["costs"].items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train, print the table and save the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--out", type=Path, default=Path("augmentation-runs"), help="folder for store and runs"
    )
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5, help="from 2 to 5, one for each fold")
    parser.add_argument("--save", type=Path, help="folder for augmentation.json and augmentation.md")
    options = parser.parse_args()
    view = audiospec.featurize(
        "esc10",
        data=options.data / "esc10",
        spec=audiospec.WaveSpec(sample_rate=RATE),
        chunk=SECONDS,
        store=options.out / "esc10.zarr",
    )
    runs: dict[str, list[Run]] = {}
    for arm in ("", *ARMS):
        for seed in range(options.seeds):
            run = train(
                "crnn-base",
                view,
                settings={**SETTINGS, "epochs": options.epochs, "augment": arm},
                seed=seed,
                out=options.out / f"{arm.replace(',', '-') or 'none'}-{options.epochs}-{seed}",
                resume=True,
            )
            runs.setdefault(arm, []).append(run)
            print(arm or "none", seed, run.metrics["test"]["track"]["accuracy"], flush=True)
    compared = [compare(runs[arm], runs[""], score="accuracy") for arm in ARMS]
    adjusted = holm([one.p for one in compared])
    differences: dict[str, dict[str, Any]] = {
        arm: {
            "value": one.difference,
            "interval": list(one.interval),
            "p": one.p,
            "adjusted": by_holm,
            "method": one.method,
            "leaky": one.leaky,
        }
        for arm, one, by_holm in zip(ARMS, compared, adjusted, strict=True)
    }
    figures = {
        "epochs": options.epochs,
        "seeds": options.seeds,
        "clips": compared[0].items,
        "settings": SETTINGS,
        "view": view.spec.to_dict(),
        "arms": [
            {
                "augment": arm,
                **figures_of(of_arm),
                **({"difference": differences[arm]} if arm in differences else {}),
            }
            for arm, of_arm in runs.items()
        ],
        "costs": {name: cost(name) for name in AUGMENTATIONS},
    }
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('augmentation', figures, options.save, page=text)}")


if __name__ == "__main__":
    main()
