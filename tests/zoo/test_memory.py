"""The memory of a training: the estimate is held to what a process takes; a warning before it runs out."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from audiospec.machine import available_memory
from audiospec.testing.models import ModelContract
from audiospec.zoo.base import Rows, TrainingMemory, models
from audiospec.zoo.fitting import memory as memory_module
from audiospec.zoo.fitting.memory import estimate_memory
from audiospec.zoo.models.crnn import CrnnBase

SHAPE = (96, 431)
#: Measured memory over the estimate, at most and at least.
FACTOR = 1.5

MEASURE = """
import ctypes, re, sys, torch
from audiospec.zoo.base import models
name, batch, mels, frames = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(1)
cls = models[name]
model = cls(cls.Settings(), (mels, frames), ["a", "b", "c"])
def step(net, optimizer, rows):
    torch.nn.functional.cross_entropy(net(rows), torch.zeros(len(rows), 3)).backward()
    optimizer.step()
    optimizer.zero_grad()
def fresh():
    net = model.network().train()
    return net, torch.optim.Adam(net.parameters())
step(*fresh(), torch.randn(2, mels, 33))  # what torch sets up once
ctypes.CDLL(None).malloc_trim(0)
before = 4096 * int(open("/proc/self/statm").read().split()[1])
net, optimizer = fresh()
for _ in range(2):
    step(net, optimizer, torch.randn(batch, mels, frames))
# Not ru_maxrss: a process that was started by a larger one begins with the maximum of that one.
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read as on Linux")
@pytest.mark.parametrize(
    ("name", "batch"),
    [
        pytest.param("crnn-base", 8, marks=pytest.mark.long),
        pytest.param("crnn-large", 8, marks=pytest.mark.long),
        pytest.param("resnet18-gru", 16, marks=pytest.mark.long),
        pytest.param("efficientnet-lite0-gru", 8, marks=pytest.mark.long),
    ],
)
def test_a_training_takes_what_is_estimated(name: str, batch: int) -> None:
    command = [sys.executable, "-c", MEASURE, name, str(batch), *map(str, SHAPE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    model = models[name](models[name].Settings(), SHAPE, ["a", "b", "c"])
    estimate = model.training_memory()
    assert estimate is not None
    assert 1 / FACTOR < int(done.stdout) / estimate.of_batch(batch) < FACTOR


def estimated(make: Callable[[], nn.Module], row_shape: tuple[int, ...]) -> TrainingMemory:
    memory = estimate_memory(make, row_shape, (2,), "cross-entropy")
    assert memory is not None
    return memory


def test_what_a_known_network_takes() -> None:
    class Known(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(1000, 50, bias=False), nn.Linear(50, 2, bias=False)
            self.first.weight.requires_grad_(False)
            self.register_buffer("scale", torch.ones(10))

        def forward(self, rows: Tensor) -> Tensor:
            logits: Tensor = self.last(self.first(rows.flatten(1)).sigmoid())
            return logits

    found = estimated(Known, (10, 100))
    # The frozen weights and the buffer once; the trained ones with a gradient and two moments.
    assert found.fixed == 4 * (50_000 + 10 + 4 * 100)
    # The row, the output of the sigmoid, that of the frozen layer, whose row is not kept; the loss is small.
    assert 4 * (1000 + 50 + 50) <= found.row < 4 * (1000 + 50 + 50) + 100


def test_memory_grows_with_the_row() -> None:
    small, large = (
        estimated(CrnnBase(CrnnBase.Settings(), (64, frames), ["a", "b"]).network, (64, frames))
        for frames in (200, 400)
    )
    ratio = large.row / small.row
    assert 1.95 < ratio < 2.05


def test_a_network_that_looks_at_values_has_an_estimate() -> None:
    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(30, 2)

        def forward(self, rows: Tensor) -> Tensor:
            logits: Tensor = self.dense(rows.flatten(1)) * (2.0 if rows.sum().item() > 0 else 1.0)
            return logits

    def plain() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(30, 2))

    looking, simple = (estimated(make, (5, 6)) for make in (Looking, plain))
    assert looking.fixed == simple.fixed
    assert simple.row <= looking.row < 2 * simple.row


def test_a_network_that_runs_on_no_cpu_has_none() -> None:
    class Elsewhere(nn.Identity):
        def forward(self, rows: Tensor) -> Tensor:
            raise NotImplementedError("no kernel for this device")

    assert estimate_memory(Elsewhere, (5, 6), (2,), "cross-entropy") is None


def test_an_estimate_leaves_random_numbers_alone() -> None:
    model = CrnnBase(CrnnBase.Settings(), (24, 33), ["a", "b"])
    torch.manual_seed(1)
    first = torch.rand(3)
    torch.manual_seed(1)
    model.training_memory()
    assert torch.equal(torch.rand(3), first)


def test_only_networks_have_an_estimate() -> None:
    for name in models:
        cls = models[name]
        shape = (57,) if cls.input == "table" else (64, 87)
        estimate = cls(cls.Settings(), shape, ["a", "b"]).training_memory()
        assert (estimate is None) == (cls.input == "table")


# --- the warning ----------------------------------------------------------------------------------


def fit(available: int | None, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """Train for an epoch on a machine with this much memory."""
    monkeypatch.setattr(memory_module, "available_memory", lambda: available)
    contract = ModelContract()
    values = np.random.default_rng(0).normal(-40, 10, (40, 24, 33)).astype(np.float32)
    rows = contract.rows(values, ["a", "b"] * 20)
    train, valid = (Rows(rows.view, rows.numbers[part], rows.target) for part in (slice(32), slice(32, 40)))
    chosen = CrnnBase.Settings.replace_in({"epochs": 1, "device": "cpu", **settings})
    CrnnBase(chosen, (24, 33), rows.classes).fit(train, valid, seed=0)


def needed(batch: int) -> int:
    """Return the estimate for `fit`, with its rows in memory."""
    estimate = estimated(CrnnBase(CrnnBase.Settings(), (24, 33), ["a", "b"]).network, (24, 33))
    return estimate.of_batch(batch) + 40 * 2 * math.prod((24, 33))


def test_too_little_memory_is_a_warning_with_the_batch_that_fits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "audiospec"):
        fit(needed(10), monkeypatch, batch=16)
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.startswith("training with 16 rows in a batch needs about ")
    assert message.endswith(" are available: try `batch=8`")


def test_enough_memory_is_no_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "audiospec"):
        fit(needed(16) + 1000, monkeypatch, batch=16)
        fit(needed(32) + 1000, monkeypatch, batch=1000)  # no batch has more rows than there are
        fit(None, monkeypatch, batch=16)
    assert not caplog.records


def test_memory_for_no_row_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "audiospec"):
        fit(1000, monkeypatch, batch=4)
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.endswith("are available: train on shorter chunks, or on a machine with more memory")


