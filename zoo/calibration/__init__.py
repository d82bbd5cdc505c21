"""Probabilities that mean what they say: coupling of pairs, calibration, and sets of classes by coverage."""
