"""Remote: a place to download a dataset from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int | None], None]
"""Callback during a download: bytes so far, and bytes in total or None if unknown."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One place to download a dataset's archive from.

    Attributes
    ----------
    url : str
        Address of a zip or tar archive, such as ``.zip`` or ``.tar.gz``.
    sha256 : str or None
        Its SHA-256, if known. The unpacked content is checked in any case.
    bytes : int or None
        Its size, if known.
    file : str
        Name of the archive in a mirror or if downloaded manually; ``""``: the last part of the URL.
    """

    url: str
    sha256: str | None = None
    bytes: int | None = None
    file: str = ""

    @property
    def archive(self) -> str:
        """Name of the archive file."""
        return self.file or self.url.rpartition("/")[2]
