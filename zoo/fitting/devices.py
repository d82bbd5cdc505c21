"""Processes, signals and messages of training on several devices."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.multiprocessing.spawn import ProcessException, ProcessRaisedException

from audiospec.errors import ModelError

if TYPE_CHECKING:
    from audiospec.zoo.fitting.settings import NetworkSettings


#: Those of Lightning, which say what it has found of devices.
LOGGERS = [logging.getLogger(f"lightning{part}") for part in ("", ".pytorch", ".fabric")]
EpochCallback = Callable[[dict[str, float]], None]


@contextmanager
def relayed(tell: EpochCallback) -> Iterator[EpochCallback]:
    """What processes can call, so that `tell` is called here."""
    # Not a queue, whose lock would stay locked for ever if the process that tells is killed meanwhile. Only
    # one tells (rank 0), and an entry is small enough for the system to write it whole or not at all.
    reader, writer = torch.multiprocessing.get_context("spawn").Pipe(duplex=False)
    failed: list[BaseException] = []

    def listen() -> None:
        while (entry := reader.recv()) is not None:
            try:
                if not failed:
                    tell(entry)
            except BaseException as error:  # to be raised where it is of use
                failed.append(error)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield writer.send
    finally:
        writer.send(None)
        listener.join()
        reader.close()
        writer.close()
    if failed:
        raise failed[0]


@contextmanager
def no_orphans() -> Iterator[None]:
    """End the processes that the block started, should it be left before they are done."""
    others = {process.pid for process in multiprocessing.active_children()}
    try:
        yield
    finally:
        for process in multiprocessing.active_children():
            if process.pid not in others:
                process.kill()
                process.join()


def explain(error: BaseException, settings: NetworkSettings) -> BaseException:
    """Say of an error of torch's what can be done; other errors stay what they are."""
    text = str(error)
    out_of_memory = ("can't allocate memory", "OutOfMemoryError", "out of memory", "MemoryError")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(said in text for said in out_of_memory):
        if settings.batch > 1:
            return ModelError(
                f"out of memory with {settings.batch} rows in a batch: try --set batch={settings.batch // 2}"
            )
        return ModelError(
            "out of memory with one row in a batch: train on shorter chunks, or on a machine with more"
        )
    if "more than 1 value per channel" in text:
        return ModelError(
            f"one row at a time is too few for batch normalisation of chunks this short: batch "
            f"{settings.batch} on {settings.devices} device(s) comes down to one; try a larger --set batch=N"
        )
    if isinstance(error, ProcessRaisedException):
        last = text.strip().splitlines()[-1]
        name, _, message = last.partition(": ")
        ours = name.endswith(("ModelError", "RunError", "StoreError"))
        return ModelError(message if ours else f"a process that trained has failed: {last}")
    if isinstance(error, ProcessException):
        return ModelError(
            f"a process that trained was ended ({text}), perhaps for its memory: try a smaller batch"
        )
    return error


def silence_lightning() -> None:
    """Keep Lightning's messages about devices off the terminal."""
    for logger in LOGGERS:
        logger.setLevel(logging.ERROR)


@contextmanager
def deterministic(settings: NetworkSettings) -> Iterator[None]:
    """Lightning without what it says of devices; torch deterministic, and afterwards as it was."""
    levels = {logger: logger.level for logger in LOGGERS}
    before = torch.get_deterministic_debug_mode()
    if settings.cuda():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS is not deterministic
    silence_lightning()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.use_deterministic_algorithms(True, warn_only=True)
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        torch.set_deterministic_debug_mode(before)
