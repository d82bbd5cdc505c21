"""Wrong labels in ESC-10: how many of the labels that were changed on purpose an audit finds.

Labels of 5, 10 and 20 % of the 400 clips are changed to another class: at random, or to the class that the
clip's own class is most confused with, which is how people err. The five official folds test each clip by a
model of the others, which learns from the wrong labels too. An audit ranks the clips, and the first tenth of
the ranking is looked at: recall is the share of the changed labels in it (a random ranking has 10 %),
precision the share of it that was changed. ESC-10 may have wrong labels of its own; they count as right.

Rankings by other scores of cleanlab are of the same predictions. Changes are applied as corrections are: the
store stays as it is. A study that was stopped is resumed: finished runs are not trained again.

    python -m benchmarks.studies.label_flips --save benchmarks/results
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

import audiospec
from audiospec.benchmarks.studies.result import save
from audiospec.corrections.applied import Applied
from audiospec.corrections.decision import Decision
from audiospec.corrections.view import CorrectedView
from audiospec.doctor.audit.labels import audit, out_of_fold
from audiospec.stores.layout.view import View
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

MODELS = ("lr", "svm")
SHARES = (0.05, 0.1, 0.2)
SEEDS = 5
#: Part of the ranking that is looked at.
PART = 0.1
#: How labels are changed → the shares for which this is done.
KINDS = {"random": SHARES, "confused": (0.1,)}
#: Rankings by scores of cleanlab, besides that of the audit, which is by the probability of the label.
SCORES = ("normalized_margin", "confidence_weighted_entropy")


def flips(
    labels: Sequence[str], share: float, seed: int, nearest: Mapping[str, str] | None = None
) -> dict[int, str]:
    """Choose which labels to change, and to what.

    Parameters
    ----------
    labels : sequence of str
        Of all tracks.
    share : float
        Share of the tracks.
    seed : int
    nearest : mapping or None
        Label → the label that it is changed to. None: any other, at random.

    Returns
    -------
    dict
        Number of the track → its wrong label, ascending.
    """
    rng = np.random.default_rng([seed, round(1000 * share)])
    classes = sorted(set(labels))
    chosen = np.sort(rng.choice(len(labels), round(share * len(labels)), replace=False))
    wrong = {}
    for number in chosen.tolist():
        others = [name for name in classes if name != labels[number]]
        drawn = others[int(rng.integers(len(others)))]
        wrong[number] = drawn if nearest is None else nearest[labels[number]]
    return wrong


def flipped(view: View, wrong: Mapping[int, str]) -> CorrectedView:
    """Return a view with wrong labels; the store stays as it is."""
    tracks = view.store.tracks
    hashes, ids, labels = (tracks[name].tolist() for name in ("hash", "id", "label"))
    decisions = tuple(
        Decision(hashes[number], ids[number], labels[number], label) for number, label in wrong.items()
    )
    return CorrectedView(view, Applied(dict(wrong), (), decisions), "flips", "")


def recall_and_precision(ranked: Sequence[str], wrong: set[str], part: float = PART) -> tuple[float, float]:
    """Return the share of the wrong tracks in the first part of a ranking, and their share of that part."""
    first = ranked[: round(part * len(ranked))]
    hits = len(wrong & {*first})
    return hits / len(wrong), hits / len(first)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a mean over seeds, by Student's t."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def most_confused(run: Run) -> dict[str, str]:
    """Return, for each class, the other class that a run gives its tracks most probability of."""
    _, labels, probabilities = out_of_fold(run)
    classes = run.info.classes
    means = np.array([probabilities[labels == number].mean(0) for number in range(len(classes))])
    np.fill_diagonal(means, -1)
    return {name: classes[int(place)] for name, place in zip(classes, means.argmax(1), strict=True)}


def measure(run: Run, wrong: set[str]) -> dict[str, Any]:
    """Return recall and precision of the audit of a run, and of other rankings of its predictions."""
    from cleanlab.rank import get_label_quality_scores

    found = audit(run)
    ranked = [suspect.track for suspect in found.suspects]
    ids, labels, probabilities = out_of_fold(run)
    orders = {"probability of the label (the audit)": ranked}
    for score in SCORES:
        quality: NDArray[np.float64] = get_label_quality_scores(labels, probabilities, method=score)
        orders[score.replace("_", " ")] = [
            ids[place] for place in np.lexsort((np.array(ids), quality)).tolist()
        ]
    likely = {suspect.track for suspect in found.likely}
    usual = {suspect.track for suspect in audit(run, method="thresholds").likely}
    right = {suspect.track: suspect.suggestion for suspect in found.suspects}
    truth = {one["track"]: one["old"] for one in run.info.corrections["decisions"]}
    return {
        "rankings": {name: recall_and_precision(order, wrong) for name, order in orders.items()},
        "likely": {
            name: {"tracks": len(of), "recall": len(of & wrong) / len(wrong), "precision": _share(of, wrong)}
            for name, of in (("cleanlab", likely), ("thresholds", usual))
        },
        "right_suggestions": fmean(right[track] == truth[track] for track in sorted(wrong)),
        "accuracy": run.metrics["test"]["track"]["accuracy"],
    }


def _share(found: set[str], wrong: set[str]) -> float:
    return len(found & wrong) / len(found) if found else 0.0


def main() -> None:
    """Change labels, train, audit, print the table and save the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("label-flips"), help="folder for store and runs")
    parser.add_argument("--save", type=Path, help="folder for label-flips.json and label-flips.md")
    options = parser.parse_args()
    view = audiospec.featurize(
        "esc10",
        data=options.data / "esc10",
        spec=audiospec.TabularSpec(),
        chunk=5.0,
        store=options.out / "esc10.zarr",
    )
    tracks = view.store.tracks
    labels = list(map(str, tracks["label"].tolist()))
    results = []
    for model in MODELS:
        clean = train(
            model, view, strategy="folds", corrections=None, runs=options.out / "clean", resume=True
        )
        nearest = most_confused(clean)
        for kind, shares in KINDS.items():
            for share in shares:
                measured = []
                for seed in range(SEEDS):
                    wrong = flips(labels, share, seed, nearest if kind == "confused" else None)
                    run = train(
                        model,
                        flipped(view, wrong),
                        strategy="folds",
                        runs=options.out / f"{kind}-{share:g}-{seed}",
                        resume=True,
                    )
                    measured.append(measure(run, {str(tracks["id"][number]) for number in wrong}))
                results.append(_figures(model, kind, share, measured))
                print(f"{model}, {kind} {100 * share:.0f} %: {results[-1]['rankings']}", flush=True)
    figures = {"tracks": len(labels), "seeds": SEEDS, "part": PART, "results": results}
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('label_flips', figures, options.save, 'label-flips', page=text)}")


