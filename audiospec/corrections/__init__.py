"""Corrections: decisions of people on labels, in a file beside the store, which stays as it is."""
