"""A million hours of audio on paper: what follows from the layout, and from what one run measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.base import Table
from audiospec.benchmarks.formatting import format_size
from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.info import SHARD_BYTES, ViewInfo

HOURS = 1_000_000
#: Tracks of 4 minutes.
TRACKS = HOURS * 15
#: US dollars for 1000 requests that write or list, for 1000 that read, and for a TB of storage a month: list
#: prices of Amazon S3 Standard in us-east-1, 2026.
WRITE_PRICE, READ_PRICE, MONTH_PRICE = 0.005, 0.0004, 23.0
#: Requests that write, a second, which S3 takes below one prefix, as Amazon documents.
MOST_WRITES = 3500


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes
    ----------
    requests : mapping
        Kind of request → how many of it one more shard costs.
    packed : float
        Bytes of rows in one byte, compressed, over those in float16.
    core_seconds : float
        Processor time, in s, of a second of audio.
    """

    requests: Mapping[str, float]
    packed: float
    core_seconds: float


def million_hours(measured: Measured, cores: int = 100) -> Table:
    """Return the table."""
    info = ViewInfo(spec=MelSpec(), chunking=Chunking(seconds=10), shard_rows=1)
    per_shard = SHARD_BYTES // info.row_bytes
    rows = HOURS * 360
    shards = -(-rows // per_shard)
    stored = rows * info.row_bytes
    writes = shards * (measured.requests.get("PUT", 0) + measured.requests.get("COPY", 0))
    reads = 2 * TRACKS + shards * measured.requests.get("GET", 0)
    hours = HOURS * measured.core_seconds
    per_core = info.row_bytes / 10 / measured.core_seconds
    rate = cores / measured.core_seconds / 10 / per_shard * writes / shards
    return Table(
        name="1 million hours of music, on paper",
        head=("quantity", "value", "from"),
        rows=[
            ["rows of 10 s, shards", f"{rows:,}, {shards:,}", f"{per_shard} rows in 24 MiB"],
            ["volumes", f"{HOURS // 1000:,}", "1000 h each"],
            ["bytes, float16", format_size(stored), f"{info.row_bytes:,} a row"],
            ["bytes, uint8", format_size(stored * measured.packed), f"{measured.packed:.2f} of it, measured"],
            ["processor time", f"{hours:,.0f} core-hours", "measured, 22 kHz WAV"],
            [f"time on {cores} cores", f"{hours / cores:,.1f} h", ""],
            ["requests that write", f"{writes / 1e6:.1f} million", f"${writes / 1000 * WRITE_PRICE:,.0f}"],
            ["requests that read", f"{reads / 1e6:.1f} million", f"${reads / 1000 * READ_PRICE:,.0f}"],
            [
                "storage, a month",
                f"${stored / 1e12 * MONTH_PRICE:,.0f} float16, "
                f"${stored * measured.packed / 1e12 * MONTH_PRICE:,.0f} uint8",
                f"${MONTH_PRICE:g} a TB",
            ],
            [
                "network of a core",
                f"{per_core / 1e6:.0f} MB/s float16, {per_core * measured.packed / 1e6:.0f} MB/s uint8",
                f"{cores} cores: {cores * per_core / 1e9:.1f} and "
                f"{cores * per_core * measured.packed / 1e9:.1f} GB/s",
            ],
            [f"writes a second, {cores} cores", f"{rate:,.0f}", f"S3 takes {MOST_WRITES:,} below a prefix"],
        ],
        note="requests that read count two for each track: the probe of its header and its audio; prices are "
        "list prices of S3 Standard, us-east-1; no bucket but the one in memory was measured",
    )
