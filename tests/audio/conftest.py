"""What tests of decoders share: decode bytes, and decode the same bytes with another library."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.audio.decoders.base import Decoder
from audiospec.audio.info import AudioInfo
from audiospec.audio.source import SourceFile

Open = Callable[[SourceFile], Decoder]


@dataclass
class Decoded:
    """What a decoder gave: its info and loss at the end, its blocks, and the loss known at the start."""

    info: AudioInfo
    loss: str
    first_loss: str
    blocks: list[NDArray[Any]]
    shapes: list[tuple[int, int]]

    @property
    def samples(self) -> NDArray[Any]:
        """All blocks in one array; they have to have the same number of channels."""
        return np.concatenate(self.blocks)

    def __len__(self) -> int:
        return sum(map(len, self.blocks))


@pytest.fixture
def decoded(tmp_path: Path) -> Callable[..., Decoded]:
    """Decode bytes, or a file, with one of the functions that open a decoder."""

    def decode(content: bytes | Path, opens: Open, most: int = 1 << 20) -> Decoded:
        path = tmp_path / "sound"
        if isinstance(content, Path):
            path = content
        else:
            path.write_bytes(content)
        with opens(SourceFile(path)) as decoder:
            first = decoder.loss
            blocks = list(decoder.blocks(most))
        assert all(1 <= len(block.samples) <= most for block in blocks)
        shapes = list(dict.fromkeys((block.sample_rate, block.samples.shape[1]) for block in blocks))
        return Decoded(decoder.info, decoder.loss, first, [block.samples for block in blocks], shapes)

    return decode


@pytest.fixture
def other() -> Callable[[bytes], NDArray[np.float32]]:
    """Decode bytes with FFmpeg alone, as the decoder to compare with."""
    av = pytest.importorskip("av", reason="needs PyAV, the extra `av`")

    def decode(content: bytes) -> NDArray[np.float32]:
        parts = []
        with av.open(io.BytesIO(content)) as container:
            convert = av.AudioResampler(format="flt")
            for frame in container.decode(container.streams.audio[0]):
                for part in convert.resample(frame):
                    parts.append(part.to_ndarray().reshape(-1, part.layout.nb_channels))
        return np.concatenate(parts)

    return decode


@pytest.fixture(scope="session")
def shared_inputs() -> Path:
    """The folder of files that other people's tools wrote; the test is skipped where it is absent."""
    folder = Path(__file__).parents[3] / "shared" / "inputs"
    if not folder.is_dir():
        pytest.skip("needs ../shared/inputs")
    return folder
