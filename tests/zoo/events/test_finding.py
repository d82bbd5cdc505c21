"""Events: against a reference that looks at one frame after another, in any division into blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.annotations.formats.base import Event
from audiospec.errors import ModelError
from audiospec.zoo.events.finding import EventFinder, find_events
from audiospec.zoo.events.rules import EventRules

NAMES = "abc"


def reference(
    outputs: NDArray[np.float64], period: float, rules: EventRules, exclusive: bool, seconds: float
) -> list[tuple[float, float, str, float]]:
    """The events of outputs, frame by frame; times are multiples of a period that is a power of two."""
    found = []
    for number, name in enumerate(NAMES[: outputs.shape[1]]):
        threshold = rules.threshold if isinstance(rules.threshold, float) else rules.threshold[name]
        present = []
        for row in outputs.tolist():
            wins = row.index(max(row)) == number or not exclusive
            present.append(row[number] >= threshold and wins)
        width = max(odd for odd in range(1, 100, 2) if odd == 1 or odd - 1 <= rules.median / period)
        filtered = []
        for place in range(len(present)):
            around = [
                present[min(max(place + step, 0), len(present) - 1)]
                for step in range(-(width // 2), width // 2 + 1)
            ]
            filtered.append(sorted(around)[width // 2])
        events: list[list[float]] = []
        for place, is_in in enumerate(filtered):
            if not is_in:
                continue
            start, score = place * period, outputs[place, number]
            if events and (start == events[-1][1] or start - events[-1][1] < rules.merge):
                events[-1] = [events[-1][0], start + period, max(events[-1][2], score)]
            else:
                events.append([start, start + period, score])
        for onset, offset, score in events:
            offset = min(offset, seconds)
            if offset > onset and offset - onset >= rules.min:
                found.append((onset, number, offset, name, score))
    return [(onset, offset, name, score) for onset, _, offset, name, score in sorted(found)]


seconds = st.integers(0, 24).map(lambda value: value / 8)


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.float64], EventRules, list[int]]:
    frames, classes = draw(st.integers(1, 40)), draw(st.integers(1, 3))
    values = draw(st.lists(st.integers(0, 4), min_size=frames * classes, max_size=frames * classes))
    outputs = np.array(values).reshape(frames, classes) / 4
    levels = st.sampled_from([0.25, 0.5, 0.75])
    threshold = draw(st.one_of(levels, st.fixed_dictionaries(dict.fromkeys(NAMES[:classes], levels))))
    # A filter of 4n, 4n + 1 … eighths of a second: none is half-way between two odd numbers of frames.
    median = draw(st.sampled_from([0.0, 0.25, 0.75, 1.25]))
    rules = EventRules(threshold=threshold, median=median, merge=draw(seconds), min=draw(seconds))
    cuts = sorted(draw(st.lists(st.integers(0, frames), max_size=5)))
    return outputs, rules, cuts


def plain(events: list[Event]) -> list[tuple[float, float, str, float | None]]:
    return [(event.onset, event.offset, event.label, event.score) for event in events]


@settings(max_examples=400, deadline=None)
@given(cases(), st.booleans(), st.sampled_from([math.inf, 1.0, 2.5]))
def test_events_are_those_of_the_reference(
    case: tuple[NDArray[np.float64], EventRules, list[int]], exclusive: bool, length: float
) -> None:
    outputs, rules, cuts = case
    outputs = outputs[: math.ceil(length / 0.25)] if length < math.inf else outputs
    expected = reference(outputs, 0.25, rules, exclusive, length)
    names = NAMES[: outputs.shape[1]]
    whole = find_events(outputs, names, 0.25, rules, exclusive=exclusive, seconds=length, file="x")
    assert plain(whole) == expected
    assert {event.file for event in whole} <= {"x"}
    finder = EventFinder(names, 0.25, rules, exclusive=exclusive, file="x")
    blocks = []
    for block in np.split(outputs, [cut for cut in cuts if cut <= len(outputs)]):
        blocks += finder.feed(block)
    assert blocks + finder.end(length) == whole


def test_events_are_given_as_soon_as_they_are_certain() -> None:
    finder = EventFinder("ab", 1.0, EventRules(merge=2.0))
    assert finder.feed(np.array([[1, 0], [0, 0]])) == []  # may be merged
    (event,) = finder.feed(np.array([[0, 1.0]]))
    assert (event.onset, event.offset, event.label) == (0, 1, "a")
    assert finder.feed(np.array([[1, 1.0], [0, 1], [0, 1], [0, 1]])) == []  # one that began before is open
    assert [(event.onset, event.label) for event in finder.end()] == [(2, "b"), (3, "a")]


def test_a_long_file_of_one_event_is_held_as_one_event() -> None:
    finder = EventFinder("a", 0.5, EventRules(median=2.0))
    for _ in range(50):
        assert finder.feed(np.full((1000, 1), 0.75)) == []
        assert len(finder._outputs) <= 2
    assert plain(finder.end()) == [(0, 25_000, "a", 0.75)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 1.5}, "parameter threshold must be from 0 to 1; got 1.5"),
        ({"threshold": {"a": -1}}, "parameter threshold must be from 0 to 1; got -1"),
        ({"merge": -1}, "parameter merge must be a number of seconds, at least 0; got -1"),
        ({"min": math.nan}, "parameter min must be a number of seconds, at least 0; got nan"),
        ({"median": math.inf}, "parameter median must be a number of seconds, at least 0; got inf"),
    ],
)
def test_impossible_rules(values: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        EventRules(**values)
    assert str(caught.value) == message


def test_thresholds_of_classes_are_complete() -> None:
    with pytest.raises(ModelError, match="class 'b' has no threshold"):
        EventRules(threshold={"a": 0.5}).thresholds(["a", "b"])
    with pytest.raises(ModelError, match=r"'bb', which is no class \(did you mean 'b'\?\)|did you mean 'b'"):
        EventRules(threshold={"a": 0.5, "bb": 0.5}).thresholds(["a", "b"])
    assert EventRules(threshold={"b": 0.1, "a": 0.2}).thresholds(["a", "b"]).tolist() == [0.2, 0.1]
