"""The lease of a folder in a bucket: one holder, renewed, taken over from the dead, given up when lost."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

from audiospec.errors import StorageError, StoreBusyError
from audiospec.storage import lease
from audiospec.storage.base import Folder
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.testing.buckets import bucket, environment, moto
from audiospec.testing.faults import FaultProxy, Request

HOLDER = """
import sys, time
from audiospec.storage.opening import open_folder
from audiospec.storage.location import location
with open_folder(location(sys.argv[1])).lock("s3://store"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def url() -> Iterator[Url]:
    with bucket() as url:
        yield url / "x.work"


@pytest.fixture
def folder(url: Url) -> Folder:
    return open_folder(url)


def _elsewhere(folder: Folder, **changes: object) -> None:
    """Let the lease be one of another machine."""
    fields = json.loads(folder.read("lease"))
    folder.write("lease", json.dumps({**fields, "machine": "another", "host": "gpu-3", **changes}).encode())


def _left_behind(folder: Folder, **changes: object) -> None:
    """Write the lease of a run on another machine that was killed."""
    folder.write("lease", lease._content("a token", 120))
    _elsewhere(folder, **changes)


def test_says_who_holds_it(folder: Folder) -> None:
    with folder.lock("s3://store"):
        fields = json.loads(folder.read("lease"))
        assert fields["pid"] == os.getpid()
        assert fields["until"] > time.time()
        with pytest.raises(StoreBusyError, match=rf"s3://store: the run of .* \(process {os.getpid()}\)"):
            folder.lock("s3://store").__enter__()
    assert list(folder.list()) == []


def test_a_killed_run_of_this_machine_is_known_at_once(url: Url, folder: Folder) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(url)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreBusyError, match=f"process {process.pid}"), folder.lock("s3://store"):
            pass
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreBusyError), folder.lock("s3://store"):
            pass
        process.kill()
        time.sleep(0.05)  # it is dead, and nobody has asked how it ended
        began = time.monotonic()
        with folder.lock("s3://store") as lock:
            lock.require()
        assert time.monotonic() - began < 5
    assert list(folder.list()) == []


def test_a_lease_that_this_process_was_interrupted_to_take(folder: Folder) -> None:
    folder.write("lease", lease._content("a token", 120))
    began = time.monotonic()
    with folder.lock("s3://store") as lock:
        lock.require()
    assert time.monotonic() - began < 5
    assert list(folder.list()) == []
    assert not lease._held


def test_another_machine_that_renews_is_busy(folder: Folder) -> None:
    _left_behind(folder, pid=77, user="me")
    threading.Timer(0.3, lambda: _elsewhere(folder, until=1)).start()
    began = time.monotonic()
    with (
        pytest.raises(StoreBusyError, match=r"the run of me on gpu-3 \(process 77\)"),
        lease.hold(folder, "s3://store", renew=0.3, expire=60),
    ):
        pass
    assert time.monotonic() - began < 10
    assert [entry.key for entry in folder.list()] == ["lease"]


