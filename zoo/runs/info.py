"""The metadata of a run, and the names of the files in its folder."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from audiospec.files import open_plain

#: Since version 2, ``run.json`` states the sizes of the other files, and its digest includes the version.
#: Since version 3, a run has its predictions and the tracks of its split; `RunInfo.split` says what leaks.
#: Since version 4, ``run.json`` states the target; before, all runs had one label a row.
#: Version 5 states corrections of labels; a run without any is written as version 4.
FORMAT_VERSION, UNCORRECTED = 5, 4
RUN, METRICS, HISTORY, CARD = "run.json", "metrics.json", "history.csv", "card.md"
#: Scores of held-out tracks, of runs that had some.
CONFORMAL = "conformal.json"
#: Largest sizes in bytes of ``run.json`` and ``metrics.json``. A confusion matrix of 1000 classes has 20 MB.
MOST_RUN, MOST_METRICS = 64 << 20, 512 << 20
#: Largest size in bytes of ``predictions.csv`` and ``tracks.csv``: ten million rows of ten classes.
MOST_PREDICTIONS = 4 << 30
#: What a decision of `RunInfo.corrections` states.
_DECISION = ("hash", "track", "old", "new", "who", "when", "why")
#: Most numbers in one row of a model's input: 1 GiB of float32.
MOST_VALUES = 1 << 28


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
        Labels, in the order of the model's probabilities; of a number, the name of its column.
    target : dict
        What is predicted: the name of the target, and its parameters (`Target.to_dict`).
    row_shape : list of int
    spec, chunking : dict
        How features are computed and tracks are cut; `predict` does the same.
    dataset, store, view : str
        Source of the rows.
    split : dict
        Strategy, its name as it is displayed, seed, shares, reason, digest, the digest of the rows' content,
        the numbers of rows and tracks of each side and of rows left out, and what leaks (`Leaks`). Runs of
        versions before 3 have no name, seed, reason, rows left out and leaks; they state by strategy whether
        the split is leaky.
    seed : int
        Seed of the training; in versions before 3 also of the split.
    parameters : int
        Number of trained weights; 0 for models without weights.
    seconds : float
        Wall-clock time of training.
    versions : dict
        Library → version.
    date : str
        Day of training, ``YYYY-MM-DD``.
    backend : str
        The backend that computed the rows; `predict` uses it, too. ``""`` if it is not known.
    calibrate : bool
        Whether the probabilities were to be calibrated.
    calibration : dict
        The calibrator: its method, the rows it was fitted on (``source``) and its parameters; empty if none.
    train_share : float
        Share of the training units that were trained on, above 0 and up to 1.
    search : dict
        How parameters were chosen on inner folds (`Search`); empty if they were given.
    cross_validation : dict
        Of a cross-validation: the numbers of folds and repeats, each fold's run (``runs``) and scores, and
        their mean and deviation (``spread``). Empty for a run of one model.
    corrections : dict
        Corrections of labels that were applied: numbers of labels and of excluded tracks, their digest, the
        name and the SHA-256 of the file, and the decisions. Empty if there were none.

    Raises
    ------
    ValueError
        A value is of another type, or no training has it.
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
    backend: str = "fft"  # of runs that do not state it
    calibrate: bool = False
    calibration: dict[str, Any] = field(default_factory=dict)
    train_share: float = 1.0
    search: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=lambda: {"name": "single"})
    cross_validation: dict[str, Any] = field(default_factory=dict)
    corrections: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, (expected, valid) in _FIELDS.items():
            if not valid(getattr(self, name)):
                raise ValueError(f"{name} must be {expected}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_classes(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value) >= 1


def _is_target(value: Any) -> bool:
    return isinstance(value, dict) and _is_text(value.get("name"))


def _is_shape(value: Any) -> bool:
    sizes = isinstance(value, list) and all(map(_is_count, value)) and value
    return bool(sizes) and 1 <= math.prod(value) <= MOST_VALUES


def _is_split(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("sides"), dict):
        return False
    sides = value["sides"].values()
    shares = value.get("shares")
    return (
        _is_text(value.get("strategy"))
        and isinstance(value.get("leaky"), bool)
        and isinstance(shares, list)
        and all(isinstance(share, int | float) for share in shares)
        and all(_is_text(value.get(name)) for name in ("digest", "content"))
        and all(_is_text(value.get(name, "")) for name in ("name", "reason"))
        and all(_is_count(value.get(name, 0)) for name in ("seed", "left_out"))
        and isinstance(value.get("leaks", {}), dict)
        and all(
            isinstance(side, dict) and all(_is_count(side.get(n)) for n in ("rows", "tracks"))
            for side in sides
        )
    )


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


#: Name of the folder of a fold's run.
FOLD_FOLDER = re.compile(r"fold-[1-9]\d*")


def _is_search(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    candidates = value.get("candidates")
    return not value or (
        isinstance(value.get("grid"), dict)
        and all(isinstance(values, list) for values in value["grid"].values())
        and _is_count(value.get("inner_folds"))
        and _is_text(value.get("score"))
        and isinstance(candidates, list)
        and all(isinstance(one, dict) and isinstance(one.get("settings"), dict) for one in candidates)
        and all(_is_seconds(one.get("score")) for one in candidates)
        and (isinstance(value.get("chosen"), dict) or all(map(_is_mapping, value.get("chosen") or [None])))
    )


def _is_cross_validation(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    runs = value.get("runs", [])
    return not value or (
        all(_is_count(value.get(name)) for name in ("folds", "repeats"))
        and isinstance(value.get("spread"), dict)
        and isinstance(runs, list)
        and len(runs) >= 2
        and all(
            isinstance(run, dict)
            and all(_is_text(run.get(name)) for name in ("folder", "split", "digest"))
            and FOLD_FOLDER.fullmatch(run["folder"])
            and all(_is_count(run.get(name)) for name in ("repeat", "fold"))
            and isinstance(run.get("scores"), dict)
            for run in runs
        )
    )


def _is_corrections(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    decisions = value.get("decisions")
    return not value or (
        all(_is_count(value.get(name)) for name in ("labels", "excluded"))
        and all(_is_text(value.get(name)) for name in ("digest", "file", "sha256"))
        and PurePath(value["file"]).name == value["file"] != ""
        and isinstance(decisions, list)
        and all(isinstance(one, dict) and {*one} == {*_DECISION} for one in decisions)
        and all(_is_text(value) for one in decisions for value in one.values())
    )


def _is_versions(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


#: Field → what it must be, in words and as a test.
_FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("model", "dataset", "store", "view", "date", "backend"), ("text", _is_text)),
    **dict.fromkeys(("settings", "spec", "chunking", "calibration"), ("a mapping", _is_mapping)),
    "calibrate": ("true or false", lambda value: isinstance(value, bool)),
    "search": ("a search with its grid", _is_search),
    "train_share": ("a share above 0, up to 1", _is_share),
    "corrections": ("corrections of labels with their decisions", _is_corrections),
    "cross_validation": ("the folds of a cross-validation", _is_cross_validation),
    "versions": ("a mapping of names to versions", _is_versions),
    **dict.fromkeys(("seed", "parameters"), ("a whole number, at least 0", _is_count)),
    "classes": ("different names", _is_classes),
    "target": ("a target with its name", _is_target),
    "row_shape": (f"whole numbers, for at most {MOST_VALUES} values", _is_shape),
    "split": ("a split with its sides", _is_split),
    "seconds": ("a number, at least 0", _is_seconds),
}


def split_name(split: Mapping[str, Any]) -> str:
    """Return a stored split as it is displayed: a leaky one says what leaks, where it is known."""
    name: str = split.get("name", split["strategy"])
    return f"{name} (leaky)" if split["leaky"] and "leaky" not in name else name


#: Parameters of networks that came with views of waves, at the values that earlier runs had.
_SINCE_WAVES: dict[str, Any] = {
    "frontend": None,
    "augment": [],
    "augment_share": 0.5,
    "pitch": [-4.0, 4.0],
    "shift": [-0.5, 0.5],
    "room": [0.1, 0.6],
    "noise": [3.0, 30.0],
    "noise_decay": [-2.0, 2.0],
    "gain": [-6.0, 6.0],
}


def comparable_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A model's parameters, to compare: one that older runs did not store has the value that it had.

    Later ones are left out at that value, so that digests are what they were.
    """
    later: dict[str, Any] = {"balance": False}
    if "epochs" not in settings:  # networks have stored it from the beginning
        later["class_weights"] = False
    else:
        later |= _SINCE_WAVES
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    kept = {name: value for name, value in plain.items() if name not in later or value != later[name]}
    return {"loss": "cross-entropy", **kept}


