"""Splits: which rows of a view train, validate and test a model."""
