"""Licences of what a run is made with: the weights of its feature and of its model."""

from __future__ import annotations

from audiospec.specs.base import features
from audiospec.zoo.base import models


def licences_inside(feature: str, model: str) -> list[tuple[str, str, str]]:
    """Return the licences that a run's feature and model state, as an attribute ``licence`` of their classes.

    Parameters
    ----------
    feature, model : str
        Names in their registries. What is not in them, such as an imported table, states none.

    Returns
    -------
    list of (str, str, str)
        ``"feature"`` or ``"model"``, the name, and the licence.
    """
    named = (("feature", feature, features), ("model", model, models))
    entries = [(kind, name, registry[name]) for kind, name, registry in named if name in registry.names()]
    stated = [(kind, name, str(getattr(entry, "licence", ""))) for kind, name, entry in entries]
    return [one for one in stated if one[2]]
