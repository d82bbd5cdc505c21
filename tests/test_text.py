"""Sizes in messages."""

from __future__ import annotations

import pytest

from audiospec.text import size, too_little


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (84_412_345, "84.4 MB"),
        (999_600_000, "1000 MB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_a_size_is_short(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("needed", "free", "text"),
    [
        (3_100_000, 5000, "3.1 MB are needed, 5 kB are free"),
        (5001, 5000, "5001 bytes are needed, 5000 bytes are free"),
        (1_234_567_890, 1_234_567_889, "1234567890 bytes are needed, 1234567889 bytes are free"),
    ],
)
def test_what_is_needed_never_looks_like_what_is_free(needed: int, free: int, text: str) -> None:
    assert too_little(needed, free) == text
