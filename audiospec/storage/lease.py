"""The lock of a folder in a bucket: a lease, an object that its holder renews.

A lease is a courtesy: it keeps a second run from computing what the first computes. What keeps bytes safe is
the conditional write of a store's root. A storage that ignores conditions is refused before its first lease.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from audiospec.errors import StorageError, StoreBusyError
from audiospec.machine import user_name
from audiospec.storage.base import NEW, ConflictError, Entry, Folder, Lock
from audiospec.storage.location import Url
from audiospec.storage.refusals import UnsupportedError

#: Name of the object, from which a folder's other files can be told.
LEASE = "lease"
#: A holder renews its lease so often, s.
RENEW = 30.0
#: A lease that was not renewed for so long belongs to a run that was killed, s.
EXPIRE = 120.0
#: With this variable, storages that ignore conditions are used without a lock.
UNSAFE = "AUDIOSPEC_UNSAFE_STORAGE"

_logger = logging.getLogger("audiospec")
#: Tokens of the leases that this process holds, takes or gives back.
_held: set[str] = set()
#: Buckets that have been found to honour conditions.
_proved: set[str] = set()


class Lease:
    """A lease that is held, and renewed by a thread until it is released.

    Parameters
    ----------
    folder : Folder
    what : str
        What is locked, for messages.
    token, version : str
        Of the lease, and of its object.
    renew, expire : float
        As `RENEW` and `EXPIRE`.
    """

    def __init__(
        self, folder: Folder, what: str, token: str, version: str, renew: float, expire: float
    ) -> None:
        self._folder, self._what, self._token, self._version = folder, what, token, version
        self._renew, self._expire = renew, expire
        self._renewed = _now()
        self._lost = False
        self._ended = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._keep, name="audiospec-lease", daemon=True).start()

    def require(self) -> None:
        """Raise a StoreBusyError if the lease has been lost, as when this process was stopped for minutes."""
        if not self._lost and _now() - self._renewed > self._expire / 2:
            self._write()
        if self._lost:
            raise StoreBusyError(
                f"{self._what}: another run has taken over, as this one was silent for {self._expire:.0f} s",
                "finished shards are kept; run the same command again",
            )

    def release(self) -> None:
        """Remove the lease if it is still this one's. A bucket that does not answer is waited for briefly."""
        self._ended.set()
        removing = threading.Thread(target=self._remove, name="audiospec-lease", daemon=True)
        removing.start()
        removing.join(10)

    def _remove(self) -> None:
        try:
            with suppress(StoreBusyError, StorageError):  # a lease that cannot be removed expires
                self.require()
                self._folder.remove([LEASE])
        finally:
            _held.discard(self._token)

    def _keep(self) -> None:
        while not self._ended.wait(self._renew) and not self._lost:
            with suppress(StorageError):  # until `require`, a bucket may well answer again
                self._write()

    def _write(self) -> None:
        with self._writing:
            began = _now()
            try:
                self._version = self._folder.write(
                    LEASE, _content(self._token, self._expire), only=self._version
                )
            except ConflictError:
                self._lost = True
            else:
                self._renewed = began


class _Unsafe:
    """The lock of a storage without conditions, whose only writer the user promises to be."""

    def require(self) -> None:
        """Raise nothing: nothing is held."""


@contextmanager
def hold(
    folder: Folder, what: str, renew: float | None = None, expire: float | None = None
) -> Iterator[Lock]:
    """Hold the lease of a folder during a block.

    Parameters
    ----------
    folder : Folder
        Of a bucket.
    what : str
        What is locked, for messages.
    renew, expire : float, optional
        Seconds; instead of `RENEW` and `EXPIRE`, for tests.

    Raises
    ------
    StoreBusyError
        Another run holds it.
    StorageError
        The storage ignores conditions, or does not answer.
    """
    if is_unsafe():
        yield _Unsafe()
        return
    prove(folder)
    renew, expire = renew or RENEW, expire or EXPIRE
    token = secrets.token_hex(8)
    _held.add(token)
    try:
        version = _acquire(folder, what, token, renew, expire)
    except BaseException:
        _held.discard(token)
        raise
    lease = Lease(folder, what, token, version, renew, expire)
    try:
        yield lease
    finally:
        lease.release()


def is_unsafe() -> bool:
    """Whether the user promises that a storage without conditions has one writer."""
    return os.environ.get(UNSAFE) == "1"


