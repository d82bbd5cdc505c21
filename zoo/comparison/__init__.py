"""Comparisons of runs that were tested on the same items."""
