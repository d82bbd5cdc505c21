"""unreadable-tracks: tracks that could not be decoded, odd ones, and tracks without rows, by reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.wording import kinds_of, listed, part_of
from audiospec.stores.layout.skipped import NO_TARGET
from audiospec.text import printable


@checks.register
@dataclass(frozen=True)
class UnreadableTracks(Check):
    """Problems and notes of the track table, and tracks that gave no rows."""

    def run(self, examined: Examined) -> list[Finding]:
        """Return at most a finding for problems, one for notes, and one for each view with missing tracks."""
        table = examined.tracks
        problems, notes = table["problem"].tolist(), table["note"].tolist()
        chosen = [number for number, reason in enumerate(problems) if reason]
        findings = _findings(
            chosen,
            [problems[number] for number in chosen],
            len(table),
            "warning",
            "unusable",
            "replace or remove these files, and featurize again: they are in no training set",
        )
        chosen = [number for number, note in enumerate(notes) if note and not problems[number]]
        findings += _findings(
            chosen,
            [notes[number] for number in chosen],
            len(table),
            "warning",
            "used although truncated, damaged or silent",
            "listen to some of them: a label that has many of these is learnt by them",
        )
        usable = np.array([not problem for problem in problems], bool)
        for view in examined.views:
            lacking = usable.copy()
            lacking[view.rows["track"]] = False
            if not lacking.any():
                continue
            skipped = view.skipped()
            numbers = np.flatnonzero(lacking).tolist()
            reasons = [skipped.get(str(table["id"][number]), "") for number in numbers]
            kept = [place for place, reason in enumerate(reasons) if reason != NO_TARGET]
            findings += _findings(
                [numbers[place] for place in kept],
                [reasons[place] for place in kept],
                len(table),
                "note",
                f"without rows in view {view.name}",
                "they are neither learnt nor tested: if they matter, choose shorter chunks or a smaller "
                "`min_fill`",
            )
        return findings


def _findings(
    numbers: Sequence[int], reasons: Sequence[str], total: int, severity: str, what: str, advice: str
) -> list[Finding]:
    """Return one finding for all of these tracks, by the kinds of their reasons; none without tracks."""
    if not numbers:
        return []
    kinds = kinds_of(reasons)
    place = {kind: number for number, (kind, _) in enumerate(kinds)}
    order = sorted(range(len(numbers)), key=lambda one: (place[kinds_of([reasons[one]])[0][0]], numbers[one]))
    texts = [f"{kind} ({count:,})" for kind, count in kinds]
    return [
        Finding(
            check="unreadable-tracks",
            severity=severity,
            title=f"{part_of(len(numbers), total, 'track')} {what}: {listed(texts)}",
            advice=advice,
            tracks=tuple(numbers[one] for one in order),
            details=tuple(printable(reasons[one]) for one in order),
            figures={"reasons": [{"reason": kind, "tracks": count} for kind, count in kinds]},
        )
    ]
