"""Checkpoints of a training.

    8 bytes       MAGIC
    32 bytes      SHA-256 of the rest
    the rest      tensors, numbers and text, by torch.save

Checkpoints of earlier versions are the rest alone: a zip file, with a CRC-32 of each tensor.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.files import open_plain, sync
from audiospec.zoo.runs.training_folder import writing_run

#: The first bytes. They differ by more than a bit from those of a zip file.
MAGIC = b"\x89ASCKPT1"
_HEADER = len(MAGIC) + hashlib.sha256().digest_size


def copy_weights(net: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a network's weights on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint; it may have tensors and numbers, but no other objects.

    Raises
    ------
    ModelError
        The file cannot be read, is not a checkpoint, or is not what was written.
    """
    try:
        with open_plain(file) as stream:
            content = stream.read()
        if content.startswith(MAGIC):
            if hashlib.sha256(content[_HEADER:]).digest() != content[len(MAGIC) : _HEADER]:
                raise ValueError("its digest differs")
            content = content[_HEADER:]
        else:
            with zipfile.ZipFile(io.BytesIO(content)) as bundle:  # torch does not check the CRC
                if bundle.testzip() is not None:
                    raise ValueError("a checksum differs")
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not _is_history(state["history"]):
            raise ValueError("its history is not one")
        return {name: state[name] for name in ("net", "optimizer", "history", "best")}
    except Exception as error:  # torch, pickle and zipfile raise many types
        raise damaged_checkpoint(file) from error


def _is_history(history: Any) -> bool:
    """Return whether a history has one entry an epoch, with finite numbers."""
    return isinstance(history, list) and all(
        isinstance(entry, dict)
        and entry.get("epoch") == number
        and "valid_loss" in entry
        and all(isinstance(value, int | float) and math.isfinite(value) for value in entry.values())
        for number, entry in enumerate(history, 1)
    )


def damaged_checkpoint(file: Path) -> ModelError:
    """Return the error for a checkpoint that cannot be read."""
    return ModelError(
        f"checkpoint {file} is damaged, or of another version", f"remove {file.parent} to start again"
    )


def write_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically."""
    partial = file.with_name(f"{file.name}.partial")
    memory = io.BytesIO()  # torch.save to a file would not raise OSError if the disk is full
    torch.save(state, memory)
    content = memory.getbuffer()
    with writing_run(file.parent):
        try:
            with partial.open("wb") as stream:
                stream.write(MAGIC + hashlib.sha256(content).digest())
                stream.write(content)
            sync(partial)
            os.replace(partial, file)
        finally:
            partial.unlink(missing_ok=True)  # frees the space if the disk is full
