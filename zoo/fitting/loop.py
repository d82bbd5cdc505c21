"""How networks are trained: epoch after epoch by Lightning Fabric, with a checkpoint after each.

All that is random in an epoch follows from the seed and the epoch's number. So a training that was killed
goes on from its checkpoint as if nothing had been.
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessException, ProcessRaisedException

from audiospec.errors import ModelError
from audiospec.zoo.base import CHECKPOINT, Progress, Rows
from audiospec.zoo.runs import writing
from audiospec.zoo.scores import accuracy, macro_f1

if TYPE_CHECKING:
    from audiospec.zoo.network import NetworkSettings

#: Rows of a side up to so many bytes are read once and stay on the device; more are read batch by batch.
IN_MEMORY = 2 << 30
#: Batches that are read before they are needed, where rows are not in memory.
AHEAD = 4

#: Those of Lightning, which say what it has found of devices.
LOGGERS = [logging.getLogger(f"lightning{part}") for part in ("", ".pytorch", ".fabric")]

Tell = Callable[[dict[str, float]], None]


def train_network(
    net: nn.Module,
    train: Rows,
    valid: Rows,
    settings: NetworkSettings,
    *,
    seed: int,
    work: Path,
    progress: Progress | None,
) -> list[dict[str, float]]:
    """Train a network until its validation loss has not fallen for some epochs; leave it at its best.

    Parameters
    ----------
    net : Module
        Rows (B, mel, frame) → logits (B, classes); its weights are changed.
    train, valid : Rows
        At least one row each.
    settings : NetworkSettings
    seed : int
        Of the order of rows, dropout, masks and mixtures.
    work : Path
        Folder of the checkpoint; one that is there is gone on from.
    progress : callable or None
        Called after each epoch, also with those before the checkpoint.

    Returns
    -------
    list of dict
        For each epoch: epoch (from 1), seconds, and loss, accuracy, f1 (0 to 1) of train_ and valid_.

    Raises
    ------
    ModelError
        The loss is not finite, or memory does not suffice.
    """
    cuda = settings.cuda()
    file = work / CHECKPOINT
    with _settled(settings):
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
        try:
            if settings.devices == 1:
                failure = fabric.launch(partial(job, tell=progress or _ignore))
            else:
                with _relayed(progress or _ignore) as tell, _no_orphans():
                    failure = fabric.launch(partial(job, tell=tell))
        except (RuntimeError, MemoryError, ValueError, ProcessException) as error:
            raise _explained(error, settings) from error
    if failure:
        raise ModelError(failure)
    state = _read(file)
    net.load_state_dict(state["best"])
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
    tell: Tell,
) -> str:
    """Train in each process; the checkpoint has the result, what is returned is why there is none."""
    optimizer = torch.optim.Adam(
        (weights for weights in net.parameters() if weights.requires_grad), lr=settings.learning_rate
    )
    history: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    if file.exists():
        state = _read(file)
        try:
            net.load_state_dict(state["net"])
            optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise _damaged(file) from error
        history, best = state["history"], state["best"]
    if fabric.is_global_zero:
        for entry in history:
            tell(entry)
    if settings.devices > 1:  # a process of its own, which `_settled` has not reached
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
        _quiet()
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // settings.devices))
    model, optimizer = fabric.setup(net, optimizer)
    weights = class_weights(train) if settings.class_weights else np.ones(len(train.classes))
    loss = Loss(torch.from_numpy(weights).float().to(fabric.device))
    sides = {
        "train": Batches(train, settings.batch, fabric, wrap=True),
        "valid": Batches(valid, settings.batch, fabric, wrap=False),
    }
    while not _is_finished(history, settings):
        began = time.monotonic()
        number = len(history) + 1
        torch.manual_seed(_seed(seed, number, fabric.global_rank))
        entry = {"epoch": float(number)}
        for side, batches in sides.items():
            learns = side == "train"
            order = np.arange(len(batches))
            if learns:
                order = np.random.default_rng([seed, number]).permutation(order)
            model.train(learns)
            with torch.set_grad_enabled(learns):
                for rows, targets in batches.inorder(order):
                    if learns:
                        rows, targets = _augment(rows, targets, settings)
                    value = loss(model(rows), targets)
                    if learns:
                        optimizer.zero_grad(set_to_none=True)
                        fabric.backward(value)
                        optimizer.step()
            found = loss.collect(fabric)
            if not np.isfinite(found["loss"]):
                return (
                    f"the {side} loss is not finite in epoch {number}: lower learning_rate, or look at the "
                    "features (`audiospec store verify`)"
                )
            entry |= {f"{side}_{name}": value for name, value in found.items()}
        if not history or entry["valid_loss"] < min(past["valid_loss"] for past in history):
            best = _kept(net)
        history.append({"epoch": entry.pop("epoch"), "seconds": time.monotonic() - began, **entry})
        if settings.devices > 1 and os.getppid() != parent:  # killed: somebody else may go on by now
            os._exit(1)
        if fabric.is_global_zero:
            state = {"net": _kept(net), "optimizer": optimizer.state_dict(), "history": history, "best": best}
            _write(file, state)
            fabric.log_dict(entry, step=number)
            tell(history[-1])
    for logger in fabric.loggers:
        logger.finalize("success")  # nothing is written after the file's digest was taken
    fabric.barrier()
    return ""


def _is_finished(history: Sequence[dict[str, float]], settings: NetworkSettings) -> bool:
    losses = [entry["valid_loss"] for entry in history]
    return len(losses) >= settings.epochs or (
        bool(losses) and len(losses) - 1 - int(np.argmin(losses)) >= settings.patience
    )


class Loss:
    """Cross-entropy on logits, and what an epoch adds up to.

    Targets are shares of the classes (B, classes): one-hot, mixed, or all zero for a row that does not count.
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights
        count = len(weights)
        self.sums = weights.new_zeros(2, dtype=torch.float64)  # of losses, of weights
        self.confusion = weights.new_zeros(count, count, dtype=torch.float64)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a batch, each row weighted as its classes are."""
        losses = -(self.weights * targets * logits.float().log_softmax(-1)).sum()
        weights = (self.weights * targets).sum()
        with torch.no_grad():
            self.sums += torch.stack([losses, weights])
            said = nn.functional.one_hot(logits.argmax(-1), logits.shape[-1])
            self.confusion += (targets.T @ said.to(targets)).double()
        return losses / weights.clamp_min(1e-12)

    def collect(self, fabric: Fabric) -> dict[str, float]:
        """Loss, accuracy and macro F1 since the last time, over all devices."""
        parts = torch.cat([self.sums, self.confusion.flatten()])
        reduced = fabric.all_reduce(parts, reduce_op="sum")
        assert isinstance(reduced, Tensor)
        total = reduced.cpu().numpy()
        self.sums.zero_()
        self.confusion.zero_()
        matrix = total[2:].reshape(1, *self.confusion.shape)
        return {
            "loss": float(total[0] / total[1]),
            "accuracy": float(accuracy(matrix)[0]),
            "f1": float(macro_f1(matrix)[0]),
        }


class Batches:
    """Batches (rows, targets) of a side on this process's device; several processes share each batch."""

    def __init__(self, rows: Rows, batch: int, fabric: Fabric, *, wrap: bool) -> None:
        self.rows = rows
        self.batch = batch
        self.fabric = fabric
        #: Whether rows come twice, or rows that do not count are added, where processes do not share evenly.
        self.wrap = wrap
        classes = np.eye(len(rows.classes), dtype=np.float32)
        self.targets = torch.from_numpy(np.concatenate([classes[rows.targets], 0 * classes[:1]]))
        self.kept: Tensor | None = None
        if len(rows) * rows.view.info.read_bytes <= IN_MEMORY:
            self.kept = torch.from_numpy(rows.view.read(rows.numbers)).to(fabric.device)

    def __len__(self) -> int:
        return len(self.rows)

    def inorder(self, order: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of rows in that order, of equal size but for one row."""
        parts = [self._mine(part) for part in np.array_split(order, -(-len(order) // self.batch))]
        if self.kept is not None:
            yield from map(self._batch, parts)
        else:
            yield from _ahead(self._batch, parts)

    def _mine(self, part: NDArray[np.int64]) -> NDArray[np.int64]:
        """What this process has of a batch; -1 is a row that does not count."""
        world, rank = self.fabric.world_size, self.fabric.global_rank
        even = -(-len(part) // world) * world
        padded = np.full(even, -1)
        padded[: len(part)] = part
        return np.resize(part, even)[rank::world] if self.wrap else padded[rank::world]

    def _batch(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        index = torch.from_numpy(chosen)
        if self.kept is not None:
            rows = self.kept[index.to(self.kept.device)]
        else:
            rows = torch.from_numpy(self.rows.view.read(self.rows.numbers[chosen]))
        device = self.fabric.device
        return rows.to(device, non_blocking=True).float(), self.targets[index].to(device)


def _ahead(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """What a function makes of items, computed by a thread before it is asked for."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Any] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()


def class_weights(rows: Rows) -> NDArray[np.float64]:
    """Weight of each class: rows ÷ (classes × rows of the class), so that all count alike."""
    counts = np.bincount(rows.targets, minlength=len(rows.classes))
    return len(rows) / (len(rows.classes) * np.maximum(counts, 1))


def _augment(rows: Tensor, targets: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    """SpecAugment's masks, then mixup."""
    for share, axis in ((settings.mask_mel, 1), (settings.mask_time, 2)):
        if share:
            rows = mask(rows, share, axis)
    if settings.mixup and len(rows) > 1:
        rows, targets = mix(rows, targets, settings.mixup)
    return rows, targets


def mask(rows: Tensor, share: float, axis: int) -> Tensor:
    """Hide a band of each row: D. S. Park et al., *SpecAugment*, Interspeech 2019.

    Parameters
    ----------
    rows : Tensor, shape (B, mel, frame)
    share : float
        Largest share of the axis that is hidden, 0 to 1; how much, and where, is random.
    axis : int
        1: mel bins. 2: frames.

    Returns
    -------
    Tensor
        With the mean of the rows where something is hidden: 0 dB would be the loudest of sounds.
    """
    from torchaudio.functional import mask_along_axis_iid

    widest = round(share * rows.shape[axis])
    if not widest:
        return rows
    hidden = mask_along_axis_iid(torch.zeros_like(rows).unsqueeze(1), widest, 1.0, axis + 1).squeeze(1)
    return torch.where(hidden > 0, rows.mean(), rows)


def mix(rows: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Mix each row, and its target, with another's: H. Zhang et al., *mixup*, ICLR 2018.

    Parameters
    ----------
    rows : Tensor, shape (B, mel, frame)
    targets : Tensor, shape (B, classes)
    alpha : float
        The share is drawn from Beta(alpha, alpha), once a batch.
    """
    # Drawn on the CPU, so that it follows from the seed on every device.
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(rows)).to(rows.device)
    return rows.lerp(rows[other], share), targets.lerp(targets[other], share)


def _seed(seed: int, epoch: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1, np.uint32)[0])


def _kept(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def _read(file: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors and numbers, never other objects."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        return {name: state[name] for name in ("net", "optimizer", "history", "best")}
    except Exception as error:  # torch's, pickle's and zip's own
        raise _damaged(file) from error


def _damaged(file: Path) -> ModelError:
    return ModelError(
        f"checkpoint {file} is damaged, or of another version: remove {file.parent} to begin anew"
    )


def _write(file: Path, state: dict[str, Any]) -> None:
    beside = file.with_name(f"{file.name}.partial")
    content = io.BytesIO()  # on a full disk torch would raise no OSError
    torch.save(state, content)
    with writing(file.parent):
        try:
            beside.write_bytes(content.getbuffer())
            os.replace(beside, file)
        finally:
            beside.unlink(missing_ok=True)  # the disk may be full


def _loggers(settings: NetworkSettings, work: Path) -> list[Any]:
    if not settings.tensorboard:
        return []
    from lightning.fabric.loggers.tensorboard import TensorBoardLogger

    try:
        return [TensorBoardLogger(work, name="", version="")]
    except ModuleNotFoundError as error:
        raise ModelError(
            "tensorboard is not installed: pip install 'audiospec[tensorboard]', or leave out "
            "tensorboard=true"
        ) from error


def _ignore(_: dict[str, float]) -> None:
    """Tell nobody."""


@contextmanager
def _relayed(tell: Tell) -> Iterator[Tell]:
    """What processes can call, so that `tell` is called here."""
    queue = torch.multiprocessing.get_context("spawn").SimpleQueue()

    failed: list[BaseException] = []

    def listen() -> None:
        while (entry := queue.get()) is not None:
            try:
                if not failed:
                    tell(entry)
            except BaseException as error:  # to be raised where it is of use
                failed.append(error)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield queue.put
    finally:
        queue.put(None)
        listener.join()
    if failed:
        raise failed[0]


@contextmanager
def _no_orphans() -> Iterator[None]:
    """End the processes that the block started, should it be left before they are done."""
    others = {process.pid for process in multiprocessing.active_children()}
    try:
        yield
    finally:
        for process in multiprocessing.active_children():
            if process.pid not in others:
                process.kill()
                process.join()


def _explained(error: BaseException, settings: NetworkSettings) -> BaseException:
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


def _quiet() -> None:
    for logger in LOGGERS:
        logger.setLevel(logging.ERROR)


@contextmanager
def _settled(settings: NetworkSettings) -> Iterator[None]:
    """Lightning without what it says of devices; torch deterministic, and afterwards as it was."""
    levels = {logger: logger.level for logger in LOGGERS}
    before = torch.get_deterministic_debug_mode()
    if settings.cuda():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS is not deterministic
    _quiet()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.use_deterministic_algorithms(True, warn_only=True)
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        torch.set_deterministic_debug_mode(before)
