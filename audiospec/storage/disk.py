"""DiskFolder: a folder of a disk."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from audiospec.errors import StoreBusyError, StoreError
from audiospec.files import atomic_write, disk_full_errors, write_bytes, write_new
from audiospec.storage.base import NEW, ConflictError, Entry, Folder, Lock
from audiospec.storage.location import Location

if TYPE_CHECKING:  # workers take no lock
    import filelock

#: Files that stay open for `DiskFolder.fill`. Most systems let a process have 1024 files open. Opening a file
#: again takes 0.03 ms, as long as reading a row of 331 KB.
MAX_OPEN_FILES = 256


class OpenFile:
    """A file that is open for reading; it is closed when this object is garbage-collected.

    Threads and forked processes can share it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def fill(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer with the file's bytes from an offset on.

        Raises
        ------
        OSError
            The system cannot read the file.
        EOFError
            The file is too short.
        """
        while buffer:  # one call reads 2 GB at most
            count = os.preadv(self.descriptor, [buffer], offset)
            if not count:
                raise EOFError("the file ends too early")
            buffer, offset = buffer[count:], offset + count

    def fill_all(self, wanted: Iterable[tuple[int, memoryview]]) -> None:
        """Fill buffers, each with the file's bytes from its offset on."""
        for offset, buffer in wanted:
            self.fill(buffer, offset)


class DiskFolder(Folder):
    """A folder of a disk.

    Parameters
    ----------
    path : Path
    on_open : callable or None
        Called after `fill` or `tail` has opened a file; an error that it raises closes the file.
    unfinished : Path or None
        Name, on the same disk, that a file has until it is complete. None: one beside the file.
    """

    location: Path
    is_local = True

    def __init__(
        self, path: Path, on_open: Callable[[], None] | None = None, unfinished: Path | None = None
    ) -> None:
        super().__init__(path)
        self._open: dict[str, OpenFile] = {}
        self._most_open = MAX_OPEN_FILES
        self._on_open = on_open
        self._unfinished = unfinished

    def path(self, key: str) -> Path:
        """Return the path of a file."""
        return self.location / key

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Return a file's bytes, from `start` on."""
        # Paths as text: a store is opened by a dozen reads, and pathlib would take as long as half of them.
        with _missing_in_a_file(), open(f"{self.location}/{key}", "rb") as file:
            file.seek(start)
            return file.read(-1 if length is None else length)

    def load(self, key: str) -> tuple[bytes, str]:
        """Return a file's bytes, and the version that they are of."""
        with _missing_in_a_file(), self.path(key).open("rb") as file:
            return file.read(), _version(os.fstat(file.fileno()))

    def tail(self, key: str, length: int) -> tuple[bytes, int]:
        """Return the last bytes of a file, and its size."""
        file = self._opened(key).descriptor
        size = os.fstat(file).st_size
        return os.pread(file, min(size, length), max(0, size - length)), size

    def fill(self, wanted: Sequence[tuple[str, int, memoryview]]) -> None:
        """Fill buffers with bytes of files, which stay open: nothing may write to them."""
        for key, start, buffer in wanted:
            self._opened(key).fill(buffer, start)

    def _opened(self, key: str) -> OpenFile:
        file = self._open.get(key)
        if file is None:
            try:
                file = self._opened_anew(key)
            except OSError as error:
                if not self._open or error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                self._open.clear()
                file = self._opened_anew(key)
            self._open[key] = file
            self._trim()
        return file

    def keep_open(self, most: int) -> None:
        """Set the number of files that stay open, such as a share of `MAX_OPEN_FILES`; at least 1."""
        self._most_open = max(1, most)
        self._trim()

    def _trim(self) -> None:
        for oldest in list(self._open)[: -self._most_open]:
            self._open.pop(oldest, None)  # another thread may have removed it already

    def _opened_anew(self, key: str) -> OpenFile:
        try:
            with _missing_in_a_file():
                return OpenFile(os.open(os.path.join(self.location, key), os.O_RDONLY))
        finally:
            if self._on_open is not None:
                self._on_open()

    def write(self, key: str, *parts: bytes | memoryview, only: str | None = None) -> str:
        """Write a file under another name, and rename it.

        Whoever gives a version must hold the lock: on a disk, it is compared just before the file is renamed.
        """
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        if only == NEW:
            return self._write_new(path, parts)
        if only is not None and ((entry := self.entry(key)) is None or entry.version != only):
            raise ConflictError(f"{path} was written by another process meanwhile")
        if self._unfinished is None:
            with atomic_write(path) as temporary:
                version = _written(temporary, parts)
        else:
            with disk_full_errors(path):
                version = _written(self._unfinished, parts)
                os.replace(self._unfinished, path)
        self._open.pop(key, None)
        return version

    def _write_new(self, path: Path, parts: Sequence[bytes | memoryview]) -> str:
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
        try:
            with disk_full_errors(path):
                version = _written(temporary, parts)
            os.link(temporary, path)  # unlike a rename, it fails if there is a file
        except FileExistsError as error:
            raise ConflictError(f"{path} exists already") from error
        finally:
            temporary.unlink(missing_ok=True)
        return version

    def copy(self, source: Location, key: str) -> None:
        """Link a file into this folder, or copy it where that cannot be."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, Path):
            with suppress(OSError):  # a file system without hard links, or another disk
                os.link(source, path)
                return
            write_bytes(path, source.read_bytes())
            return
        from audiospec.storage.objects import BucketFolder

        write_bytes(path, BucketFolder(source.parent).read(source.name))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files whose key begins with `prefix`, sorted by key."""
        top = self.location / prefix.rpartition("/")[0]
        keys = []
        for folder, _, names in os.walk(top):
            inside = os.path.relpath(folder, self.location).replace(os.sep, "/")
            keys += [name if inside == "." else f"{inside}/{name}" for name in names]
        for key in sorted(key for key in keys if key.startswith(prefix)):
            entry = self.entry(key)
            if entry is not None:
                yield entry

    def entry(self, key: str) -> Entry | None:
        """Return what is known of a file; None if it does not exist."""
        try:
            status = os.stat(self.path(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Entry(key, status.st_size, _version(status), status.st_mtime)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove files, and the folders in this one that become empty."""
        for key in keys:
            self._open.pop(key, None)
            with suppress(FileNotFoundError, NotADirectoryError):
                self.path(key).unlink()
            folder = self.path(key).parent
            while folder != self.location:
                try:
                    folder.rmdir()
                except OSError:  # it is not empty, or is gone
                    break
                folder = folder.parent

    def clear(self) -> None:
        """Remove the folder and all files in it."""
        self._open.clear()
        if self.location.exists():
            shutil.rmtree(self.location)

    @contextmanager
    def lock(self, what: str) -> Iterator[Lock]:
        """Hold the lock of the folder, which is removed afterwards if it is empty.

        The system frees the lock when the process ends, even if it is killed.
        """
        folder = self.location
        lock = _acquire(folder, what)
        holder = folder / "holder"
        try:
            holder.write_text(f" (process {os.getpid()})")
            yield _Held()
        finally:
            holder.unlink(missing_ok=True)
            if not any(child.name != "lock" for child in folder.iterdir()):
                # Remove it before the lock is released: a process that has the lock file open by then notices
                # that the file was unlinked, and tries again.
                shutil.rmtree(folder, ignore_errors=True)
            lock.release()


class _Held:
    """A lock of a disk, which only the system takes away, with the process."""

    def require(self) -> None:
        return


def _acquire(folder: Path, what: str) -> filelock.BaseFileLock:
    """Make a folder and acquire the lock in it."""
    import filelock

    for attempt in range(50):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(exist_ok=True)
            lock = filelock.FileLock(folder / "lock", timeout=0)
            lock.acquire()
            return lock
        except filelock.Timeout:
            break
        except OSError as error:
            # The previous run may be removing the folder at this moment.
            if isinstance(error, FileNotFoundError | FileExistsError) and attempt < 49:
                time.sleep(0.01)
                continue
            raise StoreError(
                f"cannot write beside {what} ({error.strerror})",
                "choose a `store` in a folder that can be written to",
            ) from error
    holder = ""
    with suppress(OSError):
        holder = (folder / "holder").read_text()
    raise StoreBusyError(
        f"another run{holder} is writing to {what}", "wait until it ends, or choose another `store`"
    )


def _written(temporary: Path, parts: Sequence[bytes | memoryview]) -> str:
    """Write a file that no reader knows yet; return its version, which a rename or a link does not change."""
    write_new(temporary, *parts)
    return _version(os.stat(temporary))


def _version(status: os.stat_result) -> str:
    """Return what changes if a file is replaced or written to. The system reuses inodes."""
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


@contextmanager
def _missing_in_a_file() -> Iterator[None]:
    """Turn the error for a folder that is a file into that of a missing file."""
    try:
        yield
    except NotADirectoryError as error:
        raise FileNotFoundError(error.errno, error.strerror, error.filename) from error
