"""A script with torchaudio, as it is commonly written: two processes, soundfile, one .npy file per track.

It does the same as ``audiospec featurize folder --chunk 10`` does to audio at 22050 Hz: 10 s chunks (the last
kept if half of it is audio), 192 mel bins to 8000 Hz, decibels, float16. Since 2.9
`torchaudio.load` needs the FFmpeg libraries; soundfile needs no other library and is no slower.
"""

from __future__ import annotations

import argparse
import multiprocessing
from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

RATE = 22050
CHUNK = 10 * RATE


@cache
def log_mel() -> torch.nn.Module:
    """Return a module from waves to decibels of mel bins; each process makes it once."""
    mel = MelSpectrogram(
        sample_rate=RATE, n_fft=2048, hop_length=256, n_mels=192, f_max=8000.0, norm="slaney", mel_scale="htk"
    )
    return torch.nn.Sequential(mel, AmplitudeToDB("power", top_db=None))


@torch.inference_mode()
def featurize(path: Path, out: Path) -> None:
    """Load a track, cut it, compute log-mel and save it."""
    wave, rate = soundfile.read(path, dtype="float32")
    if rate != RATE:
        raise ValueError(f"expected {RATE} Hz, got {rate} Hz in {path}")
    rows = []
    for start in range(0, len(wave), CHUNK):
        chunk = torch.from_numpy(wave[start : start + CHUNK])
        if len(chunk) < CHUNK / 2:
            continue
        chunk = torch.nn.functional.pad(chunk, (0, CHUNK - len(chunk)))
        rows.append(log_mel()(chunk).half().numpy())
    np.save(out / f"{path.stem}.npy", np.stack(rows))


def main() -> None:
    """Featurize a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    files = sorted(options.data.rglob("*.wav"))
    # One thread each; otherwise the processes compete for the cores.
    with multiprocessing.Pool(options.workers, torch.set_num_threads, (1,)) as pool:
        for _ in pool.imap_unordered(partial(featurize, out=options.out), files, chunksize=4):
            pass


if __name__ == "__main__":
    main()
