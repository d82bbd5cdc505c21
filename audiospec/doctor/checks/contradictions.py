"""contradictions: the same sound under two labels."""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.duplicates.exact import usable
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.same_sound import flat, known_sets, labelled, tracks_in_clusters

_NAME = "contradictions"


@checks.register
@dataclass(frozen=True)
class Contradictions(Check):
    """Equal files, equal samples and near-duplicates that have different labels."""

    def run(self, examined: Examined) -> list[Finding]:
        """Compare the labels of tracks that hold the same sound."""
        tracks = examined.tracks
        is_usable = usable(tracks)
        groups, details = [], []
        for numbers in known_sets(examined):
            group = tuple(number for number in numbers if is_usable[number] and tracks["label"][number])
            same = labelled(tracks, group)
            if same.contradicts:
                groups.append(group)
                details.append(same.contradiction())
        if not groups:
            return []
        return [
            Finding(
                check=_NAME,
                severity="error",
                title=f"{tracks_in_clusters(groups)} hold the same sound, but have different labels",
                advice="listen, and correct the wrong labels; or exclude these tracks from training: "
                "`audiospec doctor STORE --fix contradictions`",
                tracks=flat(groups),
                groups=tuple(groups),
                details=tuple(details),
            )
        ]