def test_the_dead_of_another_machine_is_waited_for(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """Age is told by the storage's clock: what has passed before is not waited for again."""
    _left_behind(folder, pid=77, user="me")
    written = time.time()
    time.sleep(2)
    with (
        caplog.at_level(logging.WARNING, "audiospec"),
        lease.hold(folder, "s3://store", renew=0.5, expire=4) as lock,
    ):
        assert 2 < time.time() - written < 5.5  # moto's clock has seconds
        lock.require()
        assert json.loads(folder.read("lease"))["pid"] == os.getpid()
    (said,) = caplog.messages
    assert said.startswith("s3://store: waiting up to ")
    assert said.endswith("for the run of me on gpu-3 (process 77), which may have been killed")
    assert list(folder.list()) == []


def test_a_lease_that_is_given_back_is_taken(folder: Folder) -> None:
    _left_behind(folder)
    threading.Timer(0.3, lambda: folder.remove(["lease"])).start()
    began = time.monotonic()
    with lease.hold(folder, "s3://store", renew=0.3, expire=60):
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[1]", b'{"pid": "x", "machine": 3}'])
def test_a_lease_that_says_nothing(folder: Folder, content: bytes) -> None:
    folder.write("lease", content)
    with lease.hold(folder, "s3://store", renew=0.2, expire=0.4):
        pass
    assert list(folder.list()) == []


def test_it_is_renewed(folder: Folder) -> None:
    with lease.hold(folder, "s3://store", renew=0.1, expire=60) as lock:
        first = folder.entry("lease")
        time.sleep(0.5)
        second = folder.entry("lease")
        assert first is not None
        assert second is not None
        assert first.version != second.version
        lock.require()
        folder.clear()
        lock.require()
    assert list(folder.list()) == []


def test_a_lost_lease_ends_the_run(folder: Folder) -> None:
    """Whoever was stopped so long that another took over is told so, and leaves the other's lease alone."""
    with lease.hold(folder, "s3://store", renew=60, expire=0.4) as lock:
        lock.require()
        _elsewhere(folder, token="another")
        time.sleep(0.3)
        with pytest.raises(StoreBusyError, match="another run has taken over"):
            lock.require()
    assert json.loads(folder.read("lease"))["token"] == "another"


def test_a_stopped_run_renews_before_it_goes_on(folder: Folder) -> None:
    with lease.hold(folder, "s3://store", renew=60, expire=0.4) as lock:
        before = folder.read("lease")
        time.sleep(0.5)
        lock.require()
        assert folder.read("lease") != before


def test_two_that_wait_do_not_both_get_it(url: Url, folder: Folder) -> None:
    _left_behind(folder)
    results: list[str] = []

    def take() -> None:
        try:
            with lease.hold(open_folder(url), "s3://store", renew=0.6, expire=1.5):
                results.append("held")
                time.sleep(1)
        except StoreBusyError:
            results.append("busy")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["busy", "busy", "busy", "held"]


def test_it_holds_while_half_of_all_requests_fail(url: Url) -> None:
    with FaultProxy(moto(), rate=0.5, seed=1) as proxy, environment(proxy.url, AUDIOSPEC_PATIENCE="20"):
        folder = open_folder(url)
        with lease.hold(folder, "s3://store", renew=0.1, expire=20) as lock:
            for _ in range(4):
                time.sleep(0.1)
                lock.require()
                with pytest.raises(StoreBusyError):
                    folder.lock("s3://store").__enter__()
    assert list(open_folder(url).list()) == []


def test_storage_that_ignores_conditions_is_refused(url: Url, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultProxy(moto(), conditions=False) as proxy, environment(proxy.url):
        folder = open_folder(url)
        with (
            pytest.raises(StorageError, match="ignores conditional writes, two runs could") as caught,
            folder.lock("s3://store"),
        ):
            pass
        assert "AUDIOSPEC_UNSAFE_STORAGE=1" in caught.value.hint
        assert list(folder.list()) == []
        monkeypatch.setenv("AUDIOSPEC_UNSAFE_STORAGE", "1")
        with folder.lock("s3://store") as lock:
            lock.require()
            version = folder.write("k", b"first", only="")
            for only in ("", "another"):
                with pytest.raises(StoreBusyError):
                    folder.write("k", b"second", only=only)
            folder.write("k", b"third", only=version)
        assert folder.read("k") == b"third"


def test_storage_that_knows_no_conditions_is_refused(url: Url) -> None:
    def decide(request: Request) -> str | None:
        return "501" if request.method == "PUT" else None

    with (
        FaultProxy(moto(), decide=decide) as proxy,
        environment(proxy.url),
        pytest.raises(StorageError, match="ignores conditional writes"),
        open_folder(url).lock("s3://store"),
    ):
        pass


def test_conditions_are_proved_once(url: Url) -> None:
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        for place in (url, url.with_name("y.work")):
            with open_folder(place).lock("s3://store"):
                pass
        tokens = [request.key for request in proxy.requests if "/lease." in request.key]
    assert len(set(tokens)) == 1
    assert tokens[0].startswith("x.work/lease.")
