"""Applied: what decisions change in the labels of a store's tracks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audiospec.corrections.decision import Decision
from audiospec.digests import digest
from audiospec.stores.layout.tracks import Tracks
from audiospec.text import count, printable

#: Most tracks that a message names.
MOST_NAMES = 5


@dataclass(frozen=True)
class Applied:
    """What decisions change in the labels of a store's tracks.

    Attributes
    ----------
    labels : dict
        Number of a track in the track table → the label that it is given.
    excluded : tuple of int
        Numbers of the tracks that are excluded, ascending.
    decisions : tuple of Decision
        Those that change something, in the order of the tracks.
    stale : tuple of Decision
        Those that are not applied, because their track has another label now than when they were made.
    others : int
        Number of decisions on tracks that the store does not have.
    """

    labels: dict[int, str]
    excluded: tuple[int, ...]
    decisions: tuple[Decision, ...]
    stale: tuple[Decision, ...] = ()
    others: int = 0

    def __bool__(self) -> bool:
        """Whether a label is changed or a track excluded."""
        return bool(self.labels or self.excluded)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of changes, a digest of them, and the decisions, as plain JSON values.

        The digest is of tracks and labels: it does not depend on who decided, when, and why.
        """
        changes = [[one.hash, one.track, one.old, one.new] for one in self.decisions]
        return {
            "labels": len(self.labels),
            "excluded": len(self.excluded),
            "digest": digest(changes),
            "decisions": [asdict(one) for one in self.decisions],
        }

    def stale_in_words(self, name: str) -> str:
        """Return which decisions of a file are stale, and what to do; ``""`` if none is."""
        if not self.stale:
            return ""
        named = ", ".join(
            f"{printable(one.track)} ({printable(one.change)})" for one in self.stale[:MOST_NAMES]
        )
        more = ", …" if len(self.stale) > MOST_NAMES else ""
        several = len(self.stale) > 1
        return (
            f"{len(self.stale)} decision{'s' * several} of {name} {'are' if several else 'is'} stale and not "
            f"applied, as the store has another label there now: {named}{more}: decide again"
        )


def in_words(labels: int, excluded: int, name: str) -> str:
    """Return what was applied, such as ``"3 labels corrected, 1 track excluded by corrections.csv"``."""
    parts = []
    if labels or not excluded:
        parts.append(f"{count(labels, 'label')} corrected")
    if excluded:
        parts.append(f"{count(excluded, 'track')} excluded")
    return f"{', '.join(parts)} by {printable(name)}"


def latest(decisions: Sequence[Decision], tracks: Tracks) -> tuple[dict[int, Decision], int]:
    """Return the latest decision on each track of a store, and the number of decisions on other tracks.

    A decision is on the track that has its content hash and id; if none has both, as after the files were
    moved, on all tracks with the hash, of which those with its old label count first. Without a hash, it is
    on the track without audio that has its id.

    Returns
    -------
    latest : dict
        Number in the track table → the last of the decisions on it.
    others : int
    """
    found, others = histories(decisions, tracks)
    return {number: of_track[-1] for number, of_track in found.items()}, others


def histories(decisions: Sequence[Decision], tracks: Tracks) -> tuple[dict[int, list[Decision]], int]:
    """Return all decisions on each track of a store, in their order; else as `latest`."""
    ids, labels, hashes = (tracks[name].tolist() for name in ("id", "label", "hash"))
    by_hash: defaultdict[str, list[int]] = defaultdict(list)
    wanted = {decision.hash for decision in decisions} - {""}
    for number, hash in enumerate(hashes):
        if hash in wanted:
            by_hash[hash].append(number)
    found: defaultdict[int, list[Decision]] = defaultdict(list)
    others = 0
    for decision in decisions:
        if decision.hash:
            numbers = by_hash.get(decision.hash, [])
        else:
            place = tracks.index.get(decision.track)
            numbers = [place] if place is not None and not hashes[place] else []
        exact = [number for number in numbers if ids[number] == decision.track]
        alike = [number for number in numbers if labels[number] == decision.old]
        for number in exact or alike or numbers:
            found[number].append(decision)
        others += not numbers
    return dict(found), others


def apply(decisions: Sequence[Decision], tracks: Tracks) -> Applied:
    """Return what decisions change in a track table; the latest decision on a track counts."""
    found, others = latest(decisions, tracks)
    labels: dict[int, str] = {}
    excluded, effective, stale = [], [], []
    for number in sorted(found):
        decision, label = found[number], tracks["label"][number]
        if decision.new == label and not decision.excludes:
            continue  # it is right, or the dataset has been corrected since
        if decision.old != label:
            stale.append(decision)
            continue
        effective.append(decision)
        if decision.excludes:
            excluded.append(number)
        else:
            labels[number] = decision.new
    return Applied(labels, tuple(excluded), tuple(effective), tuple(stale), others)
