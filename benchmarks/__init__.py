"""What we measure, and what we measure it against. Run each as ``python -m benchmarks.NAME``."""
