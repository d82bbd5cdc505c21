"""Kernel, which computes a feature without torch; and the registry of kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import SpecError
from audiospec.registry import Registry
from audiospec.specs.base import FeatureSpec

#: The backend that kernels are, among those of a frontend.
NATIVE = "native"


class Kernel(ABC):
    """Computes a feature on a CPU, one chunk at a time, without torch. Threads may share one.

    A subclass is one file of this package, or of a plug-in, and is registered by ``@kernels.register`` under
    the name of the feature. The feature has a frontend, too, whose `backends` name its `backend`: it computes
    what a kernel does not, and by default calls the kernel.

    Parameters
    ----------
    spec : FeatureSpec
        What to compute; an instance of `spec_class`.

    Attributes
    ----------
    spec_class : type of FeatureSpec
        The specs that are computed.
    backend : str
        Name of the backend; ``"native"`` unless code of another library computes.

    Raises
    ------
    SpecError
        See `reason_unsupported`.
    """

    spec_class: ClassVar[type[FeatureSpec]]
    backend: ClassVar[str] = NATIVE

    def __init__(self, spec: FeatureSpec) -> None:
        require_native(spec)
        self.spec: Any = spec

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are made from the spec again: what a kernel holds is no Python.
        return type(self), (self.spec,)

    @classmethod
    @abstractmethod
    def reason_missing(cls) -> str:
        """Return why this machine has no such kernel; ``""`` if it has one."""

    @classmethod
    @abstractmethod
    def reason_unsupported(cls, spec: FeatureSpec) -> str:
        """Return why a spec cannot be computed, such as `reason_missing`; ``""`` if it can."""

    @abstractmethod
    def write(self, wave: NDArray[np.float32], row: NDArray[Any]) -> None:
        """Compute a row as a store keeps it.

        Parameters
        ----------
        wave : ndarray, shape (samples,), float32
            Mono audio at ``spec.sample_rate``, full scale at ±1.
        row : ndarray, shape (*spec.row_shape(samples)), of the spec's dtype
            Overwritten.

        Raises
        ------
        SpecError
            The wave has too few samples for the spec.
        AudioError
            The spec has a code, and the audio is too loud for it.
        """

    @abstractmethod
    def compute(
        self, wave: NDArray[np.float32], row: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return a row as the spec defines it, in float32.

        Parameters
        ----------
        wave : ndarray, shape (samples,), float32
        row : ndarray or None
            Overwritten, and returned. None: a new array.

        Raises
        ------
        SpecError
            The wave has too few samples for the spec.
        """

    @abstractmethod
    def parity(self, samples: int) -> float:
        """Return how far rows are from float64, as `Frontend.parity` of the feature measures it."""


kernels: Registry[type[Kernel]] = Registry("kernel", "audiospec.features.native", "audiospec.kernels")


def kernel_of(spec: FeatureSpec) -> type[Kernel] | None:
    """Return the kernel of a spec's feature; None if there is none, whether or not it computes this spec."""
    # Those of this package are found without a search among all installed packages, which takes 20 ms.
    module = f"{kernels.package}.{spec.feature}"
    if spec.feature.isidentifier() and find_spec(module) is not None:
        import_module(module)
        return kernels[spec.feature]
    return kernels[spec.feature] if spec.feature in kernels.names() else None


def native_reason(spec: FeatureSpec, device: str | None = "cpu") -> str:
    """Return why a feature's kernel cannot compute a spec on a device (None: any); ``""`` if it can."""
    kernel = kernel_of(spec)
    if kernel is None:
        return f"feature {spec.feature!r} has no kernel"
    if device is not None and device.partition(":")[0] != "cpu":
        return f"it computes on a CPU; got device {device!r}"
    return kernel.reason_unsupported(spec)


def require_native(spec: FeatureSpec, device: str = "cpu") -> None:
    """Raise `SpecError` if backend ``"native"`` cannot compute a spec on a device."""
    reason = native_reason(spec, device)
    if reason:
        raise SpecError(f"backend {NATIVE!r}: {reason}", "choose another `backend`, or none for the fastest")
