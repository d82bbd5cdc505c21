"""Open a run by its path or by its address on a hub of models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audiospec.errors import HubError
from audiospec.files import read_json
from audiospec.text import size
from audiospec.zoo.hub.address import HubAddress, hub_address
from audiospec.zoo.hub.client import api, client, hub_errors, is_unreachable
from audiospec.zoo.hub.published import is_of_run
from audiospec.zoo.runs.info import (
    FOLD_FOLDER,
    HISTORY,
    METRICS,
    MOST_METRICS,
    MOST_PREDICTIONS,
    MOST_RUN,
    RUN,
)
from audiospec.zoo.runs.predictions import PREDICTIONS, TRACKS
from audiospec.zoo.runs.run import Run

#: Largest size in bytes of a file that is downloaded; of weights and pictures `_MOST_OTHER`.
_MOST = {
    RUN: MOST_RUN,
    METRICS: MOST_METRICS,
    HISTORY: MOST_METRICS,
    PREDICTIONS: MOST_PREDICTIONS,
    TRACKS: MOST_PREDICTIONS,
}
_MOST_OTHER = 16 << 30
#: Most folds of a cross-validation that are downloaded.
_MOST_FOLDS = 1000


def load_run(place: str | os.PathLike[str]) -> Run:
    """Open a run by its path or by its address on a hub of models.

    Of a repository, ``run.json`` is downloaded first, then the files that it lists, and no others. They are
    checked as those of any run: sizes, SHA-256, no pickle. Endpoint, token, cache and offline mode are those
    of huggingface_hub (``HF_ENDPOINT``, ``HF_TOKEN`` or ``hf auth login``, ``HF_HOME``, ``HF_HUB_OFFLINE``).
    Without the network, the run is opened from the cache.

    Parameters
    ----------
    place : str or path
        The folder of a run; or ``"hf://user/name"``, at a branch, tag or commit ``"hf://user/name@revision"``.

    Returns
    -------
    Run
        Its `source` is the address with the commit.

    Raises
    ------
    HubError
        There is no such repository or revision, it may not be read, the hub does not answer, the files are
        not those of a run, or huggingface_hub is not installed.
    RunError
        As `Run` raises it.
    """
    address = hub_address(place)
    if address is None:
        return Run(Path(place))
    folder, commit = _download(address)
    return Run(folder, source=str(HubAddress(address.repo, commit)))


def _download(address: HubAddress) -> tuple[Path, str]:
    """Download the files of a run; return their folder in the hub's cache and the commit."""
    snapshot = _Snapshot(address)
    stated = snapshot.stated(RUN)
    names = snapshot.listed(RUN, stated)
    validation = stated.get("cross_validation")
    folds = validation.get("runs") if isinstance(validation, dict) else None
    if isinstance(folds, list):
        if len(folds) > _MOST_FOLDS:
            raise HubError(f"{address} has {len(folds)} folds; expected at most {_MOST_FOLDS}")
        folders = [fold.get("folder") for fold in folds if isinstance(fold, dict)]
        for folder in folders:
            if not isinstance(folder, str) or not FOLD_FOLDER.fullmatch(folder):
                raise snapshot.refused(f"{folder!r} as the folder of a fold")
        inner = [f"{folder}/{RUN}" for folder in folders]
        snapshot.fetch(inner)
        for name in inner:
            names += snapshot.listed(name, snapshot.stated(name))
    snapshot.fetch(names)
    return snapshot.folder, snapshot.commit


class _Snapshot:
    """The files of a repository at one commit, as far as they are needed.

    Attributes
    ----------
    commit : str
    folder : Path
        Where they are in the hub's cache.
    """

    def __init__(self, address: HubAddress) -> None:
        self._address = address
        self._sizes: dict[str, int | None] | None = None  # None: the hub was not reached
        commit = ""
        with hub_errors(str(address)):
            try:
                info = api().model_info(
                    address.repo,
                    revision=address.revision,
                    files_metadata=True,
                    timeout=client().constants.HF_HUB_ETAG_TIMEOUT,
                )
            except Exception as error:
                if not is_unreachable(error):
                    raise
            else:
                commit = info.sha
                self._sizes = {file.rfilename: file.size for file in info.siblings or ()}
        # By the name of the revision, so that the cache knows it without the network.
        self.folder = self._fetched([RUN], address.revision)
        self.commit = self.folder.name
        if commit not in ("", self.commit):
            raise HubError(f"{address} was changed while it was loaded", "run again")

    def fetch(self, names: list[str]) -> None:
        """Download files of the repository."""
        self._fetched(names, self.commit)

    def _fetched(self, names: list[str], revision: str | None) -> Path:
        self._check(names)
        with hub_errors(str(self._address)):
            # The names are patterns there; those of a run have none of its signs.
            folder = client().snapshot_download(
                self._address.repo,
                revision=revision,
                allow_patterns=names,
                library_name="audiospec",
                local_files_only=self._sizes is None,
            )
        return Path(folder)

    def _check(self, names: list[str]) -> None:
        """Raise an error if the repository lacks a file, or has a larger one than a run has."""
        if self._sizes is None:
            return
        for name in names:
            if name not in self._sizes:
                what = "is no run of audiospec" if name == RUN else "is incomplete"
                raise HubError(
                    f"{self._address} {what}: it has no {name}", "check the name, or push it again"
                )
            most, found = _MOST.get(name.rpartition("/")[2], _MOST_OTHER), self._sizes[name] or 0
            if found > most:
                raise HubError(
                    f"{name} of {self._address} has {size(found)}; expected at most {size(most)}",
                    "check the name; such a file is not downloaded",
                )

    def stated(self, name: str) -> Mapping[str, Any]:
        """Return what a ``run.json`` states; only what is needed to download the rest is looked at."""
        try:
            stated = read_json(self.folder / name, MOST_RUN)
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            raise HubError(
                f"{name} of {self._address} cannot be read ({str(error)[:200]})", "push it again"
            ) from error
        if not isinstance(stated, dict) or not isinstance(stated.get("files"), dict):
            raise HubError(f"{name} of {self._address} is not of a run", "expected a run of audiospec")
        return stated

    def listed(self, of: str, stated: Mapping[str, Any]) -> list[str]:
        """Return the names in the repository of the files that a ``run.json`` lists."""
        folder = of.removesuffix(RUN)
        sizes = stated.get("sizes")
        for name in stated["files"]:
            if "/" in name or not is_of_run(name) or name == RUN:
                raise self.refused(f"the file {name!r}")
            expected = sizes.get(name) if isinstance(sizes, dict) else None
            found = expected if self._sizes is None else self._sizes.get(folder + name, expected)
            if found != expected:
                raise HubError(
                    f"{self._address} was changed: {folder}{name} has {found} bytes; {of} states {expected}",
                    "push it again, or load an earlier revision",
                )
        return [folder + name for name in stated["files"]]

    def refused(self, what: str) -> HubError:
        """Return the error for a name that no run has."""
        return HubError(f"{RUN} of {self._address} lists {what}, which no run has", "do not use it")
