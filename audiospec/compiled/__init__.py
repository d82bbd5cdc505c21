"""The kernels that are written in C: the extension module `native`, and `library`, which loads it."""
