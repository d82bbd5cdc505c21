"""train: the cost of reading a network's input, compared with a plain loop over tensors in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.benchmarks.base import Case, Contender, NotRun, Setup, Suite, Table, Target, suites
from audiospec.benchmarks.sample_stores import compute_rows, write_store
from audiospec.machine import usable_cores
from audiospec.zoo.base import Rows, models
from audiospec.zoo.fitting.batches import Batches
from audiospec.zoo.network import NetworkModel
from audiospec.zoo.targets.single import Single

#: Training steps per call.
STEPS = 2


@suites.register
class Train(Suite):
    """Training on a view that does not fit into the memory it may use: batches are read ahead."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield a case for the study's base CRNN; on a GPU also one for the ResNet."""
        cuda = setup.device.startswith("cuda")
        if cuda and not torch.cuda.is_available():
            yield NotRun(f"training on {setup.device}", "torch finds no CUDA device")
            return
        torch.set_num_threads(usable_cores())
        batch = 32 if cuda else 4
        view = write_store(
            setup.folder / "train.zarr", compute_rows(setup), STEPS * batch * (20 if cuda else 1)
        )
        rows = Rows(view, np.arange(len(view)), Single(view.classes))
        for name in ("crnn-base", "resnet18-gru") if cuda else ("crnn-base",):
            yield _case(setup, name, rows, batch)


def _case(setup: Setup, name: str, rows: Rows, batch: int) -> Case:
    """Return a case with the same steps from the same weights, on rows in the same order."""
    cuda = setup.device.startswith("cuda")
    # The precision that audiospec trains with.
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if cuda else "32-true"
    fabric = Fabric(accelerator="cuda" if cuda else "cpu", devices=1, precision=precision)
    cls = models[name]
    settings = cls.Settings(**({"weights": "none"} if name == "resnet18-gru" else {}))
    model = cls(settings, rows.view.info.row_shape, rows.classes)
    assert isinstance(model, NetworkModel)
    torch.manual_seed(0)
    net = model.network()
    trainer = _Trainer(fabric, net)
    batches = Batches(rows, batch, fabric, padding=0.0, wrap=True)
    batches.in_memory = None  # as if the rows did not fit into memory
    in_memory = torch.from_numpy(rows.read()).to(fabric.device)
    targets = torch.from_numpy(rows.target.dense(rows.targets)).to(fabric.device)
    count = len(rows)

    def train_from_store(number: int) -> float:
        return sum(trainer.step(*each) for each in batches.inorder(_order(number, count)))

    def train_from_memory(number: int) -> float:
        parts = np.array_split(_order(number, count), -(-count // batch))
        on_device = (torch.from_numpy(part).to(fabric.device) for part in parts)
        return sum(trainer.step(in_memory[part], targets[part]) for part in on_device)

    def read_only(number: int) -> int:
        return sum(len(batch_rows) for batch_rows, _ in batches.inorder(_order(number, count)))

    peer = "tensors in memory"
    return Case(
        name=f"{name}, batches of {batch} from Zarr, read ahead",
        amount=count,
        unit="rows",
        contenders=[
            Contender(name="audiospec", role="ours", call=train_from_store, before=trainer.reset),
            Contender(name=peer, call=train_from_memory, before=trainer.reset),
            Contender(name="reading alone", role="floor", call=read_only),
        ],
        difference=lambda ours, theirs: abs(ours - theirs),
        difference_unit="of the sum of losses",
        tolerance=1e-2 if cuda else 0.0,
        targets=[Target(peer, 0.95)],
        sync=torch.cuda.synchronize if cuda else None,
        memory="device" if cuda else "process",
        seconds=60 if setup.full else 20,
        note=f"{count} rows in random order, {torch.get_num_threads()} threads, {precision}; the loop over "
        "tensors in memory has all rows as float32 on the device",
    )


def _order(number: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng(number).permutation(count)


class _Trainer:
    """A network and its optimizer, which can be reset to their initial state."""

    def __init__(self, fabric: Fabric, net: nn.Module) -> None:
        self.fabric = fabric
        self.initial = {name: value.clone() for name, value in net.state_dict().items()}
        self.net, self.optimizer = fabric.setup(net, torch.optim.Adam(net.parameters(), lr=1e-4))
        self.net.train()

    def reset(self) -> None:
        """Restore the initial weights, optimizer state and random seed."""
        self.net.module.load_state_dict(self.initial)
        self.optimizer.state.clear()
        torch.manual_seed(0)

    def step(self, rows: Tensor, targets: Tensor) -> float:
        """Train on one batch; return its loss."""
        loss = nn.functional.cross_entropy(self.net(rows).float(), targets)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.optimizer.step()
        return float(loss.detach())
