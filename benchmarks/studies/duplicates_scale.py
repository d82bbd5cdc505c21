"""Duplicates at scale: time, memory and recall of the search in stores of made-up tracks.

Each store has tracks of about 30 s, without audio, of which 2 % are copies of others; see
`benchmarks.studies.made_up_tracks`. Each search runs in a process of its own. Memory is what the process
allocates, without the pages of its temporary files, which the system takes back when it needs them.

    python -m benchmarks.studies.duplicates_scale --save benchmarks/results
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiospec.benchmarks.studies.made_up_tracks import KINDS, planted, write
from audiospec.benchmarks.studies.result import save
from audiospec.doctor.duplicates import find_duplicates
from audiospec.machine import usable_cores
from audiospec.stores.base import open_store

SIZES = (1_000, 3_000, 10_000, 30_000)
#: Seconds between two looks at the memory.
INTERVAL = 0.05


def search(store: Path) -> dict[str, Any]:
    """Search a store, and judge what is found.

    Parameters
    ----------
    store : Path
        From `write`.

    Returns
    -------
    dict
        JSON values: ``seconds`` and ``processor_seconds`` of the search; ``megabytes`` allocated at the most,
        and ``before`` it; ``kinds``: planted and found copies by kind; ``wrong`` pairs.
    """
    view = open_store(store).view()
    count = len(view.store.tracks)
    before, stop, peak = _allocated(), threading.Event(), [_allocated()]

    def watch() -> None:
        while not stop.wait(INTERVAL):
            peak[0] = max(peak[0], _allocated())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, processor = time.perf_counter(), time.process_time()
    try:
        found = find_duplicates(view)
    finally:
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        stop.set()
        watcher.join()
    truth = {(one.first, one.second): one.kind for one in planted(count)}
    pairs = {(pair.first, pair.second) for pair in found.pairs}
    made = Counter(truth.values())
    hits = Counter(truth[pair] for pair in pairs if pair in truth)
    return {
        "tracks": count,
        "seconds": seconds,
        "processor_seconds": processor,
        "megabytes": peak[0] / 1e6,
        "before": before / 1e6,
        "kinds": {kind: {"planted": made[kind], "found": hits[kind]} for kind in KINDS},
        "wrong": len(pairs - set(truth)),
    }


def _allocated() -> int:
    """Return the bytes of memory of this process that are not pages of files."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def exponent(rows: Sequence[dict[str, Any]], key: str) -> float:
    """Return the power of the number of tracks that a figure grows with, from the last two rows."""
    first, last = rows[-2:]
    return math.log(last[key] / first[key]) / math.log(last["tracks"] / first["tracks"])


def markdown(figures: dict[str, Any]) -> str:
    """Return the results as a page.

    Parameters
    ----------
    figures : dict
        What ``duplicates-scale.json`` has.
    """
    rows = figures["searches"]
    lines = [
        "# Duplicates at scale",
        "",
        "`python -m benchmarks.studies.duplicates_scale`; made-up tracks of about 30 s, in rows of 10 s of",
        f"32 mel bins; 2 % are copies. The machine has {figures['cores']} cores, of which the search uses",
        f"one, and was shared: load {figures['load']:.1f} before, {figures['load_after']:.1f} after.",
        "Memory is what the process allocates, with the track table.",
        "",
        "| tracks | time, s | processor time, s | memory, MB | before the search, MB | "
        f"{' | '.join(f'{kind}, found' for kind in KINDS)} | wrong pairs |",
        f"| --- | --- | --- | --- | --- | {' | '.join('---' for _ in KINDS)} | --- |",
    ]
    for row in rows:
        kinds = [f"{row['kinds'][kind]['found']} of {row['kinds'][kind]['planted']}" for kind in KINDS]
        cells = [
            f"{row['tracks']:,}",
            *(f"{row[key]:.0f}" for key in ("seconds", "processor_seconds", "megabytes", "before")),
            *kinds,
            str(row["wrong"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if len(rows) > 1:
        lines += [
            "",
            f"Processor time grows as the number of tracks to the power of "
            f"{exponent(rows, 'processor_seconds'):.2f}, from the last store but one to the last.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write stores, search them, print the page and save the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="tracks, separated by commas")
    parser.add_argument("--folder", type=Path, help="folder for the stores, which need 41 kB a track")
    parser.add_argument("--save", type=Path, help="folder for duplicates-scale.json and duplicates-scale.md")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search is not None:
        print(json.dumps(search(options.search)))
        return
    load, searches = os.getloadavg()[0], []
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            store = Path(folder) / "s.zarr"
            write(store, size)
            command = [sys.executable, "-m", __spec__.name, "--search", str(store)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        searches.append(json.loads(done.stdout))
        figures = {
            "searches": searches,
            "cores": usable_cores(),
            "load": load,
            "load_after": os.getloadavg()[0],
        }
        text = markdown(figures)
        print(text, flush=True)
        if options.save:  # after each, as the last ones take long
            saved = save("duplicates_scale", figures, options.save, "duplicates-scale", page=text)
            print(f"saved to {saved}", flush=True)


if __name__ == "__main__":
    main()
