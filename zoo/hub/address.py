"""HubAddress: a repository of a hub of models, at a revision."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from audiospec.errors import HubError

SCHEME = "hf://"
#: One part of a repository's name, as the hub takes them.
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
#: A branch, a tag or a commit. The cache has a file of this name, so it leads to no other folder.
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_HINT = "write hf://USER/NAME, or hf://USER/NAME@REVISION"


@dataclass(frozen=True)
class HubAddress:
    """A repository of a hub of models, at a revision.

    Attributes
    ----------
    repo : str
        ``"user/name"``.
    revision : str or None
        A branch, a tag or a commit. None: the default branch.
    """

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{SCHEME}{self.repo}" + (f"@{self.revision}" if self.revision else "")


def hub_address(place: str | os.PathLike[str]) -> HubAddress | None:
    """Return the address that a text is; None if it is a path.

    Raises
    ------
    HubError
        It begins with ``hf://``, and is no address of a repository.
    """
    text = os.fspath(place)
    if not text.startswith(SCHEME):
        return None
    repo, at, revision = text.removeprefix(SCHEME).partition("@")
    if at and not revision:
        raise HubError(f"{text!r} names no revision after @", _HINT)
    return HubAddress(checked_repo(repo), checked_revision(revision) if at else None)


def checked_repo(repo: str) -> str:
    """Return the name of a repository, which may be given as an address.

    Raises
    ------
    HubError
        It is not ``user/name``.
    """
    name = repo.removeprefix(SCHEME)
    parts = name.split("/")
    if len(parts) != 2 or not all(_PART.fullmatch(part) for part in parts) or "--" in name or ".." in name:
        raise HubError(f"expected the name of a repository, such as user/name; got {repo!r}", _HINT)
    return name


def checked_revision(revision: str) -> str:
    """Return a revision.

    Raises
    ------
    HubError
        No branch, tag or commit has such a name.
    """
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise HubError(f"expected a branch, a tag or a commit; got the revision {revision!r}", _HINT)
    return revision
