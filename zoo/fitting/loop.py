"""The training loop of networks, by Lightning Fabric, with a checkpoint after each epoch.

Everything random in an epoch follows from the seed and the epoch's number. So an interrupted training that is
resumed from its checkpoint gives the same weights as an uninterrupted one.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessException

from audiospec.errors import ModelError
from audiospec.machine import usable_cores
from audiospec.zoo.base import CHECKPOINT, Progress, Rows
from audiospec.zoo.fitting.augment import augment
from audiospec.zoo.fitting.augmented_waves import WaveAugmentation
from audiospec.zoo.fitting.batches import Batches
from audiospec.zoo.fitting.checkpoint import (
    copy_weights,
    damaged_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from audiospec.zoo.fitting.devices import (
    Report,
    be_deterministic,
    deterministic,
    explain,
    no_orphans,
    relayed,
    silence_lightning,
)
from audiospec.zoo.fitting.pace import Pace
from audiospec.zoo.fitting.totals import EpochTotals
from audiospec.zoo.fitting.wave_network import WaveNetwork, trained_part
from audiospec.zoo.losses.base import losses
from audiospec.zoo.progress import TrainingProgress, Watch

if TYPE_CHECKING:
    from audiospec.zoo.fitting.settings import NetworkSettings

#: Side → its name in messages.
_LOSS_NAMES = {"train": "training", "valid": "validation"}


def train_network(
    net: nn.Module,
    train: Rows,
    valid: Rows,
    settings: NetworkSettings,
    *,
    seed: int,
    work: Path,
    progress: Progress | None,
    watch: Watch | None,
) -> list[dict[str, float]]:
    """Train a network until its validation loss has not fallen for `patience` epochs.

    Afterwards the network has the weights of the epoch of the lowest validation loss.

    Parameters
    ----------
    net : Module
        Maps rows (B, *row_shape) to logits (B, *target.output_shape); its weights are changed.
    train, valid : Rows
        At least one row each.
    settings : NetworkSettings
    seed : int
        Seed of the order of rows, augmentation, dropout, masks and mixup.
    work : Path
        Folder of the checkpoint; an existing checkpoint is resumed.
    progress : callable or None
        Called after each epoch; after resuming, first with the epochs before the checkpoint.
    watch : callable or None
        Called during an epoch.

    Returns
    -------
    list of dict
        For each epoch: ``epoch`` (from 1), ``seconds``, and, with the prefixes ``train_`` and ``valid_``,
        ``loss`` and the target's `epoch_columns`, such as ``accuracy`` and ``f1`` (0 to 1).

    Raises
    ------
    ModelError
        The loss is not finite, memory is too small, the checkpoint is damaged, or waves cannot be augmented
        as the settings choose.
    """
    _augmentation(settings, train)  # fails before processes are started
    cuda = settings.cuda()
    file = work / CHECKPOINT
    with deterministic(settings):
        fabric = Fabric(
            accelerator="cuda" if cuda else "cpu",
            devices=settings.devices,
            strategy="ddp_spawn" if settings.devices > 1 else "auto",
            precision="bf16-mixed" if cuda else "32-true",
            loggers=_loggers(settings, work),
        )
        job = partial(
            _train,
            net=net,
            train=train,
            valid=valid,
            settings=settings,
            seed=seed,
            file=file,
            parent=os.getpid(),
        )

        def report(news: dict[str, float] | TrainingProgress) -> None:
            if isinstance(news, TrainingProgress):
                if watch is not None:
                    watch(news)
            elif progress is not None:
                progress(news)

        try:
            if settings.devices == 1:
                failure = fabric.launch(partial(job, report=report))
            else:
                with relayed(report) as send, no_orphans():
                    failure = fabric.launch(partial(job, report=send))
        except (RuntimeError, MemoryError, ValueError, ProcessException) as error:
            raise explain(error, settings) from error
    if failure:
        rate = f"`learning_rate={settings.learning_rate / 10:g}`"
        raise ModelError(failure, f"try {rate}, or check the features with `audiospec store verify`")
    state = read_checkpoint(file)
    try:
        trained_part(net).load_state_dict(state["best"])
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged_checkpoint(file) from error
    history: list[dict[str, float]] = state["history"]
    return history


def _train(
    fabric: Fabric,
    *,
    net: nn.Module,
    train: Rows,
    valid: Rows,
    settings: NetworkSettings,
    seed: int,
    file: Path,
    parent: int,
    report: Report,
) -> str:
    """Train, in each process; the result is in the checkpoint. Return why training failed, else ``""``."""
    optimizer = torch.optim.Adam(
        (weights for weights in net.parameters() if weights.requires_grad), lr=settings.learning_rate
    )
    augment_waves = _augmentation(settings, train)
    # The frontend is computed before the network, so that masks and mixup are of what it computes.
    frontend = net.frontend if isinstance(net, WaveNetwork) else None
    net = trained_part(net)
    history: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    if file.exists():
        state = read_checkpoint(file)
        try:
            net.load_state_dict(state["net"])
            optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged_checkpoint(file) from error
        history, best = state["history"], state["best"]
    if fabric.is_global_zero:
        for entry in history:
            report(entry)
    if settings.devices > 1:  # this is another process, so `deterministic` had no effect here
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
        silence_lightning()
        be_deterministic()
        torch.set_num_threads(max(1, usable_cores() // settings.devices))
    model, optimizer = fabric.setup(net, optimizer)
    if frontend is not None:
        frontend.to(fabric.device)
    target, loss_name = train.target, settings.loss_of(train.target)
    weights = target.class_weights(train.targets) if settings.class_weights else np.ones(len(target.classes))
    loss_of_batch = losses[loss_name]()
    totals = EpochTotals(loss_of_batch, target, torch.from_numpy(weights).float().to(fabric.device))
    padding = loss_of_batch.padding
    sides = {
        "train": Batches(train, settings.batch, fabric, padding=padding, wrap=True, balance=settings.balance),
        "valid": Batches(valid, settings.batch, fabric, padding=padding, wrap=False),
    }
    pace = Pace(
        {side: len(batches) for side, batches in sides.items()},
        train.view.info.row_shape,
        settings.epochs,
        len(history),
        report if fabric.is_global_zero else _ignore,
    )
    while not _is_finished(history, settings):
        began = time.monotonic()
        number = len(history) + 1
        torch.manual_seed(_seed(seed, number, fabric.global_rank))
        entry = {"epoch": float(number)}
        for side, batches in sides.items():
            training = side == "train"
            model.train(training)
            pace.begin(side)
            shown = batches.shuffled(seed, number) if training else batches.inorder(np.arange(len(batches)))
            with torch.set_grad_enabled(training):
                for place, (rows, targets) in enumerate(shown):
                    if training and augment_waves is not None:
                        rows = augment_waves(rows, (seed, number, fabric.global_rank, place))
                    if frontend is not None:
                        with torch.no_grad():
                            rows = frontend(rows)
                    if training:
                        rows, targets = augment(rows, targets, settings)
                    loss = totals(model(rows), targets)
                    if training:
                        optimizer.zero_grad(set_to_none=True)
                        fabric.backward(loss)
                        optimizer.step()
                    pace.step(len(targets) * fabric.world_size)
            scores = totals.collect(fabric)
            if not np.isfinite(scores["loss"]):
                return f"the {_LOSS_NAMES[side]} loss is not finite in epoch {number}"
            entry |= {f"{side}_{name}": value for name, value in scores.items()}
        if not history or entry["valid_loss"] < min(past["valid_loss"] for past in history):
            best = copy_weights(net)
        history.append({"epoch": entry.pop("epoch"), "seconds": time.monotonic() - began, **entry})
        # If the parent was killed, another process may have resumed this training: do not write over it.
        if settings.devices > 1 and os.getppid() != parent:
            os._exit(1)
        if fabric.is_global_zero:
            state = {
                "net": copy_weights(net),
                "optimizer": optimizer.state_dict(),
                "history": history,
                "best": best,
            }
            write_checkpoint(file, state)
            fabric.log_dict(entry, step=number)
            report(history[-1])
    for logger in fabric.loggers:
        logger.finalize("success")  # so that the file does not change after its digest is computed
    fabric.barrier()
    return ""


def _augmentation(settings: NetworkSettings, train: Rows) -> WaveAugmentation | None:
    return WaveAugmentation(settings, train.view.spec.sample_rate) if settings.augment else None


def _is_finished(history: Sequence[dict[str, float]], settings: NetworkSettings) -> bool:
    losses = [entry["valid_loss"] for entry in history]
    return len(losses) >= settings.epochs or (
        bool(losses) and len(losses) - 1 - int(np.argmin(losses)) >= settings.patience
    )


def _seed(seed: int, epoch: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1, np.uint32)[0])


def _loggers(settings: NetworkSettings, work: Path) -> list[Any]:
    if not settings.tensorboard:
        return []
    from lightning.fabric.loggers.tensorboard import TensorBoardLogger

    try:
        return [TensorBoardLogger(work, name="", version="")]
    except ModuleNotFoundError as error:
        raise ModelError(
            "tensorboard is not installed", "pip install 'audiospec[tensorboard]', or leave out `tensorboard`"
        ) from error


def _ignore(_: TrainingProgress) -> None:
    """Do nothing: the callback of the processes that do not report."""
