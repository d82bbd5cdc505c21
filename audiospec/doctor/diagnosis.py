"""Diagnosis: all that the checks find in a store, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import SEVERITIES, Finding
from audiospec.doctor.steps import Tell, tell_nobody
from audiospec.errors import AudiospecError, NotCheckedError, SpecError, StoreError, nearest
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore, open_store


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with the data of a store.

    Attributes
    ----------
    store : str
        Its place.
    tracks : int
        Number of its tracks.
    findings : tuple of Finding
        Worst first: by severity, then by the number of tracks.
    not_checked : mapping of str to str
        Check → why it could not look, and what to do.
    checked : tuple of str
        The checks that looked.
    """

    store: str
    tracks: int
    findings: tuple[Finding, ...]
    not_checked: Mapping[str, str]
    checked: tuple[str, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return not any(finding.severity in ("error", "warning") for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as a JSON object."""
        return {
            "store": self.store,
            "tracks": self.tracks,
            "findings": [finding.to_dict() for finding in self.findings],
            "not_checked": dict(self.not_checked),
            "checked": list(self.checked),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Diagnosis:
        """Read what `to_dict` returned.

        Raises
        ------
        AudiospecError
            It is something else, or names tracks that the diagnosis does not have.
        """
        try:
            read = cls(
                str(value["store"]),
                int(value["tracks"]),
                tuple(map(Finding.from_dict, value["findings"])),
                {str(name): str(reason) for name, reason in value["not_checked"].items()},
                tuple(map(str, value["checked"])),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AudiospecError(
                f"this is no diagnosis ({type(error).__name__}: {error})", "make one with `audiospec doctor`"
            ) from error
        named = [number for finding in read.findings for number in finding.tracks]
        if named and max(named) >= read.tracks:
            raise AudiospecError(
                f"the diagnosis names track {max(named)} of {read.tracks}", "run `audiospec doctor` again"
            )
        return read


def diagnose(
    store: FeatureStore | Location | str,
    *,
    names: Sequence[str] | None = None,
    view: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Tell = tell_nobody,
) -> Diagnosis:
    """Look for what is wrong with the data of a store; the store is not changed.

    Parameters
    ----------
    store : FeatureStore or Location or str
    names : sequence of str or None
        Names of the checks; None: all that are registered.
    view : str or None
        Name of the log-mel view that is looked at, or its beginning; None: that with the most rows.
    settings : mapping of str to object or None
        ``"check.field"`` → value, such as ``{"near-duplicates.least": 0.6}``; ``_`` may stand for ``-``.
    seed : int
        All that is random follows from it.
    progress : callable
        Called with what is done, how much of it is done, and the total.

    Returns
    -------
    Diagnosis

    Raises
    ------
    AudiospecError
        An unknown check or setting, or there is no such store or view.
    """
    chosen = checks.names() if names is None else list(dict.fromkeys(names))
    made = {name: _made(name, settings or {}) for name in chosen}
    _require_known(settings or {}, chosen)
    opened = store if isinstance(store, FeatureStore) else open_store(store)
    examined = Examined(opened, view=view, seed=seed, tell=progress)
    findings: list[Finding] = []
    not_checked: dict[str, str] = {}
    for number, (name, check) in enumerate(made.items()):
        progress(name, number, len(made))
        try:
            findings += check.run(examined)
        except (NotCheckedError, StoreError) as error:  # `damaged-rows` names what cannot be read
            not_checked[name] = str(error)
    progress("checks", len(made), len(made))
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), -len(finding.tracks)))
    checked = tuple(name for name in made if name not in not_checked)
    return Diagnosis(str(opened.path), len(opened.tracks), tuple(findings), not_checked, checked)


def _made(name: str, settings: Mapping[str, Any]) -> Check:
    fields = {field: value for key, value in settings.items() for of, field in [_parts(key)] if of == name}
    return checks[name].replace_in(fields, f"check {name!r}")


def _parts(key: str) -> tuple[str, str]:
    """Return check and field of a setting; names have dashes, as commands and modules write them or not."""
    name, _, field = key.partition(".")
    return name.replace("_", "-"), field


def _require_known(settings: Mapping[str, Any], chosen: Sequence[str]) -> None:
    for key in settings:
        name, field = _parts(key)
        if name not in chosen or not field:
            raise SpecError(
                f"the setting {key!r} is of no check that runs{nearest(name, chosen)}",
                f"write CHECK.FIELD=VALUE, of: {', '.join(chosen)}",
            )
