"""Suspect: a track of an audit; Audit: all of them, the most suspicious first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from audiospec.corrections.decision import Decision
from audiospec.errors import ModelError


@dataclass(frozen=True)
class Suspect:
    """A track whose label was compared with what models say that did not learn from it.

    Attributes
    ----------
    rank : int
        From 1; the label of the first is the least plausible.
    track, hash : str
        Id, and content hash of the file; ``""`` for a track without audio.
    label : str
        The label that it has, with the corrections that the models were trained with.
    stored : str
        The label that it has in the store.
    suggestion : str
        The most probable other label.
    probability, suggested : float
        Of `label` and of `suggestion`, by models that did not learn from the track. Tracks are ranked by the
        former.
    is_likely : bool
        Whether the label is likely wrong, by the method of the audit.
    same_sound : tuple of str
        Ids of tracks that hold the same sound and have another label: one of the labels is wrong.
    """

    rank: int
    track: str
    hash: str
    label: str
    stored: str
    suggestion: str
    probability: float
    suggested: float
    is_likely: bool
    same_sound: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why it is suspected, in words."""
        same = f"; the same sound as {self.same_sound[0]}, of another label" if self.same_sound else ""
        return (
            f"audit: rank {self.rank}, {self.label} {self.probability:.2f}, "
            f"{self.suggestion} {self.suggested:.2f}{same}"
        )

    def decision(self, who: str = "") -> Decision:
        """Return the decision that the suggested label is right; it gets its time when it is added."""
        return Decision(self.hash, self.track, self.stored, self.suggestion, who, why=self.reason)


@dataclass(frozen=True, eq=False)
class Audit:
    """Tracks by how likely their labels are wrong.

    Attributes
    ----------
    run : Path
        The run whose predictions these are: a cross-validation.
    store : str
        The store that the run was trained on.
    method : str
        One of `METHODS`.
    suspects : tuple of Suspect
        All tracks of the run, the least plausible label first, without those that were decided on.
    thresholds : dict
        Label → the mean probability of the label for the tracks that have it.
    agreement : float
        Share of the tracks, 0 to 1, whose label the models predict. The lower it is, the more of the suspects
        are errors of the models.
    decided : tuple of str
        Ids of tracks whose label a person has decided on since; they are not among the suspects.
    about : str
        Where the predictions are from, in words.
    column : str
        The free column that the labels are from; ``""``: the store's labels, which alone can be corrected.
    """

    run: Path
    store: str
    method: str
    suspects: tuple[Suspect, ...]
    thresholds: Mapping[str, float]
    agreement: float
    decided: tuple[str, ...] = ()
    about: str = ""
    column: str = ""

    @property
    def likely(self) -> tuple[Suspect, ...]:
        """Those whose label is likely wrong, in the same order."""
        return tuple(suspect for suspect in self.suspects if suspect.is_likely)

    @property
    def contradictions(self) -> tuple[Suspect, ...]:
        """Those that hold the same sound as a track of another label, in the same order."""
        return tuple(suspect for suspect in self.suspects if suspect.same_sound)

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Return the audit as plain JSON values, with the first `top` suspects; None: all."""
        return {
            "run": str(self.run),
            "store": self.store,
            "method": self.method,
            "about": self.about,
            "tracks": len(self.suspects),
            "likely": len(self.likely),
            "contradictions": len(self.contradictions),
            "decided": len(self.decided),
            "agreement": self.agreement,
            "thresholds": dict(self.thresholds),
            "suspects": [asdict(suspect) for suspect in self.suspects[:top]],
        }

    def decisions(self, suspects: Sequence[Suspect] | None = None, who: str = "") -> list[Decision]:
        """Return decisions that the suggested labels of some suspects are right.

        Parameters
        ----------
        suspects : sequence of Suspect or None
            None: those whose label is likely wrong.
        who : str
            Who decided.

        Raises
        ------
        ModelError
            The labels are from a column, and cannot be corrected.
        """
        if self.column:
            raise ModelError(
                f"corrections are of the labels of a store; these are from its column {self.column!r}",
                "audit a run of the store's labels",
            )
        return [suspect.decision(who) for suspect in (self.likely if suspects is None else suspects)]