def prove(folder: Folder) -> None:
    """Check once for each bucket that it honours the conditions of a write, and leave nothing behind.

    Raises
    ------
    StorageError
        It ignores or refuses them.
    """
    assert isinstance(folder.location, Url)
    name = f"{folder.location.scheme}://{folder.location.bucket}"
    case = f"{name} {os.environ.get('AWS_ENDPOINT_URL', '')}"
    if case in _proved:
        return
    key = f"{LEASE}.{secrets.token_hex(8)}"
    try:
        version = folder.write(key, b"first", only=NEW)
        honoured = (
            _is_refused(folder, key, b"second", NEW)
            and _is_refused(folder, key, b"third", f"{version[:-1]}{'1' if version[-1] == '0' else '0'}")
            and bool(folder.write(key, b"fourth", only=version))
        )
    except UnsupportedError:
        honoured = False
    finally:
        folder.remove([key])
    if not honoured:
        raise StorageError(
            f"{name} ignores conditional writes, two runs could overwrite each other",
            f"use another storage, or {UNSAFE}=1 if you are its only writer",
        )
    _proved.add(case)


def _now() -> float:
    """Return a clock that goes on while a laptop sleeps, s."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _is_refused(folder: Folder, key: str, content: bytes, only: str) -> bool:
    try:
        folder.write(key, content, only=only)
    except ConflictError:
        return True
    return False


def _acquire(folder: Folder, what: str, token: str, renew: float, expire: float) -> str:
    """Return the version of the lease, once it is this run's."""
    while True:
        with suppress(ConflictError):
            return folder.write(LEASE, _content(token, expire), only=NEW)
        entry = folder.entry(LEASE)
        try:
            holder = _parsed(folder.read(LEASE))
        except FileNotFoundError:
            continue
        if entry is None:  # it was released meanwhile
            continue
        alive = _is_alive(holder)
        if alive:
            raise _busy(what, holder)
        if alive is None and not _has_expired(folder, what, token, holder, entry, renew, expire):
            continue
        try:
            return folder.write(LEASE, _content(token, expire), only=entry.version)
        except ConflictError:
            raise _busy(what, _parsed_or_empty(folder)) from None


def _has_expired(
    folder: Folder, what: str, token: str, holder: dict[str, Any], entry: Entry, renew: float, expire: float
) -> bool:
    """Wait until a lease expires; return False if it is released before.

    Raises
    ------
    StoreBusyError
        It is renewed.
    """
    clock = f"{LEASE}.{token}"  # written to learn what time the storage has
    folder.write(clock, b"")
    now = folder.entry(clock)
    folder.remove([clock])
    age = max(0.0, now.modified - entry.modified) if now else 0.0
    remaining = expire - age
    if remaining > 0:
        _logger.warning(
            "%s: waiting up to %.0f s for %s, which may have been killed", what, remaining, _name(holder)
        )
    deadline = time.monotonic() + remaining
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, renew / 6))
        current = folder.entry(LEASE)
        if current is None:
            return False
        if current.version != entry.version:
            raise _busy(what, holder)
    return True


def _busy(what: str, holder: dict[str, Any]) -> StoreBusyError:
    return StoreBusyError(
        f"{what}: {_name(holder)} is writing to it", "wait until it ends, or choose another `store`"
    )


def _name(holder: dict[str, Any]) -> str:
    texts = (str(holder.get(field, "?"))[:80] for field in ("host", "pid", "user"))
    host, pid, user = ("".join(filter(str.isprintable, text)) for text in texts)  # no escapes
    return f"the run of {user} on {host} (process {pid})"


def _content(token: str, expire: float) -> bytes:
    """Return a lease's content, which no other has: conditions compare content alone in some storages."""
    fields = {
        "token": token,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "user": user_name() or str(os.getuid()),
        "until": time.time() + expire,
        "renewal": secrets.token_hex(8),
        "machine": _machine(),
        "started": _started(os.getpid()),
    }
    return json.dumps(fields).encode()


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _parsed_or_empty(folder: Folder) -> dict[str, Any]:
    try:
        return _parsed(folder.read(LEASE))
    except FileNotFoundError:
        return {}


def _machine() -> str:
    """Return what tells process numbers apart: this start of the system, and its namespace of processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process began, in the system's ticks; ``""`` if it is not running."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = state.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _is_alive(holder: dict[str, Any]) -> bool | None:
    """Whether a lease's holder is running; None if it is on another machine, where this cannot be known."""
    if holder.get("token") in _held:
        return True
    machine = _machine()
    if not machine or holder.get("machine") != machine or not isinstance(holder.get("pid"), int):
        return None
    if holder["pid"] == os.getpid():  # Ctrl-C came while this process took it
        return False
    return bool(holder.get("started")) and _started(holder["pid"]) == holder["started"]
