"""duplicate-groups: the same sound in two groups, which the strongest split may put on both sides."""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.duplicates.exact import usable
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.same_sound import divided, flat, known_sets, labelled, split_units, tracks_in_clusters
from audiospec.zoo.splits.leaks import group_noun

_NAME = "duplicate-groups"


@checks.register
@dataclass(frozen=True)
class DuplicateGroups(Check):
    """The same sound in two groups, such as artists, or with and without one."""

    def run(self, examined: Examined) -> list[Finding]:
        """Compare the groups of tracks that hold the same sound and that splits do not join."""
        tracks = examined.tracks
        is_usable = usable(tracks)
        apart, _ = divided(known_sets(examined), split_units(tracks))
        groups, details = [], []
        for numbers in apart:
            group = tuple(number for number in numbers if is_usable[number])
            names = {tracks["group"][number] for number in group}
            if len(names) > 1:
                groups.append(group)
                same = labelled(tracks, group, "group")
                without = "" if "" not in names else ", others have none"
                details.append(same.contradiction() + without)
        if not groups:
            return []
        noun = group_noun(examined.store.dataset)
        return [
            Finding(
                check=_NAME,
                severity="error",
                title=f"{tracks_in_clusters(groups)} hold the same sound, but not of the same {noun}: "
                f"a split by {noun} may put them on both sides",
                advice="correct the groups, or join the tracks: `audiospec doctor STORE --fix clusters`",
                tracks=flat(groups),
                groups=tuple(groups),
                details=tuple(details),
            )
        ]
