"""Compare the tabular columns with the published GTZAN tables, and explain the differences.

The columns of each track or piece are computed in three ways. "zeros" pads a chunk with zeros, the default of
audiospec and of librosa since 0.9. "mirrored" pads it by reflection (``pad_mode="reflect"``), as librosa did
when the tables were made. "as then" also sets the harmonic and the percussive wave to zero after the last
whole hop, as librosa did at that time.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audiospec.audio.recording import load
from audiospec.benchmarks.studies.result import save
from audiospec.datasets.gtzan import Gtzan
from audiospec.features.tabular import TabularFrontend
from audiospec.specs.tabular import TabularSpec
from audiospec.storage.location import local

RATE = 22050
#: Table → samples from one piece of a track to the next.
TABLES = {"features_30_sec.csv": 0, "features_3_sec_classical_jazz_rock.csv": 3 * RATE}


def main() -> None:
    """Compare both tables; print and save the error of each column."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="gtzan-part, gtzan-tables")
    parser.add_argument("--save", type=Path, help="folder for tables.json and tables.md")
    options = parser.parse_args()
    manifest = Gtzan(options.data / "gtzan-part").manifest()
    files = {track.id: local(manifest.file(track), "GTZAN") for track in manifest if track.id != "jazz.00054"}
    figures = {
        name: _compare(options.data / "gtzan-tables" / name, step, files) for name, step in TABLES.items()
    }
    text = _markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('tables', figures, options.save, page=text)}")


def _compare(table: Path, step: int, files: dict[str, Path]) -> dict[str, Any]:
    """Return the median and the largest relative error of each column of a table."""
    zeros, mirrored = TabularSpec(), TabularSpec(pad_mode="reflect")
    frontends = [TabularFrontend(spec) for spec in (zeros, mirrored)]
    errors: list[list[list[float]]] = []
    tracks = set()
    waves: dict[str, Any] = {}
    with table.open() as file, torch.inference_mode():
        for row in csv.DictReader(file):
            id, _, piece = row["filename"].removesuffix(".wav").partition(".")
            number, _, piece = piece.partition(".")
            id = f"{id}.{number}"
            if id not in files:
                continue
            if id not in waves:
                waves = {id: load(files[id], RATE)}  # the rows of a track are adjacent
            start = int(piece or 0) * step
            wave = waves[id][start : start + int(row["length"])]
            published = np.array([float(row[column]) for column in zeros.columns])
            computed = [frontend(torch.from_numpy(wave.copy())).double().numpy() for frontend in frontends]
            computed.append(_zero_last_hop(computed[1], wave, frontends[1]))
            errors.append([(np.abs(values - published) / np.abs(published)).tolist() for values in computed])
            tracks.add(id)
    all_errors = np.array(errors)
    columns = {
        column: {
            way: {"median": _round(np.median(values)), "worst": _round(values.max())}
            for way, values in zip(("zeros", "mirrored", "as then"), all_errors[:, :, index].T, strict=True)
        }
        for index, column in enumerate(zeros.columns)
    }
    return {"rows": len(errors), "tracks": len(tracks), "columns": columns}


def _zero_last_hop(columns: np.ndarray, wave: np.ndarray, frontend: TabularFrontend) -> np.ndarray:
    """Return columns for harmonic and percussive waves that are zero after the last whole hop."""
    spec = frontend.spec
    harmonic = frontend.harmonic(torch.from_numpy(wave.copy())[None])[0].double().numpy()
    end = len(wave) // spec.hop_length * spec.hop_length
    columns = columns.copy()
    for family, part in (("harmony", harmonic), ("perceptr", wave - harmonic)):
        part = np.concatenate([part[:end], np.zeros(len(wave) - end)])
        index = spec.columns.index(f"{family}_mean")
        columns[index : index + 2] = part.mean(), part.var()
    return columns


def _round(value: float) -> float:
    """Round to two significant digits."""
    return float(f"{value:.1e}")


def _markdown(figures: dict[str, Any]) -> str:
    lines = [
        "# Columns against the published GTZAN tables",
        "",
        "Relative error, median and worst, over all rows whose audio is available. Made by",
        "`python -m benchmarks.studies.tables --save benchmarks/results`; "
        "date, machine, versions: `tables.json`.",
        "",
        "- *zeros*: the default; chunks are padded with zeros, as in librosa since 0.9.",
        '- *mirrored*: `pad_mode="reflect"`, as in librosa when the tables were made.',
        "- *as then*: mirrored, and the harmonic and the percussive wave are zero after the last whole hop,",
        "  as in librosa at that time.",
        "",
        "Two changes in librosa explain the differences; what remains is the rounding of float32.",
    ]
    for name, table in figures.items():
        lines += ["", f"## {name}: {table['rows']} rows of {table['tracks']} tracks", ""]
        lines += [
            "| column | zeros | | mirrored | | as then | |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for column, ways in table["columns"].items():
            cells = [f"{ways[way][which]:.0e}" for way in ways for which in ("median", "worst")]
            lines.append(f"| {column} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
