"""Say once what a dataset of your own audio leaves out."""

from __future__ import annotations

import logging
from collections.abc import Sequence

_log = logging.getLogger("audiospec")


def say_dropped(source: object, columns: Sequence[str]) -> None:
    """Say which columns without a role are not kept."""
    if columns:
        _log.warning(
            "%s: %d column(s) left out that differ between rows of one file or have the name of another: %s",
            source,
            len(columns),
            ", ".join(columns),
        )


def say_without_annotations(source: object, files: Sequence[str]) -> None:
    """Say how many audio files have no file of annotations."""
    if files:
        _log.warning(
            "%s: %d audio file(s) have no file of annotations and are background, such as %s",
            source,
            len(files),
            files[0],
        )
