"""What the doctor finds in the store, as the page lists it; it looks while the page is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.explorer.background import Background
from audiospec.files import read_json
from audiospec.text import printable

if TYPE_CHECKING:
    from audiospec.doctor.diagnosis import Diagnosis
    from audiospec.doctor.finding import Finding
    from audiospec.stores.base import FeatureStore

#: Most findings, tracks of a finding, groups of a finding and tracks of a group in one answer.
MOST_FINDINGS, MOST_TRACKS, MOST_GROUPS, MOST_OF_GROUP = 500, 100, 20, 20
#: Part of the names of checks whose groups hold the same sound.
DUPLICATES = "duplicates"
#: Largest file of findings in bytes.
MOST_BYTES = 256 << 20


class Findings:
    """The findings of a store: made before, or by a diagnosis that starts now.

    Parameters
    ----------
    store : FeatureStore
    given : Diagnosis or None
        None: the doctor looks at the store, in the background.

    Raises
    ------
    StoreError
        The diagnosis is of another number of tracks.
    """

    def __init__(self, store: FeatureStore, given: Diagnosis | None = None) -> None:
        self._store, self._given = store, given
        self._work: Background[Diagnosis] | None = None
        self._of_tracks: list[list[int]] | None = None
        self._none: list[list[int]] = [[] for _ in range(len(store.tracks))]
        self._groups: dict[int, tuple[int, ...]] = {}
        self._counts = np.zeros(len(self._none), np.int64)
        if given is None:
            self._work = Background(self._diagnose)
        elif given.tracks != len(store.tracks):
            raise StoreError(
                f"the findings are of {given.tracks} tracks; {store.path} has {len(store.tracks)}",
                "run `audiospec doctor` again",
            )
        elif any(track >= given.tracks for one in given.findings for group in one.groups for track in group):
            raise StoreError("the findings name tracks that there are not", "run `audiospec doctor` again")

    def _diagnose(self, tell: Callable[[int, int], None]) -> Diagnosis:
        from audiospec.doctor.diagnosis import diagnose

        return diagnose(self._store.path, progress=lambda what, done, total: tell(done, total))

    @property
    def _diagnosis(self) -> Diagnosis | None:
        return self._given if self._work is None else self._work.result

    @property
    def found(self) -> Sequence[Finding]:
        """The findings, worst first; none as long as the doctor looks."""
        return () if self._diagnosis is None else self._diagnosis.findings

    @property
    def _numbers_by_track(self) -> list[list[int]]:
        """Numbers of the findings of each track, worst first; empty lists until there are any."""
        if self._diagnosis is None:
            return self._none
        if self._of_tracks is None:
            found: list[list[int]] = [[] for _ in self._none]
            for number, finding in enumerate(self.found):
                for track in finding.tracks:
                    found[track].append(number)
                if DUPLICATES in finding.check:
                    for group in finding.groups:
                        for track in group:
                            self._groups.setdefault(track, group)
            self._counts = np.fromiter(map(len, found), np.int64, len(found))
            self._of_tracks = found
        return self._of_tracks

    def duplicates_of(self, track: int) -> list[int]:
        """Return the tracks that hold the same sound as one, with itself; empty if there are none."""
        return list(self._groups.get(track, ())) if self._numbers_by_track else []

    def duplicates(self) -> NDArray[np.int64]:
        """Return the number of tracks that hold the same sound as each, with itself, or 0: (tracks,)."""
        sizes = np.zeros(len(self._numbers_by_track), np.int64)
        for track, group in self._groups.items():
            sizes[track] = len(group)
        return sizes

    def counts(self) -> NDArray[np.int64]:
        """Return the number of findings of each track: (tracks,)."""
        return self._counts if self._numbers_by_track else self._counts[:0]

    def tracks_of(self, name: str) -> NDArray[np.int64]:
        """Return the numbers of the tracks of a finding, or of all of a check, worst first, each once."""
        found = [
            track
            for number, finding in enumerate(self.found)
            if name in (finding.check, self._id(number))
            for track in finding.tracks
        ]
        return np.array(list(dict.fromkeys(found)), np.int64)

    def checks_of(self, track: int) -> list[str]:
        """Return the checks that found something at a track, worst first."""
        return list(dict.fromkeys(self.found[number].check for number in self._numbers_by_track[track]))

    def of_track(self, track: int) -> list[dict[str, str]]:
        """Return what was found at a track, as JSON values."""
        listed = []
        for number in self._numbers_by_track[track]:
            finding = self.found[number]
            listed.append(
                {
                    "id": self._id(number),
                    "check": finding.check,
                    "severity": finding.severity,
                    "title": printable(finding.title),
                    "advice": printable(finding.advice),
                    "detail": printable(_detail(finding, track)),
                }
            )
        return listed

    def _id(self, number: int) -> str:
        return f"{self.found[number].check}-{number + 1}"

    def listed(self, offset: int = 0, limit: int = MOST_FINDINGS, *, whole: bool = False) -> dict[str, Any]:
        """Return the findings as JSON values: state, progress, some of the findings, and what did not look.

        Parameters
        ----------
        offset, limit : int
            Which findings; `limit` is at most `MOST_FINDINGS`.
        whole : bool
            All findings, with all of their tracks and groups.
        """
        found, diagnosis = self.found, self._diagnosis
        stop = len(found) if whole else offset + min(limit, MOST_FINDINGS)
        by_check: dict[str, dict[str, Any]] = {}
        for finding in found:
            entry = by_check.setdefault(
                finding.check,
                {"check": finding.check, "severity": finding.severity, "findings": 0, "tracks": 0},
            )
            entry["findings"] += 1
            entry["tracks"] += len(finding.tracks)
        progress = {"state": "done", "message": "", "done": 0, "total": 0}
        return {
            **(progress if self._work is None else self._work.progress()),
            "total_findings": len(found),
            "by_check": list(by_check.values()),
            "findings": [
                self._described(number, whole=whole) for number in range(offset, min(stop, len(found)))
            ],
            "not_checked": [
                {"check": check, "reason": printable(reason), "hint": ""}
                for check, reason in (diagnosis.not_checked if diagnosis else {}).items()
            ],
        }

    def _described(self, number: int, *, whole: bool) -> dict[str, Any]:
        finding = self.found[number]
        tracks = finding.tracks if whole else finding.tracks[:MOST_TRACKS]
        groups = (
            finding.groups if whole else [group[:MOST_OF_GROUP] for group in finding.groups[:MOST_GROUPS]]
        )
        details = finding.details[: len(groups) if finding.groups else len(tracks)]
        return {
            **finding.to_dict(),
            "title": printable(finding.title),
            "advice": printable(finding.advice),
            "id": self._id(number),
            "count": len(finding.tracks),
            "group_count": len(finding.groups),
            "tracks": list(tracks),
            "names": self._names(tracks),
            "details": list(map(printable, details)),
            "figures": _finite(finding.to_dict()["figures"]),
            "groups": [list(group) for group in groups],
            "group_names": list(map(self._names, groups)),
        }

    def _names(self, tracks: Sequence[int]) -> list[str]:
        return [str(self._store.tracks["id"][track]) for track in tracks]

    def wait(self) -> None:
        """Wait until the doctor has looked."""
        if self._work is not None:
            self._work.wait()

    def stop(self) -> None:
        """Tell the doctor to stop."""
        if self._work is not None:
            self._work.stop()


def _finite(value: Any) -> Any:
    """Return figures with None for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_finite, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _detail(finding: Finding, track: int) -> str:
    if not finding.details:
        return ""
    if not finding.groups:
        return finding.details[finding.tracks.index(track)]
    return "; ".join(
        detail for group, detail in zip(finding.groups, finding.details, strict=True) if track in group
    )


def read_findings(file: Path) -> Diagnosis:
    """Read the findings that ``audiospec doctor --out FILE`` wrote.

    Raises
    ------
    StoreError
        The file cannot be read, or is something else.
    """
    from audiospec.doctor.diagnosis import Diagnosis

    try:
        value = read_json(file, MOST_BYTES)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{file} cannot be read: {reason}", "make it with `audiospec doctor STORE`"
        ) from error
    if isinstance(value, Mapping):
        return Diagnosis.from_dict(value)
    raise StoreError(f"{file} has no findings", "make it with `audiospec doctor STORE`")
