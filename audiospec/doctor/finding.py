"""Finding: one fault of a dataset, with the tracks that have it and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from audiospec.errors import AudiospecError

#: Severities, worst first.
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of a dataset.

    Attributes
    ----------
    check : str
        Name of the check that found it.
    severity : str
        ``"error"``: scores are wrong, or rows cannot be used. ``"warning"``: likely a fault, look at it.
        ``"note"``: worth knowing.
    title : str
        One line: what was found, with its counts. It may quote names and labels.
    advice : str
        One line: what to do about it.
    tracks : tuple of int
        Numbers of the tracks in the store's track table, worst first; empty if it is of the whole dataset.
    details : tuple of str
        A line for each of `groups`, or for each of `tracks` if there are no groups; or empty.
    groups : tuple of tuple of int
        Tracks that belong together, such as duplicates; each of `tracks` is in one of them.
    figures : mapping of str to object
        Numbers behind it, as JSON values.

    Raises
    ------
    ValueError
        An unknown severity, or another number of details than of tracks or groups.
    """

    check: str
    severity: str
    title: str
    advice: str
    tracks: tuple[int, ...] = ()
    details: tuple[str, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    figures: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}; got {self.severity!r}")
        expected = len(self.groups) or len(self.tracks)
        if self.details and len(self.details) != expected:
            raise ValueError(f"expected {expected} details or none; got {len(self.details)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return {
            "check": self.check,
            "severity": self.severity,
            "title": self.title,
            "advice": self.advice,
            "tracks": list(self.tracks),
            "details": list(self.details),
            "groups": [list(group) for group in self.groups],
            "figures": dict(self.figures),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Finding:
        """Read what `to_dict` returned.

        Raises
        ------
        AudiospecError
            It is something else.
        """
        try:
            return cls(
                check=_text(value["check"]),
                severity=_text(value["severity"]),
                title=_text(value["title"]),
                advice=_text(value["advice"]),
                tracks=_numbers(value["tracks"]),
                details=tuple(map(_text, value["details"])),
                groups=tuple(map(_numbers, value["groups"])),
                figures=dict(value["figures"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AudiospecError(
                f"a finding is damaged ({type(error).__name__}: {error})", "run `audiospec doctor` again"
            ) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text; got {type(value).__name__}")
    return value


def _numbers(values: Sequence[object]) -> tuple[int, ...]:
    if not all(isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values):
        raise TypeError("expected numbers of tracks")
    return tuple(value for value in values if isinstance(value, int))
