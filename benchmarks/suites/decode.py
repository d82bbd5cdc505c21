"""decode: audio files to samples, by format and library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audiospec.audio.recording import load
from audiospec.audio.waves import Wave
from audiospec.benchmarks.audio import RATE, make_folder
from audiospec.benchmarks.base import Case, Contender, NotRun, Setup, Suite, Table, absent, suites

#: Why torchaudio does not take part since its version 2.9.
_NEEDS_FFMPEG = "torchaudio.load uses TorchCodec, which needs the FFmpeg libraries on the machine"


@suites.register
class Decode(Suite):
    """Mono samples at 22050 Hz, the input of features, from files of each format."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield a case per format, then two with stereo files at 44100 Hz, which have to be resampled."""
        for kind in ("wav", "flac", "ogg", "mp3"):
            files = sorted(make_folder(setup, setup.folder / kind, 40 if setup.full else 8, kind).iterdir())
            yield _case(f"{kind}, mono, 22050 Hz", files, setup)
        for kind in ("flac", "mp3"):
            files = sorted(
                make_folder(setup, setup.folder / f"{kind}-cd", 8, kind, 44100, channels=2).iterdir()
            )
            yield _case(f"{kind}, stereo, 44100 Hz, to mono, 22050 Hz", files, setup)


def _case(name: str, files: list[Path], setup: Setup) -> Case:
    """Return a case in which all libraries decode the same files, one file per round."""
    missing = {"torchaudio": _NEEDS_FFMPEG}
    libraries: dict[str, Callable[[Path], Wave]] = {"audiospec": lambda file: load(file, RATE)}
    if "librosa" in absent("librosa"):
        missing.update(absent("librosa"))
    else:
        libraries["librosa"] = _decode_with_librosa
    if "av" in absent("av"):
        missing.update(absent("av"))
    elif soundfile.info(files[0]).samplerate == RATE:  # PyAV would resample with another filter
        libraries["PyAV"] = _decode_with_pyav
    contenders = [
        Contender(
            name=library,
            role="ours" if library == "audiospec" else "peer",
            call=lambda number, decode=decode: decode(files[number % len(files)]),  # type: ignore[misc]
        )
        for library, decode in libraries.items()
    ]
    contenders += [
        Contender(
            name="soundfile alone",
            role="floor",
            call=lambda number: soundfile.read(files[number % len(files)], dtype="float32"),
        ),
        Contender(
            name="raw file read", role="floor", call=lambda number: files[number % len(files)].read_bytes()
        ),
    ]
    return Case(
        name=name,
        amount=float(np.mean([soundfile.info(file).duration for file in files])),
        unit="s of audio",
        contenders=contenders,
        difference=_difference,
        difference_unit="of full scale",
        tolerance=1e-4,
        missing=missing,
        seconds=20 if setup.full else 4,
        note="audiospec also hashes the file and checks it for damage and for invalid samples",
    )


def _decode_with_librosa(file: Path) -> Wave:
    import librosa

    wave: Wave = librosa.load(file, sr=RATE)[0]
    return wave


def _decode_with_pyav(file: Path) -> Wave:
    import av

    with av.open(str(file)) as container:
        to_float = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        blocks = [
            part.to_ndarray()[0] for frame in container.decode(audio=0) for part in to_float.resample(frame)
        ]
    return np.concatenate(blocks)


def _difference(ours: Any, theirs: Any) -> float:
    """Return the largest difference of two waves; infinite if their lengths differ."""
    return float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else np.inf