def _figures(model: str, kind: str, share: float, measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rankings = {}
    for name in measured[0]["rankings"]:
        recalls, precisions = zip(*(one["rankings"][name] for one in measured), strict=True)
        rankings[name] = {
            "recall": fmean(recalls),
            "recall_interval": interval(recalls),
            "recalls": list(recalls),
            "precision": fmean(precisions),
        }
    likely = {
        method: {key: fmean(one["likely"][method][key] for one in measured) for key in values}
        for method, values in measured[0]["likely"].items()
    }
    return {
        "model": model,
        "flips": kind,
        "share": share,
        "most": min(1.0, PART / share),
        "rankings": rankings,
        "likely": likely,
        **{key: fmean(one[key] for one in measured) for key in ("right_suggestions", "accuracy")},
    }


def markdown(figures: Mapping[str, Any]) -> str:
    """Return the results as a page.

    Parameters
    ----------
    figures : mapping
        What ``label-flips.json`` has.
    """
    part = f"{100 * figures['part']:.0f} %"
    lines = [
        "# Wrong labels in ESC-10 that an audit finds",
        "",
        f"`python -m benchmarks.studies.label_flips`; {figures['tracks']} clips, {figures['seeds']} seeds.",
        "Some labels are changed to another class, at random or to the class that theirs is most confused",
        "with. Each of the five folds is tested by a model of the others, which learns from the wrong labels",
        f"too. Recall: the share of the changed labels in the first {part} of a ranking, in %, with the 95 %",
        f"interval over seeds; a random ranking has {part}, and a perfect one what the column `most` says.",
        "Precision: the share of that part that was changed.",
        "",
        "| model | changed | ranked by | recall | most | precision |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in figures["results"]:
        changed = f"{100 * row['share']:.0f} %, {row['flips']}"
        for name, of in row["rankings"].items():
            low, high = (100 * end for end in of["recall_interval"])
            lines.append(
                f"| {row['model']} | {changed} | {name} | {100 * of['recall']:.0f} ({low:.0f} to {high:.0f}) "
                f"| {100 * row['most']:.0f} | {100 * of['precision']:.0f} |"
            )
    lines += [
        "",
        "What the methods of an audit call likely wrong, and how often the suggested label is the one that",
        "was changed; means over seeds. The accuracy is measured against the wrong labels.",
        "",
        "| model | changed | method | tracks | recall | precision | right suggestions | accuracy |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in figures["results"]:
        changed = f"{100 * row['share']:.0f} %, {row['flips']}"
        for method, of in row["likely"].items():
            cells = (f"{100 * of[key]:.0f}" for key in ("recall", "precision"))
            right, accuracy = (f"{100 * row[key]:.0f}" for key in ("right_suggestions", "accuracy"))
            row_cells = (row["model"], changed, method, f"{of['tracks']:.0f}", *cells, right, accuracy)
            lines.append(f"| {' | '.join(row_cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
