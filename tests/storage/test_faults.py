"""Buckets behind a proxy that breaks requests: nothing is lost, and what cannot be done is said in time."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

from audiospec.errors import StorageError
from audiospec.storage.base import NEW, ConflictError
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.testing.buckets import bucket, environment, moto
from audiospec.testing.faults import KINDS, FaultProxy, Request, proxy_process

SIZE = 200_000


def _use_everything(place: Url, names: range) -> None:
    """Write, replace, copy, read and list files in every way, and check all that is answered."""
    folder = open_folder(place)

    def use(number: int) -> None:
        key, content = f"k{number:03}", bytes([number]) * SIZE
        first = folder.write(key, content, only=NEW)
        assert folder.load(key) == (content, first)
        with pytest.raises(ConflictError):
            folder.write(key, b"other", only=NEW)
        second = folder.write(key, content, b"second", only=first)
        with pytest.raises(ConflictError):
            folder.write(key, b"other", only=first)
        folder.copy(place / key, f"copy/{key}")
        part = memoryview(bytearray(1000))
        folder.fill([(f"copy/{key}", SIZE - 994, part)])
        assert bytes(part) == content[:994] + b"second"
        assert folder.tail(f"copy/{key}", 7) == (content[:1] + b"second", SIZE + 6)
        entry = folder.entry(key)
        assert entry is not None
        assert (entry.version, entry.size) == (second, SIZE + 6)

    folder.map(use, names)
    keys = [entry.key for entry in folder.list()]
    assert keys == [*(f"copy/k{number:03}" for number in names), *(f"k{number:03}" for number in names)]
    folder.remove(keys)
    assert list(folder.list()) == []


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), KINDS], ids="-".join)
def test_nothing_is_lost_if_half_of_all_requests_fail(kinds: tuple[str, ...]) -> None:
    with bucket() as url, FaultProxy(moto(), rate=0.5, kinds=kinds) as proxy:
        with environment(proxy.url, AUDIOSPEC_PATIENCE="30"):
            _use_everything(url / "folder", range(8 if kinds == KINDS else 3))
        assert len(proxy.faults) > len(proxy.requests) / 4
        assert {kind for _, kind in proxy.faults} == set(kinds)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_with_any_seed(seed: int) -> None:
    with (
        bucket() as url,
        FaultProxy(moto(), rate=0.5, seed=seed) as proxy,
        environment(proxy.url, AUDIOSPEC_PATIENCE="60"),
    ):
        _use_everything(url / "folder", range(24))


def test_long_lists_survive_broken_pages() -> None:
    with bucket() as url:
        folder = open_folder(url / "many")
        folder.map(lambda number: folder.write(f"{number:05}"), range(1010))
        with FaultProxy(moto(), rate=0.5, seed=3) as proxy, environment(proxy.url, AUDIOSPEC_PATIENCE="30"):
            assert [entry.key for entry in open_folder(url / "many").list()] == [
                f"{number:05}" for number in range(1010)
            ]
            assert [entry.key for entry in open_folder(url / "many").list("0100")] == [
                f"{number:05}" for number in range(1000, 1010)
            ]
        assert proxy.faults
        folder.clear()
        assert list(folder.list()) == []


@pytest.mark.parametrize("only", [None, NEW, "version"])
def test_a_torn_upload_leaves_what_was_there(only: str | None) -> None:
    with bucket() as url:
        version = open_folder(url).write("k", b"before") if only != NEW else NEW
        key_is_free = only == NEW
        with FaultProxy(moto(), rate=1, kinds=["torn"]) as proxy:
            with environment(proxy.url, AUDIOSPEC_PATIENCE="0.3"), pytest.raises(StorageError):
                open_folder(url).write("k", bytes(SIZE), only=None if only is None else version)
            assert proxy.faults
        assert open_folder(url).exists("k") is not key_is_free
        if not key_is_free:
            assert open_folder(url).load("k") == (b"before", version)


def test_a_lost_answer_is_not_taken_for_another_writer() -> None:
    """The first answer to each write is lost; the second try is refused, though the file is ours."""
    seen: Counter[str] = Counter()

    def decide(request: Request) -> str | None:
        seen[request.key] += request.method == "PUT"
        return "lost" if request.method == "PUT" and seen[request.key] == 1 else None

    with bucket() as url, FaultProxy(moto(), decide=decide) as proxy, environment(proxy.url):
        folder = open_folder(url)
        version = folder.write("k", b"content", only=NEW)
        assert folder.load("k") == (b"content", version)
        assert [kind for _, kind in proxy.faults] == ["lost"]
        seen.clear()
        second = folder.write("k", b"replaced", only=version)
        assert folder.load("k") == (b"replaced", second)
        assert [kind for _, kind in proxy.faults] == ["lost", "lost"]
        seen.clear()
        with pytest.raises(ConflictError):
            folder.write("k", b"of another", only=version)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("503", "503 Service Unavailable (SlowDown)"), ("lost", "connection lost"), ("cut", "broke off")],
)
def test_patience_ends(kind: str, said: str) -> None:
    with bucket() as url, FaultProxy(moto(), rate=1, kinds=[kind]) as proxy:
        open_folder(url).write("k", bytes(SIZE))
        with environment(proxy.url, AUDIOSPEC_PATIENCE="0.5"):
            began = time.monotonic()
            with pytest.raises(StorageError) as caught:
                open_folder(url).read("k")
    assert time.monotonic() - began < 25
    assert caught.value.reason.startswith(f"{url}/k does not answer: ")
    assert said in caught.value.reason
    assert caught.value.hint == "finished shards are kept; run the same command again"
    assert caught.value.__context__ is None


def test_requests_wait_side_by_side() -> None:
    """64 files by 32 threads, 60 ms each: two rounds and not sixty."""
    with bucket() as url, FaultProxy(moto(), latency=0.06) as proxy, environment(proxy.url):
        folder = open_folder(url)
        folder.map(lambda number: folder.write(f"{number}", b"content"), range(64))
        most, now, lock = [0], [0], threading.Lock()

        def decide(_: Request) -> None:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])

        def answered(_: Request) -> None:
            with lock:
                now[0] -= 1

        proxy.decide, proxy.answered = decide, answered
        folder.fill([(f"{number}", 0, memoryview(bytearray(7))) for number in range(64)])
        assert 8 < most[0] <= 32


def test_near_parts_are_one_request() -> None:
    with bucket() as url, FaultProxy(moto()) as proxy, environment(proxy.url):
        folder = open_folder(url)
        folder.write("k", bytes(9_000_000))

        def requests(*starts: int, length: int) -> int:
            before = len(proxy.requests)
            folder.fill([("k", start, memoryview(bytearray(length))) for start in starts])
            return len(proxy.requests) - before

        assert requests(0, 500_000, 1_000_000, length=1000) == 1
        assert requests(0, 8_000_000, length=1000) == 2
        assert requests(0, 4_000_000, 8_000_000, length=900_000) == 1  # a quarter of the file, and more


def test_the_proxy_as_a_process() -> None:
    with bucket() as url, proxy_process(moto(), latency=0.05) as proxy, environment(proxy):
        folder = open_folder(url)
        folder.write("k", b"content")
        began = time.monotonic()
        assert folder.read("k") == b"content"
        assert time.monotonic() - began >= 0.05


def test_a_proxy_that_has_ended_leaves_no_connection() -> None:
    before = set(threading.enumerate())
    with bucket() as url, FaultProxy(moto(), latency=0.02) as proxy, environment(proxy.url):
        folder = open_folder(url)
        folder.write("k", b"content")
        folder.map(lambda _: folder.read("k"), range(8))
        served = [
            thread for thread in set(threading.enumerate()) - before if "process_request" in thread.name
        ]
        assert served
    for thread in served:
        thread.join(5)
    assert not [thread for thread in served if thread.is_alive()]
