"""The losses that networks learn by: a file each."""
