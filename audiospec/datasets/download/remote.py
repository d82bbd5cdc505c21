"""Where a dataset can be downloaded from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int | None], None]
"""What is told of a download as it goes: bytes so far, and bytes in all or None if not known."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One place to download a dataset's archive from.

    Attributes
    ----------
    url : str
        Address of a ``.tar.gz`` or ``.zip`` file.
    sha256 : str or None
        Its digest, if one is known. The unpacked content is checked in any case.
    bytes : int or None
        Its size, if it is known.
    file : str
        Name under which a mirror or a person keeps it; the last part of the URL if left empty.
    """

    url: str
    sha256: str | None = None
    bytes: int | None = None
    file: str = ""

    @property
    def archive(self) -> str:
        """Name of the archive file."""
        return self.file or self.url.rpartition("/")[2]
