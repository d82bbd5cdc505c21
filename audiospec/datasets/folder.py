"""folder: your own audio, one folder a class."""

from __future__ import annotations

from pathlib import PurePosixPath

from audiospec.datasets.base import Dataset, datasets
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.text import printable


@datasets.register
class Folder(Dataset):
    """All audio files under `data`, at any depth; a file's label is the name of its folder.

    The id is the path relative to `data`, including the suffix. If all files are directly in `data`,
    the only label is the name of that folder. Files directly in `data` beside folders with audio
    have no label and are refused.
    """

    layout = "CLASS/FILE.wav (or any other audio)"

    def manifest(self) -> Manifest:
        """Find the audio files and return them sorted by id.

        Raises
        ------
        DatasetError
            `data` is not given or contains no audio, or a file has no label.
        """
        if self.data is None:
            raise DatasetError("dataset 'folder' reads your own audio", "give its folder with `data=FOLDER`")
        paths = [PurePosixPath(path) for path in self.audio_files(self.data)]
        loose = [path for path in paths if len(path.parts) == 1]
        only_label = self.data.resolve().name
        if loose and (len(loose) < len(paths) or not only_label):
            raise DatasetError(
                f"dataset 'folder' expects each file in the folder of its class: {len(loose)} file(s) "
                f"are directly in {self.data}, such as {printable(str(loose[0]))!r}",
                "move each into the folder of its class",
            )
        return self.ordered(
            self.data,
            (
                Track(
                    id=printable(str(path)), path=str(path), label=printable(path.parent.name or only_label)
                )
                for path in paths
            ),
        )
