"""Joining the outputs of rows into those of stretches of tracks, to be decoded into events."""
