"""folder: your own audio, one folder a class."""

from __future__ import annotations

from pathlib import PurePosixPath

from audiospec.datasets.base import Dataset, datasets
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.text import printable


@datasets.register
class Folder(Dataset):
    """All audio files under `data`, however deep; a file's label is the name of its folder.

    The id is the path below `data`, suffix included. If every file lies right in `data`, that
    folder's own name is the one label. Files right in `data` beside folders with audio have no
    label and are refused.
    """

    layout = "CLASS/FILE.wav (or any other audio)"

    def manifest(self) -> Manifest:
        """Find the audio files and return them sorted by id.

        Raises
        ------
        DatasetError
            No `data`, no audio under it, or a file without a label.
        """
        if self.data is None:
            raise DatasetError("dataset 'folder' reads your own audio: give its folder with --data FOLDER")
        paths = [PurePosixPath(path) for path in self.audio_files(self.data)]
        loose = [path for path in paths if len(path.parts) == 1]
        own = self.data.resolve().name
        if loose and (len(loose) < len(paths) or not own):
            raise DatasetError(
                f"dataset 'folder' takes labels from the folders that files lie in: {len(loose)} "
                f"file(s) lie right in {self.data}, such as {printable(str(loose[0]))!r}; move each "
                "into a folder of its class"
            )
        return self.ordered(
            self.data,
            (
                Track(id=printable(str(path)), path=str(path), label=printable(path.parent.name or own))
                for path in paths
            ),
        )
