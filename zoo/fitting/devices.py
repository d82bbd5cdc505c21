"""Processes and errors of training on several devices; Lightning without its messages."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.spawn import ProcessException, ProcessRaisedException

from audiospec.errors import ModelError
from audiospec.zoo.progress import TrainingProgress

if TYPE_CHECKING:
    from audiospec.zoo.fitting.settings import NetworkSettings

#: Lightning's loggers, which report the devices.
LOGGERS = [logging.getLogger(f"lightning{part}") for part in ("", ".pytorch", ".fabric")]
#: Torch gives its properties no types.
_determinism: Any = torch.utils.deterministic
#: Called with an epoch's entry of the history, or with the progress within an epoch.
Report = Callable[[dict[str, float] | TrainingProgress], None]


@contextmanager
def relayed(callback: Report) -> Iterator[Report]:
    """Yield a function that other processes can call; each call of it calls `callback` in this process."""
    # A pipe, not a queue: the lock of a queue would stay locked if the process that sends is killed. The
    # pipe needs no lock, because only rank 0 sends, and an entry is written whole or not at all.
    reader, writer = torch.multiprocessing.get_context("spawn").Pipe(duplex=False)
    failures: list[BaseException] = []

    def listen() -> None:
        while (entry := reader.recv()) is not None:
            try:
                if not failures:
                    callback(entry)
            except BaseException as error:  # raised again below, in the caller's thread
                failures.append(error)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield writer.send
    finally:
        writer.send(None)
        listener.join()
        reader.close()
        writer.close()
    if failures:
        raise failures[0]


@contextmanager
def no_orphans() -> Iterator[None]:
    """Kill the processes that were started inside the block and still run when it is left."""
    earlier = {process.pid for process in multiprocessing.active_children()}
    try:
        yield
    finally:
        for process in multiprocessing.active_children():
            if process.pid not in earlier:
                process.kill()
                process.join()


def explain(error: BaseException, settings: NetworkSettings) -> BaseException:
    """Return a `ModelError` with a hint for an error of torch or of a training process; else the error."""
    text = str(error)
    out_of_memory = ("can't allocate memory", "OutOfMemoryError", "out of memory", "MemoryError")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(part in text for part in out_of_memory):
        if settings.batch > 1:
            return ModelError(
                f"out of memory with {settings.batch} rows in a batch", f"try `batch={settings.batch // 2}`"
            )
        return ModelError(
            "out of memory with one row in a batch",
            "train on shorter chunks, or on a machine with more memory",
        )
    if "more than 1 value per channel" in text:
        return ModelError(
            "batch normalisation of chunks this short needs at least two rows per device in each batch; got "
            f"one, from batches of {settings.batch} on {settings.devices} device(s)",
            f"try a larger batch, such as `batch={max(2 * settings.batch, 4 * settings.devices)}`",
        )
    if isinstance(error, ProcessRaisedException):
        last = text.strip().splitlines()[-1]
        name, _, message = last.partition(": ")
        is_ours = name.endswith(("ModelError", "RunError", "StoreError"))
        return ModelError(message if is_ours else f"a training process failed: {last}")
    if isinstance(error, ProcessException):
        return ModelError(
            f"a training process was killed ({text}), perhaps because memory ran out", "try a smaller batch"
        )
    return error


def silence_lightning() -> None:
    """Keep Lightning's messages about devices off the terminal."""
    for logger in LOGGERS:
        logger.setLevel(logging.ERROR)


@contextmanager
def deterministic(settings: NetworkSettings) -> Iterator[None]:
    """Make torch deterministic and Lightning silent, and restore both afterwards."""
    levels = {logger: logger.level for logger in LOGGERS}
    before = torch.get_deterministic_debug_mode()
    filled = _determinism.fill_uninitialized_memory
    if settings.cuda():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required for a deterministic cuBLAS
    silence_lightning()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            be_deterministic()
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        torch.set_deterministic_debug_mode(before)
        _determinism.fill_uninitialized_memory = filled


def be_deterministic() -> None:
    """Make torch's operators give the same bits each time, in this process."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Torch would also fill every new tensor with NaN before an operator writes to it, so that code that
    # reads memory before it is written gives the same (wrong) result each time. No operator of the loop does
    # that: results are equal to the bit with and without the filling, as a test checks. Filling is another
    # pass over the memory of each activation: 3 % of a step's processor time for crnn-base on rows of
    # 192 x 862, 2 % for resnet18-gru (one thread, two rows in a batch).
    _determinism.fill_uninitialized_memory = False
