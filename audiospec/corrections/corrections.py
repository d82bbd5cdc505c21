"""Corrections: the decisions of a file, and new ones that are added to it."""

from __future__ import annotations

import datetime
import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiospec.corrections.applied import Applied, apply, histories
from audiospec.corrections.decision import COLUMNS, Decision, from_csv, to_csv
from audiospec.errors import AudiospecError, StorageError, StoreBusyError, StoreError
from audiospec.files import open_plain
from audiospec.storage.base import NEW, ConflictError, Folder
from audiospec.storage.location import WEB, Location, Url, location
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.tracks import Tracks
from audiospec.text import printable

if TYPE_CHECKING:
    from audiospec.stores.layout.view import ViewStore

#: Name of the file, in the folder or prefix where a store is. All stores there share it.
FILE = "corrections.csv"
#: Largest size of the file in bytes: a hundred thousand decisions have 20 MB.
MOST_BYTES = 256 << 20
#: How long a process waits for another one that is adding decisions, s.
WAIT = 60.0

_logger = logging.getLogger("audiospec")


def file_beside(store: Location) -> Location:
    """Return where the corrections of a store are."""
    return store.with_name(FILE)


class Corrections:
    """The decisions of people on the labels of tracks, as a file has them.

    The file is plain CSV with the columns of `Decision`, one decision a row; `of` and `read` open one.
    Rows are only ever added: the latest decision on a track counts, and the earlier ones are its history.

    Parameters
    ----------
    file : Location
    decisions : sequence of Decision
        In the order of the rows.
    sha256 : str
        SHA-256 of the file; ``""`` if there is none.
    unfinished : str
        Text of a last line that was not written to its end, and is not among the decisions.

    Attributes
    ----------
    file, decisions, sha256, unfinished
        As given.
    """

    def __init__(
        self, file: Location, decisions: Sequence[Decision] = (), sha256: str = "", unfinished: str = ""
    ) -> None:
        self.file = file
        self.decisions = tuple(decisions)
        self.sha256 = sha256
        self.unfinished = unfinished

    def __repr__(self) -> str:
        return f"<Corrections {self.file}: {len(self.decisions)} decisions>"

    def __len__(self) -> int:
        return len(self.decisions)

    @classmethod
    def of(cls, store: ViewStore) -> Corrections:
        """Read the corrections beside a store; there are none if there is no file.

        Raises
        ------
        StoreError, StorageError
            The file cannot be read, or is not a table of corrections.
        """
        file = file_beside(store.path)
        try:
            return cls._read(file)
        except StorageError as error:
            if isinstance(file, Url) and file.scheme in WEB:  # some servers refuse what they do not have
                _logger.warning("no corrections are applied: %s", error.reason)
                return cls(file)
            raise

    @classmethod
    def read(cls, file: Location | str) -> Corrections:
        """Read a file of corrections.

        Raises
        ------
        StoreError, StorageError
            It does not exist, cannot be read, or is not a table of corrections.
        """
        place = location(file)
        found = cls._read(place)
        if not found.sha256:
            raise StoreError(f"no corrections at {place}", "check the path, or give `corrections=None`")
        return found

    @classmethod
    def _read(cls, file: Location) -> Corrections:
        try:
            content = _content(file)
        except FileNotFoundError:
            return cls(file)
        return cls._parsed(file, content)

    @classmethod
    def _parsed(cls, file: Location, content: bytes) -> Corrections:
        decisions, unfinished = from_csv(content, file)
        return cls(file, decisions, hashlib.sha256(content).hexdigest(), unfinished)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    @property
    def problem(self) -> str:
        """What is wrong with a last line that was not written to its end, in words; ``""`` if nothing is."""
        if not self.unfinished:
            return ""
        return (
            f"the last line of {self.file} was not written to its end and is not used: "
            f"{printable(self.unfinished[:200])}: decide on that track again"
        )

    def apply(self, tracks: Tracks) -> Applied:
        """Return what the decisions change in a track table."""
        return apply(self.decisions, tracks)

    def history(self, tracks: Tracks, number: int) -> list[Decision]:
        """Return the decisions on a track, by its number in the track table, in the order of the rows."""
        return histories(self.decisions, tracks)[0].get(number, [])

    def add(
        self,
        tracks: Tracks,
        number: int,
        new: str,
        *,
        who: str = "",
        why: str = "",
        seen: int | None = None,
    ) -> Corrections:
        """Add a decision on a track to the file, and return the corrections with it.

        The file is written as a whole or not at all, while no other process can write to it; decisions that
        another process has added meanwhile are kept, and are in what is returned.

        Parameters
        ----------
        tracks : Tracks
            The track table of the store.
        number : int
            Number of the track in it.
        new : str
            The label that is right: another one, or the one that it has; ``""``: the track is excluded.
        who, why : str
            By whom and why it is decided.
        seen : int or None
            Number of decisions on the track that the person knew of. None: any.

        Raises
        ------
        ConflictError
            There are other decisions on the track than were seen.
        StoreBusyError
            Another process is writing for longer than a minute.
        StoreError, StorageError
            The file cannot be read or written.
        """
        decision = decide(tracks, number, new, who=who, why=why)
        return self._add([decision], None if seen is None else (tracks, number, seen))

    def take_back(
        self, tracks: Tracks, number: int, *, who: str = "", why: str = "", seen: int | None = None
    ) -> Corrections:
        """Restore the label that the store has for a track by one more decision; else as `add`.

        Raises
        ------
        StoreError
            The track has no label in the store.
        """
        label = str(tracks["label"][number])
        if not label:
            raise StoreError(
                f"track {tracks['id'][number]!r} has no label in the store that could be restored",
                "give it one",
            )
        return self.add(tracks, number, label, who=who, why=why or "taken back", seen=seen)

    def extend(self, decisions: Sequence[Decision]) -> Corrections:
        """Add several decisions in one step; else as `add`. Those without a time get the present one."""
        return self._add(decisions, None) if decisions else self

    def _add(self, decisions: Sequence[Decision], seen: tuple[Tracks, int, int] | None) -> Corrections:
        timed = [replace(decision, when=decision.when or now()) for decision in decisions]
        rows = to_csv(timed, header=False).encode()
        folder, name = open_folder(self.file.parent), self.file.name
        with _locked(self.file):
            before, version = _load(folder, self.file)
            present = Corrections._parsed(self.file, before)
            if seen is not None:
                tracks, number, count = seen
                known = len(present.history(tracks, number))
                if known != count:
                    raise ConflictError(
                        f"track {tracks['id'][number]!r} has {known} decisions by now; {count} were seen",
                        "look at them, then decide again",
                    )
            if present.unfinished:
                before = self._set_aside(folder, before, present)
            if not before.strip().removeprefix(b"\xef\xbb\xbf"):
                before = f"{','.join(COLUMNS)}\n".encode()
            end = b"" if before.endswith((b"\n", b"\r")) else b"\n"
            content = before + end + rows
            try:
                # On a disk the lock is enough, and a condition would need hard links.
                folder.write(name, content, only=None if folder.is_local else version)
            except OSError as error:
                if isinstance(error, AudiospecError):
                    raise
                raise StoreError(
                    f"cannot write {self.file} ({error.strerror})", "make its folder writable"
                ) from error
        return Corrections._parsed(self.file, content)

    def _set_aside(self, folder: Folder, content: bytes, present: Corrections) -> bytes:
        """Move a last line that was not written to its end to another file; return the content without it."""
        cut = len(content) - len(present.unfinished.encode("utf-8", "surrogateescape"))
        aside = f"{self.file.name}.unfinished"
        try:
            earlier = folder.read(aside)
        except FileNotFoundError:
            earlier = b""
        folder.write(aside, earlier + content[cut:] + b"\n")
        _logger.warning("%s; it is kept in %s", present.problem, aside)
        return content[:cut]


