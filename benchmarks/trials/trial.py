"""What all kinds of trials share: a series, the lanes that work on its numbers, journal and result."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiospec.benchmarks.studies.result import with_origin

#: One trial's outcome: JSON values, with ``number``, ``group``, ``outcome`` and more for a reader.
Record = dict[str, Any]
#: Outcomes that must not occur.
BAD = ("unexplained", "wrong", "unseen", "hang", "crash", "memory", "stopped", "lost")


@dataclass(frozen=True)
class Series:
    """A series of trials.

    Attributes
    ----------
    seed : int
    count : int
        Number of trials.
    seconds : float
        After these a trial hangs.
    data : Path
        Folder of real audio; synthetic audio is used where it is absent.
    only : str
        Part of the groups' names to which the trials are limited; ``""``: all.
    """

    seed: int
    count: int
    seconds: float = 60.0
    data: Path = Path("../shared/data")
    only: str = ""


class Lane(ABC):
    """One of the places where trials are done, one after another."""

    @abstractmethod
    def do(self, number: int) -> Record:
        """Do a trial; the record depends on the series' seed and the number alone."""

    @abstractmethod
    def close(self) -> None:
        """End what the lane has started."""


#: Makes a lane in an empty folder, which is removed when it is closed.
MakeLane = Callable[[Series, Path], Lane]


def run(
    make: MakeLane,
    series: Series,
    numbers: Iterable[int],
    *,
    processes: int = 1,
    journal: Path | None = None,
    say: Callable[[str], object] | None = None,
) -> list[Record]:
    """Do the trials of a series that the journal lacks; return all records in order.

    Parameters
    ----------
    make : callable
    series : Series
    numbers : iterable of int
    processes : int
        Trials that are done at once.
    journal : path or None
        File of JSON lines; each record is appended as soon as its trial is done.
    say : callable or None
        Called with a line of progress every few seconds.
    """
    numbers = list(numbers)
    done = {record["number"]: record for record in _read(journal, series.seed)}
    waiting = iter([number for number in numbers if number not in done])
    lock, began, failed = threading.Lock(), time.monotonic(), list[BaseException]()
    spoken = [began]

    def keep(record: Record) -> None:
        with lock:
            done[record["number"]] = record
            if journal is not None:
                with journal.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"seed": series.seed, **record}) + "\n")
            if say is not None and time.monotonic() - spoken[0] > 10:
                spoken[0] = time.monotonic()
                say(_progress(done.values(), len(numbers), spoken[0] - began))

    def work() -> None:
        folder = Path(tempfile.mkdtemp(prefix="trials-"))
        lane: Lane | None = None
        try:
            lane = make(series, folder)
            while not failed:
                with lock:
                    number = next(waiting, None)
                if number is None:
                    break
                record = lane.do(number)
                record["detail"] = _without(folder, record.get("detail", ""))
                keep({"number": number, **record})
        except BaseException as error:  # a fault of the harness: raised below
            failed.append(error)
        finally:
            if lane is not None:
                lane.close()
            shutil.rmtree(folder, ignore_errors=True)

    lanes = [threading.Thread(target=work, daemon=True) for _ in range(processes)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    if failed:
        raise failed[0]
    return [done[number] for number in numbers]


def table(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Return, for each group of trials, the number of each outcome and the largest seconds and memory."""
    groups: dict[str, dict[str, Any]] = {}
    for name in sorted({record["group"] for record in records}):
        mine = [record for record in records if record["group"] == name]
        groups[name] = {
            "trials": len(mine),
            "outcomes": dict(sorted(Counter(record["outcome"] for record in mine).items())),
            "reasons": dict(
                sorted(Counter(record["reason"] for record in mine if record.get("reason")).items())
            ),
            "seconds": round(max(record.get("seconds", 0.0) for record in mine), 2),
            "memory_mb": round(max(record.get("memory", 0) for record in mine) / 2**20),
        }
    return groups


def bad(records: Iterable[Record]) -> list[Record]:
    """Return the records of trials whose outcome must not occur."""
    return [record for record in records if record["outcome"] in BAD]


def save(name: str, series: Series, records: Sequence[Record], file: Path) -> None:
    """Put a series' table into a file of results, which keeps those of other kinds of trials."""
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    figures = {
        "seed": series.seed,
        "count": len(records),
        "groups": table(records),
        "bad": bad(records)[:200],
    }
    before[name] = with_origin("python -m benchmarks.trials " + " ".join(sys.argv[1:]), figures)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dict(sorted(before.items())), indent=2) + "\n", encoding="utf-8")


def _without(folder: Path, detail: str) -> str:
    """Return the last line of a detail without the names of this machine's folders."""
    lines = detail.replace(f"{folder}/", "").strip().splitlines()
    return lines[-1][:400] if lines else ""


def _read(journal: Path | None, seed: int) -> list[Record]:
    """Return the records of a seed in a journal; a last line that is not whole is left out."""
    if journal is None or not journal.exists():
        return []
    records = []
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.pop("seed") == seed:
            records.append(record)
    return records


def _progress(records: Iterable[Record], total: int, seconds: float) -> str:
    records = list(records)
    counts = Counter(record["outcome"] for record in records)
    named = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    return f"{len(records)}/{total} in {seconds:.0f} s: {named}"
