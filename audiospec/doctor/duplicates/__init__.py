"""Duplicates: tracks that hold the same sound, found by hashes and in the rows of a log-mel view."""

from audiospec.doctor.duplicates.pairs import FoundDuplicates, Pair
from audiospec.doctor.duplicates.search import find_duplicates

__all__ = ["FoundDuplicates", "Pair", "find_duplicates"]
