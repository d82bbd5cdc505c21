"""The study of wrong labels: which are changed, and how a ranking is measured."""

from __future__ import annotations

from collections import Counter

import pytest

from audiospec.benchmarks.studies.label_flips import flips, interval, markdown, recall_and_precision

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
