"""A copy of the page to send on: it opens from a disk, without a server, and names no place of this machine.

A page that is opened from a disk may load scripts but not data, so each answer is a script, which hands the
answer to the page's function ``explorerData``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from audiospec.errors import AudiospecError, StoreError
from audiospec.explorer.problems import DamagedRowError, NotFoundError
from audiospec.explorer.server import PAGE, static_files
from audiospec.explorer.session import Session
from audiospec.files import disk_full_errors, filled
from audiospec.stores.layout.anonymous_tracks import leaves_root

#: Tracks in one file of the table.
PAGE_ROWS = 500
#: Most MB of audio by default.
AUDIO_CAP = 200.0
#: File with the ids of the tracks whose audio is left out.
LEFT_OUT = "audio-left-out.txt"

Tell = Callable[[str, int, int], None]


class Exported(NamedTuple):
    """What was written.

    Attributes
    ----------
    folder : Path
    tracks, pictures : int
        Numbers of tracks and of spectrograms.
    audio : int
        Number of tracks with their audio.
    audio_bytes : int
        Size of that.
    left_out : tuple of str
        Ids of the other tracks.
    """

    folder: Path
    tracks: int
    pictures: int
    audio: int
    audio_bytes: int
    left_out: tuple[str, ...]


def export(session: Session, folder: Path, *, audio_cap: float = AUDIO_CAP, tell: Tell) -> Exported:
    """Write a copy of the page, with the view that is shown at first.

    Parameters
    ----------
    session : Session
        Its findings are waited for.
    folder : Path
        It must not exist, or be empty.
    audio_cap : float
        Most MB of audio. Tracks with findings come first, worst first, then the others in their order.
    tell : callable
        Called with what is written, how much of it is, and the total.

    Raises
    ------
    StoreError
        The folder is not empty, or cannot be written.
    DiskFullError
        No space is left; what was written is removed.
    """
    if not audio_cap >= 0:
        raise StoreError(f"expected a size of 0 MB or more; got {audio_cap}", "choose another `audio_cap`")
    with _new_folder(folder) as work:
        copy = _Copy(session, work, tell)
        copy.write_page()
        pictures = copy.write_pictures()
        audio, left_out, audio_bytes = copy.write_audio(audio_cap * 1e6)
        copy.write_answers(audio, audio_cap)
    return Exported(folder, len(session.catalogue), pictures, len(audio), audio_bytes, left_out)


class _Copy:
    """The parts of a copy."""

    def __init__(self, session: Session, folder: Path, tell: Tell) -> None:
        self._session, self._folder, self._tell = session, folder, tell
        self._view = session.view()
        self._ids: list[str] = session.store.tracks["id"].tolist()
        self._places = _places_of(session)
        tell("examining", 0, 1)
        session.findings.wait()

    def write_page(self) -> None:
        """Copy the page's own files; the page is told that there is no server."""
        (self._folder / "static").mkdir()
        for name, file in static_files().items():
            if name == PAGE:
                text = file.read_text(encoding="utf-8").replace("<html", "<html data-static", 1)
                (self._folder / PAGE).write_text(text, encoding="utf-8")
            else:
                shutil.copyfile(file, self._folder / "static" / name)

    def write_pictures(self) -> int:
        """Write the spectrograms of the view; return how many there are."""
        if self._view is None or self._view.spec.kind != "spectrogram":
            return 0
        folder = self._folder / "api" / "spectrogram" / "0"
        folder.mkdir(parents=True)
        written = 0
        for row in range(len(self._view)):
            try:
                (folder / f"{row}.png").write_bytes(self._session.picture(row, self._view.name))
                written += 1
            except DamagedRowError:
                pass  # the page says so at the chunk
            self._tell("spectrograms", row + 1, len(self._view))
        return written

    def write_audio(self, most: float) -> tuple[dict[int, str], tuple[str, ...], int]:
        """Copy audio up to `most` bytes; return number → address, the ids of the others, and the bytes."""
        folder = self._folder / "audio"
        folder.mkdir()
        found = [track for finding in self._session.findings.found for track in finding.tracks]
        order = list(dict.fromkeys([*found, *range(len(self._ids))]))
        copied: dict[int, str] = {}
        total = 0
        for done, number in enumerate(order):
            self._tell("audio", done + 1, len(order))
            if total >= most or not self._session.audio.has(number):
                continue
            try:
                playable = self._session.audio.playable(number)
                length = os.stat(playable.path).st_size
                if total + length > most:
                    continue
                shutil.copyfile(playable.path, folder / f"{number}{playable.suffix}")
            except (NotFoundError, FileNotFoundError):
                continue
            copied[number] = f"audio/{number}{playable.suffix}"
            total += length
        left_out = tuple(self._clean(self._ids[n]) for n in range(len(self._ids)) if n not in copied)
        if left_out:
            lines = "".join(f"{id}\n" for id in left_out)
            (self._folder / LEFT_OUT).write_text(lines, encoding="utf-8", errors="backslashreplace")
        return copied, left_out, total

    def write_answers(self, audio: dict[int, str], audio_cap: float) -> None:
        """Write what the server would answer."""
        session = self._session
        overview = session.overview()
        message = f"a copy of {session.store.path.name}: labels cannot be corrected in it"
        if len(audio) < len(self._ids):
            reason = f"{audio_cap:g} MB at most" if session.audio.state == "present" else session.audio.state
            message += f"; it has the audio of {len(audio)} of {len(self._ids)} tracks ({reason})"
        overview.update(static=True, page=PAGE_ROWS, can_correct=False, message=message, problems=[])
        overview["views"] = overview["views"][:1]
        overview["audio"] = "present" if audio else "none"
        self._write("store", overview)
        self._write("findings", session.findings.listed(whole=True))
        for column in ("seconds", *session.catalogue.columns):
            self._write(f"histogram/{column}", session.histogram(column))
        self._write("map/0/pca", session.map(method="pca", wait=True))
        self._write("confusion/none", session.confusion(""))
        self._write_tracks("none", "", audio)
        for place, run in enumerate(session.runs):
            self._write(f"confusion/{place}", session.confusion(run.name))
            self._write_tracks(str(place), run.name, audio)

    def _write_tracks(self, place: str, run: str, audio: dict[int, str]) -> None:
        """Write the table of tracks beside the predictions of a run, and all that is known of each."""
        session = self._session
        total = len(self._ids)
        for page, first in enumerate(range(0, total, PAGE_ROWS)):
            tracks = [session.track(number, run) for number in range(first, min(first + PAGE_ROWS, total))]
            rows = []
            for track in tracks:
                number = track["number"]
                track["audio"] = number in audio
                track["audio_url"] = audio.get(number, "")
                track["audio_message"] = "" if number in audio else "this copy does not have its audio"
                checks = list(dict.fromkeys(finding["check"] for finding in track["findings"]))
                rows.append({**{name: track[name] for name in _ROW if name in track}, "findings": checks})
                rows[-1].update({name: track[name] for name in session.catalogue.columns})
            self._write(f"tracks/{place}/{page}", {"total": total, "rows": rows})
            self._write(f"tracks-details/{place}/0/{page}", {"tracks": tracks})
            self._tell("tracks", min(first + PAGE_ROWS, total), total)

    def _write(self, name: str, value: Any) -> None:
        file = self._folder / "api" / f"{name}.js"
        file.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(self._clean(value), allow_nan=False, separators=(",", ":"))
        file.write_text(f'explorerData("api/{name}.json",{content});\n', encoding="ascii")

    def _clean(self, value: Any) -> Any:
        """Return an answer without places of this machine."""
        if isinstance(value, str):
            if leaves_root(value) and value in self._session.store.tracks.index:
                return PurePath(value.replace("\\", "/")).name
            for place, name in self._places:
                value = value.replace(place, name)
            return value
        if isinstance(value, dict):
            return {name: self._clean(one) for name, one in value.items()}
        return list(map(self._clean, value)) if isinstance(value, list | tuple) else value


