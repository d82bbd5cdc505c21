"""GTZAN's fault-filtered list of tracks (Kereliuk, Sturm and Larsen 2015)."""

from __future__ import annotations

from importlib.resources import files

from audiospec.zoo.splits.split import SIDES


def filtered_list() -> dict[str, list[str]]:
    """Return the ids of the tracks that train, validate and test: side → ids."""
    lists = files("audiospec.zoo") / "data" / "gtzan-filtered"
    return {side: (lists / f"{side}.txt").read_text(encoding="utf-8").split() for side in SIDES}
