"""Sequences of operations on folders in buckets, held to a dict."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

from audiospec.storage.base import NEW, ConflictError, Folder
from audiospec.storage.location import Url
from audiospec.storage.objects import BucketFolder
from audiospec.storage.opening import open_folder
from audiospec.testing.buckets import bucket, environment, moto
from audiospec.testing.faults import FaultProxy

_NAME = st.text("ab/.#%+ é", min_size=1, max_size=5).filter(
    lambda name: all(part not in ("", ".", "..") for part in name.split("/"))
)
_KEY = st.one_of(st.sampled_from(["k", "k/l", "k.l", "m"]), _NAME)
_CONTENT = st.binary(max_size=40)


class _Machine(RuleBasedStateMachine):
    """Every operation does to a folder what it does to a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.make()
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, str] = {}

    def make(self) -> Folder:
        raise NotImplementedError

    def _wrote(self, key: str, content: bytes, version: str) -> None:
        self.files[key], self.versions[key] = content, version

    @rule(key=_KEY, content=_CONTENT)
    def write(self, key: str, content: bytes) -> None:
        self._wrote(key, content, self.folder.write(key, content[:3], content[3:]))

    @rule(key=_KEY, content=_CONTENT)
    def create(self, key: str, content: bytes) -> None:
        try:
            version = self.folder.write(key, content, only=NEW)
        except ConflictError:
            assert self.files[key] != content
        else:
            assert self.files.get(key, content) == content
            self._wrote(key, content, version)

    @rule(key=_KEY, other=_KEY, content=_CONTENT)
    def replace(self, key: str, other: str, content: bytes) -> None:
        expected = self.versions.get(other, "0" * 32)
        try:
            version = self.folder.write(key, content, only=expected)
        except ConflictError:
            assert self.versions.get(key) != expected
        else:
            assert self.versions.get(key) == expected or self.files[key] == content
            self._wrote(key, content, version)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), key=_KEY)
    def copy(self, data: st.DataObject, key: str) -> None:
        source = data.draw(st.sampled_from(sorted(self.files)))
        self.folder.copy(self.folder.location / source, key)
        entry = self.folder.entry(key)
        assert entry is not None
        self._wrote(key, self.files[source], entry.version)

    @rule(keys=st.lists(_KEY, max_size=4))
    def remove(self, keys: list[str]) -> None:
        self.folder.remove(keys)
        for key in keys:
            self.files.pop(key, None)
            self.versions.pop(key, None)

    @rule(key=_KEY, start=st.integers(0, 45), length=st.integers(0, 45))
    def read(self, key: str, start: int, length: int) -> None:
        content = self.files.get(key)
        if content is None:
            with pytest.raises(FileNotFoundError):
                self.folder.read(key, start, length)
            assert self.folder.entry(key) is None
            return
        assert self.folder.load(key) == (content, self.versions[key])
        assert self.folder.read(key, start, length) == content[start : start + length]
        assert self.folder.tail(key, length) == (content[max(0, len(content) - length) :], len(content))
        part = memoryview(bytearray(length))
        try:
            self.folder.fill([(key, start, part)])
        except EOFError:
            assert start + length > len(content)
        else:
            assert part == content[start : start + length]

    @rule(prefix=st.one_of(st.just(""), _KEY))
    def list(self, prefix: str) -> None:
        found = [(entry.key, entry.size, entry.version) for entry in self.folder.list(prefix)]
        assert found == [
            (key, len(content), self.versions[key])
            for key, content in sorted(self.files.items())
            if key.startswith(prefix)
        ]

    @invariant()
    def same_names(self) -> None:
        assert [entry.key for entry in self.folder.list()] == sorted(self.files)


@pytest.fixture
def url() -> Iterator[Url]:
    with bucket() as url:
        yield url


def _run(make: object, examples: int, steps: int) -> None:
    machine = type("Machine", (_Machine,), {"make": make})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def _in_memory(_: object) -> Folder:
    from obstore.store import MemoryStore

    return BucketFolder(Url("s3", "memory", "a"), MemoryStore())


def test_memory() -> None:
    _run(_in_memory, 20, 30)


def test_moto(url: Url) -> None:
    _run(lambda _: open_folder(url / secrets.token_hex(4)), 6, 20)


def test_moto_behind_a_broken_network(url: Url) -> None:
    with FaultProxy(moto(), rate=0.3, seed=5) as proxy, environment(proxy.url, AUDIOSPEC_PATIENCE="20"):
        _run(lambda _: open_folder(url / secrets.token_hex(4)), 2, 12)


@pytest.mark.long
def test_many_sequences(url: Url) -> None:
    _run(_in_memory, 300, 50)
    _run(lambda _: open_folder(url / secrets.token_hex(4)), 60, 40)
