"""Measuring: turns, ratios, comparison, targets; and findings as text. No test depends on real time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from audiospec.benchmarks import measure as measuring
from audiospec.benchmarks.base import Case, Contender, Limit, Target
from audiospec.benchmarks.formatting import (
    case_table,
    describe_target,
    format_number,
    format_rate,
    format_seconds,
    format_size,
    target_line,
)
from audiospec.benchmarks.measure import MAX_ROUNDS, measure
from audiospec.errors import BenchmarkError


class Log:
    """Makes contenders that return a given time, and records the calls: name and round."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def contender(
        self, name: str, seconds: float | Callable[[int], float] = 1.0, result: object = 0.0, **more: Any
    ) -> Contender:
        def call(number: int) -> tuple[float, object]:
            self.calls.append((name, number))
            return (seconds(number) if callable(seconds) else seconds), result

        return Contender(name=name, call=call, has_own_clock=True, **more)


@pytest.fixture
def log() -> Log:
    return Log()


def case(*contenders: Contender, **more: Any) -> Case:
    settings = {"name": "sums", "amount": 10, "unit": "rows", "memory": "", "min_rounds": 5, "seconds": 0.0}
    return Case(contenders=contenders, **{**settings, **more})


def difference(ours: float, theirs: float) -> float:
    return abs(ours - theirs)


# --- rounds ------------------------------------------------------------------------------------------------


def test_contenders_take_turns_and_the_order_rotates(log: Log) -> None:
    names = ("ours", "a", "b")
    contenders = [log.contender(name, role="ours" if name == "ours" else "peer") for name in names]
    result = measure(case(*contenders))
    assert [each["repeats"] for each in result["contenders"]] == [5, 5, 5]
    rounds = [[name for name, round in log.calls[3:] if round == number] for number in range(5)]
    assert rounds[:3] == [["ours", "a", "b"], ["a", "b", "ours"], ["b", "ours", "a"]]
    assert log.calls[:3] == [(name, 0) for name in names]  # warm, and compared, before anything is timed
    assert len(log.calls) == 3 + 15


def test_each_has_its_minimum_of_rounds_however_slow_it_is(log: Log) -> None:
    contenders = [
        log.contender("ours", role="ours"),
        log.contender("slow", 100.0),
        log.contender("quick", 0.5),
    ]
    results = measure(case(*contenders, seconds=12, min_rounds=3))["contenders"]
    assert min(each["repeats"] for each in results) == 3


def test_a_contender_that_has_used_its_share_of_the_time_is_left_out(log: Log) -> None:
    slow, quick = log.contender("slow", 4.0), log.contender("quick", 0.5)
    result = measure(case(log.contender("ours", 1.0, role="ours"), slow, quick, seconds=30, min_rounds=2))
    ours_rounds, slow_rounds, quick_rounds = (each["repeats"] for each in result["contenders"])
    assert slow_rounds == 3
    assert ours_rounds == quick_rounds > 10  # ours runs as long as any other does


def test_the_number_of_rounds_is_limited_however_fast_they_are(log: Log) -> None:
    result = measure(case(log.contender("ours", 1e-9, role="ours"), seconds=4))
    assert result["contenders"][0]["repeats"] == MAX_ROUNDS


def test_a_ratio_is_the_median_over_the_rounds_in_which_both_took_part(log: Log) -> None:
    """The machine is ten times slower from the third round on; the peer stops after three."""
    ours = log.contender("ours", lambda number: 1.0 if number < 2 else 10.0, role="ours")
    peer = log.contender("peer", lambda number: [2.0, 3.0, 40.0][number])
    other = log.contender("other", lambda number: 0.5 if number < 2 else 5.0)
    results = measure(case(ours, peer, other, seconds=120, min_rounds=3))["contenders"]
    assert results[1]["repeats"] == 3
    assert results[0]["repeats"] == results[2]["repeats"] > 5
    assert [each["ratio"] for each in results] == [1.0, 3.0, 0.5]
    assert results[1]["ratio_quartiles"] == [2.5, 3.5]
    assert (results[0]["seconds"], results[1]["seconds"]) == (10.0, 3.0)
    assert results[1]["per_second"] == pytest.approx(10 / 3)
    assert results[1]["quartiles"] == [2.5, 21.5]


def test_the_time_is_that_of_the_call_and_of_waiting_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def taking(seconds: float) -> Callable[..., float]:
        def advance(*_: object) -> float:
            now[0] += seconds
            return 0.0

        return advance

    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])
    ours = Contender(name="ours", role="ours", call=taking(1.0), before=taking(100.0))
    results = measure(case(ours, Contender(name="peer", call=taking(3.0)), sync=taking(0.5)))["contenders"]
    assert [each["seconds"] for each in results] == [1.5, 3.5]
    assert results[1]["ratio"] == pytest.approx(3.5 / 1.5)


# --- comparison --------------------------------------------------------------------------------------------


def test_unequal_results_are_refused_before_anything_is_timed(log: Log) -> None:
    contenders = [log.contender("ours", role="ours"), log.contender("theirs", result=0.25)]
    with pytest.raises(
        BenchmarkError, match=r"'sums': theirs differs from ours by 0\.25 dB, the tolerance is 0\.1$"
    ):
        measure(case(*contenders, difference=difference, tolerance=0.1, difference_unit="dB"))
    assert len(log.calls) == 2


