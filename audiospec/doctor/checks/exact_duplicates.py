"""exact-duplicates: tracks whose files, or whose decoded samples, are equal."""

from __future__ import annotations

from dataclasses import dataclass

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.duplicates.exact import exact_pairs
from audiospec.doctor.duplicates.pairs import clusters_of
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.same_sound import JOIN, divided, flat, split_units, tracks_in_clusters

_NAME = "exact-duplicates"
#: Severity, and what to do, of sets that a split divides, and of those that none does.
_KINDS = (
    ("error", f"a model is tested on what it learnt: {JOIN}"),
    ("note", "splits keep them on one side, but they count several times: keep one of each in the dataset"),
)


@checks.register
@dataclass(frozen=True)
class ExactDuplicates(Check):
    """Equal files, and equal samples in other containers or with other tags."""

    def run(self, examined: Examined) -> list[Finding]:
        """Compare the hashes of the track table; the rows are not read."""
        tracks = examined.tracks
        pairs = exact_pairs(tracks)
        equal_files = {pair.second for pair in pairs if pair.kind == "bytes"}
        sets = divided(clusters_of(pairs), split_units(tracks))
        return [
            Finding(
                check=_NAME,
                severity=severity,
                title=f"{tracks_in_clusters(groups)} have equal files or samples",
                advice=advice,
                tracks=flat(groups),
                groups=tuple(groups),
                details=tuple(
                    "equal files" if equal_files.issuperset(group[1:]) else "equal samples"
                    for group in groups
                ),
            )
            for groups, (severity, advice) in zip(sets, _KINDS, strict=True)
            if groups
        ]
