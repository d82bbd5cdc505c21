"""Leakage: how much of a score is memory, measured by pairs of trainings that differ in what leaks alone."""
