"""How often the check `confounds` alarms without reason, and which planted confounds it finds.

Labels and recordings are those of ESC-10: 400 clips of 10 classes, where clips of one recording are a unit.
Without a confound, three columns are drawn at random for each recording: nothing predicts the class. A
confound is a sample rate of 22050 Hz for a share of the recordings of one class, where all others have
44100 Hz, beside two random columns. Everything is tested as `audiospec doctor` does, at its defaults.

    python -m benchmarks.studies.confounds --save benchmarks/results
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.benchmarks.studies.result import save
from audiospec.datasets.esc10 import Esc10
from audiospec.doctor.checks.confounds import Confounds
from audiospec.doctor.confounds.columns import Column
from audiospec.doctor.confounds.labelled import LabelledTracks
from audiospec.doctor.confounds.told import forest_of, guilty, targets_of, testable
from audiospec.manifest import Manifest

#: Shares of one class's recordings that have another sample rate.
SHARES = (0.1, 0.25, 0.5, 1.0)
RATES = (44100.0, 22050.0)


def labelled(manifest: Manifest) -> LabelledTracks:
    """Return the tracks of a dataset, with their groups as units."""
    names, label = np.unique([track.label for track in manifest], return_inverse=True)
    units = np.unique([track.group or track.id for track in manifest], return_inverse=True)[1]
    count = len(label)
    return LabelledTracks(
        "single",
        np.arange(count),
        tuple(map(str, names)),
        np.eye(len(names), dtype=bool)[label],
        np.full(count, np.nan),
        units.astype(np.int64),
    )


def columns(tracks: LabelledTracks, share: float, seed: int) -> list[Column]:
    """Return two random columns, and a third one: random for a share of 0, else a sample rate.

    Parameters
    ----------
    tracks : LabelledTracks
    share : float, 0 to 1
        Share of the recordings of one class that have the other rate, at least one.
    seed : int
        Of the columns, the class and the recordings.
    """
    random = np.random.default_rng([seed, round(1000 * share)])
    units = int(tracks.units.max()) + 1
    made = [
        Column(f"random {n}", "", "", "format", random.normal(size=units)[tracks.units]) for n in range(2)
    ]
    if not share:
        return [*made, Column("random 2", "", "", "format", random.normal(size=units)[tracks.units])]
    chosen = random.integers(len(tracks.names))
    of_class = random.permutation(np.unique(tracks.units[tracks.has[:, chosen]]))
    other = np.isin(tracks.units, of_class[: max(1, round(share * len(of_class)))])
    rate: NDArray[np.float64] = np.where(other & tracks.has[:, chosen], RATES[1], RATES[0])
    return [*made, Column("sample_rate", "sample rate", "Hz", "format", rate)]


def trial(tracks: LabelledTracks, share: float, seed: int, check: Confounds) -> dict[str, bool]:
    """Return whether a confound was found, as an error, and whether its column was named first."""
    tracks, folds, _ = testable(tracks, check.folds)
    made = columns(tracks, share, seed)
    forest = forest_of(tracks, folds, seed)
    x = np.stack([column.ranks for column in made], 1)
    together = forest.test(x, targets_of(tracks), tracks.units, check.permutations, check.alarm)
    if together is None:
        return {"found": False, "error": False, "named": False}
    reach = together.observed.by_label[together.predicted].max(initial=-1.0)
    first = guilty(tracks, made, forest, together)[0]
    return {"found": True, "error": bool(reach >= check.strong), "named": first.column.name == "sample_rate"}


def main() -> None:
    """Run all trials, print the table and save the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--save", type=Path, help="folder for confounds.json and confounds.md")
    parser.add_argument("--healthy", type=int, default=300, help="trials without a confound")
    parser.add_argument("--planted", type=int, default=20, help="trials of each share")
    options = parser.parse_args()
    tracks = labelled(Esc10(options.data / "esc10").manifest())
    check = Confounds()
    results = []
    for share in (0.0, *SHARES):
        trials = options.planted if share else options.healthy
        outcomes = [trial(tracks, share, seed, check) for seed in range(trials)]
        counts = {key: sum(one[key] for one in outcomes) for key in ("found", "error", "named")}
        results.append({"share": share, "trials": trials, **counts})
        print(results[-1], flush=True)
    figures = {
        "tracks": len(tracks),
        "units": int(tracks.units.max()) + 1,
        "alarm": check.alarm,
        "permutations": check.permutations,
        "folds": check.folds,
        "results": results,
    }
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('confounds', figures, options.save, page=text)}")


def markdown(figures: dict[str, Any]) -> str:
    """Return the results as a page.

    Parameters
    ----------
    figures : dict
        What ``confounds.json`` has.
    """
    lines = [
        "# Planted confounds in the labels of ESC-10",
        "",
        f"`python -m benchmarks.studies.confounds`; {figures['tracks']} clips in {figures['units']} "
        "recordings,",
        f"{figures['folds']} folds, {figures['permutations']} permutations, an alarm at p ≤ "
        f"{figures['alarm']:g}. A share of the recordings of one class has",
        "another sample rate than all others; with a share of 0, each alarm is false.",
        "",
        "| share of the class | trials | found | as an error | sample rate named first |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in figures["results"]:
        named = row["named"] if row["share"] else ""
        lines.append(
            f"| {100 * row['share']:.0f} % | {row['trials']} | {row['found']} | {row['error']} | {named} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
