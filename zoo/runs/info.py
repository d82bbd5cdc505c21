"""What a run's folder states about the run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
RUN, METRICS, HISTORY, CARD = "run.json", "metrics.json", "history.csv", "card.md"


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What was trained, on what, and how; what ``run.json`` says.

    Attributes
    ----------
    model : str
        Name in the registry of models.
    settings : dict
        The model's parameters.
    classes : list of str
        Labels, in the order of the model's probabilities.
    row_shape : list of int
    spec, chunking : dict
        How features are computed, and tracks cut; what `predict` does again.
    dataset, store, view : str
        Where the rows came from.
    split : dict
        Strategy, whether it is leaky, shares, digest, the digest of the rows' content, and the rows and
        tracks of each side.
    seed : int
        Of the split and of the training.
    parameters : int
        Weights that were learnt; 0 if that has no meaning.
    seconds : float
        Wall-clock time of the training.
    versions : dict
        Of the libraries.
    date : str
        Day of the training, ``YYYY-MM-DD``.
    """

    model: str
    settings: dict[str, Any]
    classes: list[str]
    row_shape: list[int]
    spec: dict[str, Any]
    chunking: dict[str, Any]
    dataset: str
    store: str
    view: str
    split: dict[str, Any]
    seed: int
    parameters: int
    seconds: float
    versions: dict[str, str]
    date: str


def comparable_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A model's parameters, to compare: one that older runs did not store has the value that it had."""
    return {"loss": "cross-entropy", **settings}


def file_sha256(file: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
