"""Mutants: sound files with one thing wrong, decoded by audiospec and by an independent decoder.

sounds → changes → decoding (two processes) → judging → a record
"""
