"""Times a case: compare, warm up, then contenders in turns; medians, spread, memory, ratios."""

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

#: Bytes that `take_back_memory` touches.
TOUCHED = 3 << 29
#: Rounds of a case at most, however fast it is.
MOST = 400


def measure(case: Case) -> dict[str, Any]:
    """Run a case.

    Every contender's result is compared with ours before anything is timed. Then they take turns, and the
    order turns with every round, so that a slow minute of the machine hits all alike. A ratio is the median
    over the rounds in which both took part.

    Returns
    -------
    dict
        ``case``, ``amount``, ``unit``, ``contenders`` (each: ``name``, ``role``, ``seconds`` median,
        ``quartiles``, ``repeats``, ``per_second``, ``ratio``: its time over ours, ``ratio_quartiles``,
        ``memory_bytes``, ``difference``), ``targets``, ``missing``, ``note``.

    Raises
    ------
    BenchmarkError
        Results are further apart than the case allows.
    """
    differences, memory = _compare(case)
    took: dict[str, dict[int, float]] = {contender.name: {} for contender in case.contenders}
    share = case.seconds / len(case.contenders)
    for number in range(MOST):
        turn = number % len(case.contenders)
        # Ours runs in every round: beside a quick contender, it alone would take all of the case's time.
        late = sum(sum(times.values()) for times in took.values()) >= case.seconds
        waiting = {
            name
            for name, times in took.items()
            if len(times) < case.least or (sum(times.values()) < share and not late)
        }
        if not waiting:
            break
        for contender in (*case.contenders[turn:], *case.contenders[:turn]):
            # Ratios need both: as long as one contender runs, so does ours.
            if contender.name in waiting or contender.role == "ours":
                took[contender.name][number] = _seconds(case, contender, number)
    ours = case.contenders[0]
    results = []
    for contender in case.contenders:
        times = took[contender.name]
        ratios = [seconds / took[ours.name][number] for number, seconds in times.items()]
        results.append(
            {
                "name": contender.name,
                "role": contender.role,
                "seconds": statistics.median(times.values()),
                "quartiles": _quartiles(times.values()),
                "repeats": len(times),
                "per_second": case.amount / statistics.median(times.values()),
                "ratio": statistics.median(ratios),
                "ratio_quartiles": _quartiles(ratios),
                "memory_bytes": memory[contender.name]
                if case.memory == "children"
                else _memory(case, contender),
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
        "targets": [_judged(target, results) for target in case.targets],
        "missing": dict(case.missing),
        "note": case.note,
    }


def _compare(case: Case) -> tuple[dict[str, float], dict[str, int | None]]:
    """Each peer's difference from ours; the memory of processes. Every contender is warm afterwards."""
    differences: dict[str, float] = {}
    memory: dict[str, int | None] = {}
    watched = case.memory == "children" and can_watch()
    ours = None
    for contender in case.contenders:
        if contender.before is not None:
            contender.before()
        with watching_children() if watched else nullcontext(Peak()) as peak:
            if contender.result is not None:
                result = contender.result()
            else:
                result = contender.call(0)
                if contender.has_own_clock:
                    result = result[1]
        memory[contender.name] = peak.together or None  # it has started none
        if case.sync is not None:
            case.sync()
        if contender.role == "ours":
            ours = result
        elif contender.role == "peer" and case.difference is not None:
            found = float(case.difference(ours, result))
            allowed = case.tolerance if contender.tolerance is None else contender.tolerance
            if not found <= allowed:
                raise BenchmarkError(
                    f"unequal work in {case.name!r}: {contender.name} differs by {found:.4g} "
                    f"{case.difference_unit} from {case.contenders[0].name}, allowed are {allowed:g}"
                )
            differences[contender.name] = found
    return differences, memory


def _seconds(case: Case, contender: Contender, number: int) -> float:
    """Wall-clock time of one call."""
    if contender.before is not None:
        contender.before()
    if case.warm:
        contender.call(number)
    if case.sync is not None:
        case.sync()
    began = time.perf_counter()
    result = contender.call(number)
    if case.sync is not None:
        case.sync()
    took = time.perf_counter() - began
    return float(result[0]) if contender.has_own_clock else took


def _quartiles(values: Any) -> list[float]:
    """Lower and upper quartile."""
    values = list(values)
    low, _, high = statistics.quantiles(values * 2 if len(values) == 1 else values, n=4, method="inclusive")
    return [low, high]


def _judged(target: Target | Limit, results: list[dict[str, Any]]) -> dict[str, Any]:
    """A target, what was found, and whether it is met; None where its contender is missing."""
    if isinstance(target, Limit):
        found = results[0][target.of]
        what, unit = {"seconds": ("time", "s"), "memory_bytes": ("memory", "bytes")}[target.of]
        return {
            "what": f"{what} of {results[0]['name']}",
            "unit": unit,
            "at_most": target.at_most,
            "found": found,
            "met": None if found is None else found <= target.at_most,
        }
    ratio = next((each["ratio"] for each in results if each["name"] == target.than), None)
    return {
        "what": f"speed of {results[0]['name']} over that of {target.than}",
        "at_least": target.at_least,
        "found": ratio,
        "met": None if ratio is None else ratio >= target.at_least,
    }


def _memory(case: Case, contender: Contender) -> int | None:
    """Peak memory of one more call, in bytes; None where the system does not tell."""
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
    # What was freed goes back to the system: kept, it would hide what a call takes of it again.
    getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    except OSError:
        return None
    before = _status("VmRSS")
    contender.call(0)
    return max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    """A size in bytes that the system keeps of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")


def take_back_memory() -> None:
    """Touch as much memory as a command takes and writes, and let it go.

    A virtual machine's memory that lay idle is with its host, and to get it back takes many times as long as
    to write to it: by chance one contender would pay for it, and another not.
    """
    np.ones(TOUCHED, np.uint8)


def can_watch() -> bool:
    """Whether memory of processes can be had here: from Linux, with psutil."""
    return Path("/proc/self/smaps_rollup").exists() and find_spec("psutil") is not None


class Peak:
    """What processes took so far.

    Attributes
    ----------
    together, started : int
        The most bytes that all held together, and that those did which this process started itself.
    worked : float
        Processor time in s of those that this process started itself.
    """

    together = 0
    started = 0
    worked = 0.0


@contextmanager
def watching_children(every: float = 0.05) -> Iterator[Peak]:
    """A block; gives the peak of the processes that are started in it, and of those that they start.

    Counted is the proportional set size, `every` so many seconds: memory that several share counts once.
    """
    import psutil

    peak, ended, me = Peak(), threading.Event(), psutil.Process()
    others = set(me.children(recursive=True))

    def watch() -> None:
        while not ended.wait(every):
            held = {child: _proportional(child.pid) for child in set(me.children(recursive=True)) - others}
            started = set(me.children()) & held.keys()
            peak.together = max(peak.together, sum(held.values()))
            peak.started = max(peak.started, sum(held[child] for child in started))
            with suppress(psutil.Error):  # it has just ended
                times = [child.cpu_times() for child in started]
                peak.worked = max(peak.worked, sum(each.user + each.system for each in times))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _proportional(process: int) -> int:
    """Proportional set size of a process in bytes; 0 if it has just ended."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
