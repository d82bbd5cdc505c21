"""Write synthesised recordings as WAV files, whole or not at all."""

from __future__ import annotations

import os
import uuid
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

_HEADER = 44  # bytes before the samples


def is_complete(file: Path, samples: int) -> bool:
    """Whether a file has the size of a 16-bit mono WAV file of so many samples."""
    return file.exists() and file.stat().st_size == _HEADER + 2 * samples


def write_wav(file: Path, sound: npt.NDArray[np.floating], rate: int) -> None:
    """Write a 16-bit mono WAV file, which appears under its name once it is complete.

    Parameters
    ----------
    file : Path
        In a folder that exists.
    sound : ndarray of float, shape (samples,)
        From -1 to 1.
    rate : int
        Sample rate in Hz.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    temporary = file.with_name(f".{uuid.uuid4().hex}.wav")
    try:
        with wave.open(str(temporary), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes(np.round(sound * 32767).astype("<i2").tobytes())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
