"""Frontend: the module that computes the features of a spec from waveforms."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.errors import SpecError, nearest
from audiospec.specs.base import FeatureSpec, announce, features


class Frontend(nn.Module):
    """Computes a feature: an `nn.Module` that can be moved, batched and put inside any model.

    A subclass is one file of this package, or of a plug-in, and is registered by ``@features.register``.

    Parameters
    ----------
    spec : FeatureSpec
        What to compute; an instance of `spec_class`.
    backend : str or None
        One of `backends`; None selects the first that this machine has for the spec (see `reason_missing`).
        Backends differ in speed, not in results.

    Attributes
    ----------
    spec_class : type of FeatureSpec
        The specs that this frontend computes.
    backends : tuple of str
        Names of the ways to compute it.

    Raises
    ------
    SpecError
        A spec of another feature, an unknown backend, or one that cannot compute the spec on this machine.
    """

    spec_class: ClassVar[type[FeatureSpec]]
    backends: ClassVar[tuple[str, ...]]
    #: Whether half-precision waves give half-precision rows; otherwise rows have the module's own precision.
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
        self.backend = backend or self.default_backend(spec)
        reason = self.reason_missing(self.backend, spec)
        if reason:
            raise SpecError(
                f"backend {self.backend!r}: {reason}", f"use backend {self.default_backend(spec)!r}"
            )

    @classmethod
    def reason_missing(cls, backend: str, spec: FeatureSpec, device: str | None = None) -> str:
        """Return why a backend cannot compute a spec on this machine; ``""`` if it can.

        A subclass says so for the backends that need a library, a processor or a device; at least one of
        `backends` computes every spec on every device.

        Parameters
        ----------
        backend : str
            One of `backends`.
        spec : FeatureSpec
        device : str or None
            A torch device. None: any.
        """
        return ""

    @classmethod
    def default_backend(cls, spec: FeatureSpec, device: str = "cpu") -> str:
        """Return the first of `backends` that this machine has for a spec and a device."""
        return next(backend for backend in cls.backends if not cls.reason_missing(backend, spec, device))

    @classmethod
    def reason_not_exported(cls, spec: FeatureSpec) -> str:
        """Return why `compute` cannot be exported with a model for this spec; ``""`` if it can.

        It can if it is plain torch while `torch.compiler.is_compiling` is true: no numpy, and no step whose
        number depends on the samples.
        """
        return ""

    def forward(self, waves: Tensor) -> Tensor:
        """Compute the features of a batch of chunks.

        Parameters
        ----------
        waves : Tensor, shape (..., samples), floating
            Mono audio at ``spec.sample_rate``, full scale at ±1. Any number of leading axes.

        Returns
        -------
        Tensor, shape (..., *spec.row_shape(samples)), of the same dtype (see `keeps_half`)
            A row depends only on its own chunk, not on the rest of the batch. It is computed in the
            module's precision (float32, or float64 after ``.double()``), also under autocast.

        Raises
        ------
        SpecError
            The waves are not floating point, have no axis, or have too few samples for the spec.
        """
        if waves.ndim == 0 or not waves.is_floating_point():
            raise SpecError(
                "expected waves of shape (..., samples) as floating point in -1 to 1; got shape "
                f"{tuple(waves.shape)}, {waves.dtype}"
            )
        shape = self.spec.row_shape(waves.shape[-1])
        if waves.is_meta:  # only shapes, as in a dry run of a model
            return waves.new_empty(*waves.shape[:-1], *shape)
        # Autocast would compute in half precision, which loses more decimals than a model can recover.
        device = waves.device.type
        mixed = torch.amp.is_autocast_available(device)
        with torch.autocast(device, enabled=False) if mixed else nullcontext():
            rows = self.compute(waves.reshape(-1, waves.shape[-1]))
        dtype = waves.dtype if self.keeps_half or waves.dtype.itemsize > 2 else rows.dtype
        return rows.reshape(*waves.shape[:-1], *shape).to(dtype)

    def require_full_precision(self, dtype: torch.dtype) -> None:
        """Raise `SpecError` unless the module's own precision is float32 or float64."""
        if dtype not in (torch.float32, torch.float64):
            raise SpecError(
                f"a frontend of {self.spec.feature} computes in float32 or float64; this one was cast to "
                f"{dtype}",
                "leave it out of the cast (waves may be of any floating type)",
            )

    @abstractmethod
    def parity(self, samples: int) -> float:
        """Return how far this backend on this device is from float64, on a fixed test signal.

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
        """Compute the features of waves of shape (B, samples); `forward` has checked them."""


def frontend(
    spec: FeatureSpec, *, backend: str | None = None, device: str | torch.device = "cpu"
) -> Frontend:
    """Return the module that computes a spec.

    Parameters
    ----------
    spec : FeatureSpec
        Such as ``MelSpec(n_mels=128)``.
    backend : str or None
        One of the frontend's `backends`; None selects the first that this machine has for the spec and the
        device.
    device : str or torch.device
        Where its constants are stored; ``.to(device)`` moves it later.

    Returns
    -------
    Frontend
        Maps waves (..., samples) to features (..., *spec.row_shape(samples)).

    Raises
    ------
    SpecError, RegistryError
        The backend or device is unknown, or the feature is not registered.

    Examples
    --------
    >>> import torch, audiospec
    >>> mel = audiospec.frontend(audiospec.MelSpec(n_mels=128))
    >>> mel(torch.zeros(4, 22050)).shape
    torch.Size([4, 128, 87])
    """
    announce(spec)
    return make_frontend(spec, backend, device)


def make_frontend(spec: FeatureSpec, backend: str | None, device: str | torch.device) -> Frontend:
    """Return the module that computes a spec, without its notice; see `frontend`."""
    kind = cast(type[Frontend], features[spec.feature])
    module = kind(spec, backend=backend or kind.default_backend(spec, str(device)))
    try:
        return module.to(device)
    except (RuntimeError, AssertionError) as error:  # what torch raises for a device that it cannot use
        reason = str(error).partition("\n")[0]
        raise SpecError(f"device {str(device)!r} is not available: {reason}") from error


def store_row(spec: FeatureSpec, feature: Tensor, row: NDArray[Any]) -> None:
    """Write a frontend's row into `row` as a store keeps it, in the spec's dtype.

    Parameters
    ----------
    spec : FeatureSpec
    feature : Tensor, shape (*row_shape)
        The frontend's output, on the CPU.
    row : ndarray, shape (*row_shape), of the spec's dtype
        Overwritten.

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
    """The number of torch threads before the first thread entered `one_thread`."""

    lock = threading.Lock()
    inside = 0
    before = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, for equal results everywhere and workers that do not compete for cores."""
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
            # For this thread and for new ones; threads that are still inside keep their one.
            torch.set_num_threads(_Threads.before)
