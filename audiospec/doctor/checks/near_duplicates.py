"""near-duplicates: tracks that hold the same recording, encoded, cut or processed in another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.duplicates.pairs import Pair, clusters_of
from audiospec.doctor.duplicates.search import LEAST
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.same_sound import JOIN, divided, flat, split_units, tracks_in_clusters
from audiospec.errors import AudiospecError
from audiospec.text import count

_NAME = "near-duplicates"
#: Most pairs in the figures of a finding.
_MOST_PAIRS = 10_000


@checks.register
@dataclass(frozen=True)
class NearDuplicates(Check):
    """The same recording, encoded again, louder, cut, shifted, repeated or remastered.

    Parameters
    ----------
    least : float
        Least similarity of two tracks, from the default to 1.
    """

    least: float = LEAST

    def __post_init__(self) -> None:
        super().__post_init__()
        if not LEAST <= self.least <= 1:
            raise AudiospecError(f"parameter least must be from {LEAST:g} to 1; got {self.least:g}")

    def run(self, examined: Examined) -> list[Finding]:
        """Compare the rows of the log-mel view."""
        duplicates, tracks = examined.duplicates, examined.tracks
        pairs = [pair for pair in duplicates.pairs if pair.similarity >= self.least]
        near = {number for pair in pairs if pair.kind == "sound" for number in (pair.first, pair.second)}
        sets = [numbers for numbers in clusters_of(pairs) if not near.isdisjoint(numbers)]
        apart, together = divided(sets, split_units(tracks))
        findings = []
        if apart:
            title = f"{tracks_in_clusters(apart)} hold the same sound, and a split may divide them"
            findings.append(_finding("error", title, f"listen to some; {JOIN}", apart, pairs))
        if together:
            title = (
                f"{tracks_in_clusters(together)} hold the same sound; splits keep each cluster on one side"
            )
            advice = "they count several times: keep one of each in the dataset if that matters"
            findings.append(_finding("note", title, advice, together, pairs))
        if duplicates.not_compared:
            tracks_left_out = count(len(duplicates.not_compared), "track")
            findings.append(
                Finding(
                    check=_NAME,
                    severity="note",
                    title=f"{tracks_left_out} could not be compared: too short, silent, constant, or damaged",
                    advice="only equal files and samples are found among them",
                    tracks=duplicates.not_compared,
                )
            )
        return findings


def _finding(
    severity: str, title: str, advice: str, groups: Sequence[tuple[int, ...]], pairs: Sequence[Pair]
) -> Finding:
    group_of = {number: place for place, numbers in enumerate(groups) for number in numbers}
    within: list[list[Pair]] = [[] for _ in groups]
    for pair in pairs:
        if pair.first in group_of:
            within[group_of[pair.first]].append(pair)
    listed = [pair for some in within for pair in some][:_MOST_PAIRS]
    return Finding(
        check=_NAME,
        severity=severity,
        title=title,
        advice=advice,
        tracks=flat(groups),
        groups=tuple(groups),
        details=tuple(map(_detail, within)),
        figures={
            "pairs": [[pair.first, pair.second, pair.similarity, pair.lag_seconds] for pair in listed],
        },
    )


def _detail(pairs: Sequence[Pair]) -> str:
    values = [pair.similarity for pair in pairs]
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    lag = max((abs(pair.lag_seconds) for pair in pairs), default=0.0)
    shifted = f", shifted by up to {lag:.1f} s" if lag >= 0.1 else ""
    return f"similarity {low if low == high else f'{low} to {high}'}{shifted}"