def test_a_difference_of_nan_is_refused(log: Log) -> None:
    contenders = [log.contender("ours", role="ours"), log.contender("theirs", result=math.nan)]
    with pytest.raises(BenchmarkError, match=r"theirs differs from ours by nan, the tolerance is inf$"):
        measure(case(*contenders, difference=difference, tolerance=math.inf))


def test_a_contender_may_have_its_own_tolerance_and_a_floor_is_not_compared(log: Log) -> None:
    contenders = [
        log.contender("ours", role="ours"),
        log.contender("close", result=0.05),
        log.contender("rough", result=5.0, tolerance=9.0),
        log.contender("floor", result="nothing", role="floor"),
    ]
    results = measure(case(*contenders, difference=difference, tolerance=0.1))["contenders"]
    assert [each["difference"] for each in results] == [None, 0.05, 5.0, None]


# --- targets and memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("peer", 3.0), True),
        (Target("peer", 3.1), False),
        (Target("absent", 1.0), None),
        (Limit("seconds", 1.0), True),
        (Limit("seconds", 0.9), False),
        (Limit("memory_bytes", 1e9), None),
    ],
    ids=str,
)
def test_targets_are_met_missed_or_not_measured(log: Log, target: Target | Limit, met: bool | None) -> None:
    contenders = [log.contender("ours", 1.0, role="ours"), log.contender("peer", 3.0)]
    (result,) = measure(case(*contenders, targets=[target], missing={"absent": "no"}))["targets"]
    assert result["met"] is met
    assert (result["found"] is None) == (met is None)
    verdict = {True: "met", False: "missed", None: "not measured"}[met]
    assert target_line(result).startswith(f"{verdict}: {result['what']}")
    assert describe_target(result).verdict == verdict


def test_memory_is_none_if_it_is_not_requested_or_cannot_be_measured(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def memory(kind: str) -> Any:
        return measure(case(log.contender("ours", role="ours"), memory=kind))["contenders"][0]["memory_bytes"]

    assert memory("") is None
    monkeypatch.setattr(measuring.Path, "exists", lambda _: False)
    assert memory("process") is None


def test_memory_of_the_process_is_what_a_call_adds() -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured by Linux's /proc")

    def hold(_: int) -> tuple[float, int]:
        return 1.0, len(bytearray(64_000_000))

    ours = Contender(name="ours", role="ours", call=hold, has_own_clock=True)
    memory = measure(case(ours, memory="process"))["contenders"][0]["memory_bytes"]
    if memory is None:
        pytest.skip("this system does not let a process reset its peak")
    assert memory > 30_000_000


# --- text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_seconds(2.5), "2.5 s"),
        (format_seconds(0.99996), "1,000 ms"),
        (format_seconds(1234.5), "1,234 s"),
        (format_seconds(3.21e-3), "3.21 ms"),
        (format_seconds(4.2e-6), "4.2 µs"),
        (format_seconds(7e-10), "0.7 ns"),
        (format_size(84.4e6), "84.4 MB"),
        (format_size(999.9e6), "1,000 MB"),
        (format_size(5e12), "5 TB"),
        (format_size(12), "12 B"),
        (format_rate(3120.4, "s of audio"), "3,120 × real time"),
        (format_rate(2.5, "rows"), "2.5 rows/s"),
        (format_rate(2.5e6, "bytes"), "2.5 MB/s"),
        (format_number(1234.5), "1,234"),
        (format_number(0.01234), "0.0123"),
        (format_number(math.nan), "nan"),
    ],
)
def test_numbers_have_units_and_no_exponents(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            {"what": "speed", "at_least": 2.8, "found": 4.613, "met": True},
            "met: speed: 4.61 (at least 2.8)",
        ),
        (
            {"what": "time of help", "unit": "s", "at_most": 0.3, "found": 0.41, "met": False},
            "missed: time of help: 410 ms (at most 300 ms)",
        ),
        (
            {"what": "memory of x", "unit": "bytes", "at_most": 2e9, "found": None, "met": None},
            "not measured: memory of x (at most 2 GB)",
        ),
        (
            {"what": "growth", "unit": "s", "at_most": 2, "found": 0.001, "met": True},
            "met: growth: 1 ms (at most 2 s)",
        ),
        (
            {"what": "size", "unit": "bytes", "at_most": 2000, "found": 0, "met": True},
            "met: size: 0 B (at most 2 kB)",
        ),
    ],
    ids=lambda value: value["what"] if isinstance(value, dict) else "",
)
def test_the_text_of_a_target_has_its_unit(target: dict[str, Any], expected: str) -> None:
    assert target_line(target) == expected


def test_empty_columns_are_left_out(log: Log) -> None:
    def head(*contenders: Contender, **more: Any) -> Sequence[str]:
        titles, rows = case_table(measure(case(*contenders, **more)))
        assert {len(row) for row in rows} == {len(titles)}
        assert [row[0].removesuffix(" (floor)") for row in rows] == [each.name for each in contenders]
        return titles

    ours, floor = log.contender("ours", role="ours"), log.contender("least", role="floor")
    assert head(ours) == ["contender", "time", "quartiles", "rate"]
    assert head(ours, floor, difference=difference)[-1] == "ratio quartiles"
    assert head(ours, log.contender("peer"), difference=difference)[-1] == "difference"
