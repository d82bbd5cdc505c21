"""Scores of events are compared with sed_eval's and sed_scores_eval's, and with examples."""

from __future__ import annotations

import itertools
import json
import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiospec.annotations.annotation import Annotation
from audiospec.errors import ModelError
from audiospec.zoo.scores.measuring import psd
from audiospec.zoo.scores.measuring.event_counts import matches
from audiospec.zoo.scores.measuring.event_files import EventFile, joined_events
from audiospec.zoo.scores.measuring.events import score_events
from audiospec.zoo.scores.measuring.psd import Curves, Tolerance

CLASSES = ["bell", "dog", "rain"]
DURATION = 10.0
KEYS = [
    "event_f1", "event_f1_micro", "psds1", "psds2", "segment_error_rate", "segment_f1", "segment_f1_micro",
]  # fmt: skip


def event(label: str, start: float, end: float) -> Annotation:
    return Annotation(start=start, end=end, label=label)


def make_files(count: int, seed: int, *, every_class: bool = True) -> list[EventFile]:
    """Return files of 10 s whose events are found more or less, and the probabilities of 50 frames each."""
    random = np.random.default_rng(seed)
    files = []
    for number in range(count):
        times = np.linspace(0, DURATION, 51)
        smooth = random.random((50, 3))
        probabilities = np.round((smooth + np.roll(smooth, 1, 0) + np.roll(smooth, 2, 0)) / 3, 2)
        truth, predicted = [], []
        for place, label in enumerate(CLASSES):
            end = 0.0
            while every_class or label != "rain":
                start = end + 0.05 + random.exponential(2)
                end = start + 0.05 + random.exponential(1)
                if end > DURATION:
                    break
                truth.append(event(label, round(start, 3), round(end, 3)))
                inside = (times[:-1] >= start) & (times[:-1] < end)
                probabilities[inside, place] += 0.4 * random.random()
                for _ in range(random.integers(3)):
                    found = label if random.random() < 0.8 else CLASSES[random.integers(3)]
                    first = max(0.0, start + 0.15 * random.normal())
                    last = min(DURATION, first + max(0.01, end - start + 0.2 * random.normal()))
                    predicted.append(event(found, round(first, 3), round(last, 3)))
        files.append(EventFile(f"file {number}", DURATION, truth, predicted, probabilities, times))
    return files


# --- other libraries ------------------------------------------------------------------------------


