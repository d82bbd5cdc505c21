"""BucketFolder: a prefix of a bucket as a folder, by obstore (S3, Google Cloud Storage, Azure, web servers).

A file is one object, written by one PUT: it is there as a whole or not at all. Requests that fail are sent
again for `connections.patience()` seconds; a write that says that it was refused, though an earlier answer
of it got lost, is found out by reading it back.
"""

from __future__ import annotations

import builtins
import errno
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from audiospec.errors import StorageError
from audiospec.storage import lease
from audiospec.storage.base import NEW, ConflictError, Entry, Folder, Lock
from audiospec.storage.connections import check_fork, connect, patience
from audiospec.storage.location import WEB, Location, Url
from audiospec.storage.ranges import Piece, Span, spans
from audiospec.storage.refusals import UnsupportedError, is_transient, replaced, translated
from audiospec.storage.threads import POOL, interruptible

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ListStream, ObjectMeta, PutMode, PutResult
    from obstore.store import ObjectStore

_T = TypeVar("_T")
_R = TypeVar("_R")

#: Largest object that is sent in one request, bytes. S3 takes up to 5 GB.
_ONE_PUT = 100 << 20
#: Most keys of a request that removes.
_BATCH = 1000


class BucketFolder(Folder):
    """A prefix of a bucket.

    It is pickled as its URL alone: credentials are those of the environment of the process that uses it.

    Parameters
    ----------
    location : Url
    store : obstore.store.ObjectStore, optional
        The bucket, instead of the one that the environment leads to; a memory, for tests.
    """

    location: Url

    def __init__(self, location: Url, store: ObjectStore | None = None) -> None:
        super().__init__(location)
        self._given = self._store = store

    def __reduce__(self) -> tuple[type[BucketFolder], tuple[Url]]:
        return type(self), (self.location,)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Return a file's bytes, from `start` on; fewer than `length` if it ends before."""
        return bytes(self._part(key, start, length))

    def _part(self, key: str, start: int, length: int | None) -> memoryview:
        if length == 0:
            self._known(key)
            return memoryview(b"")
        if start == 0 and length is None:
            return self._get(key, None)[0]
        try:
            part: Any = {"offset": start} if length is None else (start, start + length)
            return self._get(key, {"range": part})[0]
        except EOFError:
            return memoryview(b"")
        except UnsupportedError:  # a web server that knows no ranges, or an empty object
            stop = None if length is None else start + length
            return self._get(key, None)[0][start:stop]

    def load(self, key: str) -> tuple[bytes, str]:
        """Return a file's bytes, and the version that they are of."""
        content, answer = self._get(key, None)
        return bytes(content), _entry(answer.meta, key).version

    def read_version(self, key: str, version: str, start: int, length: int) -> bytes | memoryview:
        """Do the same as `read`, if the file has a version: one request with a condition."""
        # A web server may have no ETags, and need not know conditions.
        condition: GetOptions = {} if self.location.scheme in WEB else {"if_match": f'"{version}"'}
        try:
            data, answer = self._get(key, {**condition, "range": (start, start + length)})
        except UnsupportedError:  # a web server that knows no ranges
            data, answer = self._get(key, condition)
            data = data[start : start + length]
        if _entry(answer.meta, key).version != version:  # a storage that ignores the condition
            raise replaced(self.location / key)
        return data

    def tail(self, key: str, length: int) -> tuple[bytes, int]:
        """Return the last bytes of a file, all if it has fewer than `length`, and its size."""
        if length > 0:
            try:
                data, answer = self._get(key, {"range": {"suffix": length}})
                return bytes(data), answer.meta["size"]
            except EOFError:
                return b"", 0
            except UnsupportedError:  # Azure knows ranges from the start alone
                pass
        entry = self._known(key)
        return self.read(key, max(0, entry.size - length), min(length, entry.size)), entry.size

    def fill(self, wanted: Sequence[tuple[str, int, memoryview]]) -> None:
        """Fill buffers with bytes of files: key, first byte, buffer. Requests are sent many at a time."""
        by_key: dict[str, list[Piece]] = {}
        for key, start, buffer in wanted:
            by_key.setdefault(key, []).append((start, buffer.cast("B")))
        self.map(self._fill, [(key, span) for key, pieces in by_key.items() for span in spans(pieces)])

    def _fill(self, request: tuple[str, Span]) -> None:
        key, span = request
        data = self._part(key, span.start, span.stop - span.start)
        for start, buffer in span.pieces:
            part = data[start - span.start : start - span.start + len(buffer)]
            if len(part) < len(buffer):
                raise EOFError(
                    f"{self.location / key} ends at byte {span.start + len(data)}; "
                    f"expected {start + len(buffer)} or more"
                )
            buffer[:] = part

    def write(self, key: str, *parts: bytes | memoryview, only: str | None = None) -> str:
        """Write an object by one request; return its ETag, which many storages compute from the content.

        With `only`, an object that already has these very bytes counts as written: the answer to an earlier
        try may have been lost.
        """
        self._writable()
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if only is None:
            return self._put(key, data, None)
        if lease.is_unsafe():  # this is the only writer, the user says: comparing first will do
            entry = self.entry(key)
            if only != (entry.version if entry else NEW):
                raise replaced(self.location / key)
            return self._put(key, data, None)
        for _ in range(3):
            try:
                return self._put(key, data, self._mode(key, only))
            except ConflictError as error:
                conflict = error
            try:
                content, version = self.load(key)
            except FileNotFoundError:
                if only != NEW:
                    break
                continue
            if content == data:
                return version
            if version != only:
                break
            # It is as expected: two writers at a time make S3 answer 409 to both.
        raise conflict

    def copy(self, source: Location, key: str) -> None:
        """Copy a file into this folder: within a bucket by the storage itself, else through this machine."""
        self._writable()
        if source == self.location / key:  # which S3 refuses
            self._known(key)
        elif isinstance(source, Path):
            self.write(key, source.read_bytes())
        elif (source.scheme, source.bucket) == (self.location.scheme, self.location.bucket):
            target = (self.location / key).key
            self._call("copy", source, lambda store, path: store.copy(path, target))
        else:
            self.write(key, BucketFolder(source.parent).read(source.name))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files whose key begins with `prefix`, at any depth, sorted by key; a page at a time."""
        if self.location.scheme in WEB:
            raise StorageError(f"cannot list {self.location}", "use a bucket: web servers list no files")
        # Amazon's S3, Google and Azure list by key; S3 Express (names that end in x-s3) and a memory do not.
        if self._given is None and not self.location.bucket.endswith("-x-s3"):
            return self._list(prefix)
        return iter(sorted(self._list_all(prefix)))

    def _list(self, prefix: str) -> Iterator[Entry]:
        begins = f"{self._home()}{prefix}"
        folder, _, name = begins.rpartition("/")
        # What begins with "a/bc" follows "a/b". A part "." or ".." would be no name.
        last = begins[:-1] if name[:-1].strip(".") else None
        stream: ListStream[Sequence[ObjectMeta]] | None = None

        def page(store: ObjectStore, _: str) -> Sequence[ObjectMeta] | None:
            nonlocal stream
            try:
                stream = stream or store.list(folder or None, offset=last, chunk_size=_BATCH)
                return next(stream, None)
            except Exception:
                stream = None  # the next try begins after what has been listed
                raise

        while (metas := self._call("list", self.location, page)) is not None:
            for meta in metas:
                last = meta["path"]
                if last.startswith(begins):
                    yield _entry(meta, last.removeprefix(self._home()))
                elif last > begins:
                    return

    def _list_all(self, prefix: str) -> Iterator[Entry]:
        begins = f"{self._home()}{prefix}"
        folder = begins.rpartition("/")[0] or None
        pages = self._call("list", self.location, lambda store, _: [*store.list(folder)])
        for meta in (meta for page in pages for meta in page):
            if meta["path"].startswith(begins):
                yield _entry(meta, meta["path"].removeprefix(self._home()))

    def _home(self) -> str:
        return f"{self.location.key}/" if self.location.key else ""

    def entry(self, key: str) -> Entry | None:
        """Return what is known of a file; None if it does not exist."""
        try:
            return _entry(self._call("read", self.location / key, _head), key)
        except FileNotFoundError:
            return None

    def remove(self, keys: Iterable[str]) -> None:
        """Remove files, many with one request; those that do not exist are passed over."""
        self._writable()
        paths = [(self.location / key).key for key in keys]
        self.map(self._remove, [paths[i : i + _BATCH] for i in range(0, len(paths), _BATCH)])

    def _remove(self, paths: builtins.list[str]) -> None:
        place = Url(self.location.scheme, self.location.bucket, paths[0])
        try:
            self._call("remove", place, lambda store, _: store.delete(paths))
        except FileNotFoundError:  # of a storage that removes one by one, and may have stopped there
            if len(paths) > 1:
                self.map(self._remove, [[path] for path in paths])

    def clear(self) -> None:
        """Remove all files but the lease, which its holder removes."""
        self.remove([entry.key for entry in self.list() if entry.key != lease.LEASE])

    def lock(self, what: str) -> AbstractContextManager[Lock]:
        """Hold the folder's lease during a block; it outlives a run that was killed by two minutes."""
        self._writable()
        return lease.hold(self, what)

    def map(self, function: Callable[[_T], _R], items: Iterable[_T]) -> builtins.list[_R]:
        """Call a function for each item, and return the results in order; many at a time."""
        check_fork(self.location)
        return POOL.map(function, items)

    def _get(self, key: str, options: GetOptions | None) -> tuple[memoryview, GetResult]:
        def get(store: ObjectStore, path: str) -> tuple[memoryview, GetResult]:
            answer = store.get(path, options=options)
            return memoryview(answer.bytes()), answer

        return self._call("read", self.location / key, get)

    def _put(self, key: str, data: bytes | memoryview, mode: PutMode | None) -> str:
        multipart = mode is None and len(data) > _ONE_PUT

        def put(store: ObjectStore, path: str) -> PutResult:
            return store.put(path, data, mode=mode, use_multipart=multipart)

        answer = self._call("write", self.location / key, put)
        return _version(answer["e_tag"], answer["version"])

    def _mode(self, key: str, only: str) -> PutMode:
        if only == NEW:
            return "create"
        if self.location.scheme != "gs":
            return {"e_tag": f'"{only}"'}
        # Google replaces a generation, which its lists do not name.
        try:
            meta = self._call("read", self.location / key, _head)
        except FileNotFoundError:
            raise replaced(self.location / key) from None
        if _version(meta["e_tag"], meta["version"]) != only:
            raise replaced(self.location / key)
        return {"e_tag": meta["e_tag"] or "", "version": meta["version"] or ""}

    def _known(self, key: str) -> Entry:
        entry = self.entry(key)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.location / key))
        return entry

    def _writable(self) -> None:
        if self.location.scheme in WEB:
            raise StorageError(f"cannot write to {self.location}", "use a bucket: web servers are only read")

    def _call(self, action: str, place: Url, request: Callable[[ObjectStore, str], _R]) -> _R:
        """Send a request until it is answered, or patience is at an end."""
        check_fork(self.location)
        store = self._store = self._store or connect(self.location)
        from obstore.exceptions import BaseError

        began, pause, longest = time.monotonic(), 0.01, patience()
        while True:
            try:
                return interruptible(lambda: request(store, place.key))
            except (BaseError, OSError, ValueError) as error:
                seconds = time.monotonic() - began
                failure = translated(error, action, place, seconds)
                again = is_transient(error) and seconds < longest
            if not again:
                raise failure  # outside of the handler: what it was made of may contain a credential
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 # so that threads do not come back at once
            pause = min(10.0, longest / 12, 3 * pause)


def _head(store: ObjectStore, path: str) -> ObjectMeta:
    return store.head(path)


def _version(e_tag: str | None, version: str | None) -> str:
    """Return the text of a version. Some storages put quotes around an ETag in some of their answers."""
    return (e_tag or version or "").strip('"')


def _entry(meta: ObjectMeta, key: str) -> Entry:
    modified = meta["last_modified"].timestamp()
    version = _version(meta["e_tag"], meta["version"]) or f"{meta['size']}-{modified}"  # of a web server
    return Entry(key, meta["size"], version, modified)
