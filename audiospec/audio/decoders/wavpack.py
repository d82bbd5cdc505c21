"""The blocks of WavPack, whose headers no checksum covers: whether samples are missing, and joined files.

Source: the description of WavPack's blocks by its author.
"""

from __future__ import annotations

from typing import BinaryIO

from audiospec.audio.decoders.tags import tags_begin, tags_end

#: Flag of a block: the first of those that hold the same samples of several channels.
_FIRST_OF_CHANNELS = 1 << 11
#: Most zeros behind the last block that are passed over.
_MOST_PADDING = 1 << 20
#: Stands for an unknown number of samples.
_UNKNOWN = 0xFFFFFFFF


def wavpack_files(file: BinaryIO, size: int) -> tuple[list[tuple[int, int]], str]:
    """Return the bytes of each file that was joined, without tags, and what is wrong with the blocks.

    Parameters
    ----------
    file : BinaryIO
        The file.
    size : int
        Its size in bytes.

    Returns
    -------
    (list of (int, int), str)
        Offsets of the first byte and of the one behind the last, at least one pair; the loss.
    """

    def get(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    at = following = 0
    end = tags_begin(get, size)
    files, total = [[0, end]], 0
    while at + 32 <= end:
        head = get(at, 32)
        if head[:4] != b"wvpk":
            behind = tags_end(get, at, end)
            if behind == at:
                if not get(at, _MOST_PADDING + 1).strip(b"\0") and end - at <= _MOST_PADDING:
                    files[-1][1] = min(files[-1][1], at)
                break
            files[-1][1], at = at, behind  # tags between joined files
            continue
        index = head[10] << 32 | int.from_bytes(head[16:20], "little")
        stated = int.from_bytes(head[12:16], "little")
        samples, flags = (int.from_bytes(head[place : place + 4], "little") for place in (20, 24))
        if samples and flags & _FIRST_OF_CHANNELS:
            if index == 0 and following and (following == total or total == _UNKNOWN):
                files[-1][1] = min(files[-1][1], at)
                files.append([at, end])
                following = 0
            if index == 0 and not following:
                total = head[11] << 32 | stated if stated != _UNKNOWN else _UNKNOWN
            if index != following:
                loss = f"damaged: the block at byte {at} begins with sample {index}, expected {following}"
                return [(start, stop) for start, stop in files], loss
            following += samples
        at += 8 + int.from_bytes(head[4:8], "little")
    return [(start, stop) for start, stop in files], ""
