"""Decoders, one module for each kind of container; `base` defines what all of them do."""
