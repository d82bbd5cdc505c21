"""split of a store with several labels a row, and by another column of the dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Call = Callable[..., Any]
SMALL = (
    *("--sample-rate", 8000, "--fmax", 4000, "--n-mels", 16, "--n-fft", 256, "--hop-length", 128),
    *("--chunk", 0.5, "--workers", 0),
)


@pytest.fixture
def store(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Spectrograms of 18 files that have one or two labels, and a device, which may be unknown."""
    monkeypatch.chdir(tmp_path)
    lines = ["path,label,device"]
    for number in range(18):
        noise = 0.1 * np.random.default_rng(number).standard_normal(4000)
        soundfile.write(f"{number:02d}.wav", noise, 8000)
        labels, device = ("dog", "cat", "dog;cat")[number % 3], ("phone", "desk", "")[number // 6]
        lines.append(f"{number:02d}.wav,{labels},{device}")
    Path("tags.csv").write_text("\n".join(lines) + "\n")
    made = call(
        "featurize", "csv", "--data", "tags.csv", "--target", "multi-label", "--store", "t.zarr", *SMALL
    )
    assert (made.status, made.err) == (0, "")
    return "t.zarr"


def test_a_split_of_several_labels_and_of_a_column(call: Call, store: str) -> None:
    shown = call("split", "--store", store, "--shares", "0.6,0,0.4")
    assert shown.status == 0
    lines = shown.out.splitlines()
    assert "rows of a label" in lines[2]
    assert [line.split()[1:3] for line in (lines[3], lines[5])] == [["11", "11"], ["7", "7"]]
    made = json.loads(call("split", "--store", store, "--label-column", "device", "--json").out)
    assert (made["unlabelled"], made["left_out"]) == (6, 0)
    assert sum(side["rows"] for side in made["sides"].values()) == 12
    assert made["reason"].endswith("; 6 rows without a text in column 'device' left out")
    wrong = call("split", "--store", store, "--label-column", "devise")
    assert wrong.status == 2
    assert wrong.err == (
        "error: the tracks of t.zarr have no column 'devise'; did you mean 'device'?: choose --label-column "
        "of label, device, or keep more columns with `audiospec featurize`\n"
    )