def decide(tracks: Tracks, number: int, new: str, *, who: str = "", why: str = "") -> Decision:
    """Return a decision on a track of a store, made now; for the parameters see `Corrections.add`."""
    hash, id, label = (str(tracks[name][number]) for name in ("hash", "id", "label"))
    return Decision(hash, id, label, new, who, now(), why)


def now() -> str:
    """Return the present date and time in UTC, to the second, as ISO 8601."""
    moment = datetime.datetime.now(datetime.UTC).replace(microsecond=0, tzinfo=None)
    return f"{moment.isoformat()}Z"


def _content(file: Location) -> bytes:
    """Return the bytes of a file; FileNotFoundError if there is none."""
    try:
        if isinstance(file, Path):
            with open_plain(file, MOST_BYTES) as opened:
                return opened.read()
        folder = open_folder(file.parent)
        entry = folder.entry(file.name)
        if entry is None:
            raise FileNotFoundError
        if entry.size > MOST_BYTES:
            raise ValueError(f"it has {entry.size} bytes; expected at most {MOST_BYTES}")
        return folder.read(file.name)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError from None
    except (OSError, ValueError) as error:
        if isinstance(error, AudiospecError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"cannot read {file} ({reason})", "check the file") from error


def _load(folder: Folder, file: Location) -> tuple[bytes, str]:
    """Return the bytes of a file and their version; nothing, and `NEW`, if there is none."""
    try:
        _content(file)  # refuses what is no plain file, or too large
        return folder.load(file.name)
    except FileNotFoundError:
        return b"", NEW


@contextmanager
def _locked(file: Location) -> Iterator[None]:
    """Hold the lock of a file during a block; wait for a process that holds it."""
    deadline = time.monotonic() + WAIT
    folder = open_folder(file.with_name(f"{file.name}.lock"))
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(folder.lock(str(file)))
                break
            except StoreBusyError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.02)
        yield
