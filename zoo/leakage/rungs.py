"""The rungs of the ladder: what each strategy keeps together, and what may leak all the same.

tracks   a random split may have other chunks of a test track in training
copies   a split by tracks may have copies and near-copies of a test track: equal hash or cluster
groups   a split that keeps these together may have tracks of the same group
store    another store may have the same tracks, copies, near-copies or groups as the one trained on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.leakage.exchange import TESTED, Candidates
from audiospec.zoo.splits.drawing import draw
from audiospec.zoo.splits.leaks import group_noun
from audiospec.zoo.splits.units import joined, units_of

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View


#: Names of the rungs, the weakest split first.
RUNGS = ("tracks", "copies", "groups", "store")


@dataclass(frozen=True, eq=False)
class Level:
    """What one rung compares.

    Attributes
    ----------
    name : str
        ``"tracks"``, ``"copies"``, ``"groups"`` or ``"store"``.
    leak : str
        What leaks, in words.
    noun : str
        What the units are, in the plural.
    learn : Candidates
        Rows to train on, and to test unless there is a `probe`.
    probe : Candidates or None
        Rows of another store to test.
    impossible : str
        Why nothing can leak; ``""`` if something can.
    """

    name: str
    leak: str
    noun: str
    learn: Candidates
    probe: Candidates | None
    impossible: str

    def leaking(self, seeds: Sequence[int]) -> tuple[float, int]:
        """Return how many test rows leak in an ordinary split of this rung, and how many there are.

        Parameters
        ----------
        seeds : sequence of int
            The numbers are means over these seeds; a test has a fifth of the rows.
        """
        if self.probe is not None:
            return float(np.isin(self.probe.units, self.learn.units).sum()), len(self.probe)
        leaks, tests = [], []
        for seed in seeds:
            tested = draw(self.learn.items, self.learn.classes.astype(str), TESTED, (seed, 2))
            units = self.learn.units[tested]
            leaks.append(int(np.isin(units, self.learn.units[~tested]).sum()))
            tests.append(len(units))
        return float(np.mean(leaks)), round(float(np.mean(tests)))


def levels(view: View, classes: Sequence[str], other: View | None = None) -> list[Level]:
    """Return the rungs of a view, the weakest split first.

    Parameters
    ----------
    view : View
    classes : sequence of str
        Sorted.
    other : View or None
        A view of another store, of the same features.
    """
    rows = _ordered(view, classes)
    numbers = np.searchsorted(list(classes), view.labels[rows].astype(str))
    tracks, same = _numbered(view.ids[rows].astype(str)), _numbered(units_of(view, groups=False)[rows])
    groups = _numbered(units_of(view)[rows])
    noun = group_noun(view.store.dataset)
    has_group = (view.groups[rows].astype(str) != "").any()
    comparable = any((values[rows].astype(str) != "").any() for values in (view.hashes, view.clusters))

    def level(name: str, leak: str, of: str, items: NDArray[np.int64], units: NDArray[np.int64]) -> Level:
        several = len(np.unique(items)) > len(np.unique(units))
        return Level(
            name, leak, of, Candidates(rows, items, units, numbers), None, "" if several else why[name]
        )

    why = {
        "tracks": "each track is one chunk",
        "copies": "no two tracks have the same content or cluster"
        if comparable
        else "the store has no content hashes and no clusters",
        "groups": f"no two sounds have one of the {noun} in common" if has_group else "no track has a group",
    }
    made = [
        level("tracks", "other chunks of the track", "tracks", np.arange(len(rows)), tracks),
        level("copies", "copies and near-copies", "sounds", tracks, same),
        level("groups", f"other tracks of the same {noun}", noun, same, groups),
    ]
    if other is not None:
        made.append(_of_stores(view, rows, numbers, other, classes))
    return made


def _of_stores(
    view: View, rows: NDArray[np.int64], numbers: NDArray[np.int64], other: View, classes: Sequence[str]
) -> Level:
    """Return the rung of another store, whose rows are tested."""
    probed = _ordered(other, classes)
    both = ((view, rows), (other, probed))

    def column(name: str) -> NDArray[np.str_]:
        return np.concatenate([getattr(one, name)[chosen].astype(str) for one, chosen in both])

    # As `Learnt` compares them: ids within one dataset only.
    ids = [view.ids[rows].astype(str), other.ids[probed].astype(str)]
    if view.store.dataset != other.store.dataset:
        ids = [np.char.add(prefix, values) for prefix, values in zip(("a ", "b "), ids, strict=True)]
    units = joined([np.concatenate(ids), column("hashes"), column("clusters"), column("groups")])
    mine, theirs = units[: len(rows)], units[len(rows) :]
    learn = Candidates(rows, mine, mine, numbers)
    probe_classes = np.searchsorted(list(classes), other.labels[probed].astype(str))
    shared = bool(np.isin(theirs, mine).any())
    impossible = "" if shared else "the stores share no track, copy, near-copy or group"
    leak = f"what was learnt from, in {other.store.path.name}"
    return Level("store", leak, "units", learn, Candidates(probed, theirs, theirs, probe_classes), impossible)


def _ordered(view: View, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of some classes, by track and start: in no order of the store."""
    rows = np.lexsort((view.rows["start"], view.ids.astype(str)))
    chosen: NDArray[np.int64] = rows[np.isin(view.labels[rows].astype(str), list(classes))]
    return chosen


def _numbered(names: NDArray[np.str_]) -> NDArray[np.int64]:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
