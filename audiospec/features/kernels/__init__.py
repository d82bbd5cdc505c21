"""What the frontends compute with: filters, medians, Triton kernels."""
