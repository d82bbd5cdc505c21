"""prefixed: WAV files in one folder, labelled by the part of the name before the first dash."""

from pathlib import PurePosixPath

from audiospec.datasets.base import PublishedDataset, datasets
from audiospec.manifest import Track


@datasets.register
class Prefixed(PublishedDataset):
    """Any folder of ``LABEL-NUMBER.wav`` files."""

    layout = "LABEL-NUMBER.wav files"
    citation = "audiospec's tests"
    licence = "MIT"

    def track(self, path: PurePosixPath) -> Track | None:
        """Return a track for each file with a dash in its name."""
        label, dash, _ = path.stem.partition("-")
        return Track(id=path.stem, path=str(path), label=label) if dash else None
