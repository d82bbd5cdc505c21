"""Tables and lists that are damaged or no files: a `DatasetError`, and nothing else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiospec.datasets.base import datasets
from audiospec.errors import AudiospecError, DatasetError, SpecError
from audiospec.tables.importing import import_table
from audiospec.tables.reading import read_table

ROWS = "filename,length,a,b,label\n" + "".join(f"jazz.0000{n}.wav,22050,{n}.5,1e-3,jazz\n" for n in range(6))
#: What a mutation may put anywhere.
PIECES = (
    "1e999",
    "nan",
    "9" * 5000,
    "-1",
    '"',
    "\0",
    "\r",
    "\n\n",
    "\ud800",
    ",,,",
    ";",
    "sep=;\n",
    "é",
    "0x10",
)


def mutants(content: bytes, count: int, seed: int) -> list[bytes]:
    """Return contents with a flipped bit, a piece put in, or a part left out."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        place, end = sorted(random.integers(0, len(content), 2).tolist())
        if number % 3 == 0:
            changed = bytearray(content)
            changed[place] ^= 1 << int(random.integers(8))
            found.append(bytes(changed))
        elif number % 3 == 1:
            piece = PIECES[int(random.integers(len(PIECES)))].encode("utf-8", "surrogatepass")
            found.append(content[:place] + piece + content[place:])
        else:
            found.append(content[:place] + content[end:])
    return found


def parquet(file: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import csv, parquet

    (file.parent / "x.csv").write_text(ROWS)
    parquet.write_table(csv.read_csv(file.parent / "x.csv"), file)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_damaged_table(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "x.csv":
        file.write_text(ROWS)
    else:
        parquet(file)
    content = file.read_bytes()
    assert len(read_table(file, "all").filenames) == 6
    for number, changed in enumerate(mutants(content, 300, seed=5)):
        file.write_bytes(changed)
        with contextlib.suppress(AudiospecError):
            table = read_table(file, "all")
            assert np.isfinite(table.values).all()
            if number % 10 == 0:
                import_table(table, tmp_path / f"{number}.zarr")


@pytest.mark.parametrize("read", [lambda file: datasets["csv"](file).manifest()], ids=["csv"])
def test_a_damaged_list(tmp_path: Path, read: Callable[[Path], object]) -> None:
    file = tmp_path / "list.csv"
    (tmp_path / "a.wav").touch()
    content = b"path,label,group\na.wav,jazz,one\nb.wav,metal,two\n"
    for changed in mutants(content, 300, seed=6):
        file.write_bytes(changed)
        with contextlib.suppress(AudiospecError):
            read(file)


@pytest.mark.parametrize("kind", ["pipe", "zero", "folder"])
def test_what_is_no_table(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "x.csv"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "zero":
        file.symlink_to("/dev/zero")
    else:
        file.mkdir()
    with pytest.raises(DatasetError, match=r"cannot read table .*x\.csv: "):
        read_table(file)
    with pytest.raises(DatasetError):
        datasets["csv"](file).manifest()


@pytest.mark.parametrize("rate", [0, -1, 2**34])
def test_a_rate_of_nonsense(tmp_path: Path, rate: int) -> None:
    (tmp_path / "x.csv").write_text(ROWS)
    with pytest.raises(SpecError, match="sample_rate must be at"):
        import_table(tmp_path / "x.csv", tmp_path / "x.zarr", columns="all", sample_rate=rate)
    assert not (tmp_path / "x.zarr").exists()
