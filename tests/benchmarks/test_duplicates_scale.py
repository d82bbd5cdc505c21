"""The study of duplicates at scale: its stores are what they say, and its figures are of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiospec.benchmarks.studies import duplicates_scale as study
from audiospec.benchmarks.studies.made_up_tracks import CHUNK, CHUNKS, FRAMES, KINDS, planted, track, write


def test_a_store_is_searched_and_judged(tmp_path: Path) -> None:
    """All copies of 60 tracks are found, and nothing else."""
    view = write(tmp_path / "s.zarr", 60)
    assert len(view) == 60 * CHUNKS
    assert len(view.damaged()) == 0
    copies = planted(60)
    assert [one.kind for one in copies] == list(KINDS)
    lengths = [float(view.rows["seconds"][view.rows["track"] == one.second].sum()) for one in copies]
    assert lengths[0] == lengths[3] == CHUNKS * CHUNK
    assert lengths[2] < 0.7 * lengths[0]
    first = view.read(view.rows_of("000005")).swapaxes(1, 2).reshape(FRAMES, -1)
    assert np.abs(first - track(5)).max() < 0.1
    figures = study.search(tmp_path / "s.zarr")
    assert figures["kinds"] == {kind: {"planted": 1, "found": 1} for kind in KINDS}
    assert figures["wrong"] == 0
    assert figures["seconds"] > 0
    assert 0 < figures["before"] <= figures["megabytes"]
    text = study.markdown({"searches": [figures], "cores": 2, "load": 1.0, "load_after": 2.0})
    assert "| 60 |" in text
    assert "1 of 1" in text


def test_growth() -> None:
    """The exponent is of the last two: from 100 to 1000 tracks the time grows a hundredfold."""
    rows = [{"tracks": 10**power, "seconds": seconds} for power, seconds in ((1, 1.0), (2, 5.0), (3, 500.0))]
    assert study.exponent(rows, "seconds") == pytest.approx(2.0)
