"""Frontend: the module that computes a spec, waveforms in, features out."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.errors import SpecError, nearest
from audiospec.specs.base import FeatureSpec, features


class Frontend(nn.Module):
    """Computes a feature: an `nn.Module` that can be moved, batched and put inside any model.

    A subclass is one file of this package, or of another, under ``@features.register``.

    Parameters
    ----------
    spec : FeatureSpec
        What to compute; an instance of `spec_class`.
    backend : str or None
        One of `backends`; None takes the first. Backends differ in speed, not in results.

    Attributes
    ----------
    spec_class : type of FeatureSpec
        The specs that this frontend computes.
    backends : tuple of str
        Names of the ways to compute it.

    Raises
    ------
    SpecError
        A spec of another feature, or an unknown backend.
    """

    spec_class: ClassVar[type[FeatureSpec]]
    backends: ClassVar[tuple[str, ...]]
    #: Whether rows of waves in half precision come back in it; else in the module's own.
    keeps_half: ClassVar[bool] = True

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__()
        if not isinstance(spec, self.spec_class):
            raise SpecError(
                f"{type(self).__name__} computes a {self.spec_class.__name__}; got {type(spec).__name__}"
            )
        if backend is not None and backend not in self.backends:
            raise SpecError(
                f"feature {spec.feature!r} has no backend {backend!r}{nearest(backend, self.backends)} "
                f"(it has: {', '.join(self.backends)})"
            )
        self.spec: Any = spec
        self.backend = backend or self.backends[0]

    def forward(self, waves: Tensor) -> Tensor:
        """Compute the features of a batch of chunks.

        Parameters
        ----------
        waves : Tensor, shape (..., samples), floating
            Mono audio at ``spec.sample_rate``, full scale at ±1. Any number of leading axes.

        Returns
        -------
        Tensor, shape (..., *spec.row_shape(samples)), of the same dtype (see `keeps_half`)
            A row depends on its own chunk alone, whatever else is in the batch. It is computed in the
            module's precision (float32, or float64 after ``.double()``), also under autocast.

        Raises
        ------
        SpecError
            Not floating, no axis, or too few samples for the spec.
        """
        if waves.ndim == 0 or not waves.is_floating_point():
            raise SpecError(
                "expected waves of shape (..., samples) as floating point in -1 to 1; got shape "
                f"{tuple(waves.shape)}, {waves.dtype}"
            )
        shape = self.spec.row_shape(waves.shape[-1])
        if waves.is_meta:  # shapes alone, as in a dry run of a model
            return waves.new_empty(*waves.shape[:-1], *shape)
        # Half precision would cost more decimals than any model could win back.
        device = waves.device.type
        mixed = torch.amp.is_autocast_available(device)
        with torch.autocast(device, enabled=False) if mixed else nullcontext():
            rows = self.compute(waves.reshape(-1, waves.shape[-1]))
        dtype = waves.dtype if self.keeps_half or waves.dtype.itemsize > 2 else rows.dtype
        return rows.reshape(*waves.shape[:-1], *shape).to(dtype)

    @abstractmethod
    def parity(self, samples: int) -> float:
        """How far this backend on this device is from float64, on a fixed test signal.

        Parameters
        ----------
        samples : int
            Length of a chunk; a shorter signal may be used.

        Returns
        -------
        float
            Largest difference that matters, in the feature's own measure of closeness (dB for mel).
        """

    @abstractmethod
    def compute(self, waves: Tensor) -> Tensor:
        """Features of waves of shape (B, samples); what `forward` calls once it has checked its input."""


def frontend(
    spec: FeatureSpec, *, backend: str | None = None, device: str | torch.device = "cpu"
) -> Frontend:
    """The module that computes a spec.

    Parameters
    ----------
    spec : FeatureSpec
        Such as ``MelSpec(n_mels=128)``.
    backend : str or None
        One of the frontend's `backends`; None takes the fastest that fits all devices.
    device : str or torch.device
        Where its constants lie; ``.to(device)`` moves it later.

    Returns
    -------
    Frontend
        Maps waves (..., samples) to features (..., *spec.row_shape(samples)).

    Raises
    ------
    SpecError, RegistryError
        An unknown backend or device; a feature that is not registered.

    Examples
    --------
    >>> import torch, audiospec
    >>> mel = audiospec.frontend(audiospec.MelSpec(n_mels=128))
    >>> mel(torch.zeros(4, 22050)).shape
    torch.Size([4, 128, 87])
    """
    made: Frontend = features[spec.feature](spec, backend=backend)
    try:
        return made.to(device)
    except (RuntimeError, AssertionError) as error:  # torch's words for: no such device here
        reason = str(error).partition("\n")[0]
        raise SpecError(f"device {str(device)!r} is not to be had here: {reason}") from error


def store_row(spec: FeatureSpec, feature: Tensor, row: NDArray[Any]) -> None:
    """Put a row as a frontend gives it into `row`, of the spec's dtype, as a store keeps it.

    Raises
    ------
    AudioError
        The spec has a code, and the audio is too loud for it.
    """
    if spec.code is None:
        torch.from_numpy(row).copy_(feature)
    else:
        row[...] = spec.code.encode(feature.numpy())


class _Threads:
    """How many threads torch had before the first of those that are in `one_thread` came in."""

    lock = threading.Lock()
    inside = 0
    before = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: results are the same everywhere, and workers do not crowd each other."""
    with _Threads.lock:
        if not _Threads.inside:
            _Threads.before = torch.get_num_threads()
        _Threads.inside += 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        with _Threads.lock:
            _Threads.inside -= 1
            # Of this thread, and of those to come; others that are inside keep their one.
            torch.set_num_threads(_Threads.before)
