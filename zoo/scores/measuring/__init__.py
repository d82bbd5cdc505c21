"""Compute, store and display scores and their intervals."""