def test_plenty_of_memory_needs_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CrnnBase, "training_memory", lambda model: pytest.fail("it was estimated"))
    fit(8 << 30, monkeypatch)


# --- the memory that is available -----------------------------------------------------------------

MEMINFO = "MemTotal:  100000 kB\nMemFree:  1000 kB\nMemAvailable:   50000 kB\n"


@pytest.fixture
def system(tmp_path: Path) -> Callable[..., Path]:
    """Write files of a system: name → content."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


def test_this_machine_has_memory() -> None:
    found = available_memory()
    assert found is None or 0 < found < 1 << 50


def test_memory_of_a_machine(system: Callable[..., Path], tmp_path: Path) -> None:
    assert available_memory(tmp_path / "none") is None
    assert available_memory(system({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n"})) == 50000 * 1024


def test_a_control_group_limits_it_and_files_are_given_back(system: Callable[..., Path]) -> None:
    root = system(
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/memory.max": "9000000\n",
            "sys/fs/cgroup/job/memory.current": "6000000\n",
            "sys/fs/cgroup/job/memory.stat": "anon 5\nactive_file 7\ninactive_file 500000\n",
            "sys/fs/cgroup/job/step/memory.max": "max\n",
            "sys/fs/cgroup/job/step/memory.current": "6000000\n",
        }
    )
    assert available_memory(root) == 3_500_000


def test_a_control_group_of_the_first_version(system: Callable[..., Path]) -> None:
    root = system(
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "5:cpu:/a\n4:memory,pids:/job\n0::/\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "1000\n",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "1200\n",
        }
    )
    assert available_memory(root) == 0
