"""Measure a case: compare the results, then time the contenders in turn."""

from __future__ import annotations

import ctypes
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from audiospec.benchmarks.base import Case, Contender, Limit, Target
from audiospec.errors import BenchmarkError

#: Bytes that `touch_memory` writes to.
TOUCHED_BYTES = 3 << 29
#: The largest number of rounds of a case, however fast it is.
MAX_ROUNDS = 400


def measure(case: Case) -> dict[str, Any]:
    """Compare and time the contenders of a case.

    The result of every peer is compared with ours before anything is timed. Then the contenders take turns,
    and the order rotates with every round, so that a slow minute of the machine affects all of them. A ratio
    is the median over the rounds in which both took part.

    Returns
    -------
    dict
        ``case``, ``amount``, ``unit``, ``contenders`` (each: ``name``, ``role``, ``seconds`` median,
        ``quartiles``, ``repeats``, ``per_second``, ``ratio``: its time over ours, ``ratio_quartiles``,
        ``memory_bytes``, ``difference``), ``targets``, ``missing``, ``note``.

    Raises
    ------
    BenchmarkError
        The results differ by more than the case allows.
    """
    differences, memory = _compare(case)
    times: dict[str, dict[int, float]] = {contender.name: {} for contender in case.contenders}
    share = case.seconds / len(case.contenders)
    for number in range(MAX_ROUNDS):
        first = number % len(case.contenders)
        # Ours runs in every round; next to a fast contender, ours alone could use up the time of the case.
        time_is_up = sum(sum(rounds.values()) for rounds in times.values()) >= case.seconds
        unfinished = {
            name
            for name, rounds in times.items()
            if len(rounds) < case.min_rounds or (sum(rounds.values()) < share and not time_is_up)
        }
        if not unfinished:
            break
        for contender in (*case.contenders[first:], *case.contenders[:first]):
            # A ratio needs both times of a round, so ours runs as long as any contender does.
            if contender.name in unfinished or contender.role == "ours":
                times[contender.name][number] = _time_call(case, contender, number)
    ours = case.contenders[0]
    results = []
    for contender in case.contenders:
        rounds = times[contender.name]
        ratios = [seconds / times[ours.name][number] for number, seconds in rounds.items()]
        results.append(
            {
                "name": contender.name,
                "role": contender.role,
                "seconds": statistics.median(rounds.values()),
                "quartiles": _quartiles(rounds.values()),
                "repeats": len(rounds),
                "per_second": case.amount / statistics.median(rounds.values()),
                "ratio": statistics.median(ratios),
                "ratio_quartiles": _quartiles(ratios),
                "memory_bytes": memory[contender.name]
                if case.memory == "children"
                else _measure_memory(case, contender),
                "difference": differences.get(contender.name),
                "note": contender.note,
            }
        )
    return {
        "case": case.name,
        "amount": case.amount,
        "unit": case.unit,
        "difference_unit": case.difference_unit,
        "memory": case.memory,
        "contenders": results,
        "targets": [_check_target(target, results) for target in case.targets],
        "missing": dict(case.missing),
        "note": case.note,
    }


def _compare(case: Case) -> tuple[dict[str, float], dict[str, int | None]]:
    """Return the difference of each peer from ours, and the memory of the processes that each starts.

    Each contender runs once, so every one is warm afterwards.
    """
    differences: dict[str, float] = {}
    memory: dict[str, int | None] = {}
    watched = case.memory == "children" and can_watch_children()
    ours = None
    for contender in case.contenders:
        if contender.before is not None:
            contender.before()
        with watch_children() if watched else nullcontext(Peak()) as peak:
            if contender.result is not None:
                result = contender.result()
            else:
                result = contender.call(0)
                if contender.has_own_clock:
                    result = result[1]
        memory[contender.name] = peak.total_bytes or None  # 0: it started no process
        if case.sync is not None:
            case.sync()
        if contender.role == "ours":
            ours = result
        elif contender.role == "peer" and case.difference is not None:
            difference = float(case.difference(ours, result))
            allowed = case.tolerance if contender.tolerance is None else contender.tolerance
            if not difference <= allowed:
                unit = f" {case.difference_unit}" if case.difference_unit else ""
                raise BenchmarkError(
                    f"unequal work in {case.name!r}: {contender.name} differs from {case.contenders[0].name} "
                    f"by {difference:.4g}{unit}, the tolerance is {allowed:g}"
                )
            differences[contender.name] = difference
    return differences, memory


