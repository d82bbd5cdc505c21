"""A network whose weights are constants of a frontend: none of them is trained, or is in a checkpoint."""

from __future__ import annotations

from torch import nn


def as_constants(net: nn.Module) -> nn.Module:
    """Turn the parameters and buffers of a network into buffers that a state_dict leaves out.

    They move and are cast with the module, as the constants of every frontend are.

    Parameters
    ----------
    net : nn.Module
        Changed in place; it is set to evaluation.

    Returns
    -------
    nn.Module
        The same.
    """
    for module in net.modules():
        for name, value in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            delattr(module, name)
            module.register_buffer(name, value.detach(), persistent=False)
    return net.eval()
