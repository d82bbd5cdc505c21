"""The metadata of a run, and the names of the files in its folder."""

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
    """What was trained, on what, and how; the content of ``run.json``.

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
        How features are computed and tracks are cut; `predict` does the same.
    dataset, store, view : str
        Source of the rows.
    split : dict
        Strategy, whether it is leaky, shares, digest, the digest of the rows' content, and the numbers of
        rows and tracks of each side.
    seed : int
        Seed of the split and of the training.
    parameters : int
        Number of trained weights; 0 for models without weights.
    seconds : float
        Wall-clock time of training.
    versions : dict
        Library → version.
    date : str
        Day of training, ``YYYY-MM-DD``.
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
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