def configuration_of(info: RunInfo, *, share: bool = True) -> list[Any]:
    """Return what runs have in common that differ only in seed or split.

    A parameter that was searched may differ between them: what it was chosen from does not.

    Parameters
    ----------
    info : RunInfo
    share : bool
        Whether runs on different shares of the training rows differ.
    """
    settings = comparable_settings(info.settings)
    grid = info.search.get("grid", {})
    fixed = {name: value for name, value in settings.items() if name not in grid}
    parts = [info.model, fixed, info.view, info.spec, info.chunking, info.split["shares"]]
    # Only what is not the default, so that the other runs' digests are what they were.
    if share and info.train_share != 1:
        parts.append({"train_share": info.train_share})
    if grid:
        parts.append({"search": grid})
    if info.calibrate:
        parts.append({"calibrate": True})
    if info.corrections:
        parts.append({"corrections": info.corrections["digest"]})
    return parts


def file_sha256(file: Path, size: int | None = None) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal; the file is read as a stream.

    Parameters
    ----------
    file : Path
    size : int or None
        The size that it must have in bytes; a file of another size is not read, and gives ``""``. None: any.

    Raises
    ------
    ValueError
        It is no regular file.
    OSError
        It cannot be read.
    """
    with open_plain(file) as stream:
        if size is not None and os.fstat(stream.fileno()).st_size != size:
            return ""
        return hashlib.file_digest(stream, "sha256").hexdigest()
