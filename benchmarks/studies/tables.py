"""How the columns agree with the published GTZAN tables, and which change of librosa explains the rest.

Each track's, or piece's, columns are computed twice: with zeros beyond the ends of a chunk, as librosa does
since 0.9 and audiospec by default, and with the chunk mirrored there (``pad_mode="reflect"``), as librosa did
when the tables were made. Its harmonic and percussive waves then ended at the last whole hop, and zeros
followed: "as then" does that, too.
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

RATE = 22050
#: Table, and where the piece of a number begins; a piece's file is a sample shorter than three seconds.
TABLES = {"features_30_sec.csv": 0, "features_3_sec_classical_jazz_rock.csv": 3 * RATE}


def main() -> None:
    """Compare both tables, print and save how far each column is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="gtzan-part, gtzan-tables")
    parser.add_argument("--save", type=Path, help="folder for tables.json and tables.md")
    options = parser.parse_args()
    manifest = Gtzan(options.data / "gtzan-part").manifest()
    files = {track.id: manifest.file(track) for track in manifest if track.id != "jazz.00054"}
    figures = {
        name: _compare(options.data / "gtzan-tables" / name, step, files) for name, step in TABLES.items()
    }
    text = _markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('tables', figures, options.save)}")
        (options.save / "tables.md").write_text(text)


def _compare(table: Path, step: int, files: dict[str, Path]) -> dict[str, Any]:
    """Median and worst relative error of each column of a table."""
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
                waves = {id: load(files[id], RATE)}  # rows of a track stand together
            start = int(piece or 0) * step
            wave = waves[id][start : start + int(row["length"])]
            published = np.array([float(row[column]) for column in zeros.columns])
            found = [frontend(torch.from_numpy(wave.copy())).double().numpy() for frontend in frontends]
            found.append(_as_then(found[1], wave, frontends[1]))
            errors.append([(np.abs(values - published) / np.abs(published)).tolist() for values in found])
            tracks.add(id)
    every = np.array(errors)
    columns = {
        column: {
            way: {"median": _short(np.median(far)), "worst": _short(far.max())}
            for way, far in zip(("zeros", "mirrored", "as then"), every[:, :, place].T, strict=True)
        }
        for place, column in enumerate(zeros.columns)
    }
    return {"rows": len(errors), "tracks": len(tracks), "columns": columns}


def _as_then(found: np.ndarray, wave: np.ndarray, frontend: TabularFrontend) -> np.ndarray:
    """Columns with harmonic and percussive waves that are 0 after the last whole hop."""
    spec = frontend.spec
    harmonic = frontend.harmonic(torch.from_numpy(wave.copy())[None])[0].double().numpy()
    whole = len(wave) // spec.hop_length * spec.hop_length
    found = found.copy()
    for family, part in (("harmony", harmonic), ("perceptr", wave - harmonic)):
        part = np.concatenate([part[:whole], np.zeros(len(wave) - whole)])
        place = spec.columns.index(f"{family}_mean")
        found[place : place + 2] = part.mean(), part.var()
    return found


def _short(value: float) -> float:
    return float(f"{value:.1e}")


def _markdown(figures: dict[str, Any]) -> str:
    lines = [
        "# Columns against the published GTZAN tables",
        "",
        "Relative error, median and worst, of every row whose audio is there. Made by",
        "`python -m benchmarks.studies.tables --save benchmarks/results`; "
        "date, machine, versions: `tables.json`.",
        "",
        "- *zeros*: the default, zeros beyond a chunk's ends, as librosa does since 0.9.",
        '- *mirrored*: `pad_mode="reflect"`, as librosa did when the tables were made.',
        "- *as then*: mirrored, and the harmonic and the percussive wave end at the last whole hop, with",
        "  zeros behind, as they did in librosa then.",
        "",
        "So two changes of librosa explain how the columns differ; what is left is the rounding of float32.",
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
