"""The memory that the training of a network takes, estimated from shapes, and a warning if it is too much."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from audiospec.machine import available_memory
from audiospec.text import size
from audiospec.zoo.base import Rows, TrainingMemory
from audiospec.zoo.fitting.batches import IN_MEMORY
from audiospec.zoo.losses.base import losses

if TYPE_CHECKING:
    from audiospec.zoo.fitting.settings import NetworkSettings

_log = logging.getLogger("audiospec")

#: Rows of the batch that the estimate is computed from: batch normalisation may refuse a batch of one.
_ROWS = 2
#: No network is known to keep more values for the backward pass than this many times those of its rows; those
#: of the zoo keep up to 500 times as many. Where even that would fit, nothing is estimated before a training:
#: an estimate takes 0.2 to 1 s.
_MOST_KEPT = 4000


def estimate_memory(
    make: Callable[[], nn.Module], row_shape: tuple[int, ...], output_shape: tuple[int, ...], loss: str
) -> TrainingMemory | None:
    """Return the memory of training a network, in float32; None if it runs neither on "meta" nor on a CPU.

    A batch goes forward through the network on the device "meta", which has shapes and no values, so it takes
    neither memory nor time for the values. Counted are the tensors that the operators keep for the backward
    pass, each storage once, and the largest of the tensors a second time: its gradient exists while most of
    the others are still kept. The weights come with their gradients and the two moments of Adam.

    A network that does not run on "meta", such as one that looks at values, is computed on the CPU with two
    rows.

    Parameters
    ----------
    make : callable
        Returns a new network, which maps rows (B, *row_shape) to logits (B, *output_shape).
    row_shape, output_shape : tuple of int
    loss : str
        Name in the registry of losses.
    """
    for device in ("meta", "cpu"):
        with suppress(RuntimeError, ValueError, TypeError):  # of an operator, or of the network
            return _estimate(make, row_shape, output_shape, loss, device)
    return None


def _estimate(
    make: Callable[[], nn.Module],
    row_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    loss: str,
    device: str,
) -> TrainingMemory:
    kept: dict[int, tuple[Any, int]] = {}  # the storages, too, so that no address is used again
    largest = 0

    def keep(tensor: Tensor) -> Tensor:
        nonlocal largest
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage, storage.nbytes()
        largest = max(largest, storage.nbytes())
        return tensor

    def measure(_: nn.Module, __: object, out: object) -> None:
        nonlocal largest
        for tensor in out if isinstance(out, tuple) else (out,):
            if isinstance(tensor, Tensor):  # where weights are frozen, no operator keeps it
                largest = max(largest, tensor.nbytes)

    with torch.device(device):
        net = make().train()
        for layer in net.modules():
            layer.register_forward_hook(measure)
        rows, targets = torch.zeros(_ROWS, *row_shape), torch.zeros(_ROWS, *output_shape)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            losses[loss]().sums(net(rows), targets, torch.ones(output_shape[-1]))
    parameters = list(net.parameters())
    constant = {tensor.untyped_storage()._cdata for tensor in (*parameters, *net.buffers())}
    per_batch = sum(count for address, (_, count) in kept.items() if address not in constant) + largest
    trained = sum(weights.nbytes for weights in parameters if weights.requires_grad)
    return TrainingMemory(
        fixed=sum(tensor.nbytes for tensor in (*parameters, *net.buffers())) + 3 * trained,
        row=math.ceil(per_batch / _ROWS) + 4 * math.prod(row_shape),
    )


def warn_of_memory(
    estimate: Callable[[], TrainingMemory | None],
    net: nn.Module,
    train: Rows,
    valid: Rows,
    settings: NetworkSettings,
) -> None:
    """Write a warning to the log if a training is likely to need more memory than is available.

    Parameters
    ----------
    estimate : callable
        Called only if the rows and the weights do not rule out that memory is too small.
    net : Module
        The network to train.
    train, valid : Rows
    settings : NetworkSettings
    """
    cuda = settings.cuda()
    # On a GPU each process has a device; on a CPU all share the memory.
    processes, sharing = (1, settings.devices) if cuda else (settings.devices, 1)
    available = torch.cuda.mem_get_info()[0] if cuda else available_memory()
    if available is None:
        return
    batch = math.ceil(settings.batch / sharing)
    batch = min(batch, max(len(train), len(valid)))
    sides = [len(rows) * rows.view.info.read_bytes for rows in (train, valid)]
    in_memory = processes * sum(count for count in sides if count <= IN_MEMORY)
    values = math.prod(train.view.info.row_shape)
    weights = 4 * 4 * sum(weights.numel() for weights in net.parameters())
    if processes * weights + batch * 4 * values * _MOST_KEPT + in_memory < available:
        return
    memory = estimate()
    if memory is None:
        return
    # In bfloat16 what is kept takes from half the memory to all of it, so the warning is for half.
    row = memory.row // 2 if cuda else memory.row
    left = available - in_memory - processes * memory.fixed
    if batch * row <= left:
        return
    fitting = sharing * max(0, left) // row
    smaller = 2 ** (fitting.bit_length() - 1) if fitting else 0
    _log.warning(
        "training with %d rows in a batch needs about %s of memory (%s for each row); %s are available: %s",
        settings.batch,
        size(batch * row + processes * memory.fixed + in_memory),
        size(row),
        size(available),
        f"try `batch={smaller}`" if smaller else "train on shorter chunks, or on a machine with more memory",
    )
