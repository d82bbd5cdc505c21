"""A script as it is commonly written: two processes, librosa, one .npy file per track.

It does the same as ``audiospec featurize folder --chunk 10`` does to audio at 22050 Hz: 10 s chunks (the last
kept if half of it is audio), 192 mel bins to 8000 Hz, decibels, float16.
"""

from __future__ import annotations

import argparse
import multiprocessing
from functools import partial
from pathlib import Path

import librosa
import numpy as np

CHUNK = 220500


def featurize(path: Path, out: Path) -> None:
    """Load a track, cut it, compute log-mel and save it."""
    wave, rate = librosa.load(path, sr=22050)
    rows = []
    for start in range(0, len(wave), CHUNK):
        chunk = wave[start : start + CHUNK]
        if len(chunk) < CHUNK / 2:
            continue
        chunk = np.pad(chunk, (0, CHUNK - len(chunk)))
        mel = librosa.feature.melspectrogram(
            y=chunk,
            sr=rate,
            n_fft=2048,
            hop_length=256,
            n_mels=192,
            fmax=8000,
            htk=True,
            pad_mode="reflect",
        )
        rows.append(librosa.power_to_db(mel, top_db=None))
    np.save(out / f"{path.stem}.npy", np.stack(rows).astype(np.float16))


def main() -> None:
    """Featurize a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    files = sorted(options.data.rglob("*.wav"))
    with multiprocessing.Pool(options.workers) as pool:
        for _ in pool.imap_unordered(partial(featurize, out=options.out), files, chunksize=4):
            pass


if __name__ == "__main__":
    main()
