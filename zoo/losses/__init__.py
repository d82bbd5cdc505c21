"""The losses that networks minimise, one file each."""
