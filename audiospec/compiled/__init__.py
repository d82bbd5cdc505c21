"""The compiled extension, and what this machine makes of it."""
