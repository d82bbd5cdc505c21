"""The script that people write with lhotse: cuts of 10 s, features computed and stored by two jobs.

Lhotse has no extractor of these features, so the script brings its own, by torchaudio; the rest is
lhotse's: reading each cut from its file, storing, and the manifest that says where all of it lies. Its
frames must be the samples over the hop, rounded, so a chunk has 861 and not 862: the last is left out.
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

# Also in the jobs, which import this file again: one thread each, or they fight for the cores.
torch.set_num_threads(1)

SECONDS = 10.0
MANIFEST = "cuts.jsonl"


@dataclass
class LogMelConfig:
    """How features are stored: ``"float16"``, or ``"float32"``, which lilcom wants."""

    dtype: str = "float16"

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)


class LogMel(FeatureExtractor):  # type: ignore[misc, unused-ignore]
    """Log-mel spectrograms, (frames, mel bins)."""

    name = "audiospec-log-mel"
    config_type = LogMelConfig
    frame_shift = 256 / RATE

    def extract(self, samples: NDArray[np.float32], sampling_rate: int) -> NDArray[Any]:
        """Features of a cut, samples (1, n)."""
        frames = compute_num_frames_from_samples(samples.shape[1], self.frame_shift, sampling_rate)
        with torch.inference_mode():
            decibels = log_mel()(torch.from_numpy(samples[0]))[:, :frames].T
            rows: NDArray[Any] = decibels.to(getattr(torch, self.config.dtype)).numpy()
            return rows

    def feature_dim(self, sampling_rate: int) -> int:
        """Mel bins."""
        return 192


def main() -> None:
    """Featurize a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lilcom", action="store_true", help="compressed, with loss; else plain float16")
    options = parser.parse_args()
    recordings = RecordingSet.from_dir(options.data, "*.wav")
    cuts = CutSet.from_manifests(recordings=recordings).cut_into_windows(SECONDS).to_eager()
    cuts = cuts.filter(lambda cut: cut.duration >= SECONDS / 2).pad(SECONDS, preserve_id=True).to_eager()
    # The store writes float32 if it compresses: lilcom has no other.
    found = cuts.compute_and_store_features(
        LogMel(LogMelConfig("float32" if options.lilcom else "float16")),
        storage_path=options.out,
        num_jobs=options.workers,
        storage_type=LilcomChunkyWriter if options.lilcom else NumpyFilesWriter,
    )
    found.to_file(options.out / MANIFEST)


def read(out: Path) -> dict[str, NDArray[Any]]:
    """What was stored: recording → (chunks, mel bins, frames)."""
    found: dict[str, dict[int, NDArray[Any]]] = {}
    for cut in CutSet.from_file(out / MANIFEST):
        # A cut's name is its recording's, a number of no use, and its own; one that was padded has no other.
        track, _, number = cut.id.rsplit("-", 2)
        found.setdefault(track, {})[int(number)] = cut.load_features().T
    return {track: np.stack([rows[number] for number in sorted(rows)]) for track, rows in found.items()}


if __name__ == "__main__":
    main()
