"""Recurrent layers for ONNX: its own operator, because torch's exporters write a step for each frame."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class OnnxGru(nn.Module):
    """An `nn.GRU` that is exported as ONNX's operator `GRU`; it computes nothing outside of an export.

    Parameters
    ----------
    gru : nn.GRU
        With ``batch_first``, biases and no projection, as the networks of the zoo have it.
    """

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.size, self.layers = gru.hidden_size, gru.num_layers
        self.suffixes = ("", "_reverse") if gru.bidirectional else ("",)
        for layer in range(self.layers):
            for short, long in (("w", "weight_ih"), ("r", "weight_hh")):
                parts = [_in_order(getattr(gru, f"{long}_l{layer}{suffix}")) for suffix in self.suffixes]
                self.register_buffer(f"{short}{layer}", torch.stack(parts))
            biases = [
                torch.cat(
                    [_in_order(getattr(gru, f"{kind}_l{layer}{suffix}")) for kind in ("bias_ih", "bias_hh")]
                )
                for suffix in self.suffixes
            ]
            self.register_buffer(f"b{layer}", torch.stack(biases))

    def forward(self, sequence: Tensor) -> tuple[Tensor, None]:
        """Return the states (B, time, directions · units) of a sequence (B, time, channels)."""
        sequence = sequence.transpose(0, 1)
        directions = len(self.suffixes)
        for layer in range(self.layers):
            states = torch.onnx.ops.symbolic(
                "GRU",
                [sequence, *(self.get_buffer(f"{name}{layer}") for name in "wrb")],
                attrs={
                    "hidden_size": self.size,
                    "linear_before_reset": 1,
                    "direction": "bidirectional" if directions == 2 else "forward",
                },
                dtype=sequence.dtype,
                shape=(sequence.shape[0], directions, sequence.shape[1], self.size),
            )
            sequence = states.transpose(1, 2).flatten(2)
        return sequence.transpose(0, 1), None


def _in_order(weights: Tensor) -> Tensor:
    """Return weights of the gates in ONNX's order (update, reset, new) from torch's (reset, update, new)."""
    reset, update, new = weights.detach().chunk(3)
    return torch.cat([update, reset, new])


def with_onnx_layers(net: nn.Module) -> nn.Module:
    """Return a copy of a network whose GRU layers are ONNX's operator; others stay."""
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.GRU) and child.batch_first and child.bias:
                setattr(module, name, OnnxGru(child))
    return net


def has_recurrence(net: nn.Module) -> bool:
    """Return whether a network has layers that torch exports for one length only."""
    return any(isinstance(module, nn.RNNBase) for module in net.modules())
