"""Published: the files of a run that leave the house, and what stays."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from audiospec.digests import digest
from audiospec.errors import RunError
from audiospec.files import read_json
from audiospec.zoo.runs.info import CONFORMAL, FOLD_FOLDER, HISTORY, METRICS, MOST_RUN, RUN
from audiospec.zoo.runs.predictions import PREDICTIONS, TRACKS
from audiospec.zoo.runs.run import Run

#: Pictures of scores, which show the names of classes.
PICTURES = ("confusion.png", "curves.png", "events.png", "labels.png", "numbers.png")
#: What every published run has, if the run has it.
_SHARED = (METRICS, HISTORY, CONFORMAL, *PICTURES)
#: What has ids of tracks, which may be paths and names of people.
PRIVATE = (PREDICTIONS, TRACKS)
#: What stays, too: the card becomes the page of the repository, logs of TensorBoard name the machine.
_STAYS = re.compile(r"card\.md|events\.out\.tfevents\..*")
_WEIGHTS = re.compile(r"model\.[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")


def is_of_run(name: str) -> bool:
    """Return whether a file of a published run may have this name; a fold's run is in a folder of its own."""
    folder, slash, file = name.rpartition("/")
    if slash and not FOLD_FOLDER.fullmatch(folder):
        return False
    return file in (RUN, *_SHARED, *PRIVATE) or _WEIGHTS.fullmatch(file) is not None


@dataclass
class Published:
    """The files of a run as they are published, but for the page of the repository.

    Attributes
    ----------
    info : dict
        What its ``run.json`` states, without what stays.
    files : dict
        Name in the repository → the file on this machine, or the content.
    left_out : list of str
        Names of the files with ids of tracks that stay, or that the run does not have.
    """

    info: dict[str, Any]
    files: dict[str, Path | bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def published(run: Run, *, with_predictions: bool = False) -> Published:
    """Return what is published of a run.

    The path of the store, the decisions on single labels, the names of tracks that leak and, unless
    requested, the lists of tracks stay. So ``run.json`` is written anew: it states the files that are
    published, and its digest is another one.

    Parameters
    ----------
    run : Run
    with_predictions : bool
        Whether the tracks of the split and the predictions of their rows are published, too.

    Raises
    ------
    RunError
        The run is of an older version, has files that no published run has, or states a path of this machine.
    """
    if run.is_older:
        raise RunError(run.lacks, "train again to publish it")
    stated = dict(read_json(run.path / RUN, MOST_RUN))
    del stated["digest"]
    made = Published(stated)
    for name in stated["files"]:
        if name in (*_SHARED, *(PRIVATE if with_predictions else ())) or _WEIGHTS.fullmatch(name):
            made.files[name] = run.path / name
        elif name not in PRIVATE and not _STAYS.fullmatch(name):
            raise RunError(
                f"run {run.path} has the file {name!r}, which is not published",
                "expected weights to be called model.*",
            )
    made.left_out += [name for name in PRIVATE if name not in made.files]
    for fold, of_fold in zip(run.folds(), stated.get("cross_validation", {}).get("runs", ()), strict=True):
        inner = published(fold, with_predictions=with_predictions)
        made.files.update({f"{of_fold['folder']}/{name}": file for name, file in inner.files.items()})
        of_fold["digest"] = inner.info["digest"]
    for key in ("files", "sizes"):
        stated[key] = {name: value for name, value in stated[key].items() if name in made.files}
    _anonymise(stated, with_predictions)
    stated["digest"] = digest(stated)
    content = json.dumps(stated, indent=1, allow_nan=False) + "\n"
    _check_paths(run, content)
    made.files[RUN] = content.encode("utf-8")
    return made


def _anonymise(stated: dict[str, Any], with_predictions: bool) -> None:
    """Remove what names this machine, and what names single tracks or people."""
    stated["store"] = _name(stated["store"])
    for key in {"settings", "search"} & {*stated}:
        stated[key] = _without_paths(stated[key])
    for decision in stated.get("corrections", {}).get("decisions", ()):
        decision["who"] = ""
    if not with_predictions:
        stated["split"]["leaks"]["names"] = {kind: [] for kind in stated["split"]["leaks"]["names"]}
        if "corrections" in stated:
            stated["corrections"]["decisions"] = []


def _without_paths(value: Any) -> Any:
    """Return parameters with the names of files in place of paths, such as that of weights."""
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_paths(inner) for inner in value]
    return _name(value) if isinstance(value, str) else value


def _name(path: str) -> str:
    """Return the last part of a path."""
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name or path


def _check_paths(run: Run, content: str) -> None:
    """Raise an error if a text that is published names a folder of this machine."""
    folders = {Path.home(), run.path.absolute().parent, Path(run.info.store).absolute().parent}
    for folder in folders:
        if len(folder.parts) > 2 and json.dumps(str(folder))[1:-1] in content:
            raise RunError(
                f"{RUN} of {run.path} names the folder {folder} of this machine, which would be published",
                "train again with names that are no paths",
            )
