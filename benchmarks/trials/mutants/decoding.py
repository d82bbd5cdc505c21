"""Decode a file in a child process: by audiospec, and by a decoder that shares no code with it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiospec.audio.recording import load, probe
from audiospec.errors import AudiospecError

#: Numbers of FFmpeg's sample formats → what they are divided by.
_SCALE = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}


def by_audiospec(request: dict[str, Any]) -> dict[str, Any]:
    """Decode the file `path` with audiospec, at its own rate; write the samples to `wave`.

    Returns
    -------
    dict
        ``refused`` (the error's text) or ``error`` (an unexpected one), or ``rate``, ``announced`` and
        ``exact`` as probed, and ``samples``.
    """
    path = Path(request["path"])
    try:
        info = probe(path)
        wave = load(path, info.sample_rate)
    except AudiospecError as error:
        return {"refused": str(error)}
    except Exception as error:  # what a user would see as "unexpected"
        return {"error": f"{type(error).__name__}: {error}"}
    np.save(request["wave"], wave)
    return {
        "rate": info.sample_rate,
        "announced": info.frames,
        "exact": info.exact,
        "samples": len(wave),
    }


def by_others(request: dict[str, Any]) -> dict[str, Any]:
    """Decode the file `path` with the decoder `library`, as far as that goes; write the samples to `wave`.

    Returns
    -------
    dict
        ``samples``, ``rate``, and ``errors``: the first few of what the decoder reported.
    """
    errors: list[str] = []
    blocks: list[NDArray[np.float32]] = []
    rate = 0
    try:
        rate = _DECODERS[request["library"]](request["path"], blocks, errors)
    except Exception as error:  # any decoder's own error
        errors.append(" ".join(f"{type(error).__name__}: {error}".split()))
    wave = np.concatenate([np.zeros(0, np.float32), *blocks])
    np.save(request["wave"], wave)
    return {"samples": len(wave), "rate": rate, "errors": errors[:3]}


def _with_pyav(path: str, blocks: list[NDArray[np.float32]], errors: list[str]) -> int:
    import av

    with av.open(path) as container:
        stream = container.streams.audio[0]
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                break
            except av.error.EOFError:
                break
            except av.error.FFmpegError as error:
                errors.append(str(error))
                if len(errors) > 1000:
                    break
                continue
            for frame in frames:
                kind = frame.format.name.removesuffix("p")
                values: NDArray[Any] = frame.to_ndarray().astype(np.float32 if kind != "s32" else np.float64)
                channels = len(frame.layout.channels)
                values = values.T if frame.format.is_planar else values.reshape(-1, channels)
                offset = 128.0 if kind == "u8" else 0.0
                blocks.append(((values - offset).mean(axis=1) / _SCALE[kind]).astype(np.float32))
        return int(stream.rate or 0)


def _with_libsndfile(path: str, blocks: list[NDArray[np.float32]], errors: list[str]) -> int:
    with open(path, "rb") as file, soundfile.SoundFile(file) as sound:
        while len(block := sound.read(1 << 16, dtype="float32", always_2d=True)):
            blocks.append(block.mean(axis=1))
        return int(sound.samplerate)


def _with_ffmpeg(path: str, blocks: list[NDArray[np.float32]], errors: list[str]) -> int:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    errors.extend(done.stderr.decode(errors="replace").splitlines())
    head = done.stdout[:24]
    if len(head) < 24:
        return 0
    offset, rate, channels = (int.from_bytes(head[at : at + 4], "big") for at in (4, 16, 20))
    values = np.frombuffer(done.stdout[offset:][: (len(done.stdout) - offset) // 4 * 4], ">f4")
    values = values[: len(values) // channels * channels].reshape(-1, channels)
    blocks.append(values.mean(axis=1, dtype=np.float64).astype(np.float32))
    return rate


_DECODERS = {"pyav": _with_pyav, "libsndfile": _with_libsndfile, "ffmpeg": _with_ffmpeg}


def other_decoders() -> list[str]:
    """Return the decoders beside audiospec that this machine has, the first to ask first."""
    return ["pyav", *(["ffmpeg"] if shutil.which("ffmpeg") else []), "libsndfile"]
