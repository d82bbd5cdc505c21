"""The option --part: which volumes of a store one of several processes computes."""

from __future__ import annotations

import re

import typer


def part_of(text: str | None) -> tuple[int, int] | None:
    """Return index and number of ``I/N``; None if there is none.

    Raises
    ------
    typer.BadParameter
        It is not of this form, or the index is not from 0 to N - 1.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if match is None or not int(match[1]) < int(match[2]):
        raise typer.BadParameter(
            f"expected I/N with I from 0 to N - 1, such as 0/4 to 3/4; got {text!r}: number the processes "
            "from 0, such as by `sbatch --array=0-3`",
            param_hint="--part",
        )
    return int(match[1]), int(match[2])