@pytest.fixture
def sed_eval(monkeypatch: pytest.MonkeyPatch) -> Any:
    """sed_eval, whose dcase_util imports what newer setuptools lack, and does not use it."""
    monkeypatch.setitem(sys.modules, "pkg_resources", types.ModuleType("pkg_resources"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("sed_eval")


@pytest.fixture
def library_psds(sed_eval: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The PSDS of sed_scores_eval, whose compiled loops refuse the read-only arrays of pandas 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("sed_scores_eval")
    from sed_scores_eval.base_modules import statistics
    from sed_scores_eval.intersection_based import intermediate_statistics, psds

    def on_copies(function: Any) -> Any:
        return lambda *arrays: function(*[None if one is None else np.array(one) for one in arrays])

    monkeypatch.setattr(statistics, "onset_offset_curves", on_copies(statistics.onset_offset_curves))
    deltas = on_copies(intermediate_statistics.onset_deltas)
    monkeypatch.setattr(intermediate_statistics, "onset_deltas", deltas)
    return psds


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("every_class", [True, False])
def test_scores_equal_those_of_sed_eval(sed_eval: Any, seed: int, every_class: bool) -> None:
    files = make_files(8, seed, every_class=every_class)
    table = score_events(files, CLASSES).track
    events = sed_eval.sound_event.EventBasedMetrics(
        CLASSES, t_collar=0.2, percentage_of_length=0.2, event_matching_type="optimal",
        empty_system_output_handling="zero_score",
    )  # fmt: skip
    segments = sed_eval.sound_event.SegmentBasedMetrics(CLASSES, time_resolution=1.0)
    for file in files:
        both = [
            [
                {"filename": file.track, "onset": one.start, "offset": one.end, "event_label": one.label}
                for one in some
            ]
            for some in (file.truth, file.predicted)
        ]
        events.evaluate(*both)
        segments.evaluate(*both, evaluated_length_seconds=file.duration)
    for metrics, key in ((events, "event_f1"), (segments, "segment_f1")):
        by_class = metrics.results_class_wise_average_metrics()["f_measure"]["f_measure"]
        together = metrics.results_overall_metrics()["f_measure"]["f_measure"]
        assert getattr(table, key) == pytest.approx(by_class, abs=1e-12)
        assert getattr(table, f"{key}_micro") == pytest.approx(together, abs=1e-12)
    rate = segments.results_overall_metrics()["error_rate"]["error_rate"]
    assert table.segment_error_rate == pytest.approx(rate, abs=1e-12)
    for label, values in table.per_class.items():
        expected = events.results_class_wise_metrics()[label]
        assert values["support"] == expected["count"]["Nref"]
        if values["support"]:
            for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f_measure")):
                assert values[ours] == pytest.approx(expected["f_measure"][theirs], abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_psds_equal_those_of_sed_scores_eval(library_psds: Any, seed: int) -> None:
    from sed_scores_eval.base_modules.scores import create_score_dataframe

    files = make_files(8, seed)
    table = score_events(files, CLASSES).track
    arguments = (
        {file.track: create_score_dataframe(file.probabilities, file.times, CLASSES) for file in files},
        {file.track: [(one.start, one.end, one.label) for one in file.truth] for file in files},
        {file.track: file.duration for file in files},
    )
    first = library_psds(*arguments, dtc_threshold=0.7, gtc_threshold=0.7, alpha_st=1.0)[0]
    second = library_psds(
        *arguments, dtc_threshold=0.1, gtc_threshold=0.1, cttc_threshold=0.3, alpha_ct=0.5, alpha_st=1.0
    )[0]
    assert table.psds1 == pytest.approx(first, abs=1e-12)
    assert table.psds2 == pytest.approx(second, abs=1e-12)
    assert table.psds2 > 0.02
    loose = Tolerance(0.3, 0.3, 0.3)
    expected = library_psds(
        *arguments, dtc_threshold=0.3, gtc_threshold=0.3, cttc_threshold=0.3, alpha_ct=1.0, alpha_st=0.0
    )[0]
    assert Curves.of(files, CLASSES, loose).score(np.ones(8), 1.0, 0.0) == pytest.approx(expected, abs=1e-12)


# --- on paper -------------------------------------------------------------------------------------


def test_an_example() -> None:
    truth = [event("bell", 1, 2), event("bell", 5, 9), event("dog", 0.5, 1.5)]
    predicted = [
        event("bell", 1.15, 2.15),  # right: both ends are off by less than 0.2 s
        event("bell", 5.1, 8.3),  # right: its end is off by 0.7, less than 20 % of 4 s
        event("rain", 3.5, 3.9),
        event("dog", 0.75, 1.5),  # wrong: it starts 0.25 s late
    ]
    evaluation = score_events([EventFile("a", DURATION, truth, predicted)], CLASSES)
    table = evaluation.track
    assert evaluation.chunk is table
    assert table.count == 1
    assert table.per_class["bell"] == {"precision": 1, "recall": 1, "f1": 1, "support": 2}
    assert table.per_class["dog"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert table.event_f1 == 0.5  # there is no rain
    assert table.event_f1_micro == pytest.approx(4 / 7)
    # Bells are in seconds 1 and 5 to 8, and found in 1, 2 and 5 to 8; dogs in 0 and 1; rain in 3.
    assert table.segment_f1 == pytest.approx((10 / 11 + 1) / 2)
    assert table.segment_f1_micro == pytest.approx(14 / 16)
    assert table.segment_error_rate == pytest.approx(2 / 7)
    assert not {"psds1", "psds2"} & set(table.scores)  # they are of probabilities


def test_a_missing_class_and_a_wrong_one_in_a_segment_are_one_error() -> None:
    files = [EventFile("a", 2.0, [event("bell", 0, 1)], [event("dog", 0, 1)])]
    assert score_events(files, CLASSES).track.segment_error_rate == 1


def test_psds_of_perfect_and_of_useless_probabilities() -> None:
    times = np.linspace(0, DURATION, 101)
    truth = [event("bell", 1, 3), event("dog", 4, 7), event("rain", 6, 9)]
    inside = np.stack([(times[:-1] >= one.start) & (times[:-1] < one.end) for one in truth], 1)
    perfect, none, turned = inside * 0.9, np.full((100, 3), 0.5), 0.9 - inside * 0.8
    values = [
        score_events([EventFile("a", DURATION, truth, truth, one, times)], CLASSES).track
        for one in (perfect, none, turned)
    ]
    assert (values[0].psds1, values[0].psds2) == (1, 1)
    assert values[0].event_f1 == values[0].segment_f1 == 1
    assert values[1].psds1 == values[2].psds1 == 0


def test_psds_do_not_count_classes_without_events() -> None:
    files = make_files(6, 0, every_class=False)
    dropped = [
        EventFile(one.track, one.duration, one.truth, one.predicted, one.probabilities[:, :2], one.times)
        for one in files
    ]
    with_rain, without = (
        score_events(some, classes).track for some, classes in ((files, CLASSES), (dropped, CLASSES[:2]))
    )
    assert (with_rain.psds1, with_rain.psds2) == (without.psds1, without.psds2)


def test_psds_of_long_files_are_of_some_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_files(6, 0)
    exact = Curves.of(files, CLASSES, Tolerance(0.1, 0.1, 0.3)).score(np.ones(6), 0.5, 1.0)
    monkeypatch.setattr(psd, "_BLOCK", 120)  # blocks of two thresholds
    assert Curves.of(files, CLASSES, Tolerance(0.1, 0.1, 0.3)).score(np.ones(6), 0.5, 1.0) == exact
    monkeypatch.setattr(psd, "THRESHOLDS", 5)
    close = Curves.of(files, CLASSES, Tolerance(0.1, 0.1, 0.3)).score(np.ones(6), 0.5, 1.0)
    assert close != exact
    assert close == pytest.approx(exact, abs=0.1)


times_of_events = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6)


def on_a_grid(pairs: list[tuple[int, int]]) -> np.ndarray:
    """Return events whose starts are close, so that many match several."""
    return np.array(sorted((0.07 * start, 0.07 * (start + length)) for start, length in pairs)).reshape(-1, 2)


@given(times_of_events, times_of_events)
@settings(max_examples=60)
def test_as_many_events_as_possible_are_matched(one: list, other: list) -> None:
    true, predicted = on_a_grid(one), on_a_grid(other)

    def fits(pair: tuple[int, int]) -> bool:
        (start, end), (from_, to) = true[pair[0]], predicted[pair[1]]
        return abs(start - from_) <= 0.2 and abs(end - to) <= max(0.2, 0.2 * (end - start))

    def most(left: int, taken: frozenset[int]) -> int:
        if left == len(true):
            return 0
        free = [place for place in range(len(predicted)) if place not in taken and fits((left, place))]
        return max([most(left + 1, taken), *(1 + most(left + 1, taken | {place}) for place in free)])

    assert matches(true, predicted) == most(0, frozenset())


@given(times_of_events)
def test_joined_events_cover_the_same_and_do_not_touch(pairs: list) -> None:
    times = np.array(sorted((start, start + length) for start, length in pairs), float).reshape(-1, 2)
    joined = joined_events(times)
    for moment in np.arange(0, 25, 0.25):
        covers = [bool(((some[:, 0] <= moment) & (moment <= some[:, 1])).any()) for some in (times, joined)]
        assert covers[0] == covers[1]
    assert all(last[1] < first[0] for last, first in itertools.pairwise(joined))


# --- tables ---------------------------------------------------------------------------------------


def test_the_table_has_every_score_as_plain_json() -> None:
    evaluation = score_events(make_files(6, 0), CLASSES)
    assert list(evaluation.track.scores) == KEYS
    for key, (value, (low, high)) in evaluation.track.scores.items():
        assert 0 <= low <= value <= high, key
    stored = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert stored["track"]["confusion"] == []
    assert stored["chunk"] == stored["track"]


def test_events_without_end_and_of_other_labels() -> None:
    truth = [event("bell", 2, float("inf")), event("cat", 1, 2)]
    table = score_events([EventFile("a", 4.0, truth, [event("bell", 2, 4)])], ["bell"]).track
    assert table.event_f1 == table.segment_f1 == 1


def test_files_without_events_have_no_scores() -> None:
    table = score_events([EventFile("a", 4.0, [], []), EventFile("b", 4.0, [], [])], CLASSES).track
    assert table.scores == {}
    table = score_events([EventFile("a", 4.0, [], [event("bell", 0, 1)])], CLASSES).track
    assert {key: value.value for key, value in table.scores.items()} == {
        "event_f1_micro": 0, "segment_f1_micro": 0,
    }  # fmt: skip


def test_intervals_are_over_units() -> None:
    """Copies of a file in one group add nothing."""
    files = make_files(20, 0)
    copies = [
        EventFile(f"{one.track}, {copy}", DURATION, one.truth, one.predicted, one.probabilities, one.times)
        for one in files
        for copy in range(5)
    ]
    one_each = score_events(files, CLASSES).track
    grouped = score_events(copies, CLASSES, units=np.repeat(np.arange(20), 5)).track
    alone = score_events(copies, CLASSES).track
    for key in KEYS:
        widths = [
            table.scores[key].interval[1] - table.scores[key].interval[0]
            for table in (one_each, grouped, alone)
        ]
        assert 0.6 * widths[0] < widths[1] < 1.1 * widths[0], key
        assert widths[2] < 0.8 * widths[1], key


def test_what_does_not_fit_is_refused() -> None:
    times = np.linspace(0, 4, 5)
    with pytest.raises(ModelError, match="a duration of more than 0 s of track a; got 0"):
        EventFile("a", 0, [], [])
    with pytest.raises(ModelError, match=r"0 <= start <= end; got 'bell' from 2\.0 to 1\.0"):
        EventFile("a", 4.0, [], [event("bell", 2.0, 1.0)])
    with pytest.raises(ModelError, match="with the times of their frames"):
        EventFile("a", 4.0, [], [], np.zeros((4, 3)))
    for wrong in (times[:-1], times[::-1]):
        with pytest.raises(ModelError, match="expected 4 starts of frames of track a, ascending, and an end"):
            EventFile("a", 4.0, [], [], np.zeros((4, 3)), wrong)
    file = EventFile("a", 4.0, [], [], np.zeros((4, 2)), times)
    with pytest.raises(ModelError, match=r"of 3 classes of track a; got some of shape \(4, 2\)"):
        score_events([file], CLASSES)
    for files, units in (([], None), ([file, file], None), ([file], ["x", "y"])):
        with pytest.raises(ModelError, match="expected files of different tracks, and a unit for each"):
            score_events(files, CLASSES[:2], units=units)
