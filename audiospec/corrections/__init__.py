"""Corrections: decisions of people on the labels of a store, in a file beside it; the store stays as it is."""
