"""stale-audio: files that have changed or vanished since their rows were computed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.wording import part_of
from audiospec.errors import NotCheckedError, StorageError, StoreError
from audiospec.pipeline.file_states import file_states
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.schema import REMOVED
from audiospec.text import printable, size

#: How often progress is told, in files.
_STEP = 1000


@checks.register
@dataclass(frozen=True)
class StaleAudio(Check):
    """The files of the tracks, by size and modification time, and rows of audio that was there before."""

    def run(self, examined: Examined) -> list[Finding]:
        """Return the findings; NotCheckedError if the store does not say where its audio is."""
        store = examined.store
        try:
            root = store.root
        except StoreError as error:
            raise NotCheckedError(error.reason, error.hint) from error
        return [*_files(examined, store, root), *_rows(examined)]


def _files(examined: Examined, store: FeatureStore, root: Location) -> list[Finding]:
    known = [
        (number, record.path, record.size, record.modified)
        for number, record in enumerate(examined.tracks.records())
        if record.path and record.size >= 0 and record.problem != REMOVED
    ]
    if not known:
        raise NotCheckedError("no track has an audio file whose size is known", "featurize audio")
    gone: list[tuple[int, str]] = []
    other: list[tuple[int, str]] = []
    touched: list[tuple[int, str]] = []
    try:
        state_of = file_states(root, [path for _, path, _, _ in known])
        for place, (number, path, bytes_before, modified) in enumerate(known):
            if place % _STEP == 0:
                examined.tell("stale-audio: files", place, len(known))
            try:
                state = state_of(path)
            except (OSError, ValueError) as error:  # ValueError: a path that no file can have
                gone.append((number, printable(getattr(error, "strerror", None) or str(error))))
                continue
            if state.size != bytes_before:
                other.append((number, f"{size(state.size)} instead of {size(bytes_before)}"))
            elif state.modified != modified:
                touched.append((number, "same size, another date"))
    except StorageError as error:
        raise NotCheckedError(error.reason, error.hint) from error
    examined.tell("stale-audio: files", len(known), len(known))
    again = f"`audiospec featurize DATASET --data FOLDER --store {shlex.quote(str(store.path))}`"
    if len(gone) == len(known):
        return [
            Finding(
                check="stale-audio",
                severity="warning",
                title=f"the audio has moved: none of {len(known):,} files is in {printable(str(root))}",
                advice=f"run {again}, which records the folder; the rows stay as they are",
                figures={"files": len(known)},
            )
        ]
    rows = (
        (
            gone,
            "warning",
            "whose files have vanished",
            "put the files back, or remove the tracks: rows remain",
        ),
        (other, "warning", "whose files have changed", f"run {again}, which computes their rows again"),
        (
            touched,
            "note",
            "whose files have another date, but the same size",
            f"copied files are fine; {again} compares their contents",
        ),
    )
    return [
        Finding(
            check="stale-audio",
            severity=severity,
            title=f"{part_of(len(tracks), len(known), 'track')} {what}",
            advice=advice,
            tracks=tuple(number for number, _ in tracks),
            details=tuple(detail for _, detail in tracks),
        )
        for tracks, severity, what, advice in rows
        if tracks
    ]


def _rows(examined: Examined) -> list[Finding]:
    """Return views that have rows of other audio than the track table has hashes of."""
    findings = []
    for view in examined.views:
        stale = [examined.tracks.index[id] for id in view.stale()]
        if stale:
            findings.append(
                Finding(
                    check="stale-audio",
                    severity="warning",
                    title=f"{part_of(len(stale), len(examined.tracks), 'track')} with rows in view "
                    f"{view.name} that were computed from an earlier version of the audio",
                    advice="featurize this view again: only these rows are computed",
                    tracks=tuple(stale),
                )
            )
    return findings
