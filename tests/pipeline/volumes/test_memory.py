"""A run needs the memory of one volume, however many there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiospec.benchmarks.volumes import volumes_table


@pytest.mark.long
def test_ten_volumes_need_the_memory_of_one(tmp_path: Path) -> None:
    """In the first run, and in one that knows all tracks and computes nothing."""
    table = volumes_table(tmp_path, 40)
    assert [row[:3] for row in table.rows] == [
        ["one volume", 1, 40],
        ["ten volumes", 10, 400],
        ["ten volumes, known", 10, 400],
    ]
    (ratio,) = table.targets
    assert ratio["at_most"] == 1.1
    assert ratio["met"], ratio
