"""The work folder: staged shards, and the lock."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiospec.errors import StoreBusyError, StoreError
from audiospec.pipeline.staging import Commit, DecodeResult, StagedRow, Staging
from audiospec.storage.location import local
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.lock import locked, work_folder
from audiospec.stores.layout.schema import store_attributes
from audiospec.testing.stores.content import Content, assert_holds, one_line


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.permutations(range(5)), again=st.lists(st.integers(0, 4), max_size=3))
def test_shards_may_be_written_in_any_order(
    kind: type[FeatureStore],
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    again: list[int],
) -> None:
    """Shards may also be written more than once: the published view is the same."""
    content = Content.make(18, shard_rows=4)
    step, row = content.info.shard_rows, content.info.row_dtype
    path = tmp_path_factory.mktemp("order") / f"store{kind.suffixes[0]}"
    with locked(path) as work:
        staging = Staging(work, content.info.name)
        for number in [*order, *again]:
            commit = Commit([StagedRow("t", number, 80, 1, 2)], [], 4, "fft", 0.5)
            staging.put(f"{number:x}", content.data[number * step : (number + 1) * step], commit)
        assert list(staging.commits()) == [f"{number:x}" for number in range(5)]

        def shard(number: int) -> ShardSource:
            file = staging.commits()[f"{number:x}"].file(f"{number:x}")
            return ShardSource(lambda: staging.read(file, row, step), staging.shard(file))

        new = NewView(content.info, content.rows, shard)
        kind.publish(path, work, store_attributes("mine", path.parent), content.tracks, new)
        staging.clear()
    assert sorted(path.parent.iterdir()) == [path]
    assert_holds(kind(path).view(), content)
    assert kind(path).view().damaged().tolist() == []


def test_a_commit_describes_its_shard(tmp_path: Path) -> None:
    decoded = DecodeResult(
        id="ü\n", hash="0f", frames=2**60, sample_rate=1, channels=2, problem="", size=-1, modified=-(2**60)
    )
    commit = Commit([StagedRow("ü", 0, 5, 2**64 - 1, 2**32 - 1)], [decoded], 3, "conv", 0.1)
    staging = Staging(tmp_path, "view")
    assert staging.get("ab") is None
    assert staging.commits() == {}
    staging.put("ab", Content.make(2).data, commit)
    put = staging.get("ab")
    assert put is not None
    assert (put.rows, put.decoded, put.capacity, put.parity) == ([*commit.rows], [decoded], 3, 0.1)
    rows = staging.read(put.file("ab"), Content.make(2).info.row_dtype, 3)
    assert rows[:].tobytes() == Content.make(2).data.tobytes()
    assert local(staging.shard(put.file("ab")), "test").stat().st_size == put.size
    for text in ("", "{", "[]", "{}", '{"rows": [{}], "facts": [], "backend": "", "parity": 0}'):
        (tmp_path / "view/ab.json").write_text(text)
        assert staging.get("ab") is None
        assert staging.commits() == {}
    staging.clear()
    staging.clear()
    assert list(tmp_path.iterdir()) == []


def test_the_format_of_a_commit_does_not_change(tmp_path: Path) -> None:
    """A run can resume from shards that an older version staged."""
    text = (
        '{"rows": [{"track": "a", "start": 5, "samples": 4, "source": 3, "checksum": 2}], '
        '"facts": [{"id": "a", "hash": "0f", "frames": 9, "sample_rate": 8, "channels": 1, '
        '"problem": "", "size": 7, "modified": 6}], "capacity": 3, "backend": "conv", "parity": 0.25}'
    )
    decoded = DecodeResult(
        id="a", hash="0f", frames=9, sample_rate=8, channels=1, problem="", size=7, modified=6
    )
    commit = Commit([StagedRow("a", 5, 4, 3, 2)], [decoded], 3, "conv", 0.25)
    assert Commit.from_json(text) == commit
    assert commit.to_json() == text


def test_an_empty_work_folder_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "store.zarr"
    with locked(path) as work:
        assert work == work_folder(path)
        assert work.is_dir()
    assert list(path.parent.iterdir()) == []
    with locked(path) as work:
        (work / "kept").touch()
    with locked(path) as work:
        assert (work / "kept").exists()
        (work / "kept").unlink()
    assert list(path.parent.iterdir()) == []


def test_an_error_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"

    def stop() -> None:
        with locked(path) as work:
            (work / "kept").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    with locked(path):
        pass
    assert (work_folder(path) / "kept").exists()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "store.zarr"
    with pytest.raises(StoreError) as caught, locked(path):
        pass
    one_line(caught, "cannot write", str(path), "choose a `store`")
    assert not isinstance(caught.value, StoreBusyError)


HOLD = """
import sys, time
from pathlib import Path
from audiospec.stores.layout.lock import locked
with locked(Path(sys.argv[1])) as work:
    (work / "kept").touch()
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_holds_between_processes(tmp_path: Path) -> None:
    """The error names the process that holds it; `kill -9` frees it and loses no files."""
    path = tmp_path / "store.zarr"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreBusyError) as caught, locked(path):
            pass
        one_line(caught, f"process {holder.pid}", str(path), "wait")
        assert isinstance(caught.value, BlockingIOError)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locked(path) as work:
        assert (work / "kept").exists()


def test_the_lock_holds_between_threads(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    with locked(path):
        with pytest.raises(StoreBusyError) as caught, locked(path):
            pass
        one_line(caught, f"process {os.getpid()}", str(path))
    with locked(path):
        pass


def race(path: str, marker: str, seconds: float) -> tuple[int, list[str], list[str]]:
    """Acquire the lock again and again.

    Returns the number of successes, violations of the lock, and refusals other than "busy".
    """
    successes, violations, refusals = 0, [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with locked(Path(path)):
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    violations.append("two hold the lock")
                else:
                    successes += 1
                    os.unlink(marker)
        except StoreBusyError:
            pass
        except StoreError as error:
            refusals.append(str(error))
        except Exception as error:
            violations.append(f"{type(error).__name__}: {error}")
    return successes, violations, refusals


@pytest.fixture(params=["processes", "processes, folder kept", "threads"])
def raced(request: pytest.FixtureRequest, tmp_path: Path) -> list[tuple[int, list[str], list[str]]]:
    """Return the results of three racers for one lock."""
    path = tmp_path / "store.zarr"
    if "kept" in request.param:
        work_folder(path).mkdir()
        (work_folder(path) / "kept").touch()
    args = (str(path), str(tmp_path / "marker"), 0.7)
    pool: Executor = ThreadPoolExecutor(3)
    if "processes" in request.param:
        pool = ProcessPoolExecutor(3, multiprocessing.get_context("fork"))
    with pool:
        return [future.result() for future in [pool.submit(race, *args) for _ in range(3)]]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_two_never_hold_the_lock(raced: list[tuple[int, list[str], list[str]]]) -> None:
    """This also holds while its folder is removed and created again."""
    assert sum(successes for successes, _, _ in raced) > 10
    assert [line for _, violations, _ in raced for line in violations] == []


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_refusal_is_always_that_the_store_is_busy(raced: list[tuple[int, list[str], list[str]]]) -> None:
    assert [line for _, _, refusals in raced for line in refusals] == []
