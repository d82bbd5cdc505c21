"""The scores of predictions, one file each."""
