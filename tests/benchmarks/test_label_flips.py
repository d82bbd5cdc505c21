"""The study of wrong labels: which are changed, and how a ranking is measured."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from audiospec.benchmarks.studies.label_flips import PART, flips, interval, markdown, recall_and_precision

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
LABELS = ["ant", "bee", "cat"] * 40


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_so_many_labels_are_changed_to_another(share: float) -> None:
    wrong = flips(LABELS, share, seed=0)
    assert len(wrong) == round(share * len(LABELS))
    assert all(label in LABELS and label != LABELS[number] for number, label in wrong.items())
    assert wrong == flips(LABELS, share, seed=0) != flips(LABELS, share, seed=1)


def test_labels_are_changed_to_the_class_that_they_are_confused_with() -> None:
    nearest = {"ant": "bee", "bee": "cat", "cat": "ant"}
    wrong = flips(LABELS, 0.5, 0, nearest)
    assert Counter(nearest[LABELS[number]] == label for number, label in wrong.items()) == {True: 60}
    assert {*wrong} == {*flips(LABELS, 0.5, 0)}


def test_recall_and_precision_are_of_the_first_part() -> None:
    ranked = [str(number) for number in range(20)]
    assert recall_and_precision(ranked, {"0", "1", "19", "18"}) == (0.5, 1.0)
    assert recall_and_precision(ranked, {"1", "5", "6", "7"}) == (0.25, 0.5)
    assert recall_and_precision(ranked, {"5"}) == (0.0, 0.0)


def test_the_interval_is_that_of_student() -> None:
    low, high = interval([0.5, 0.6, 0.7])
    # The mean 0.6, its standard error 0.1 / √3, and t of 2 degrees of freedom, 4.303.
    assert (low, high) == pytest.approx((0.6 - 0.24842, 0.6 + 0.24842), abs=1e-4)


def test_the_page_has_a_line_for_each_ranking_and_method() -> None:
    ranking = {"recall": 0.75, "recall_interval": [0.7, 0.8], "recalls": [0.75], "precision": 0.5}
    row = {
        "model": "svm",
        "flips": "random",
        "share": 0.05,
        "most": 1.0,
        "rankings": {"probability": ranking},
        "likely": {"cleanlab": {"tracks": 30.0, "recall": 0.8, "precision": 0.4}},
        "right_suggestions": 0.9,
        "accuracy": 0.7,
    }
    text = markdown({"tracks": 400, "seeds": 5, "part": 0.1, "results": [row]})
    assert "| svm | 5 %, random | probability | 75 (70 to 80) | 100 | 50 |" in text
    assert "| svm | 5 %, random | cleanlab | 30 | 80 | 40 | 90 | 70 |" in text


def test_the_committed_page_is_of_the_committed_figures_and_reaches_the_goal() -> None:
    figures = json.loads((RESULTS / "label-flips.json").read_text())["figures"]
    assert markdown(figures) == (RESULTS / "label-flips.md").read_text()
    guide = (ROOT / "docs" / "guide" / "audit.md").read_text()
    for row in figures["results"]:
        found = row["rankings"]["probability of the label (the audit)"]
        assert found["recall_interval"][0] > 2 * PART  # twice chance
        if row["model"] == "svm":
            low, high = (100 * end for end in found["recall_interval"])
            assert f"{100 * row['share']:.0f} %, " in guide
            assert f"| {100 * found['recall']:.0f} % ({low:.0f} to {high:.0f}) |" in guide
