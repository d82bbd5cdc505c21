"""Remote: a place to download a dataset from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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
    md5 : str or None
        Its MD5, if its publisher states no better checksum.
    parts : tuple of Remote
        Further files that are needed: other archives, and the volumes ``x.z01``, ``x.z02`` … of a split zip
        file ``x.zip``.
    """

    url: str
    sha256: str | None = None
    bytes: int | None = None
    file: str = ""
    md5: str | None = None
    parts: tuple[Remote, ...] = ()

    @property
    def files(self) -> tuple[Remote, ...]:
        """All files that are needed, each as a place of its own."""
        return (replace(self, parts=()), *self.parts)

    @property
    def checksum(self) -> str | None:
        """The best known checksum, such as ``"sha256:…"``; None if none is known."""
        kinds = ("sha256", "md5")
        return next((f"{kind}:{value}" for kind in kinds if (value := getattr(self, kind))), None)

    @property
    def archive(self) -> str:
        """Name of the archive file."""
        return self.file or self.url.rpartition("/")[2]
