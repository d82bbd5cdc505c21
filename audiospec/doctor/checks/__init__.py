"""The checks of a store, one file each."""
