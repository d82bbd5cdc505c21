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


def say_without_annotations(source: object, files: Sequence[str], of: int) -> None:
    """Say how many of some audio files have no file of annotations; nothing is annotated in them."""
    if files:
        _log.warning(
            "%s: %d of %d audio files have no file of annotations, such as %s",
            source,
            len(files),
            of,
            files[0],
        )
