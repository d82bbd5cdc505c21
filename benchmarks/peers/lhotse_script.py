"""A script with lhotse, as it is commonly written: cuts of 10 s, features computed and stored by two jobs.

Lhotse has no extractor for these features, so the script defines one with torchaudio. The rest is lhotse:
reading each cut from its file, storing it, and the manifest that has the location of each array. Lhotse
requires samples / hop_length frames, rounded: 861 per chunk instead of 862, so the last one is left out.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lhotse import CutSet, FeatureExtractor, LilcomChunkyWriter, NumpyFilesWriter, RecordingSet
from lhotse.utils import compute_num_frames_from_samples
from numpy.typing import NDArray

from audiospec.benchmarks.peers.torchaudio_script import RATE, log_mel

# The jobs import this file again: one thread each; otherwise they compete for the cores.
torch.set_num_threads(1)

SECONDS = 10.0
MANIFEST = "cuts.jsonl"


@dataclass
class LogMelConfig:
    """The dtype of stored features: ``"float16"``, or ``"float32"``, which lilcom requires."""

    dtype: str = "float16"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return asdict(self)


class LogMel(FeatureExtractor):  # type: ignore[misc, unused-ignore]
    """Log-mel spectrograms, (frames, mel bins)."""

    name = "audiospec-log-mel"
    config_type = LogMelConfig
    frame_shift = 256 / RATE

    def extract(self, samples: NDArray[np.float32], sampling_rate: int) -> NDArray[Any]:
        """Compute the features of a cut from its samples (1, n): decibels (frames, mel bins)."""
        frames = compute_num_frames_from_samples(samples.shape[1], self.frame_shift, sampling_rate)
        with torch.inference_mode():
            decibels = log_mel()(torch.from_numpy(samples[0]))[:, :frames].T
            rows: NDArray[Any] = decibels.to(getattr(torch, self.config.dtype)).numpy()
            return rows

    def feature_dim(self, sampling_rate: int) -> int:
        """Return the number of mel bins."""
        return 192


def main() -> None:
    """Featurize a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lilcom", action="store_true", help="lossy compression; default: plain float16")
    options = parser.parse_args()
    recordings = RecordingSet.from_dir(options.data, "*.wav")
    cuts = CutSet.from_manifests(recordings=recordings).cut_into_windows(SECONDS).to_eager()
    cuts = cuts.filter(lambda cut: cut.duration >= SECONDS / 2).pad(SECONDS, preserve_id=True).to_eager()
    # Lilcom compresses float32 only.
    stored = cuts.compute_and_store_features(
        LogMel(LogMelConfig("float32" if options.lilcom else "float16")),
        storage_path=options.out,
        num_jobs=options.workers,
        storage_type=LilcomChunkyWriter if options.lilcom else NumpyFilesWriter,
    )
    stored.to_file(options.out / MANIFEST)


def read(out: Path) -> dict[str, NDArray[Any]]:
    """Read the stored features: recording → (chunks, mel bins, frames)."""
    chunks: dict[str, dict[int, NDArray[Any]]] = {}
    for cut in CutSet.from_file(out / MANIFEST):
        # The id of a cut is RECORDING-OTHER-NUMBER, where NUMBER is that of the chunk; padding keeps the id.
        track, _, number = cut.id.rsplit("-", 2)
        chunks.setdefault(track, {})[int(number)] = cut.load_features().T
    return {track: np.stack([rows[number] for number in sorted(rows)]) for track, rows in chunks.items()}


if __name__ == "__main__":
    main()
