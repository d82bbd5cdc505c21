"""Seals: checksums, and a copy, of everything in a store that is not a row."""