#: What a row of the table has of all that is known of a track.
_ROW = (
    *("number", "id", "label", "group", "seconds", "duplicates", "corrected", "side", "predicted"),
    *("probability", "loss", "audio"),
)


def _places_of(session: Session) -> list[tuple[str, str]]:
    """Return what stands for each place of this machine in texts, the longest first."""
    store = session.store
    places = {str(store.path): store.path.name}
    if isinstance(store.path, Path):
        places[str(store.path.absolute())] = store.path.name
        places[f"{store.path.absolute().parent}{os.sep}"] = ""
    try:
        root = store.root
    except StoreError:
        return sorted(places.items(), key=lambda pair: -len(pair[0]))
    for name in {str(root), str(root.absolute()) if isinstance(root, Path) else str(root)}:
        if len(name) > 1:
            places[f"{name.rstrip(os.sep)}{os.sep}"] = ""
            places[name] = "the folder of the audio"
    return sorted(places.items(), key=lambda pair: -len(pair[0]))


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Provide a folder beside `folder`, which gets its name after the block, and is removed on error."""
    if folder.exists() and (not folder.is_dir() or filled(folder)):
        raise StoreError(f"{folder} exists and is not an empty folder", "choose another `export`")
    folder = folder.absolute()
    work = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        with disk_full_errors(folder):
            work.mkdir(parents=True)
            yield work
            if folder.exists():
                folder.rmdir()
            work.rename(folder)
    except AudiospecError:
        raise
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}", "choose another `export`"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
