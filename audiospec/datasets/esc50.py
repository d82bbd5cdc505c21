"""esc50: environmental sounds in fifty classes, 2000 clips of 5 s in five folds (Piczak 2015)."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import MappingProxyType

from audiospec.datasets.base import DownloadedDataset, Reader, datasets
from audiospec.datasets.own.search import Found
from audiospec.datasets.published import esc
from audiospec.datasets.published.tables import ClipTable
from audiospec.manifest import Track
from audiospec.storage.location import Location

CATEGORIES = (
    *("dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow"),
    *("rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds", "water_drops", "wind"),
    *("pouring_water", "toilet_flush", "thunderstorm", "crying_baby", "sneezing", "clapping", "breathing"),
    *("coughing", "footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping"),
    *("door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening"),
    *("washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking", "helicopter"),
    *("chainsaw", "siren", "car_horn", "engine", "train", "church_bells", "airplane", "fireworks"),
    "hand_saw",
)
"""Names of the classes, by their number."""


@datasets.register
class Esc50(DownloadedDataset):
    """ESC-50: ``FOLD-CLIP-TAKE-TARGET.wav`` and ``meta/esc50.csv``.

    The label is the category of TARGET, the fold is FOLD, and the group is CLIP, the recording on Freesound
    that the clip was cut from. The id is ``FOLD-CLIP-TAKE``. Free columns are the table's ``esc10`` (whether
    the clip is in ESC-10), ``src_file`` and ``take``; without the table, there are none.
    """

    citation = esc.CITATION
    group_noun = "recordings"
    licence = "CC BY-NC 3.0"
    homepage = "https://github.com/karolpiczak/ESC-50"
    layout = "'FOLD-CLIP-TAKE-TARGET.wav', such as audio/1-100032-A-0.wav"
    remotes = (esc.ARCHIVE,)
    expected = MappingProxyType(dict.fromkeys(sorted(CATEGORIES), 40))

    def reader(self, root: Location, found: Found) -> Reader:
        """Read the table, if there is one, and return what maps a clip to its track."""
        table = ClipTable(
            root,
            found,
            "esc50.csv",
            key="filename",
            confirms=("fold", "target", "category"),
            free=("esc10", "src_file", "take"),
        )

        def read(path: PurePosixPath) -> Track | None:
            clip = esc.clip(path.stem)
            if clip is None:
                return None
            label = CATEGORIES[clip.target]
            return Track(
                id=clip.id,
                path=str(path),
                label=label,
                group=clip.recording,
                fold=clip.fold,
                columns=table.columns(path, (clip.fold, str(clip.target), label)),
            )

        return read
