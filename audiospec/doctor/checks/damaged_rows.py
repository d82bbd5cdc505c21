"""damaged-rows: rows that differ from their checksums, shards that are missing, tables that are damaged."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import numpy as np

from audiospec.doctor.checks.base import Check, checks
from audiospec.doctor.examined import Examined
from audiospec.doctor.finding import Finding
from audiospec.doctor.wording import counted, listed, part_of, rows_of_tracks
from audiospec.errors import NotCheckedError
from audiospec.pipeline.verify import Verified, verify
from audiospec.stores.layout.schema import ReplacedError
from audiospec.text import printable


@checks.register
@dataclass(frozen=True)
class DamagedRows(Check):
    """All of the store against its checksums, as `audiospec store verify` does it."""

    def run(self, examined: Examined) -> list[Finding]:
        """Return a finding for what is not a row, and one for each view with damaged rows."""

        def step(view: str, done: int, total: int) -> None:
            examined.tell(f"damaged-rows: {view}", done, total)

        try:
            verified = verify(examined.store.path, step)
        except ReplacedError as error:
            raise NotCheckedError(error.reason, "run the doctor when no run writes into the store") from error
        repair = f"run `audiospec store verify {shlex.quote(str(examined.store.path))} --repair`"
        parts = []
        if verified.damage:
            reasons = [f"{one.part} ({printable(one.reason)})" for one in verified.damage]
            parts.append(
                Finding(
                    check="damaged-rows",
                    severity="error",
                    title=f"{counted(len(reasons), 'part')} of the store damaged: {listed(reasons)}",
                    advice=repair,
                    figures={"parts": reasons},
                )
            )
        return [*parts, *_views(examined, verified, repair)]


def _views(examined: Examined, verified: Verified, repair: str) -> list[Finding]:
    findings = []
    for found in verified.views:
        if not found.damaged:
            continue
        seen = examined.store.view(found.name).rows["track"].astype(np.int64)
        tracks, details = rows_of_tracks(seen[found.damaged], seen)
        findings.append(
            Finding(
                check="damaged-rows",
                severity="error",
                title=f"{part_of(len(found.damaged), found.rows, 'row')} of view {found.name} damaged, "
                f"of {counted(len(tracks), 'track')}: they are missing, or differ from their checksums",
                advice=f"{repair}, which computes them again from the audio",
                tracks=tracks,
                details=details,
                figures={"view": found.name, "rows": found.rows, "damaged": len(found.damaged)},
            )
        )
    return findings
