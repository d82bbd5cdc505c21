"""train: what the input of a network costs, beside a bare loop on tensors that are in memory already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.benchmarks.base import Case, Contender, NotRun, Setup, Suite, Table, Target, suites
from audiospec.benchmarks.made_up_stores import features, write
from audiospec.machine import usable_cores
from audiospec.zoo.base import Rows, models
from audiospec.zoo.fitting.batches import Batches
from audiospec.zoo.network import NetworkModel

#: Steps of a call.
STEPS = 2


@suites.register
class Train(Suite):
    """Training on a view that is larger than the memory it is allowed: read ahead, batch by batch."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """The study's base CRNN; on a GPU the ResNet, too."""
        cuda = setup.device.startswith("cuda")
        if cuda and not torch.cuda.is_available():
            yield NotRun(f"training on {setup.device}", "torch finds no CUDA device")
            return
        torch.set_num_threads(usable_cores())
        batch = 32 if cuda else 4
        view = write(setup.folder / "train.zarr", features(setup), STEPS * batch * (20 if cuda else 1))
        rows = Rows(view, np.arange(len(view)), view.classes)
        for name in ("crnn-base", "resnet18-gru") if cuda else ("crnn-base",):
            yield _case(setup, name, rows, batch)


def _case(setup: Setup, name: str, rows: Rows, batch: int) -> Case:
    """The same steps from the same weights, on rows in the same order."""
    cuda = setup.device.startswith("cuda")
    # As audiospec trains.
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if cuda else "32-true"
    fabric = Fabric(accelerator="cuda" if cuda else "cpu", devices=1, precision=precision)
    cls = models[name]
    settings = cls.Settings(**({"weights": "none"} if name == "resnet18-gru" else {}))
    made = cls(settings, rows.view.info.row_shape, rows.classes)
    assert isinstance(made, NetworkModel)
    torch.manual_seed(0)
    net = made.network()
    learner = _Learner(fabric, net)
    ahead = Batches(rows, batch, fabric, wrap=True)
    ahead.kept = None  # as if there were more rows than it may keep
    kept = torch.from_numpy(rows.read()).to(fabric.device)
    targets = ahead.targets.to(fabric.device)
    count = len(rows)

    def by_reading(number: int) -> float:
        return sum(learner.step(*each) for each in ahead.inorder(_order(number, count)))

    def in_memory(number: int) -> float:
        parts = np.array_split(_order(number, count), -(-count // batch))
        chosen = (torch.from_numpy(part).to(fabric.device) for part in parts)
        return sum(learner.step(kept[part], targets[part]) for part in chosen)

    def reading_alone(number: int) -> int:
        return sum(len(found) for found, _ in ahead.inorder(_order(number, count)))

    bare = "tensors in memory"
    return Case(
        name=f"{name}, batches of {batch} from Zarr, read ahead",
        amount=count,
        unit="rows",
        contenders=[
            Contender(name="audiospec", role="ours", call=by_reading, before=learner.begin),
            Contender(name=bare, call=in_memory, before=learner.begin),
            Contender(name="reading alone", role="floor", call=reading_alone),
        ],
        difference=lambda ours, theirs: abs(ours - theirs),
        difference_unit="of the sum of losses",
        tolerance=1e-2 if cuda else 0.0,
        targets=[Target(bare, 0.95)],
        sync=torch.cuda.synchronize if cuda else None,
        memory="device" if cuda else "process",
        seconds=60 if setup.full else 20,
        note=f"{count} rows in random order, {torch.get_num_threads()} threads, {precision}; the bare loop "
        "has all rows as float32 on the device",
    )


def _order(number: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng(number).permutation(count)


class _Learner:
    """A network and its optimizer, which can begin again."""

    def __init__(self, fabric: Fabric, net: nn.Module) -> None:
        self.fabric = fabric
        self.first = {name: value.clone() for name, value in net.state_dict().items()}
        self.net, self.optimizer = fabric.setup(net, torch.optim.Adam(net.parameters(), lr=1e-4))
        self.net.train()

    def begin(self) -> None:
        """Go back to the first weights and random numbers."""
        self.net.module.load_state_dict(self.first)
        self.optimizer.state.clear()
        torch.manual_seed(0)

    def step(self, rows: Tensor, targets: Tensor) -> float:
        """Learn from a batch; gives its loss."""
        loss = nn.functional.cross_entropy(self.net(rows).float(), targets)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.optimizer.step()
        return float(loss.detach())
