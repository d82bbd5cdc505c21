"""The health of a dataset: what in a store's tracks, labels and rows would make a score wrong."""
