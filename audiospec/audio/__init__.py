"""Decode audio files to samples, and cut tracks into chunks."""
