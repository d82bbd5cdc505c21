"""The cost of measuring tracks while they are decoded: processor time of featurizing them, with and without.

Both take turns in one process, on the serial engine, and the order changes with every round: a slow minute of
the machine affects both. What is compared is the processor time of a round, as a ratio.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from audiospec.audio.reading import Reading
from audiospec.audio.recording import Recording
from audiospec.audio.source import SourceFile
from audiospec.benchmarks.studies.result import save
from audiospec.pipeline.featurize import featurize

#: Tracks that are featurized in a round, at most.
TRACKS = 30


def _unmeasured(source: SourceFile, reading: Reading, *, measured: bool) -> Recording:
    """Return a recording that is not measured."""
    del measured
    return Recording(source, reading)


def featurize_once(data: Path, folder: Path, measured: bool) -> float:
    """Featurize a folder of audio into a new store, and return the seconds of processor time that it took."""
    began = time.process_time()
    if measured:
        featurize("folder", data=data, chunk=5, store=folder / "a.zarr", engine="serial")
    else:
        with patch("audiospec.pipeline.worker.Recording", _unmeasured):
            featurize("folder", data=data, chunk=5, store=folder / "a.zarr", engine="serial")
    return time.process_time() - began


def cost(data: Path, rounds: int, progress: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Compare featurizing with and without measuring.

    Parameters
    ----------
    data : Path
        A folder of audio, one folder a label.
    rounds : int
        How often each is done.
    progress : callable
        Called with a line for each round.

    Returns
    -------
    dict
        ``tracks``; ``rounds``, the seconds of each, with and without; ``ratio``, the median over rounds of
        the first over the second; ``quartiles`` of it; and ``best``, the ratio of the least times.
    """
    pairs: list[tuple[float, float]] = []
    tracks = sum(1 for path in data.rglob("*") if path.is_file())
    for number in range(-1, rounds):
        seconds = {}
        for measured in (True, False) if number % 2 else (False, True):
            with tempfile.TemporaryDirectory() as folder:
                seconds[measured] = featurize_once(data, Path(folder), measured)
        if number >= 0:  # the first loads what is loaded late
            pairs.append((seconds[True], seconds[False]))
            progress(f"{pairs[-1][0]:.3f} s, without {pairs[-1][1]:.3f} s")
    ratios = [first / second for first, second in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    best = min(first for first, _ in pairs) / min(second for _, second in pairs)
    return {
        "tracks": tracks,
        "rounds": pairs,
        "ratio": middle,
        "quartiles": [low, high],
        "best": best,
    }


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """Return the page with the table of all folders."""
    lines = [
        "# The cost of measuring tracks",
        "",
        "Processor time of featurizing log-mel into a new store on the serial engine, in turns with tracks",
        "measured and not. The ratio is the median over rounds, and beside it that of the least times. By",
        "`python -m benchmarks.studies.quality_cost --save benchmarks/results`; `quality-cost.json` has each",
        "round.",
        "",
        "| audio | tracks | rounds | measured (ms a track) | not | ratio | quartiles | least times |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, result in results.items():
        with_, without = (
            1000 * statistics.median(column) / result["tracks"]
            for column in zip(*result["rounds"], strict=True)
        )
        low, high = result["quartiles"]
        lines.append(
            f"| {name} | {result['tracks']} | {len(result['rounds'])} | {with_:.2f} | {without:.2f} "
            f"| {result['ratio']:.3f} | {low:.3f} to {high:.3f} | {result['best']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def _linked(files: list[Path], folder: Path) -> Path:
    """Return a folder with links to files, in folders of the names of theirs."""
    for file in files:
        (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / file.parent.name / file.name).symlink_to(file.resolve())
    return folder


def main() -> None:
    """Measure, print the table and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    choices = {
        "GTZAN: 30 s FLAC, mono, 22.05 kHz": sorted(arguments.data.glob("gtzan-part/genres/[jr]*/*.flac")),
        "ESC-10: 5 s Ogg Vorbis, mono, 44.1 kHz": sorted(arguments.data.glob("esc10/*/*.ogg"))[::10],
    }
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, files) in enumerate(choices.items()):
            data = _linked(files[:TRACKS], Path(folder, str(number)))
            results[name] = cost(data, arguments.rounds, print)
    table = markdown(results)
    print(table)
    if arguments.save:
        figures = {"tracks": TRACKS, "results": results}
        save("quality_cost", figures, arguments.save, "quality-cost", page=table)


if __name__ == "__main__":
    main()
