"""The corrections of labels that a run was trained with."""

from __future__ import annotations

from typing import Any

from audiospec.corrections.applied import in_words
from audiospec.corrections.corrections import Corrections, file_beside
from audiospec.corrections.decision import Decision
from audiospec.corrections.view import CorrectedView, corrected_by
from audiospec.stores.layout.view import View
from audiospec.zoo.runs.info import RunInfo


def corrections_of(view: View) -> dict[str, Any]:
    """Return what makes the corrections of two views the same, and their numbers; empty if there are none."""
    if not isinstance(view, CorrectedView):
        return {}
    stated = view.applied.to_dict()
    return {name: stated[name] for name in ("labels", "excluded", "digest")}


def correction_facts(view: View) -> dict[str, Any]:
    """Return what else is known of the corrections of a view: the file, and each decision."""
    if not isinstance(view, CorrectedView):
        return {}
    decisions = view.applied.to_dict()["decisions"]
    return {"file": view.corrections_name, "sha256": view.corrections_sha256, "decisions": decisions}


def decisions_of(info: RunInfo) -> list[Decision]:
    """Return the decisions that a run was trained with."""
    return [Decision(**decision) for decision in info.corrections.get("decisions", ())]


def corrected_as(info: RunInfo, view: View) -> View:
    """Return a view with the decisions of a run applied, whatever is in the file beside the store by now."""
    decisions = decisions_of(info)
    if not decisions:
        return view
    place = file_beside(view.store.path).with_name(info.corrections["file"])
    return corrected_by(view, Corrections(place, decisions, info.corrections["sha256"]))


def corrections_in_words(info: RunInfo) -> str:
    """Return what was corrected; ``""`` if nothing was."""
    stated = info.corrections
    return in_words(stated["labels"], stated["excluded"], stated["file"]) if stated else ""
