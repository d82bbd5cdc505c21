"""Accept the decisions that a person made on an audit, in a file of their own."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from audiospec.corrections.applied import MOST_NAMES, apply, histories
from audiospec.corrections.corrections import Corrections
from audiospec.corrections.decision import Decision
from audiospec.errors import StoreError
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore
from audiospec.text import printable


class Accepted(NamedTuple):
    """Decisions that were accepted.

    Attributes
    ----------
    corrections : Corrections
        All those beside the store.
    added : list of Decision
    known : int
        Number of decisions that were there before.
    new_labels : list of str
        Labels that no track of the store had, sorted: a slip, or a new class.
    """

    corrections: Corrections
    added: list[Decision]
    known: int
    new_labels: list[str]


def accept(store: FeatureStore, file: Location | str, who: str = "") -> Accepted:
    """Add the decisions of a file to the corrections beside a store; all of them, or none.

    Parameters
    ----------
    store : FeatureStore
    file : path
        A table of corrections, such as an audit writes and a person edits. Rows without ``when`` get the
        present time.
    who : str
        Name of the person who decided, for rows that have none.

    Raises
    ------
    StoreError
        The file cannot be read, or has a decision on a track that the store does not have, or on another
        label than the store has for it.
    """
    given, tracks = Corrections.read(file), store.tracks
    if given.problem:
        raise StoreError(given.problem.rpartition(": ")[0], "complete that line, or remove it")
    present = Corrections.of(store)
    before = histories(present.decisions, tracks)[0]
    added, unknown, new = [], [], set()
    labels = {*tracks["label"].tolist()}
    for decision in given.decisions:
        found, others = histories([decision], tracks)
        if others:
            unknown.append(decision)
        if found and all(number in before and before[number][-1].new == decision.new for number in found):
            continue
        added.append(dataclasses.replace(decision, who=decision.who or who))
        new |= {decision.new} - labels - {""}
    if unknown:
        named = ", ".join(printable(one.track) for one in unknown[:MOST_NAMES])
        raise StoreError(
            f"{given.file} decides on {len(unknown)} tracks that {store.path} does not have: {named}",
            "give the corrections of this store",
        )
    stale = apply(given.decisions, tracks)
    if stale.stale:
        raise StoreError(stale.stale_in_words(str(given.file)).rpartition(": ")[0], "decide again")
    corrections = present.extend(added)
    return Accepted(corrections, added, len(given) - len(added), sorted(new))
