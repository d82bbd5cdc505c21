"""Measuring: turns, ratios, comparison, targets; and findings in words. No real time is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from audiospec.benchmarks import measure as measuring
from audiospec.benchmarks import words
from audiospec.benchmarks.base import Case, Contender, Limit, Target
from audiospec.benchmarks.measure import MOST, measure
from audiospec.errors import BenchmarkError


class Log:
    """Makes contenders that say how long they took, and writes down who was called in which round."""

    def __init__(self) -> None:
        self.called: list[tuple[str, int]] = []

    def contender(
        self, name: str, seconds: float | Callable[[int], float] = 1.0, result: object = 0.0, **more: Any
    ) -> Contender:
        def call(number: int) -> tuple[float, object]:
            self.called.append((name, number))
            return (seconds(number) if callable(seconds) else seconds), result

        return Contender(name=name, call=call, has_own_clock=True, **more)


@pytest.fixture
def log() -> Log:
    return Log()


def case(*contenders: Contender, **more: Any) -> Case:
    settings = {"name": "sums", "amount": 10, "unit": "rows", "memory": "", "least": 5, "seconds": 0.0}
    return Case(contenders=contenders, **{**settings, **more})


def apart(ours: float, theirs: float) -> float:
    return abs(ours - theirs)


# --- rounds ------------------------------------------------------------------------------------------------


def test_contenders_take_turns_and_the_order_turns(log: Log) -> None:
    names = ("ours", "a", "b")
    found = measure(case(*(log.contender(name, role="ours" if name == "ours" else "peer") for name in names)))
    assert [each["repeats"] for each in found["contenders"]] == [5, 5, 5]
    rounds = [[name for name, round in log.called[3:] if round == number] for number in range(5)]
    assert rounds[:3] == [["ours", "a", "b"], ["a", "b", "ours"], ["b", "ours", "a"]]
    assert log.called[:3] == [(name, 0) for name in names]  # warm, and compared, before anything is timed
    assert len(log.called) == 3 + 15


def test_each_has_its_least_rounds_however_slow_it_is(log: Log) -> None:
    contenders = [
        log.contender("ours", role="ours"),
        log.contender("slow", 100.0),
        log.contender("quick", 0.5),
    ]
    found = measure(case(*contenders, seconds=12, least=3))["contenders"]
    assert min(each["repeats"] for each in found) == 3


def test_one_that_has_had_its_share_of_the_time_is_left_out(log: Log) -> None:
    slow, quick = log.contender("slow", 4.0), log.contender("quick", 0.5)
    found = measure(case(log.contender("ours", 1.0, role="ours"), slow, quick, seconds=30, least=2))
    ours, slow_one, quick_one = (each["repeats"] for each in found["contenders"])
    assert slow_one == 3
    assert ours == quick_one > 10  # ours goes on as long as another does


def test_rounds_have_an_end_however_quick_they_are(log: Log) -> None:
    found = measure(case(log.contender("ours", 1e-9, role="ours"), seconds=4))
    assert found["contenders"][0]["repeats"] == MOST


def test_a_ratio_is_the_median_over_the_rounds_that_both_had(log: Log) -> None:
    """The machine is ten times as slow from the third round on; the peer stops after three."""
    ours = log.contender("ours", lambda number: 1.0 if number < 2 else 10.0, role="ours")
    peer = log.contender("peer", lambda number: [2.0, 3.0, 40.0][number])
    other = log.contender("other", lambda number: 0.5 if number < 2 else 5.0)
    found = measure(case(ours, peer, other, seconds=120, least=3))["contenders"]
    assert found[1]["repeats"] == 3
    assert found[0]["repeats"] == found[2]["repeats"] > 5
    assert [each["ratio"] for each in found] == [1.0, 3.0, 0.5]
    assert found[1]["ratio_quartiles"] == [2.5, 3.5]
    assert (found[0]["seconds"], found[1]["seconds"]) == (10.0, 3.0)
    assert found[1]["per_second"] == pytest.approx(10 / 3)
    assert found[1]["quartiles"] == [2.5, 21.5]


def test_what_is_timed_is_the_call_and_waiting_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def passing(seconds: float) -> Callable[..., float]:
        def pass_(*_: object) -> float:
            now[0] += seconds
            return 0.0

        return pass_

    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])
    ours = Contender(name="ours", role="ours", call=passing(1.0), before=passing(100.0))
    found = measure(case(ours, Contender(name="peer", call=passing(3.0)), sync=passing(0.5)))["contenders"]
    assert [each["seconds"] for each in found] == [1.5, 3.5]
    assert found[1]["ratio"] == pytest.approx(3.5 / 1.5)


# --- comparison --------------------------------------------------------------------------------------------


def test_unequal_results_are_refused_before_anything_is_timed(log: Log) -> None:
    contenders = [log.contender("ours", role="ours"), log.contender("theirs", result=0.25)]
    with pytest.raises(
        BenchmarkError, match=r"'sums': theirs differs by 0\.25 dB from ours, allowed are 0\.1"
    ):
        measure(case(*contenders, difference=apart, tolerance=0.1, difference_unit="dB"))
    assert len(log.called) == 2


def test_a_difference_that_is_no_number_is_refused(log: Log) -> None:
    contenders = [log.contender("ours", role="ours"), log.contender("theirs", result=math.nan)]
    with pytest.raises(BenchmarkError, match="theirs differs by nan"):
        measure(case(*contenders, difference=apart, tolerance=math.inf))


def test_a_contender_may_have_a_tolerance_of_its_own_and_a_floor_is_not_compared(log: Log) -> None:
    contenders = [
        log.contender("ours", role="ours"),
        log.contender("close", result=0.05),
        log.contender("rough", result=5.0, tolerance=9.0),
        log.contender("floor", result="nothing", role="floor"),
    ]
    found = measure(case(*contenders, difference=apart, tolerance=0.1))["contenders"]
    assert [each["difference"] for each in found] == [None, 0.05, 5.0, None]


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
    (found,) = measure(case(*contenders, targets=[target], missing={"absent": "no"}))["targets"]
    assert found["met"] is met
    assert (found["found"] is None) == (met is None)
    verdict = {True: "met", False: "missed", None: "not measured"}[met]
    assert words.target(found).startswith(f"{verdict}: {found['what']}")
    assert words.told(found).verdict == verdict


def test_memory_is_none_where_it_is_not_asked_for_or_the_system_does_not_tell(
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
    found = measure(case(ours, memory="process"))["contenders"][0]["memory_bytes"]
    if found is None:
        pytest.skip("this system does not let a process reset its peak")
    assert found > 30_000_000


# --- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.seconds(2.5), "2.5 s"),
        (words.seconds(0.99996), "1,000 ms"),
        (words.seconds(1234.5), "1,234 s"),
        (words.seconds(3.21e-3), "3.21 ms"),
        (words.seconds(4.2e-6), "4.2 µs"),
        (words.seconds(7e-10), "0.7 ns"),
        (words.size(84.4e6), "84.4 MB"),
        (words.size(999.9e6), "1,000 MB"),
        (words.size(5e12), "5 TB"),
        (words.size(12), "12 B"),
        (words.rate(3120.4, "s of audio"), "3,120 × real time"),
        (words.rate(2.5, "rows"), "2.5 rows/s"),
        (words.rate(2.5e6, "bytes"), "2.5 MB/s"),
        (words.number(1234.5), "1,234"),
        (words.number(0.01234), "0.0123"),
        (words.number(math.nan), "nan"),
    ],
)
def test_numbers_are_said_with_units_and_without_exponents(said: str, expected: str) -> None:
    assert said == expected


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
def test_a_target_is_said_with_its_unit(target: dict[str, Any], expected: str) -> None:
    assert words.target(target) == expected


def test_columns_that_are_empty_are_left_out(log: Log) -> None:
    def head(*contenders: Contender, **more: Any) -> Sequence[str]:
        titles, rows = words.rows(measure(case(*contenders, **more)))
        assert {len(row) for row in rows} == {len(titles)}
        assert [row[0].removesuffix(" (floor)") for row in rows] == [one.name for one in contenders]
        return titles

    ours, floor = log.contender("ours", role="ours"), log.contender("least", role="floor")
    assert head(ours) == ["contender", "time", "quartiles", "rate"]
    assert head(ours, floor, difference=apart)[-1] == "quartiles of it"
    assert head(ours, log.contender("peer"), difference=apart)[-1] == "differs by"