def _time_call(case: Case, contender: Contender, number: int) -> float:
    """Return the wall-clock time of one call in seconds."""
    if contender.before is not None:
        contender.before()
    if case.warm:
        contender.call(number)
    if case.sync is not None:
        case.sync()
    start = time.perf_counter()
    result = contender.call(number)
    if case.sync is not None:
        case.sync()
    seconds = time.perf_counter() - start
    return float(result[0]) if contender.has_own_clock else seconds


def _quartiles(values: Any) -> list[float]:
    """Return the lower and the upper quartile."""
    values = list(values)
    low, _, high = statistics.quantiles(values * 2 if len(values) == 1 else values, n=4, method="inclusive")
    return [low, high]


def _check_target(target: Target | Limit, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a target with the measured value and whether it is met; both are None if not measured."""
    if isinstance(target, Limit):
        measured = results[0][target.quantity]
        what, unit = {"seconds": ("time", "s"), "memory_bytes": ("memory", "bytes")}[target.quantity]
        return {
            "what": f"{what} of {results[0]['name']}",
            "unit": unit,
            "at_most": target.at_most,
            "found": measured,
            "met": None if measured is None else measured <= target.at_most,
        }
    ratio = next((each["ratio"] for each in results if each["name"] == target.contender), None)
    return {
        "what": f"speed of {results[0]['name']} over that of {target.contender}",
        "at_least": target.at_least,
        "found": ratio,
        "met": None if ratio is None else ratio >= target.at_least,
    }


def _measure_memory(case: Case, contender: Contender) -> int | None:
    """Return the peak memory of one more call in bytes; None if it cannot be measured on this system."""
    if not case.memory or not Path("/proc/self/smaps_rollup").exists():
        return None
    if contender.before is not None:
        contender.before()
    if case.memory == "device":
        import torch

        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        contender.call(0)
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    # Return freed memory to the system; otherwise a call that reuses it would not raise the peak.
    getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    except OSError:
        return None
    before = _status("VmRSS")
    contender.call(0)
    return max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    """Return a size of this process in bytes, from ``/proc/self/status``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")


def touch_memory() -> None:
    """Write to as much memory as a command uses, and free it.

    On a virtual machine, idle memory belongs to the host. Getting it back takes many times as long as writing
    to it, and the first contender to need it would pay for all of them.
    """
    np.ones(TOUCHED_BYTES, np.uint8)


def can_watch_children() -> bool:
    """Return whether the memory of child processes can be measured: on Linux, with psutil."""
    return Path("/proc/self/smaps_rollup").exists() and find_spec("psutil") is not None


class Peak:
    """Peak memory and processor time of child processes.

    Attributes
    ----------
    total_bytes : int
        Peak memory of all descendants of this process together.
    direct_bytes : int
        Peak memory of the processes that this process started itself.
    direct_cpu_seconds : float
        Processor time of the processes that this process started itself.
    """

    total_bytes = 0
    direct_bytes = 0
    direct_cpu_seconds = 0.0


@contextmanager
def watch_children(interval: float = 0.05) -> Iterator[Peak]:
    """Measure the processes that are started in a ``with`` block, and their descendants.

    Memory is the proportional set size, in which shared memory counts once.

    Parameters
    ----------
    interval : float
        Seconds between measurements.
    """
    import psutil

    peak, ended, this_process = Peak(), threading.Event(), psutil.Process()
    running_before = set(this_process.children(recursive=True))

    def watch() -> None:
        while not ended.wait(interval):
            descendants = set(this_process.children(recursive=True)) - running_before
            memory = {child: _proportional_set_size(child.pid) for child in descendants}
            direct = set(this_process.children()) & memory.keys()
            peak.total_bytes = max(peak.total_bytes, sum(memory.values()))
            peak.direct_bytes = max(peak.direct_bytes, sum(memory[child] for child in direct))
            with suppress(psutil.Error):  # a process has just ended
                times = [child.cpu_times() for child in direct]
                seconds = sum(each.user + each.system for each in times)
                peak.direct_cpu_seconds = max(peak.direct_cpu_seconds, seconds)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _proportional_set_size(process: int) -> int:
    """Return the proportional set size of a process in bytes; 0 if it has ended."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
