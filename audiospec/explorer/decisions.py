"""Decisions about labels, as the page shows and makes them; they are kept in ``corrections.csv``."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from audiospec.corrections.applied import histories
from audiospec.corrections.corrections import Corrections, file_beside
from audiospec.errors import AudiospecError
from audiospec.explorer.problems import ChangedError, ExplorerError
from audiospec.storage.base import ConflictError

if TYPE_CHECKING:
    from audiospec.corrections.decision import Decision
    from audiospec.stores.base import FeatureStore

#: Why a decision restores the given label; the page shows such a track as undecided.
TAKEN_BACK = "taken back"
#: Most characters of a label, and of a reason.
MOST_LABEL, MOST_WHY = 200, 2000


class Decisions:
    """The decisions about the labels of a store's tracks.

    Parameters
    ----------
    store : FeatureStore
    who : str
        Who decides.

    Attributes
    ----------
    why_not : str
        Why labels cannot be decided about here; ``""`` if they can.
    """

    def __init__(self, store: FeatureStore, who: str) -> None:
        self._store, self._who = store, who
        self._file = file_beside(store.path)
        self._lock = threading.RLock()
        self._read_at: object = None
        self.why_not = self._why_not()
        self._problem = ""
        self._corrections = Corrections(self._file)
        self._histories: dict[int, list[Decision]] = {}
        self._refresh()

    @property
    def allowed(self) -> bool:
        """Whether labels can be decided about here."""
        return not self.why_not

    def _why_not(self) -> str:
        if self._store.labelling.target != "single" or len(self._store.annotations):
            return "labels cannot be corrected here: only those of stores with one label a track can"
        if isinstance(self._file, Path) and not os.access(self._file.parent, os.W_OK):
            return f"labels cannot be corrected here: {self._file.parent} is not writable"
        return ""

    def _refresh(self) -> None:
        """Read the file, if it is not the one that was read."""
        with self._lock:
            present = self._version()
            if present == self._read_at:
                return
            try:
                self._take(Corrections.of(self._store))
                self._problem = self._corrections.problem
            except AudiospecError as error:
                self._problem = str(error)
            self._read_at = present

    def _version(self) -> object:
        """Return what changes with the file; of one in a bucket, nothing is known before it is read."""
        if not isinstance(self._file, Path):
            return "bucket"
        try:
            status = os.stat(self._file)
        except OSError:
            return "none"
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _take(self, corrections: Corrections) -> None:
        self._corrections = corrections
        self._histories, _ = histories(corrections.decisions, self._store.tracks)

    def problems(self) -> list[str]:
        """Return what is wrong with the file, in words; empty if nothing is."""
        self._refresh()
        stale = self._corrections.apply(self._store.tracks).stale_in_words(self._file.name)
        return [text for text in (self._problem, stale) if text]

    def numbers(self) -> frozenset[int]:
        """Return the numbers of the tracks that were decided about."""
        self._refresh()
        return frozenset(number for number in self._histories if self.new_label(number) is not None)

    def new_label(self, number: int) -> str | None:
        """Return the label that was decided on, ``""`` if the track is excluded; None if none was."""
        of_track = self._histories.get(number)
        if not of_track or (of_track[-1].keeps and of_track[-1].why == TAKEN_BACK):
            return None
        label = str(self._store.tracks["label"][number])
        is_stale = label not in (of_track[-1].old, of_track[-1].new)
        return None if is_stale else of_track[-1].new

    def of_track(self, number: int) -> list[dict[str, str]]:
        """Return the decisions about a track, oldest first, as JSON values."""
        self._refresh()
        return [
            {"old": one.old, "new": one.new, "who": one.who, "when": one.when, "why": one.why}
            for one in self._histories.get(number, [])
        ]

    def decide(self, number: int, new: str | None, why: str, seen: int) -> None:
        """Decide about a track's label.

        Parameters
        ----------
        number : int
        new : str or None
            Its label: another one, or the given one, which is accepted; ``""``: the track is excluded. None:
            what was decided before is taken back.
        why : str
        seen : int
            Number of decisions about the track that the person knew of.

        Raises
        ------
        ChangedError
            There are other decisions by now.
        ExplorerError
            Labels cannot be decided about here, or the label is none.
        StoreError
            The file cannot be written.
        """
        if self.why_not:
            raise ExplorerError(self.why_not)
        label = str(self._store.tracks["label"][number])
        if new is not None and new != label and (len(new) > MOST_LABEL or not new.isprintable()):
            raise ExplorerError(f"a label has at most {MOST_LABEL} characters, all of them printable")
        if new is not None and new != new.strip() and new not in self._store.tracks["label"].tolist():
            raise ExplorerError("a label has no spaces at its ends")
        if len(why) > MOST_WHY:
            raise ExplorerError(f"a reason has at most {MOST_WHY} characters")
        tracks = self._store.tracks
        with self._lock:
            try:
                if new is None:
                    changed = self._corrections.take_back(
                        tracks, number, who=self._who, why=TAKEN_BACK, seen=seen
                    )
                else:
                    changed = self._corrections.add(tracks, number, new, who=self._who, why=why, seen=seen)
            except ConflictError as error:
                self._read_at = None
                raise ChangedError(
                    "the label of this track was decided about in another tab or program meanwhile",
                    "look at it, then decide again",
                ) from error
            self._take(changed)
            self._read_at = self._version()
