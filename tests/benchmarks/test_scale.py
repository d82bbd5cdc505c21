"""What the suite `scale` measures with: its bucket behaves as one, and its tables add up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("distributed", reason="clusters need Dask: pip install 'audiospec[dask]'")

from audiospec.benchmarks.bucket import bucket_in_memory
from audiospec.benchmarks.million_hours import Measured, million_hours
from audiospec.benchmarks.overhead import overhead_table
from audiospec.storage.base import Folder
from audiospec.storage.opening import open_folder
from audiospec.testing.folders import FolderContract


@pytest.mark.long
class TestBucketInMemory(FolderContract):
    @pytest.fixture
    def folder(self) -> Iterator[Folder]:
        with bucket_in_memory(0.0) as bucket:
            yield open_folder(bucket.url / "a folder#1")


def test_requests_are_counted() -> None:
    with bucket_in_memory(0.0) as bucket:
        folder = open_folder(bucket.url)
        folder.write("a", b"1")
        folder.copy(bucket.url / "a", "b")
        folder.read("a")
        assert [entry.key for entry in folder.list()] == ["a", "b"]
        assert bucket.counts() == {"PUT": 1, "COPY": 1, "GET": 1, "LIST": 1}
        assert bucket.counts() == {}


@pytest.mark.long
def test_the_overhead_of_a_cluster_is_of_all_shards(tmp_path: Path) -> None:
    table = overhead_table(tmp_path, 200)
    assert [row[0] for row in table.rows] == [1, 8]
    assert table.rows[0][1] == table.rows[1][1]
    assert int(table.rows[0][1]) > 50
    assert all(float(value) > 0 for row in table.rows for value in row)
    assert table.targets[0]["found"] is not None


def test_a_million_hours_follow_from_an_hour() -> None:
    measured = Measured({"PUT": 2.0, "COPY": 1.0, "GET": 1.0}, packed=0.25, core_seconds=3.6e-3)
    rows = {str(row[0]): row for row in million_hours(measured).rows}
    assert rows["processor time"][1] == "3,600 core-hours"
    assert rows["time on 100 cores"][1] == "36.0 h"
    assert rows["volumes"][1] == "1,000"
    count = int(str(rows["rows of 10 s, shards"][1]).replace(",", "").split()[0])
    assert count == 360_000_000
