"""What the page is told instead of an answer, each with the status of HTTP that it is sent with."""

from __future__ import annotations

from typing import ClassVar, Self

from audiospec.errors import AudiospecError, StoreError


class ExplorerError(StoreError):
    """A question of the page that has no answer.

    Attributes
    ----------
    status : int
        Status of the response.
    """

    status: ClassVar[int] = 400

    @classmethod
    def of(cls, error: AudiospecError) -> Self:
        """Return the error with the words of another."""
        return cls(error.reason, error.hint)


class NotFoundError(ExplorerError):
    """There is no such track, row or file."""

    status = 404


class DamagedRowError(ExplorerError):
    """A row cannot be read, or does not match its checksum."""

    status = 409


class ChangedError(ExplorerError):
    """What the page has seen is not what is there now."""

    status = 409


class GoneError(ExplorerError):
    """The store was written to since it was opened."""

    status = 410
