"""Kept fits: the predictions of finished trainings, so that a repeated command continues."""

from __future__ import annotations

import json
import os
from pathlib import Path

from audiospec.errors import RunError
from audiospec.files import disk_full_errors, open_plain

#: Name of the file: one JSON object a line, ``{"fit": DIGEST, "predicted": [class numbers]}``.
FILE = "fits.jsonl"
#: Largest size in bytes.
MOST_BYTES = 1 << 30


class KeptFits:
    """The class numbers that finished trainings predicted for their test rows, by the training's digest.

    Parameters
    ----------
    folder : Path
        It is created if needed.

    Raises
    ------
    RunError
        The folder cannot be created, or its file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._predicted: dict[str, list[int]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                with open_plain(self.path, MOST_BYTES) as file:
                    for line in file:
                        self._read(line)
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path} cannot be used ({error})", "choose another `runs`") from error

    def _read(self, line: bytes) -> None:
        """Take a line; one that a kill has cut off counts as missing."""
        try:
            entry = json.loads(line)
            digest, predicted = entry["fit"], entry["predicted"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(digest, str) and isinstance(predicted, list):
            self._predicted[digest] = predicted

    def get(self, digest: str, rows: int, classes: int) -> list[int] | None:
        """Return the predictions of a training, if they are kept and can be of its rows and classes."""
        predicted = self._predicted.get(digest)
        if predicted is None or len(predicted) != rows:
            return None
        sound = all(type(number) is int and 0 <= number < classes for number in predicted)
        return predicted if sound else None

    def add(self, digest: str, predicted: list[int]) -> None:
        """Keep the predictions of a training.

        Raises
        ------
        DiskFullError, RunError
            The file cannot be written.
        """
        line = json.dumps({"fit": digest, "predicted": predicted}) + "\n"
        try:
            with disk_full_errors(self.path), self.path.open("ab") as file:
                # A line that was cut off must not swallow this one.
                if file.tell() and not _ends_with_newline(self.path):
                    file.write(b"\n")
                file.write(line.encode())
        except OSError as error:
            raise RunError(f"cannot write {self.path} ({error.strerror})", "choose another `runs`") from error
        self._predicted[digest] = predicted


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
