"""Kernels: features that are computed by compiled code, without torch. `kernels` is their registry."""

from audiospec.features.native.base import kernels

__all__ = ["kernels"]
