"""The fixes that can be requested of a diagnosis, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audiospec.corrections.applied import latest
from audiospec.corrections.corrections import Corrections, decide
from audiospec.doctor.diagnosis import Diagnosis
from audiospec.doctor.fixes.clusters import write_clusters
from audiospec.errors import SpecError, nearest
from audiospec.stores.base import FeatureStore
from audiospec.text import count

#: Checks whose groups hold the same sound.
SAME_SOUND = ("exact-duplicates", "near-duplicates")


def fix_clusters(store: FeatureStore, diagnosis: Diagnosis, who: str) -> str:
    """Write which tracks hold the same sound into the store; return what was done, in words."""
    found = [finding for finding in diagnosis.findings if finding.check in SAME_SOUND]
    changed = write_clusters(store, [group for finding in found for group in finding.groups])
    if not changed:
        return "clusters: nothing to write"
    return f"clusters: written for {count(changed, 'track')}; splits keep each cluster on one side"


def fix_contradictions(store: FeatureStore, diagnosis: Diagnosis, who: str) -> str:
    """Exclude tracks of the same sound with different labels from training; return what was done, in words.

    A track that a person has decided on before stays as it was decided.
    """
    found = [finding for finding in diagnosis.findings if finding.check == "contradictions"]
    numbers = sorted({number for finding in found for number in finding.tracks})
    corrections = Corrections.of(store)
    decided, _ = latest(corrections.decisions, store.tracks)
    new = [number for number in numbers if number not in decided]
    why = "the same sound has another label elsewhere (audiospec doctor)"
    corrections.extend([decide(store.tracks, number, "", who=who, why=why) for number in new])
    kept = f"; {count(len(numbers) - len(new), 'track')} decided on before" if len(new) < len(numbers) else ""
    if not new:
        return f"contradictions: nothing to exclude{kept}"
    return f"contradictions: {count(len(new), 'track')} excluded from training by {corrections.file}{kept}"


FIXES: dict[str, Callable[[FeatureStore, Diagnosis, str], str]] = {
    "clusters": fix_clusters,
    "contradictions": fix_contradictions,
}


def require_fixes(names: Sequence[str]) -> list[str]:
    """Return the names of fixes without repeats; contradictions first, as clusters change the store.

    Raises
    ------
    SpecError
        There is no such fix.
    """
    for name in names:
        if name not in FIXES:
            raise SpecError(
                f"`fix` names no fix {name!r}{nearest(name, FIXES)}", f"choose of: {', '.join(FIXES)}"
            )
    return [name for name in ("contradictions", "clusters") if name in names]
