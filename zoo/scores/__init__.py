"""The scores of predictions: a file each."""
