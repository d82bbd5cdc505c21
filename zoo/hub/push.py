"""Push a run to a hub of models."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiospec.errors import HubError, RunError
from audiospec.storage.location import local, location
from audiospec.zoo.hub.address import SCHEME, HubAddress, checked_repo, checked_revision
from audiospec.zoo.hub.client import api, client, hub_errors
from audiospec.zoo.hub.load import load_run
from audiospec.zoo.hub.page import PAGE, checked_licence, page
from audiospec.zoo.hub.published import is_of_run, published
from audiospec.zoo.runs.info import RunInfo
from audiospec.zoo.runs.run import Run

#: What ``run.json`` states besides the fields of `RunInfo`.
_OF_FILES = ("audiospec_run", "files", "sizes", "digest")


@dataclass(frozen=True)
class Pushed:
    """What was pushed, or would be.

    Attributes
    ----------
    repo : str
        ``"user/name"``.
    commit : str
        The commit that has the files; ``""`` if nothing was pushed.
    files : dict
        Name in the repository → size in bytes.
    left_out : tuple of str
        Names of files with ids of tracks that stay on this machine.
    url : str
        The page of the commit; ``""`` if nothing was pushed.
    """

    repo: str
    commit: str
    files: dict[str, int]
    left_out: tuple[str, ...]
    url: str = ""

    @property
    def address(self) -> str:
        """What `load_run` opens: ``"hf://user/name@commit"``."""
        return str(HubAddress(self.repo, self.commit or None))


def push_run(
    run: Run | str | os.PathLike[str],
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    licence: str = "",
    with_predictions: bool = False,
    dry_run: str | os.PathLike[str] | None = None,
) -> Pushed:
    """Push a run to a hub of models, from where `load_run` opens it.

    The repository gets the weights, what the run states, its scores and pictures, and a page (``README.md``)
    with the model card and metadata for the hub. Ids of tracks, predictions, decisions on single labels and
    paths of this machine stay. All files are in one commit: until it is there, the repository is as it was,
    and files that an interrupted push has uploaded are not uploaded again.

    Parameters
    ----------
    run : Run or path
    repo : str
        ``"user/name"``. It is made if it does not exist.
    private : bool
        Make it private. One that exists already has to be private then.
    revision : str or None
        Branch to push to; it is made if it does not exist. None: the default branch.
    message : str or None
        Message of the commit. None: names the model and the view.
    licence : str
        The hub's identifier of the licence that you give the model, such as ``"cc-by-4.0"``; ``""``: none.
    with_predictions : bool
        Also push the tracks of the split and the predictions of their rows, which `compare` and `evaluate`
        need. They have the tracks' ids, which may be paths or names of people.
    dry_run : path or None
        A folder to write the files into; it must not exist. Nothing is pushed, and no token is needed.

    Returns
    -------
    Pushed

    Raises
    ------
    HubError
        The repository cannot be made or written, the hub does not answer, or huggingface_hub is not
        installed.
    RunError
        The run is of an older version, or would name a path of this machine.
    """
    name, branch = checked_repo(repo), None if revision is None else checked_revision(revision)
    checked_licence(licence)
    library = client()
    opened = run if isinstance(run, Run) else load_run(run)
    made = published(opened, with_predictions=with_predictions)
    info = RunInfo(**{key: value for key, value in made.info.items() if key not in _OF_FILES})
    text = page(info, opened.metrics, name, licence=licence, left_out=made.left_out)
    files: dict[str, Path | bytes] = {PAGE: text.encode("utf-8"), **made.files}
    sizes = {
        file: len(content) if isinstance(content, bytes) else content.stat().st_size
        for file, content in files.items()
    }
    if dry_run is not None:
        _write(local(location(os.fspath(dry_run)), "a dry run"), files)
        return Pushed(name, "", sizes, tuple(made.left_out))
    title = message or f"Run {info.model} on {info.view}"
    with hub_errors(SCHEME + name, writes=True):
        done = _commit(library, name, files, private=private, branch=branch, message=title)
    return Pushed(name, str(done.oid), sizes, tuple(made.left_out), str(done.commit_url))


def _commit(
    library: Any,
    repo: str,
    files: dict[str, Path | bytes],
    *,
    private: bool,
    branch: str | None,
    message: str,
) -> Any:
    """Make the repository and the branch if they do not exist, and commit the files at once."""
    hub = api()
    hub.create_repo(repo, private=private or None, exist_ok=True)
    before = hub.model_info(repo)
    if private and not before.private:
        raise HubError(
            f"expected {SCHEME}{repo} to be private; it exists and is public",
            "make it private on its page, or choose another name",
        )
    if branch is not None:
        hub.create_branch(repo, branch=branch, exist_ok=True)
        before = hub.model_info(repo, revision=branch)
    # Files of an earlier push, such as predictions, are not those of this run.
    stale = [
        file.rfilename
        for file in before.siblings or ()
        if is_of_run(file.rfilename) and file.rfilename not in files
    ]
    operations = [
        *(library.CommitOperationAdd(path_in_repo=file, path_or_fileobj=files[file]) for file in files),
        *(library.CommitOperationDelete(path_in_repo=file, is_folder=False) for file in stale),
    ]
    return hub.create_commit(
        repo, operations, commit_message=message, revision=branch, parent_commit=before.sha
    )


def _write(folder: Path, files: dict[str, Path | bytes]) -> None:
    """Write the files into a new folder."""
    if folder.exists():
        raise RunError(f"{folder} exists already", "choose another `dry_run`")
    try:
        for name, content in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                file.write_bytes(content)
            else:
                shutil.copyfile(content, file)
    except OSError as error:
        raise RunError(
            f"cannot write {folder} ({error.strerror or error})", "choose another `dry_run`"
        ) from error
