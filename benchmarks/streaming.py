"""A case of `View.stream`: rows by whole shards, shuffled, beside the same rows in order."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor
from torch.utils.data import DataLoader

from audiospec.benchmarks.base import Case, Contender, Target
from audiospec.digests import checksum
from audiospec.stores.layout.view import View

#: Rows of a batch.
BATCH = 32
#: Smallest share of the speed of reading in order that a stream must have.
SHARE = 0.9


def stream_case(
    view: View, local: View | None = None, *, row_seconds: float = 0.0, seconds: float = 10
) -> Case:
    """Return a case of an epoch of a view by `View.stream`, and of the same rows in order from a disk.

    Both are read by a `DataLoader` without workers, so that this machine's other processes count for neither.

    Parameters
    ----------
    view : View
        What is streamed; on a disk, or in a bucket.
    local : View or None
        A view of the same rows on a disk, which is read in order. None: `view`.
    row_seconds : float
        What a model takes for a row, which goes by while the next are read.
    seconds : float
        Time for all rounds.
    """
    local = view if local is None else local
    dataset, stream = local.torch_dataset(), view.stream(0)

    def shuffled(number: int) -> int:
        stream.set_epoch(number)
        return _count(DataLoader(stream, batch_size=BATCH), row_seconds)

    def in_order(_: int) -> int:
        return _count(DataLoader(dataset, batch_size=BATCH), row_seconds)

    peer = "in order, from a disk"
    source = "a disk" if isinstance(view.store.path, Path) else "a bucket"
    user = f"for a model of {1 / row_seconds:.0f} rows/s" if row_seconds else "nothing else"
    return Case(
        name=f"view.stream from {source}, {user}",
        amount=len(view),
        unit="rows",
        contenders=[
            Contender(name="audiospec", role="ours", call=shuffled, result=lambda: _content(stream)),
            Contender(
                name=peer, call=in_order, result=lambda: _content(dataset[row] for row in range(len(dataset)))
            ),
        ],
        difference=lambda ours, theirs: float((ours - theirs).total() + (theirs - ours).total()),
        difference_unit="rows",
        targets=[Target(peer, SHARE)],
        seconds=seconds,
        warm=True,
        note=f"{len(view)} rows of {view.spec.dtype}, shards of {view.info.shard_rows}, batches of {BATCH}, "
        f"shuffled among {stream.buffer} shards",
    )


def _content(items: Iterable[tuple[Tensor, int]]) -> Counter[int]:
    """Return how often each row comes, by a checksum of its features and its class number."""
    return Counter(hash((checksum(features.numpy()), target)) for features, target in items)


def _count(batches: Iterable[tuple[Tensor, Tensor]], row_seconds: float) -> int:
    """Read all batches, and wait as long as a model takes for each; return the number of rows."""
    count = 0
    for _, targets in batches:
        count += len(targets)
        time.sleep(row_seconds * len(targets))
    return count
