"""Numerical kernels of the frontends: filters, running medians, Triton kernels."""
