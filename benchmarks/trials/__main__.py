"""The command: ``python -m benchmarks.trials NAME --seed S --count N``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from audiospec.benchmarks.trials.trial import Series, bad, run, save, table

#: Kind of trial → module and class of its lane, and how many the long form has.
TRIALS = {
    "mutants": ("audiospec.benchmarks.trials.mutants.lane:MutantLane", 10_000),
    "flips": ("audiospec.benchmarks.trials.flips:FlipLane", 4400),
    "kills": ("audiospec.benchmarks.trials.kills:KillLane", 1000),
    "disks": ("audiospec.benchmarks.trials.disks:DiskLane", 100),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the trials of one kind; return 1 if any has an outcome that must not occur."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trials",
        description="Damage files, stores, runs and processes on purpose, and check what becomes of it.",
    )
    parser.add_argument("name", choices=list(TRIALS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="number of trials (the long form's)")
    parser.add_argument("--processes", type=int, default=2, help="trials that are done at once (2)")
    parser.add_argument("--groups", default="", help="only groups whose name has this text")
    parser.add_argument("--seconds", type=float, default=60, help="after these a trial hangs (60)")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="real audio, if it is there"
    )
    parser.add_argument("--journal", type=Path, help="file of JSON lines; a series that was stopped goes on")
    parser.add_argument("--json", type=Path, help="file of results to put the table into")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="do only this trial, and print its record")
    options = parser.parse_args(arguments)
    home, count = TRIALS[options.name]
    module, _, name = home.partition(":")
    lane = getattr(importlib.import_module(module), name)
    series = Series(
        options.seed, options.count or count, options.seconds, options.data.absolute(), options.groups
    )
    if options.only is not None:
        (record,) = run(lane, series, [options.only])
        for key, value in record.items():
            print(f"{key}: {value}")
        return int(bool(bad([record])))
    records = run(
        lane,
        series,
        range(series.count),
        processes=options.processes,
        journal=options.journal,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    for group, figures in table(records).items():
        print(f"{group}: {figures}")
    again = f"python -m benchmarks.trials {options.name} --seed {options.seed}"
    again += f" --groups {options.groups}" if options.groups else ""
    for record in bad(records)[:40]:
        print(f"{record['outcome']}: {record['what']}: {record['detail']}")
        print(f"    {again} --only {record['number']}")
    if options.json:
        save(options.name, series, records, options.json)
    return int(bool(bad(records)))


if __name__ == "__main__":
    sys.exit(main())
