"""Decoder: reads one audio file from its first sample to its last, and says what it could not decode."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from audiospec.audio.info import AudioInfo

#: How a loss ends: with what is there.
_THERE = re.compile(r"[,;] [0-9.]+ s are there$")


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of a file.

    Attributes
    ----------
    samples : ndarray, shape (n, channels), int16 or float32
        Full scale is ±32768 for int16, ±1 for float32.
    sample_rate : int
        Hz. It may differ from that of the block before, as may the number of channels: files are joined.
    """

    samples: NDArray[Any]
    sample_rate: int


def cut(announced: float, there: float) -> str:
    """Return the loss of a file whose header announces more seconds than there are."""
    return f"truncated: the header announces {announced:.3f} s, {there:.3f} s are there"


def with_rest(loss: str, there: float) -> str:
    """Return a loss with the seconds that are there, in place of those that it may name already."""
    found = _THERE.search(loss)
    bare = loss[: found.start()] if found else loss
    # A comma between two lengths, a semicolon behind a reason.
    mark = "," if re.search(r" announces [0-9.]+ s$", bare) else ";"
    return f"{bare}{mark} {there:.3f} s are there"


class Decoder(ABC):
    """Decodes one file. A subclass opens the file when it is made.

    Attributes
    ----------
    info : AudioInfo
        What the file announces. A length is `exact` only if the bytes of the file prove or bound it tightly;
        otherwise only decoding gives the length.
    loss : str
        Why samples are missing, and how many are there, one of
        ``"truncated: the header announces X s, Y s are there"``, ``"truncated: WHY; Y s are there"`` and
        ``"damaged: WHY; Y s are there"``; ``""`` if none are. It may be known from the
        start, and is final once `blocks` has ended.
    """

    info: AudioInfo
    loss: str = ""

    @abstractmethod
    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all samples that can be decoded, in order, as blocks of 1 to `most` frames.

        What is yielded is what the file holds: after a place where that is in doubt nothing more is yielded,
        and `loss` says so.

        Raises
        ------
        AudioError
            Nothing can be decoded.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
