"""Checkpoints of a training."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.zoo.runs.training_folder import writing_run


def copy_weights(net: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's weights on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors and numbers, never other objects."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        return {name: state[name] for name in ("net", "optimizer", "history", "best")}
    except Exception as error:  # torch's, pickle's and zip's own
        raise damaged_checkpoint(file) from error


def damaged_checkpoint(file: Path) -> ModelError:
    """The error for a checkpoint that cannot be read."""
    return ModelError(
        f"checkpoint {file} is damaged, or of another version: remove {file.parent} to begin anew"
    )


def write_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically."""
    beside = file.with_name(f"{file.name}.partial")
    content = io.BytesIO()  # on a full disk torch would raise no OSError
    torch.save(state, content)
    with writing_run(file.parent):
        try:
            beside.write_bytes(content.getbuffer())
            os.replace(beside, file)
        finally:
            beside.unlink(missing_ok=True)  # the disk may be full
