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
    """Return a copy of a network's weights on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint; it may have tensors and numbers, but no other objects.

    Raises
    ------
    ModelError
        The file cannot be read, or is not a checkpoint.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        return {name: state[name] for name in ("net", "optimizer", "history", "best")}
    except Exception as error:  # torch, pickle and zipfile raise many types
        raise damaged_checkpoint(file) from error


def damaged_checkpoint(file: Path) -> ModelError:
    """Return the error for a checkpoint that cannot be read."""
    return ModelError(
        f"checkpoint {file} is damaged, or of another version", f"remove {file.parent} to start again"
    )


def write_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically."""
    partial = file.with_name(f"{file.name}.partial")
    content = io.BytesIO()  # torch.save to a file would not raise OSError if the disk is full
    torch.save(state, content)
    with writing_run(file.parent):
        try:
            partial.write_bytes(content.getbuffer())
            os.replace(partial, file)
        finally:
            partial.unlink(missing_ok=True)  # frees the space if the disk is full
