"""urbansound8k: urban sounds in ten classes, 8732 clips of up to 4 s in ten folds (Salamon 2014)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import MappingProxyType

from audiospec.datasets.base import DownloadedDataset, Reader, datasets
from audiospec.datasets.download.remote import Remote
from audiospec.datasets.own.search import Found
from audiospec.datasets.published.tables import ClipTable
from audiospec.manifest import Track
from audiospec.storage.location import Location

COUNTS = {
    "air_conditioner": 1000,
    "car_horn": 429,
    "children_playing": 1000,
    "dog_bark": 1000,
    "drilling": 1000,
    "engine_idling": 1000,
    "gun_shot": 374,
    "jackhammer": 1000,
    "siren": 929,
    "street_music": 1000,
}
"""Label → number of clips, in the order of the classes' numbers."""

_LABELS = tuple(COUNTS)
_CLIP = re.compile(r"(\d+)-(\d)-(\d+)-(\d+)", re.ASCII)
_FOLD = re.compile(r"fold([1-9]|10)", re.ASCII)


@datasets.register
class UrbanSound8K(DownloadedDataset):
    """UrbanSound8K: ``foldN/RECORDING-CLASS-OCCURRENCE-SLICE.wav`` and ``metadata/UrbanSound8K.csv``.

    The label is the name of CLASS, the fold is N, and the group is RECORDING, the number on Freesound of the
    recording that the clip was cut from. The id is the file's name without its suffix. A free column is the
    table's ``salience`` (1 foreground, 2 background); without the table, there is none.
    """

    citation = (
        "J. Salamon, C. Jacoby and J. P. Bello, A Dataset and Taxonomy for Urban Sound Research, "
        "Proceedings of the 22nd ACM International Conference on Multimedia, 1041-1044, 2014, "
        "doi 10.1145/2647868.2655045"
    )
    group_noun = "recordings"
    licence = "CC BY-NC 3.0"
    homepage = "https://urbansounddataset.weebly.com/urbansound8k.html"
    layout = "'foldN/RECORDING-CLASS-OCCURRENCE-SLICE.wav', such as audio/fold5/100032-3-0-0.wav"
    note = (
        "test on each of the ten folds and report the mean: clips of one recording are in one fold, so a "
        "shuffled split scores too high, and folds differ in difficulty"
    )
    remotes = (
        # MD5 as in soundata's loader; the size is that of the file on Zenodo.
        Remote(
            "https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz",
            md5="9aa69802bbf37fb986f71ec1483a196e",
            bytes=6_023_741_708,
        ),
    )
    expected = MappingProxyType(COUNTS)

    def reader(self, root: Location, found: Found) -> Reader:
        """Read the table, if there is one, and return what maps a clip to its track."""
        table = ClipTable(
            root,
            found,
            "UrbanSound8K.csv",
            key="slice_file_name",
            confirms=("fsID", "fold", "classID", "class"),
            free=("salience",),
        )

        def read(path: PurePosixPath) -> Track | None:
            clip, folder = _CLIP.fullmatch(path.stem), _FOLD.fullmatch(path.parent.name)
            if clip is None or folder is None:
                return None
            recording, number, fold = clip[1], clip[2], folder[1]
            label = _LABELS[int(number)]
            return Track(
                id=path.stem,
                path=str(path),
                label=label,
                group=recording,
                fold=fold,
                columns=table.columns(path, (recording, fold, number, label)),
            )

        return read
